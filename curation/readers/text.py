"""Text files to records: lines of JSONL, items of a JSON list, records of CSV.

Text is cut into records as bytes, before anything is decoded or parsed: a wrong byte, a missing bracket or an endless
line stays in its record, and no more than `KEPT_BYTES` of one are ever held.
"""

from __future__ import annotations

import csv
import gzip
import json
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

from curation.readers.records import (
    KEPT_BYTES,
    Layout,
    Misfit,
    Record,
    absent,
    decoded,
    too_long,
    whole_file,
)

CHUNK = 2**20
BEGINNINGS = {
    b"PAR1": "is a Parquet file; name it .parquet",
    b"PK\x03\x04": "is a ZIP archive; unpack it",
    b"\xff\xfe": "is UTF-16; save it as UTF-8",
    b"\xfe\xff": "is UTF-16; save it as UTF-8",
    b"\x28\xb5\x2f\xfd": "is packed with zstd; unpack it",
}


class Piece(NamedTuple):
    """A line of a file or an item of a list: its number, its bytes (cut at `KEPT_BYTES`), how long it really is."""

    number: int
    raw: bytes
    size: int


def text_records(path: Path, name: str, layout: Layout, limit: int) -> Iterator[Record]:
    """Records of a text file, gzip or not; blank lines are none.

    Args:
        path: The file.
        name: What to call it.
        layout: What it should hold.
        limit: Bytes a record may have.
    """
    with path.open("rb") as plain:
        packed = plain.read(2) == b"\x1f\x8b"
    read = "its beginning"
    with gzip.open(path, "rb") if packed else path.open("rb") as opened:
        stream = cast(IO[bytes], opened)
        try:
            head = stream.read(4)
            wrong = next((what for beginning, what in BEGINNINGS.items() if head.startswith(beginning)), None)
            if len(head) == 4 and (head[1] == head[3] == 0 != head[0] or head[0] == head[2] == 0 != head[1]):
                wrong = "is UTF-16; save it as UTF-8"
            if wrong:
                yield whole_file(path, name, f"the file {wrong}.")
                return
            stream.seek(3 if head.startswith(b"\xef\xbb\xbf") else 0)
            if ".csv" in path.suffixes:
                records = _csv_records(path, name, layout, lines(stream), limit)
            elif _is_list(path, stream):
                records = (_json_record(name, "item", piece, limit) for piece in _items(stream) if piece.raw)
            else:
                records = (_json_record(name, "line", piece, limit) for piece in lines(stream) if piece.raw.strip())
            for record in records:
                yield record
                read = record.place
        except (EOFError, zlib.error, gzip.BadGzipFile):
            yield whole_file(path, name, f"the gzip stream is cut off or damaged after {read}; pack the file again.")


def lines(stream: IO[bytes]) -> Iterator[Piece]:
    """Lines of a stream; of one that is longer than `KEPT_BYTES` only its beginning is held."""
    number = 0
    while line := stream.readline(CHUNK):
        number += 1
        kept, size = [line], len(line)
        while not line.endswith(b"\n") and (line := stream.readline(CHUNK)):
            size += len(line)
            if size <= KEPT_BYTES:
                kept.append(line)
        yield Piece(number, b"".join(kept).removesuffix(b"\n"), size)


def _is_list(path: Path, stream: IO[bytes]) -> bool:
    """Whether a `.json` file holds one list; a file that ends in `.jsonl` holds lines, whatever it begins with."""
    if ".jsonl" in path.suffixes:
        return False
    start = stream.tell()
    first = stream.read(CHUNK).lstrip()[:1]
    stream.seek(start)
    return first == b"["


def _items(stream: IO[bytes]) -> Iterator[Piece]:
    """Items of a JSON list, cut at the commas of its first level without parsing them."""
    depth, quoted, number, size, kept = 0, False, 1, 0, bytearray()
    while chunk := stream.read(CHUNK):
        while chunk.endswith(b"\\") and (more := stream.read(1)):  # no chunk ends within an escape
            chunk += more
        start = 0
        for found in re.finditer(rb'\\.|["\[\]{},]', chunk, re.DOTALL):
            token = found.group()
            if token == b'"':
                quoted = not quoted
            if quoted or token[:1] in b'"\\':
                continue
            depth += (token in b"[{") - (token in b"]}")
            if depth == 1 and token == b"[":  # the list's own: inner ones are deeper
                start = found.end()
            elif depth == 0 or (depth == 1 and token == b","):
                size += found.start() - start
                kept += chunk[start : min(found.start(), start + KEPT_BYTES - len(kept))]
                yield Piece(number, bytes(kept).strip(), size)
                number, size, start, depth, kept = number + 1, 0, found.end(), 1, bytearray()
        size += len(chunk) - start
        kept += chunk[start : start + KEPT_BYTES - len(kept)]
    yield Piece(number, bytes(kept).strip(), size)


def _json_record(name: str, what: str, piece: Piece, limit: int) -> Record:
    place = f"{what} {piece.number}"
    if piece.size > limit + 1:
        return Record(name, place, piece.raw, None, too_long(piece.size, limit))
    try:
        return Record(name, place, piece.raw, parsed(piece.raw))
    except Misfit as misfit:
        return Record(name, place, piece.raw, None, str(misfit))


def parsed(raw: bytes) -> dict[str, Any]:
    """A JSON object, by the letter: no NaN, no key twice.

    Raises:
        Misfit: What it is instead.
    """
    try:
        value = json.loads(decoded(raw), parse_constant=_no_constant, object_pairs_hook=_unique)
    except json.JSONDecodeError as error:
        raise Misfit(f"not valid JSON at character {error.pos + 1} ({error.msg}).") from None
    except RecursionError:
        raise Misfit("JSON that is nested too deeply.") from None
    except ValueError:
        raise Misfit("JSON with a number of too many digits.") from None
    if not isinstance(value, dict):
        raise Misfit(f"JSON, but a {type(value).__name__} where an object with keys was expected.")
    return value


def _no_constant(constant: str) -> None:
    raise Misfit(f"{constant} is not JSON; write null.")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) != len(pairs):
        raise Misfit("a key stands twice in one JSON object.")
    return record


def _csv_records(path: Path, name: str, layout: Layout, lines: Iterator[Piece], limit: int) -> Iterator[Record]:
    """Records of a CSV file, which may run over several lines; the first names the columns.

    After one that cannot be cut (a quote too many) reading goes on at the next line that begins a whole record: it
    starts with a quote, and its record has as many cells as the header.
    """
    csv.field_size_limit(max(limit, csv.field_size_limit()))
    waiting: list[Piece] = []

    def line(at: int) -> Piece | None:
        while at >= len(waiting) and (piece := next(lines, None)):
            waiting.append(piece)
        return waiting[at] if at < len(waiting) else None

    def cut(at: int) -> tuple[int, list[str] | None]:
        """How many lines the record has that begins at waiting line `at`, and its cells; None if it cannot be cut."""
        count = quotes = size = 0
        while count == 0 or quotes % 2:
            if (piece := line(at + count)) is None or (size := size + piece.size) > limit + 1:
                return max(count, 1), None
            quotes, count = quotes + piece.raw.count(b'"'), count + 1
        text = b"\n".join(piece.raw for piece in waiting[at : at + count]).decode("utf-8", "replace")
        try:
            rows = list(csv.reader([text], strict=True))
        except csv.Error:
            return count, None
        return count, rows[0] if rows else []

    def next_start() -> int:
        """Lines up to the next one that begins a whole record."""
        at, size = 1, waiting[0].size
        while size <= KEPT_BYTES and (piece := line(at)) is not None:
            if re.match(rb'"(?!")|"",', piece.raw):  # within a field a quote stands doubled
                cells = cut(at)[1]
                if cells and len(cells) == len(header):
                    break
            at, size = at + 1, size + piece.size
        return at

    if line(0) is None:
        return
    count, cells = cut(0)
    header = [cell.strip() for cell in cells or []]
    lost = next((column for column in layout.required if column not in header), None)
    if lost:
        sentence = absent("column", lost, header, are_names=False)
        yield whole_file(path, name, f"{sentence} The first line of a CSV file names its columns.")
        return
    del waiting[:count]
    while line(0) is not None:
        count, cells = cut(0)
        broken = cells is None
        count = next_start() if cells is None else count
        raw, size = b"\n".join(piece.raw for piece in waiting[:count]), sum(piece.size for piece in waiting[:count])
        first, last = waiting[0].number, waiting[count - 1].number
        place = f"line {first}" if first == last else f"lines {first}-{last}"
        del waiting[:count]
        if broken:
            why = too_long(size, limit) if size > limit + 1 else "not a CSV record: a quote too many or too few."
            yield Record(name, place, raw, None, why)
        elif cells and len(cells) != len(header):
            yield Record(name, place, raw, None, f"{len(cells)} cells where the header has {len(header)}.")
        elif cells:
            try:
                decoded(raw)
                yield Record(name, place, raw, dict(zip(header, cells, strict=True)))
            except Misfit as misfit:
                yield Record(name, place, raw, None, str(misfit))
