"""Curation's steps as commands of a shell: rows in, the same rows out with the step's answer added.

    cat logs.jsonl | python -m curation scrub --key pseudonyms.key | python -m curation safety > scored.jsonl

`scrub`, `safety` and `language` work on a batch at a time, however long the input is; `duplicates`, `cluster` and
`quotas` look at all rows at once and hold them in memory. What cannot be read is told on standard error and counted:
read = written + rejected.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from schemas.problems import Problem

if TYPE_CHECKING:
    from curation.steps.rows import RowStep, WholeStep
    from curation.steps.streams import Batch, Rejects, Sink, Source
    from schemas.recipe import Recipe

BATCH = 512  # rows
LONGEST_RUN = 20 * BATCH  # rows of one conversation that are kept together
REJECTED, BROKEN_PIPE, INTERRUPTED = 1, 141, 130


class Command(NamedTuple):
    """What the shell is told of a step."""

    module: str
    step: str
    what: str
    more: str


COMMANDS = {
    "scrub": Command(
        "scrub",
        "Scrub",
        "replace personal data by placeholders",
        "Replaces `text` and adds `spans`: start, end (characters of the text as it came), type, score, recogniser. Of "
        "a turn it replaces messages, response, tool_calls and user_key, and adds `pii` too. Rows of one "
        "conversation_id, which have to stand next to each other, have the same placeholder for the same person.",
    ),
    "safety": Command(
        "scores",
        "Safety",
        "score how toxic rows are",
        "Adds `safety` (scores by label) and `decision`: keep, review (for people to look at) or drop.",
    ),
    "language": Command(
        "scores",
        "Language",
        "tell the language of rows",
        "Adds `language` (ISO 639 code, or und) and `language_confidence`.",
    ),
    "duplicates": Command(
        "whole",
        "Duplicates",
        "find rows that say the same",
        "Adds `group` (id of the row that survives) and `survives`. Holds all rows in memory.",
    ),
    "cluster": Command("whole", "Cluster", "find topics", "Adds `cluster_id`. Holds all rows in memory."),
    "quotas": Command(
        "whole",
        "Quotas",
        "choose rows so that every share holds",
        "Reads persona_id, locale, turn_index, and difficulty and cluster_id where they are there. Adds `chosen` and "
        "`reason`, and tells on standard error what each quota of the recipe costs.",
    ),
}


def add_commands(commands: Any) -> None:
    """Add the steps to a parser's commands.

    Args:
        commands: What `ArgumentParser.add_subparsers` returned.
    """
    for name, (_, _, what, more) in COMMANDS.items():
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
        parser.set_defaults(step=name)


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
    from curation.steps import streams
    from schemas.reading import read_recipe
    from schemas.recipe import Recipe

    if given.path == streams.STDIO and sys.stdin.isatty():
        raise Problem(f"{given.step}: give a PATH, or pipe rows in: cat logs.jsonl | python -m curation {given.step}")
    recipe = read_recipe(given.recipe) if given.recipe else Recipe(name=given.step)
    name = "standard input" if given.path == streams.STDIO else given.path
    with (
        streams.rejects(name, given.rejects) as rejects,
        streams.open_source(given.path, name, given.form, recipe.curation.max_line_bytes) as source,
        streams.open_out(given.out, binary=isinstance(source, streams.ParquetRows)) as out,
    ):
        step = _step(given, recipe)
        sink = streams.Ids(out) if vars(given).get("ids") else source.sink(out, step.adds, step.changes)
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


def _step(given: argparse.Namespace, recipe: Recipe) -> Any:
    """The step of a command, with its models loaded."""
    from importlib import import_module

    command = COMMANDS[given.step]
    made = getattr(import_module(f"curation.steps.{command.module}"), command.step)
    if given.step != "scrub":
        return made(recipe)
    from curation.placeholders import read_key

    kept = recipe.curation.scrub.key_file
    path = given.key or (Path(kept) if kept else Path("pseudonyms.key"))
    new = not path.exists()
    key = read_key(path)
    if new:
        print(
            f"{path}: a new key, made for the placeholders of this step. Keep it as you keep passwords: with it the"
            " same person has the same placeholder next time; without it nobody can test a guess.",
            file=sys.stderr,
        )
    return made(recipe, key)


def _rows(step: RowStep, source: Source, sink: Sink, rejects: Rejects) -> int:
    """A batch at a time; how many rows were written."""
    from curation.steps.rows import isolated
    from curation.steps.streams import together

    batches = source.batches(BATCH, step.reads)
    if hasattr(step, "conversation"):
        batches = together(batches, _conversation, LONGEST_RUN)
    written = 0
    for batch in batches:
        good = _checked(step, batch, rejects)
        found: list[Any] = [None] * len(batch.places)
        failed = []
        for row, answer in zip(good, isolated(step, [batch.values[row] for row in good]), strict=True):
            if isinstance(answer, str):
                failed.append((row, answer))
            else:
                found[row] = answer
        if len(failed) == len(good) > 8:
            raise Problem(f"{rejects.name}: {failed[0][1]} That is so for {len(good)} rows, so the step is at fault.")
        for row, error in failed:
            rejects.add(batch.places[row], error, batch.raw(row))
        sink.write(batch.stored, found)
        written += len(good) - len(failed)
    return written


def _whole(step: WholeStep, source: Source, sink: Sink, rejects: Rejects) -> int:
    """All rows, then all answers; how many rows were written."""
    stored = []
    for batch in source.batches(BATCH, step.reads):
        good = _checked(step, batch, rejects)
        step.gather([batch.values[row] for row in good])
        stored.append((batch.stored, len(batch.places), good))
    answers = iter(step.answers())
    written = 0
    for part, count, good in stored:
        found: list[Any] = [None] * count
        for row in good:
            found[row] = next(answers)
        sink.write(part, found)
        written += len(good)
    return written


def _checked(step: RowStep | WholeStep, batch: Batch, rejects: Rejects) -> list[int]:
    """Rows of a batch that are what the step reads; the others go to the rejects."""
    from curation.readers.records import Misfit

    good = []
    for row, (value, error) in enumerate(zip(batch.values, batch.errors, strict=True)):
        try:
            if error:
                raise Misfit(error)
            step.check(value)
        except Misfit as misfit:
            rejects.add(batch.places[row], str(misfit), batch.raw(row))
        else:
            good.append(row)
    return good


def _conversation(row: dict[str, Any]) -> Any:
    """What rows have in common that belong together, whether it is as it should be or not."""
    return repr(row.get("conversation_id", row.get("id", row.get("turn_id"))))


def _show(step: Any, path: Path | None) -> None:
    """What quotas cost, as a table on standard error, and as JSON where a path is given."""
    from rich.console import Console
    from rich.table import Table

    from curation.report_page import price_words, quota_words
    from schemas.stage import write_json

    plan = step.plan
    prices = plan.prices.to_dicts()
    console = Console(stderr=True)
    table = Table("quota", "cost in turns", "in words")
    for row in prices:
        table.add_row(quota_words(row), f"{row['cost'] or 0:,.0f}", price_words(row))
    console.print(table)
    console.print(f"{plan.total:,} chosen; at most {int(plan.bound + 1e-6):,} could be.", markup=False)
    for sentence in (*plan.relaxations, *plan.gave_way):
        console.print(sentence, markup=False)
    if path is not None:
        told = {name: getattr(plan, name) for name in ("total", "value", "bound", "gap", "relaxations", "gave_way")}
        write_json(path, {**told, "prices": prices})
