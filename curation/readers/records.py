"""What the readers share: a record, what a format looks like on disk, and the sentences about what does not fit."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from schemas.problems import nearest

# Raw bytes kept of one quarantined record or file; a longer one is cut there and its sentence says so.
KEPT_BYTES = 64 * 2**20


class Misfit(Exception):
    """A record that is not what it should be, in a sentence without message text."""


class Layout(NamedTuple):
    """What a format looks like on disk.

    Attributes:
        suffixes: Of its files; text may also end in `.gz`.
        required: Columns or keys that every record needs.
        optional: Columns that are read where they are there; other columns of a table are not touched.
        turns: From a record to its turns. Raises `Misfit` before the first turn or not at all.
        datasets: Whether the `datasets` library may bring it.
    """

    suffixes: tuple[str, ...]
    required: tuple[str, ...]
    optional: tuple[str, ...]
    turns: Callable[[dict[str, Any], Any], Iterator[dict[str, Any]]]
    datasets: bool = False


class Record(NamedTuple):
    """One record.

    Attributes:
        file: Name of the file, relative to the input.
        place: Where in it.
        raw: Its bytes; None for a table's row, whose `value` as JSON stands for them.
        value: The record as keys and values; None where `error` says why not.
        error: What is wrong with it.
    """

    file: str
    place: str
    raw: bytes | None
    value: Any
    error: str = ""


def absent(kind: str, wanted: str, found: Iterable[str], *, are_names: bool = True) -> str:
    """Sentence about a column or key that is missing, with those found and the nearest.

    Args:
        kind: `column` or `key`.
        wanted: Its name.
        found: Names that are there.
        are_names: False where they may be message text, as in the first line of a CSV without header: only the nearest
            is shown then.
    """
    names = [str(name) for name in found]
    close = nearest(wanted, names)
    shown = [n for n in names if n == close or (are_names and re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]{0,39}", n))][:20]
    more = len(names) - len(shown)
    others = [f"{more} other{'s' if more > 1 else ''}"] if more else []
    return f"no {kind} {wanted!r}; found {', '.join(shown + others) or 'none'}" + (
        f"; is {close!r} meant?" if close else "."
    )


def whole_file(path: Path, name: str, error: str) -> Record:
    """A file that cannot be read at all, as one record with the file's bytes."""
    with path.open("rb") as file:
        raw = file.read(KEPT_BYTES)
        more = " Only its beginning is kept here." if file.read(1) else ""
    return Record(name, "whole file", raw, None, error + more)


def too_long(size: int, limit: int) -> str:
    """Sentence about a record of `size` bytes where `limit` are allowed."""
    cut = " Only its beginning is kept here." if size > KEPT_BYTES else ""
    return f"{size:,} bytes long, above max_line_bytes ({limit:,}); not parsed.{cut}"


def decoded(raw: bytes) -> str:
    """Text of UTF-8 bytes.

    Raises:
        Misfit: Which byte is not text.
    """
    if b"\0" in raw:
        raise Misfit(f"byte {raw.index(0) + 1} is NUL, which no text holds.")
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise Misfit(f"byte {error.start + 1} is not UTF-8; save the text as UTF-8.") from None
