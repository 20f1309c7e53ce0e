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


def run(given: argparse.Namespace) -> int:
    """Pull, and say what there is."""
    from annotation import projects
    from annotation.connection import connect, home_directory
    from annotation.progress import bar
    from annotation.pull import pull
    from annotation.state import State

    project = projects.find(given.project)
    state = State(home_directory(given.home), project.name, given.round)
    with bar(project.name) as advance:
        manifest = pull(connect(given.home), project, given.out, state, given.round, advance)
    rows, figures = manifest.rows, manifest.figures
    assert rows is not None
    print(
        f"{rows.in_:,} submitted responses to {figures['records']:,} records, by {len(figures['annotators'])} "
        f"annotators; {figures['drafts']:,} drafts and {figures['discarded']:,} discarded ones are not taken."
    )
    print(f"{rows.kept:,} are in {', '.join(name for name in manifest.outputs if name != 'answers.parquet')}.")
    for reason, count in figures["dropped"].items():
        print(f"{count:,} are not: {reason}.")
    print(*figures["problems"], sep="\n", end="\n" if figures["problems"] else "")
    return 0
