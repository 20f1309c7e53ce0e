"""`report`: how far to trust what annotators said, printed and as a page."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from annotation.report import Report

MOST = 40  # rows of a printed table


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
        _replace(out, page(report, given.pulled.resolve().name).encode())
        report.consensus.write_parquet(draft := out.with_name("consensus.parquet.partial"))
        draft.chmod(0o600)
        draft.replace(out.with_name("consensus.parquet"))
    if given.json:
        print(json.dumps(report.as_json(), ensure_ascii=False, allow_nan=False))
        return 0
    console = Console()
    _show(console, report)
    console.print(f"To look at: {out}", markup=False, soft_wrap=True)
    return 0


def _replace(path: Path, content: bytes) -> None:
    """Write a file that its owner alone may read, whole or not at all."""
    draft = path.with_name(path.name + ".partial")
    draft.unlink(missing_ok=True)
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
    draft.replace(path)


def _show(console: Console, report: Report) -> None:
    from rich.markup import escape
    from rich.table import Table

    from annotation.report_page import shown_interval, shown_number

    def table(title: str, first: list[str], *right: str) -> Table:
        made = Table(*first, title=title, title_justify="left")
        for name in right:
            made.add_column(name, justify="right")
        return made

    agreement = table("Agreement (Krippendorff's alpha)", ["project", "question", "locale", "reading"], "alpha", "n")
    for row in report.agreement.head(MOST).iter_rows(named=True):
        names = [escape(row[name]) for name in ("project", "question", "locale", "reading")]
        agreement.add_row(*names, shown_number(row), f"{row['records']:,}")
    people = table(
        "Annotators, by name", ["project", "annotator"], "gold", "as others", "first shown*", "too fast", "s"
    )
    for row in report.annotators.head(MOST).iter_rows(named=True):
        shares = [shown_interval(row, name) for name in ("gold", "others", "balanced", "haste")]
        seconds = "–" if row["seconds"] is None else f"{row['seconds']:.0f}"
        people.add_row(escape(row["project"]), escape(row["annotator"]), *shares, seconds)
    settled = table("What is settled", ["project", "question"], "records", "votes", "sure", "in doubt")
    for row in report.settled.head(MOST).iter_rows(named=True):
        counts = [f"{row[name]:,}" for name in ("records", "sure", "doubtful")]
        settled.add_row(escape(row["project"]), escape(row["question"]), counts[0], f"{row['votes']:.1f}", *counts[1:])
    for made, rows in ((agreement, report.agreement), (people, report.annotators), (settled, report.settled)):
        console.print(made)
        if rows.height > MOST:
            console.print(f"and {rows.height - MOST:,} more rows: see the page, or --json")
    console.print("* balanced: half is for who is not drawn to a side", markup=False)
    for row in report.annotators.filter(report.annotators["notes"].list.len() > 0).head(MOST).iter_rows(named=True):
        console.print(f"{row['annotator']} ({row['project']}) {', '.join(row['notes'])}.", markup=False)
    for project, count in report.more.group_by("project", maintain_order=True).len().iter_rows():
        told = f"{project}: the page names {count} records that deserve another vote; `python -m annotation vote` asks."
        console.print(told, markup=False)
    if report.overview["simulated"].any():
        console.print("Simulated annotators are among these: this says nothing about people.")
