"""`vote`: the records of which one more answer would tell most, pushed back for one more vote."""

from __future__ import annotations

import argparse
from contextlib import closing
from pathlib import Path

from schemas.problems import Problem


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What was pulled, and how many votes there may be."""
    parser.add_argument("--pulled", type=Path, required=True, metavar="DIR", help="what `pull` wrote, or several of it")
    parser.add_argument("--project", required=True, metavar="NAME", help="pairwise, violation, image or grey")
    parser.add_argument("--more", type=int, required=True, metavar="N", help="how many records to ask about, at most")


def run(given: argparse.Namespace) -> int:
    """Choose, push, and say what was done.

    Raises:
        Problem: Nothing of the project was pulled, or no server answers.
    """
    if given.more < 1:
        raise Problem(f"--more {given.more}: expected a whole number from 1 on.")
    import polars as pl

    from annotation import projects
    from annotation.answers import pulls, read_votes
    from annotation.connection import connect
    from annotation.consensus import dawid_skene
    from annotation.more_votes import deserving
    from annotation.once_more import ask_again
    from schemas.stage import read_manifest

    project = projects.find(given.project)
    votes = read_votes(pulls(given.pulled)).votes.filter(project=project.name)
    if votes.is_empty():
        raise Problem(f"{given.pulled}: holds no answers of project {project.name}.")
    rounds = set()
    for directory in pulls(given.pulled):
        manifest = read_manifest(directory)
        if manifest and manifest.settings.get("project") == project.name:
            rounds.add(manifest.settings.get("round"))
    if len(rounds) != 1:
        raise Problem(f"{given.pulled}: holds {len(rounds)} finished pulls of {project.name} by round; expected one.")
    gold = votes.filter(pl.col("gold").is_not_null())["record_id"].unique()
    chosen = deserving(dawid_skene(votes.filter(question=project.key)), gold, given.more)
    if chosen.is_empty():
        print(f"No record of {project.name} deserves another vote: where there is doubt, one more would not end it.")
        return 0
    with closing(connect(given.home)) as api:
        done = ask_again(api, project, chosen["record_id"].to_list(), rounds.pop())
    print(
        f"{done.asked:,} records wait for one more vote; of {done.waiting:,} that deserve one, votes were due already."
    )
    if done.unknown:
        print(f"{len(done.unknown):,} are no longer on the server.")
    for letter in done.refused:
        print(f"{letter['id']}: the server would not take it: {letter['reason']}.")
    print(f"Expected gain: {chosen['gain'].sum():.1f} bits over {chosen.height:,} records.")
    return 0
