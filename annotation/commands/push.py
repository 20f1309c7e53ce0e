"""`push`: rows of a finished stage to an annotation project."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from annotation.push import Pushed


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to push, and how."""
    parser.add_argument(
        "--turns", type=Path, required=True, metavar="DIR",
        help="a finished stage: a curated run, or for pairwise the `sample` stage of a cycle",
    )  # fmt: skip
    parser.add_argument("--project", required=True, metavar="NAME", help="pairwise, violation, image or grey")
    parser.add_argument("--round", metavar="NAME", help="begin, or go on with, datasets of this name's own")
    parser.add_argument("--votes", type=int, metavar="N", help="annotators a record, in place of the project's")
    parser.add_argument(
        "--overlap", type=Path, metavar="FILE", help="votes by record: Parquet with record_id (or turn_id) and votes"
    )
    parser.add_argument("--limit", type=int, metavar="N", help="so many records at most, drawn by their ids")
    parser.add_argument("--personas", type=Path, metavar="FILE", help="YAML of personas, to show their traits")
    parser.add_argument(
        "--gold", type=Path, metavar="FILE", help="Parquet of records with a column `expected`, mixed in"
    )
    parser.add_argument(
        "--readers", type=Path, metavar="FILE",
        help="who reads which locales, `anna: [de-DE, en]` (default: what `users add` was told)",
    )  # fmt: skip
    parser.add_argument(
        "--vectors", type=Path, metavar="FILE", help="Parquet of turn_id and vector, to find similar ones"
    )
    parser.add_argument(
        "--suggest", type=Path, metavar="FILE",
        help="for pairwise: Parquet of scored candidates; the judge's order is shown, which leads annotators",
    )  # fmt: skip


def run(given: argparse.Namespace) -> int:
    """Push; 0, or 1 where single records were refused."""
    from annotation import gold, projects
    from annotation.connection import connect
    from annotation.progress import bar
    from annotation.projects.stages import limited
    from annotation.push import Settings, push
    from annotation.readers import read_readers
    from annotation.server.home import find_home
    from annotation.state import State
    from annotation.tables import read_judged, read_overlap, read_vectors
    from schemas.personas import read_personas
    from schemas.problems import Problem

    for option in ("votes", "limit"):
        if getattr(given, option) is not None and getattr(given, option) < 1:
            raise Problem(f"--{option} {getattr(given, option)}: expected a whole number from 1 on.")
    project = projects.find(given.project)
    if given.suggest and project.name != "pairwise":
        raise Problem("--suggest: judges' scores order two replies; only project pairwise has a use for them.")
    source = project.load(given.turns)
    state = State(find_home(given.home), project.name, given.round)
    if given.limit:
        source = limited(source, given.limit)
    if given.overlap:
        source = source._replace(plan=read_overlap(given.overlap, source.plan))
    expected = gold.read_gold(given.gold, project) if given.gold else None
    settings = Settings(
        round=given.round,
        votes=given.votes,
        personas=read_personas(given.personas) if given.personas else {},
        readers=read_readers(given.readers, given.home),
        vectors=read_vectors(given.vectors) if given.vectors else None,
        judged=read_judged(given.suggest) if given.suggest else None,
    )
    api = connect(given.home)
    if expected is not None:
        state.keep_gold(expected)  # before the server has them: an answer to gold is never taken for another
        source = gold.mixed(source, expected)
    with bar(project.name) as advance:
        pushed = push(api, project, source, state, settings, advance)
    _show(pushed)
    return 1 if pushed.refused else 0


def _show(pushed: Pushed) -> None:
    print(
        f"{pushed.given:,} records given: {pushed.new:,} pushed, {pushed.there:,} were there, "
        f"{len(pushed.refused):,} refused; they are in {', '.join(pushed.datasets) or 'no dataset'}."
    )
    for reason, count in pushed.left_out.items():
        print(f"{count:,} rows are nothing for this project: {reason}.")
    for letter in pushed.refused[:20]:
        print(f"Refused: {letter['id']}: {letter['reason']}.")
    if pushed.dead_letters:
        print(f"Refused records are kept as they were sent in {pushed.dead_letters}.")
    print(*pushed.sentences, sep="\n", end="\n" if pushed.sentences else "")
