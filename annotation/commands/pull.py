"""`pull`: what annotators have answered so far, as Parquet files."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to pull, and where to."""
    parser.add_argument("--project", required=True, metavar="NAME", help="pairwise, violation, image or grey")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="where the files go; an earlier pull there is replaced"
    )
    parser.add_argument("--round", metavar="NAME", help="the round that was pushed with this name")
    parser.add_argument(
        "--min-agreement", type=float, default=0.6, metavar="SHARE",
        help="for pairwise: least share of votes for the reply that is preferred (default: 0.6)",
    )  # fmt: skip


def run(given: argparse.Namespace) -> int:
    """Pull, and say what there is."""
    from annotation import projects
    from annotation.connection import connect
    from annotation.progress import bar
    from annotation.pull import pull
    from annotation.server.home import find_home
    from annotation.state import State
    from schemas.problems import Problem

    if not 0.5 <= given.min_agreement <= 1:
        raise Problem(f"--min-agreement {given.min_agreement}: expected a share from 0.5 to 1.")
    project = projects.find(given.project)
    state = State(find_home(given.home), project.name, given.round)
    with bar(project.name) as advance:
        manifest = pull(
            connect(given.home), project, given.out, state, given.round,
            min_agreement=given.min_agreement, advance=advance,
        )  # fmt: skip
    rows, figures = manifest.rows, manifest.figures
    assert rows is not None
    print(
        f"{rows.in_:,} submitted responses to {figures['records']:,} records, by {len(figures['annotators'])} "
        f"annotators; {figures['drafts']:,} drafts and {figures['discarded']:,} discarded ones are not taken."
    )
    (table,) = set(manifest.outputs) - {"answers.parquet", "preferences.parquet"}
    print(f"{rows.kept:,} are in {table}.")
    for reason, count in figures["dropped"].items():
        print(f"{count:,} are not: {reason}.")
    if "preferences" in figures:
        share = figures["largest_persona_share"]
        told = f"; the persona with the most has {share:.1%}" if share else ""
        print(f"{figures['preferences']:,} preferences are agreed on{told}.")
    print(*figures["problems"], sep="\n", end="\n" if figures["problems"] else "")
    return 0
