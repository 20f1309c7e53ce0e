"""Curation's steps as commands of a shell: rows in, the same rows out with the step's answer added.

    cat logs.jsonl | python -m curation scrub --key pseudonyms.key | python -m curation safety > scored.jsonl

`scrub`, `safety` and `language` work on a batch at a time, however long the input is; `duplicates`, `cluster` and
`quotas` look at all rows at once and hold them in memory. What cannot be read is told on standard error and counted:
read = written + rejected.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from schemas.problems import Problem

if TYPE_CHECKING:
    from curation.answers import RowStep, WholeStep
    from curation.streams import Rejects, Sink, Source
    from schemas.recipe import Recipe

BATCH = 512  # rows
LONGEST_RUN = 20 * BATCH  # rows of one conversation that are kept together
REJECTED, BROKEN_PIPE, INTERRUPTED = 1, 141, 130


class Command(NamedTuple):
    """What the shell is told of a step."""

    step: str
    what: str
    more: str


COMMANDS = {
    "scrub": Command(
        "Scrub",
        "replace personal data by placeholders",
        "Replaces `text` and adds `spans`: start, end (characters of the text as it came), type, score, recogniser. Of "
        "a turn it replaces messages, response, tool_calls and user_key, and adds `pii` too. Rows of one "
        "conversation_id, which have to stand next to each other, have the same placeholder for the same person.",
    ),
    "safety": Command(
        "Safety",
        "score how toxic rows are",
        "Adds `safety` (scores by label) and `decision`: keep, review (for people to look at) or drop.",
    ),
    "language": Command(
        "Language", "tell the language of rows", "Adds `language` (ISO 639 code, or und) and `language_confidence`."
    ),
    "duplicates": Command(
        "Duplicates",
        "find rows that say the same",
        "Adds `group` (id of the row that survives) and `survives`. Holds all rows in memory.",
    ),
    "cluster": Command("Cluster", "find topics", "Adds `cluster_id`. Holds all rows in memory."),
    "quotas": Command(
        "Quotas",
        "choose rows so that every share holds",
        "Reads persona_id, locale, turn_index, and difficulty and cluster_id where they are there. Adds `chosen` and "
        "`reason`, and tells on standard error what each quota of the recipe costs.",
    ),
}


def add_commands(commands: Any) -> None:
    """Add the steps to a parser's commands.

    Args:
        commands: What `ArgumentParser.add_subparsers` returned. Each command sets `call`: a function from the parsed
            arguments to an exit code.
    """
    for name, (_, what, more) in COMMANDS.items():
        rows = "id and text, or turns; " if name != "quotas" else ""
        parser = commands.add_parser(name, help=what, description=f"{what.capitalize()}. {more}")
        parser.add_argument(
            "path", nargs="?", default="-", metavar="PATH", help=f"JSON lines or Parquet ({rows}default: a pipe)"
        )
        parser.add_argument("--out", type=Path, metavar="PATH", help="where rows go (default: standard output)")
        parser.add_argument("--recipe", type=Path, metavar="RECIPE", help="settings (default: those of the step)")
        parser.add_argument("--from", dest="form", choices=("jsonl", "parquet"), help="default: by the first bytes")
        parser.add_argument("--rejects", type=Path, metavar="PATH", help="keep rows that cannot be read, for you alone")
        if name == "scrub":
            parser.add_argument(
                "--key", type=Path, metavar="FILE", help="key of the placeholders, made at first use (or the recipe's)"
            )
        if name == "quotas":
            parser.add_argument("--prices", type=Path, metavar="PATH", help="write what quotas cost, as JSON")
            parser.add_argument("--ids", action="store_true", help="write the ids of chosen rows only, one a line")
        parser.set_defaults(call=call, step=name)


def call(given: argparse.Namespace) -> int:
    """Run a step.

    Returns:
        0; 1 where rows were rejected; 130 after Ctrl-C; 141 where what reads the pipe has gone.

    Raises:
        Problem: The input as a whole, the recipe or the models are not as expected.
    """
    try:
        return _call(given)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing is flushed into it at the end
        return BROKEN_PIPE


def _call(given: argparse.Namespace) -> int:
    from curation import streams
    from schemas.reading import read_recipe
    from schemas.recipe import Recipe

    if given.path == streams.STDIO and sys.stdin.isatty():
        raise Problem(f"{given.step}: give a PATH, or pipe rows in: cat logs.jsonl | python -m curation {given.step}")
    recipe = read_recipe(given.recipe) if given.recipe else Recipe(name=given.step)
    name = "standard input" if given.path == streams.STDIO else given.path
    with (
        streams.rejects(name, given.rejects) as rejects,
        streams.open_source(given.path, given.form, rejects, recipe.curation.max_line_bytes) as source,
        streams.open_out(given.out, binary=isinstance(source, streams.ParquetRows)) as out,
    ):
        step = _step(given, recipe)
        sink = streams.Ids(out) if vars(given).get("ids") else source.sink(out, step.adds)
        run = _whole if hasattr(step, "gather") else _rows
        written = run(step, source, sink, rejects)
        sink.close()
        if source.read != written + rejects.count:
            raise AssertionError(f"rows are lost: {source.read} read, {written} written + {rejects.count} rejected")
    if given.step == "quotas":
        _show(step, given.prices)
    told = f"{given.step}: {source.read:,} read = {written:,} written + {rejects.count:,} rejected."
    print(told, file=sys.stderr)
    return REJECTED if rejects.count else 0
