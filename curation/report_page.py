"""The run report as a page: `report.html`, one file that stands alone.

No script, no font, no picture from outside: what it says is in its text, and each bar has its count and share beside
it. Messages are not in it; examples stand by their ids. What comes from logs and recipes (names, ids, reasons) is
escaped by the template. Long lists are cut to their largest, with the rest counted, so that the page stays small
however many turns there are.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from curation.explorer_files import UNKNOWN

TEMPLATE = Path(__file__).with_name("report_page.html")
MOST = 15  # rows of a list
MOST_CLUSTERS = 25
WORDS = 90  # characters of a name or reason

DIMENSIONS = {
    "persona": "Personas",
    "locale": "Locales",
    "first turn": "First turns",
    "difficulty": "Difficulty",
    "model": "Model versions",
}
STEPS = {
    "read": ("Read", "records of the logs that hold a reply to a user"),
    "validate": ("Ids settled", "each id once"),
    "window": ("Window", "recent enough, and from a model version that counts"),
    "scrub": ("Scrubbed", "personal data replaced by placeholders"),
    "embed": ("Embedded", "a vector for each message"),
    "safety": ("Safety", "not too toxic to learn from"),
    "language": ("Language", "in a language that stays"),
    "duplicates": ("Exact duplicates", "each text once"),
    "cluster": ("Clusters", "topics found"),
    "clusters": ("Clusters", "topics found"),
    "near-duplicates": ("Near-duplicates", "each thing said once"),
    "quotas": ("Quotas", "chosen so that every share holds at once"),
}


class Bar(NamedTuple):
    """A row of a chart.

    Attributes:
        label: What is counted.
        number: How many.
        share: Of all, 0 to 1.
        width: Length of the bar, 0 to 1.
        ids: Ids of examples.
    """

    label: str
    number: int
    share: float
    width: float
    ids: Sequence[str] = ()


class Pair(NamedTuple):
    """A share before and after.

    Attributes:
        label: What it is a share of.
        came_in, chosen: Turns.
        before, after: Shares, 0 to 1.
        low, high: Floor and ceiling in force, 0 to 1, or None.
    """

    label: str
    came_in: int
    chosen: int
    before: float
    after: float
    low: float | None = None
    high: float | None = None


def write_page(directory: Path) -> None:
    """Write `report.html` into a run's directory.

    Args:
        directory: Holds `report.json`, `shares.parquet` and `examples.parquet`.
    """
    report = json.loads((directory / "report.json").read_bytes())
    shares = pl.read_parquet(directory / "shares.parquet")
    ids = pl.read_parquet(directory / "examples.parquet", columns=["stage", "reason", "turn_id"])
    (directory / "report.html").write_text(page(report, shares, ids), encoding="utf-8")


def page(report: Mapping[str, Any], shares: pl.DataFrame, examples: pl.DataFrame) -> str:
    """The page as HTML.

    Args:
        report: `report.json`.
        shares: `shares.parquet`.
        examples: `stage`, `reason` and `turn_id` of `examples.parquet`.
    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(count=count, percent=percent, short=short)
    quotas = report.get("quotas") or {}
    bands = _bands(quotas)
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        report=report,
        name=report.get("name", "curation"),
        rows=report["rows"],
        quotas=quotas,
        steps=list(_steps(report["stages"])),
        largest=max(report["dropped"], key=lambda row: (row["count"], row["reason"]), default=None),
        titles={stage: title for stage, (title, _) in STEPS.items()},
        reasons=list(_reasons(report, examples)),
        masked=_bars(report.get("pii") or {}),
        safety=report.get("safety") or {},
        answers=safety_answers(report),
        languages=_bars(report.get("languages") or {}),
        dimensions=[_dimension(shares, name, title, MOST, bands) for name, title in DIMENSIONS.items()],
        clusters=_dimension(shares, "cluster", "Topics", MOST_CLUSTERS, bands),
        prices=list(_prices(quotas)),
        recipe=json.dumps(_without_folders(report["recipe"]), ensure_ascii=False, indent=2)
        if report.get("recipe")
        else "",
    )


def _without_folders(value: Any) -> Any:
    """Settings with of each absolute path its name alone: a page is passed on, and folders are named after people."""
    if isinstance(value, dict):
        return {key: _without_folders(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_without_folders(inner) for inner in value]
    return f"…/{Path(value).name}" if isinstance(value, str) and Path(value).is_absolute() else value


def count(number: float) -> str:
    """A whole number as people write it."""
    return f"{round(number):,}"


def percent(share: float) -> str:
    """A share as people write it: one decimal, and nothing that is not nothing shown as nothing."""
    if share in (0, 1):
        return f"{share * 100:.0f} %"
    if 0 < share < 0.0005:
        return "<0.1 %"
    if 0.9995 <= share < 1:
        return ">99.9 %"
    return f"{share * 100:.1f} %"


def short(text: str, most: int = WORDS) -> str:
    """A text of one line, cut where it is long."""
    line = " ".join(str(text).split())
    return line if len(line) <= most else line[: most - 1] + "…"


def safety_answers(report: Mapping[str, Any]) -> dict[str, int]:
    """Turns by the answer of the safety step, those dropped last; empty where there was no such step.

    The report's `safety.answers` (`keep`, `review`, `drop`) says how many of those kept are in the band for people.
    """
    step = next((stage for stage in report["stages"] if stage["stage"] == "safety"), None)
    answers = (report.get("safety") or {}).get("answers")
    if answers:
        return {"kept": answers["keep"], "kept, and for people": answers["review"], "dropped": answers["drop"]}
    return {} if step is None else {"kept": step["kept"], "dropped": step["dropped"]}


def quota_words(row: Mapping[str, Any]) -> str:
    """What a quota asks for, in words; a row of the report's `prices`."""
    if row["share"] is None:
        return "No more turns than the total"
    name = {"persona": "Each persona", "first turns": "First turns", "hard turns": "Hard turns"}.get(row["quota"])
    side = "at most" if row["side"] == "max" else "at least"
    asked = row.get("asked", row["share"])
    held = "" if asked == row["share"] else f" (held at {row['share'] * 100:.4g} %, with a margin for discards)"
    return f"{name or row['quota'].removeprefix('locale ')} {side} {asked * 100:.4g} %{held}"


def price_words(row: Mapping[str, Any]) -> str:
    """What a quota costs, in a sentence or two; a row of the report's `prices`."""
    cost, gain = (row["cost"] or 0.0), row.get("gain")
    if round(cost) < 1:
        return "Has room to spare: it costs nothing."
    without = f"Costs {turns_words(cost)}: so many more could stay without it."
    point = row["price"] if gain is None else gain  # the dual is a slope; what a whole point brings may be less
    if row["share"] is None or round(point) < 1:
        return without
    looser = "more" if row["side"] == "max" else "less"
    return f"{without} One percentage point {looser} would let in about {turns_words(point)} more."


def turns_words(number: float) -> str:
    """So many turns."""
    return "1 turn" if round(number) == 1 else f"{count(number)} turns"


def _prices(quotas: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Quotas in force, each with its cost in turns and in words."""
    rows = quotas.get("prices", [])
    longest = max((row["cost"] or 0 for row in rows), default=0) or 1
    for row in rows:
        cost = row["cost"] or 0
        yield {"quota": quota_words(row), "words": price_words(row), "cost": cost, "width": cost / longest}


def _bands(quotas: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Floors and ceilings in force, by quota."""
    bands: dict[str, dict[str, float]] = {}
    for row in quotas.get("prices", []):
        if row["share"] is not None:
            bands.setdefault(row["quota"], {})[row["side"]] = row["share"]
    return bands


def _steps(stages: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """The waterfall: at each step what is left of what came in, and what went."""
    came = max(1, stages[0]["in"]) if stages else 1
    for stage in stages:
        title, words = STEPS.get(stage["stage"], (stage["stage"], ""))
        gone = stage["dropped"] + stage["quarantined"]
        yield {
            **stage,
            "title": title,
            "words": words,
            "gone": gone,
            "share": stage["kept"] / came,
            "lost": gone / came,
        }


def _reasons(report: Mapping[str, Any], examples: pl.DataFrame) -> Iterator[dict[str, Any]]:
    """By step: what it dropped and why, the largest reasons first, with ids of examples."""
    came = max(1, report["rows"]["in"])
    ids: dict[tuple[str, str], list[str]] = {}
    for stage, reason, turn_id in examples.select("stage", "reason", "turn_id").iter_rows():
        ids.setdefault((stage, reason), []).append(turn_id)
    longest = max((row["count"] for row in report["dropped"]), default=1)
    for stage in dict.fromkeys(stage["stage"] for stage in report["stages"]):
        rows = [row for row in report["dropped"] if row["stage"] == stage]
        rows.sort(key=lambda row: (-row["count"], row["reason"]))
        bars = [
            Bar(
                row["reason"],
                row["count"],
                row["count"] / came,
                row["count"] / longest,
                ids.get((stage, row["reason"]), []),
            )
            for row in rows[:MOST]
        ]
        if rows:
            title = STEPS.get(stage, (stage, ""))[0]
            yield {
                "title": title,
                "count": sum(row["count"] for row in rows),
                "bars": bars,
                "more": len(rows) - len(bars),
            }


def _bars(counts: Mapping[str, int]) -> list[Bar]:
    """Counts as bars, the largest first; those after the `MOST` largest as one."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    if rest := ordered[MOST:]:
        ordered = [*ordered[:MOST], (f"{len(rest)} others", sum(number for _, number in rest))]
    total, longest = max(1, sum(counts.values())), max((number for _, number in ordered), default=1) or 1
    return [Bar(name, number, number / total, number / longest) for name, number in ordered]


def _dimension(shares: pl.DataFrame, dimension: str, title: str, most: int, bands: Mapping[str, Any]) -> dict[str, Any]:
    """Shares before and after, those first that are or were largest; the rest as one sentence."""
    table = shares.filter(dimension=dimension).select(
        "value",
        "label",
        "came_in",
        "chosen",
        before=pl.col("came_in") / pl.max_horizontal(1, pl.col("came_in").sum()),
        after=pl.col("chosen") / pl.max_horizontal(1, pl.col("chosen").sum()),
    )
    if dimension == "cluster":  # what went before it had a topic tells nothing of topics
        table = table.filter(pl.col("value") != UNKNOWN)
    table = table.sort(pl.max_horizontal("before", "after"), "value", descending=[True, False])
    pairs, everyone = [], bands.get(dimension, {})
    for row in table.head(most).iter_rows(named=True):
        name = {"locale": f"locale {row['value']}", "first": "first turns", "hard": "hard turns"}
        band = bands.get(name.get(dimension, name.get(row["value"], "")), everyone)
        pairs.append(
            Pair(
                row["label"],
                row["came_in"],
                row["chosen"],
                row["before"],
                row["after"],
                band.get("min"),
                band.get("max"),
            )
        )
    rest = table[most:]
    marks = [share for pair in pairs for share in (pair.before, pair.after, pair.low or 0, pair.high or 0)]
    return {
        "title": title,
        "pairs": pairs,
        "band": (everyone.get("min"), everyone.get("max")) if everyone else None,
        "scale": max(marks, default=1) or 1,
        "more": rest.height,
        "more_chosen": int(rest["chosen"].sum()),
        "more_after": rest["after"].max() or 0,
    }
