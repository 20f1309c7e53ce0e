"""Readers for what people have: logs in, batches of turns out, and every record accounted for.

    for batch in read(Path("logs/"), "messages", personas={}, locale="en-US", max_line_bytes=1_000_000, rows=2000):
        ...

Rows in = turns + dropped + quarantined, in every batch: a record (line, row, conversation) that yields n turns counts
n, one that yields none counts 1 and is either dropped with a reason or quarantined with its bytes. What each format is
taken to mean stands in `formats`, how files are cut into records in `text` and `tables`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import dataframely as dy
import polars as pl

from curation.readers.files import find_files, records_in
from curation.readers.formats import FORMATS, Defaults
from curation.readers.records import Misfit, Record
from schemas.personas import Persona
from schemas.problems import Problem, nearest
from schemas.turns import DroppedTurn, Quarantined, Turn

# A batch ends early when its messages or its quarantined bytes grow past this: long conversations repeat their history.
BATCH_BYTES = 64 * 2**20


class Batch(NamedTuple):
    """Part of what was read.

    Attributes:
        turns: Rows that keep `Turn`'s rules, with its columns and types. Ids may come again, here and in later batches.
        quarantined: What could not be read, as `Quarantined`.
        dropped: Records without a reply to a user, as `DroppedTurn`; their id is a hash of file and place.
        records: Rows in, counted on their own; equals the heights of the three frames together.
        problems: Sentences for people about whole files and unknown personas.
    """

    turns: pl.DataFrame
    quarantined: pl.DataFrame
    dropped: pl.DataFrame
    records: int
    problems: list[str]


class _Row(Turn):
    """A turn whose id may come again: without the primary key, whose rule would fail every row of a repeated id."""

    turn_id = dy.String(regex=r"^[0-9a-f]{32}$")
    origin = dy.UInt32()


def read(
    path: Path,
    format: str,
    *,
    personas: Mapping[str, Persona],
    locale: str,
    max_line_bytes: int,
    rows: int,
) -> Iterator[Batch]:
    """Read logs, a batch at a time.

    Args:
        path: A file, or a directory whose files with the format's suffixes are read in order of name. For `wildchat`
            and `lmsys` also a folder that `datasets` saved, or the name of a dataset on the hub.
        format: A key of `formats.FORMATS`, as in the recipe.
        personas: Characters by `persona_id`; they lend their system prompt and locale to logs that have none.
        locale: Locale of logs that name none.
        max_line_bytes: Longer lines (or CSV records, or items of a JSON list) are quarantined unread.
        rows: Turns in a batch at most; memory grows with it.

    Raises:
        Problem: The path or format is unknown, nothing fits the format, or nothing at all could be read; the latter
            is raised while iterating, once everything has been tried.
    """
    if format not in FORMATS:
        close = nearest(format, FORMATS)
        hint = f"did you mean {close!r}?" if close else f"known are {', '.join(FORMATS)}."
        raise Problem(f"format {format!r} is not known; {hint}")
    files = find_files(path, format, FORMATS[format])
    return _read(path, files, format, Defaults(personas, locale), max_line_bytes, rows)


def _read(
    path: Path, files: Mapping[str, Path], format: str, defaults: Defaults, limit: int, rows: int
) -> Iterator[Batch]:
    layout = FORMATS[format]
    pending = _Pending(rows, defaults)
    for name, file in files.items():
        empty = True
        for record in records_in(file, name, layout, limit, rows):
            empty, found = False, False
            try:
                if record.error:
                    raise Misfit(record.error)
                for turn in layout.turns(record.value, defaults):
                    found = True
                    pending.add_turn(turn, record)
                    if pending.full:
                        yield pending.batch()
                if not found:
                    pending.drop(record)
            except Misfit as misfit:
                pending.quarantine(record, str(misfit))
            except RecursionError:
                pending.quarantine(record, "values that are nested too deeply.")
            if pending.full:
                yield pending.batch()
        if empty:
            pending.problems.append(f"{name}: the file is empty; it adds no turns.")
    last = pending.batch()
    if not pending.readable:
        raise Problem(f"{path}: nothing could be read as {format}.", *(pending.first_errors or last.problems))
    if last.records or last.problems:
        yield last


class _Pending:
    """What the next batch will hold, and whether any so far held something."""

    def __init__(self, rows: int, defaults: Defaults) -> None:
        self.rows, self.defaults = rows, defaults
        self.readable = False
        self.first_errors: list[str] = []
        self._clear()

    def _clear(self) -> None:
        self.turns: list[dict[str, Any]] = []
        self.origins: list[Record] = []
        self.quarantined: list[tuple[str, str, str, bytes]] = []
        self.dropped: list[tuple[str, str, str]] = []
        self.problems: list[str] = []
        self.records = self.bytes = 0

    @property
    def full(self) -> bool:
        return self.records >= self.rows or self.bytes >= BATCH_BYTES

    def add_turn(self, turn: dict[str, Any], record: Record) -> None:
        self.records += 1
        self.bytes += sum(len(message["content"]) + 32 for message in turn["messages"])
        self.turns.append(turn)
        self.origins.append(record._replace(raw=None, value=None))

    def quarantine(self, record: Record, error: str) -> None:
        raw = _json(record.value) if record.raw is None else record.raw
        self.records += 1
        self.bytes += len(raw)
        self.quarantined.append((record.file, record.place, error, raw))
        if record.place == "whole file":
            self.problems.append(f"{record.file}: {error}")

    def drop(self, record: Record) -> None:
        self.records += 1
        place = hashlib.blake2b(f"{record.file}\x1f{record.place}".encode("utf-8", "surrogateescape"), digest_size=16)
        self.dropped.append((place.hexdigest(), "read", "no reply"))

    def batch(self) -> Batch:
        """The batch, by `Turn`'s rules; begins the next."""
        rows = [{**turn, "origin": index} for index, turn in enumerate(self.turns)]
        good, failure = _Row.filter(pl.DataFrame(rows, schema=_Row.create_empty().schema))
        details = failure.details()
        rules = [
            column for column in details.columns if details.schema[column] == pl.Enum and column not in _Row.columns()
        ]
        for row in details.select("origin", *rules).iter_rows(named=True):
            record, broken = self.origins[row["origin"]], [rule for rule in rules if row[rule] == "invalid"]
            error = (
                f"the turn breaks {'rule' if len(broken) == 1 else 'rules'} {', '.join(broken)} of schemas.turns.Turn."
            )
            self.quarantined.append((record.file, record.place, error, _json(self.turns[row["origin"]])))
        made = Batch(
            good.select(Turn.create_empty().columns),
            pl.DataFrame(self.quarantined, schema=Quarantined.create_empty().schema, orient="row"),
            pl.DataFrame(self.dropped, schema=DroppedTurn.create_empty().schema, orient="row"),
            self.records,
            self.problems + self.defaults.unknown_personas(),
        )
        self.readable |= bool(made.turns.height or made.dropped.height)
        self.first_errors += [f"{file}, {place}: {error}" for file, place, error, _ in self.quarantined[:3]]
        del self.first_errors[3:]
        self._clear()
        return made


def _json(value: Any) -> bytes:
    def plain(odd: Any) -> str:
        return odd.isoformat() if isinstance(odd, datetime) else str(odd)

    return json.dumps(value, ensure_ascii=False, default=plain).encode("utf-8", "surrogatepass")
