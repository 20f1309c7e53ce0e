"""`report`: how far to trust what annotators said, printed and as a page."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    import polars as pl
    from rich.console import Console

    from annotation.report import Report

MOST = 30  # rows of a printed table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What was pulled, and where the page goes."""
    parser.add_argument("--pulled", type=Path, metavar="DIR", required=True, help="what `pull` wrote, or several of it")
    parser.add_argument("--out", type=Path, metavar="FILE", help="the page (default: report.html in DIR)")
    parser.add_argument("--json", action="store_true", help="print all figures as JSON in place of the tables")


def run(given: argparse.Namespace) -> int:
    """Measure, print, and write the page with what is held true of each record (`consensus.parquet`) beside it.

    Raises:
        Problem: Nothing was pulled there.
    """
    from rich.console import Console

    from annotation.report import measure
    from annotation.report_page import page

    out: Path = given.out or given.pulled / "report.html"
    with Console(stderr=True).status("Measuring"):
        report = measure(given.pulled)
        out.parent.mkdir(parents=True, exist_ok=True)
        html = page(report, given.pulled.resolve().name).encode()
        _replace(out, lambda file: file.write(html))
        _replace(out.with_name("consensus.parquet"), report.consensus.write_parquet)
    if given.json:
        print(json.dumps(report.as_json(), ensure_ascii=False, allow_nan=False))
        return 0
    console = Console()
    _show(console, report)
    console.print(f"To look at: {out}", markup=False, soft_wrap=True)
    return 0


def _replace(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file that its owner alone may read, whole or not at all."""
    draft = path.with_name(path.name + ".partial")
    draft.unlink(missing_ok=True)
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        write(file)
    draft.replace(path)


def _show(console: Console, report: Report) -> None:
    for overview in report.overview.iter_rows(named=True):
        counts = [f"{overview[name]:,} {name}" for name in ("answers", "annotators", "records")]
        console.rule(f"{overview['project']}: {', '.join(counts)}", align="left")
        _show_project(console, report, overview["project"])
    if report.overview["simulated"].any():
        console.print("Simulated annotators are among these: this says nothing about people.")


def _show_project(console: Console, report: Report, project: str) -> None:
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    from annotation.report_page import shown_interval, shown_number

    def show(rows: pl.DataFrame, names: str, figures: str, cells: Callable[[dict[str, Any]], list[str]]) -> None:
        table = Table(*names.split(", "), box=box.SIMPLE_HEAD)
        for name in figures.split(", "):
            table.add_column(name, justify="right", no_wrap=True)
        for row in rows.head(MOST).iter_rows(named=True):
            table.add_row(*map(escape, cells(row)))
        console.print(table)
        if rows.height > MOST:
            console.print(f"and {rows.height - MOST:,} more rows: see the page, or --json")

    def agreement(row: dict[str, Any]) -> list[str]:
        return [row["question"], row["locale"], row["reading"], shown_number(row), f"{row['records']:,}"]

    def annotator(row: dict[str, Any]) -> list[str]:
        shares = [shown_interval(row, name) for name in ("gold", "others", "balanced", "haste")]
        return [row["annotator"], *shares, "–" if row["seconds"] is None else f"{row['seconds']:.0f}"]

    def settled(row: dict[str, Any]) -> list[str]:
        return [row["question"], f"{row['votes']:.1f}", *(f"{row[name]:,}" for name in ("records", "sure", "doubtful"))]

    mine = {name: getattr(report, name).filter(project=project) for name in ("agreement", "annotators", "settled")}
    show(mine["agreement"], "question, locale, reading", "alpha, records", agreement)
    show(mine["annotators"], "annotator", "gold, as others, first shown*, too fast, s", annotator)
    console.print("* balanced: half for who is not drawn to a side", style="dim")
    show(mine["settled"], "question", "votes, records, sure, in doubt", settled)
    noted = mine["annotators"].filter(mine["annotators"]["notes"].list.len() > 0)
    for row in noted.head(MOST).iter_rows(named=True):
        console.print(f"{row['annotator']} {', '.join(row['notes'])}.", markup=False)
    if asked := report.more.filter(project=project).height:
        told = f"The page names {asked} records that deserve one more vote; `python -m annotation vote` asks for it."
        console.print(told, markup=False, soft_wrap=True)
