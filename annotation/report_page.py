"""The trust report as a page: one HTML file that stands alone.

No script, no font, no picture from outside. Every picture has its numbers beside it in text, and nothing is told by
colour alone. No message is in it; what people wrote into names and labels is escaped by the template. Long lists are
cut, and what is left out is counted: all of it is in the JSON.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from annotation.report import DOUBTFUL, EVERYWHERE, RELIABLE, SURE, TENTATIVE, Report

TEMPLATE = Path(__file__).with_name("report_page.html")
MOST_ANNOTATORS = 60  # rows for each project
MOST_LINES = 24  # pictures of drift for each project
MOST_QUESTIONS = 80  # rows of agreement for each project
ALPHA = ("alpha", "low", "high")
LEAST_ALPHA = -0.5  # where drawings of alpha begin
TITLES = {
    "pairwise": "Pairwise ranking",
    "violation": "Persona violations",
    "image": "Image turns",
    "grey": "Grey band of safety",
}


class Span(NamedTuple):
    """An estimate with its interval, on a scale from 0 to 100 for drawing; None where there is none.

    Attributes:
        at, low, high: Places on the scale.
        text: The numbers, for reading.
        n: Of how many.
    """

    at: float | None
    low: float | None
    high: float | None
    text: str
    n: int


def page(report: Report, name: str) -> str:
    """The page as HTML.

    Args:
        report: From `annotation.report.measure`.
        name: Of what was pulled.
    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(count=lambda number: f"{round(number):,}", percent=percent, short=short)
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        name=name,
        projects=[_project(report, row) for row in report.overview.to_dicts()],
        policies=[_policy(row) for row in report.policies.iter_rows(named=True)],
        first=_first(report.first),
        simulated=bool(report.overview["simulated"].any()),
        repeated=report.repeated,
        bounds=[_place(bound) for bound in (0.0, TENTATIVE, RELIABLE)],
        reliable=RELIABLE,
        tentative=TENTATIVE,
        sure=SURE,
        doubtful=DOUBTFUL,
        everywhere=EVERYWHERE,
        least_alpha=LEAST_ALPHA,
    )


def percent(share: float) -> str:
    """A share as people write it, with a decimal only below one in a hundred."""
    return f"{100 * share:.1f} %" if 0 < share < 0.01 else f"{100 * share:.0f} %"


def short(text: str, most: int = 60) -> str:
    """A name that fits into a row."""
    return text if len(text) <= most else text[: most - 1] + "…"


def _project(report: Report, overview: Mapping[str, Any]) -> dict[str, Any]:
    def mine(table: pl.DataFrame) -> pl.DataFrame:
        return table.filter(project=overview["project"]) if "project" in table.columns else table.clear()

    people = mine(report.annotators)
    noted = people.filter(pl.col("notes").list.len() > 0)
    shown = pl.concat([noted, people.filter(pl.col("notes").list.len() == 0)]).head(MOST_ANNOTATORS).sort("annotator")
    lines = mine(report.drift).filter(pl.col("annotator").is_in(shown["annotator"].head(MOST_LINES).implode()))
    agreement = mine(report.agreement)
    return {
        **overview,
        "title": TITLES[overview["project"]],
        "agreement": [{**row, "span": _alpha(row)} for row in agreement.head(MOST_QUESTIONS).to_dicts()],
        "more_agreement": max(0, agreement.height - MOST_QUESTIONS),
        "notes": noted.select("annotator", "notes").to_dicts(),
        "people": [_person(row) for row in shown.iter_rows(named=True)],
        "sided": bool(people["first_n"].sum()),
        "more_people": people.height - shown.height,
        "drift": [
            _line(str(annotator), points, people.row(by_predicate=pl.col("annotator") == annotator, named=True))
            for (annotator,), points in lines.group_by("annotator", maintain_order=True)
        ],
        "settled": mine(report.settled).to_dicts(),
        "more": mine(report.more).to_dicts(),
    }


def _person(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": row["annotator"],
        "records": row["records"],
        "seconds": row["seconds"],
        "notes": row["notes"],
        "spans": {name: _span(row, name) for name in ("gold", "others", "first", "balanced", "haste")},
    }


def shown_number(row: Mapping[str, Any]) -> str:
    """Alpha of a row of agreement with its interval, in words."""
    if row["alpha"] is None:
        return "–"
    value, low, high = ("" if row[end] is None else f"{round(row[end], 2) + 0.0:.2f}" for end in ALPHA)
    return f"{value} ({low} to {high})" if low else value


def shown_interval(row: Mapping[str, Any], name: str) -> str:
    """A share of a row with its interval, in words."""
    value, low, high = row[name], row[f"{name}_low"], row[f"{name}_high"]
    if value is None:
        return "–"
    return percent(value) if low is None else f"{percent(value)} ({100 * low:.0f}–{100 * high:.0f})"


def _span(row: Mapping[str, Any], name: str) -> Span:
    """A share of a row, drawn from 0 to 1."""
    at, low, high = (None if row[end] is None else 100 * row[end] for end in (name, f"{name}_low", f"{name}_high"))
    return Span(at, low, high, shown_interval(row, name), row[f"{name}_n"])


def _alpha(row: Mapping[str, Any]) -> Span:
    at, low, high = (None if row[end] is None else _place(row[end]) for end in ALPHA)
    return Span(at, low, high, shown_number(row), row["records"])


def _place(alpha: float) -> float:
    """Place of an alpha on its drawing, in per cent of the width."""
    return 100 * min(1.0, max(0.0, (alpha - LEAST_ALPHA) / (1 - LEAST_ALPHA)))


def _line(name: str, points: pl.DataFrame, row: Mapping[str, Any]) -> dict[str, Any]:
    """How right an annotator was in time, as the points of a line and of the band around it."""
    step = 100 / max(1, points.height - 1)
    places = [step * number for number in range(points.height)]

    def drawn(shares: Iterable[float], xs: Iterable[float]) -> str:
        return " ".join(f"{x:.1f},{40 - 40 * share:.1f}" for x, share in zip(xs, shares, strict=True))

    change = "too little to tell"
    if row["drift"] is not None:
        ends = [f"{round(100 * row[f'drift{end}']):+}" for end in ("", "_low", "_high")]
        change = f"{ends[0]} points ({ends[1]} to {ends[2]})"
    return {
        "name": name,
        "line": drawn(points["share"], places),
        "band": drawn(points["high"], places) + " " + drawn(reversed(points["low"].to_list()), reversed(places)),
        "dots": [(x, 40 - 40 * share) for x, share in zip(places, points["share"], strict=True)],
        "start": points["share"][0],
        "end": points["share"][-1],
        "n": int(points["n"].sum()),
        "change": change,
    }


def _policy(row: Mapping[str, Any]) -> dict[str, Any]:
    """A policy's chance to be preferred to the average one, ties set aside."""
    chances = [None if row[end] is None else 1 / (1 + math.exp(-row[end])) for end in ("strength", "low", "high")]
    names = ("chance", "chance_low", "chance_high", "chance_n")
    return {**row, "span": _span(dict(zip(names, (*chances, row["answers"]), strict=True)), "chance")}


def _first(first: tuple[float, float, float] | None) -> str | None:
    if first is None:
        return None
    value, low, high = (100 / (1 + math.exp(-odds)) for odds in first)
    return f"{value:.0f} % ({low:.0f}–{high:.0f})"
