"""What the step commands read and write: JSON lines or Parquet, from a path or a pipe, a batch at a time.

A step adds columns to rows and leaves all else as it came. A row that cannot be read goes to the rejects, with a
sentence; a file that cannot be read at all is a `Problem`.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import math
import os
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple, Protocol, cast

import pyarrow as pa
import pyarrow.parquet as pq

from curation.readers.records import Misfit, too_long
from curation.readers.text import BEGINNINGS, Piece, lines, parsed
from schemas.problems import Problem

STDIO = "-"
SENTENCES = 20  # of rejected rows that are said; all are counted, and go to the file of rejects
BATCH_BYTES = 32 * 2**20  # of JSON lines in one batch at most
PARQUET = b"PAR1"
BYTE_ORDER_MARK = b"\xef\xbb\xbf"

Answer = Mapping[str, Any]
Stored = Any  # list[bytes], or a pyarrow.Table


class Batch(NamedTuple):
    """Rows that are worked on at once.

    Attributes:
        places: Where each stood, such as `line 12`.
        values: Each as keys and values; of a table, the columns that were asked for.
        errors: What is wrong with each, `""` for nothing.
        stored: The rows as they came: lines, or a table.
    """

    places: list[str]
    values: list[dict[str, Any]]
    errors: list[str]
    stored: Stored

    def raw(self, row: int) -> bytes:
        """A row as it came: its line, or of a table its columns as JSON."""
        if isinstance(self.stored, list):
            return bytes(self.stored[row])
        return json_line(self.stored.slice(row, 1).to_pylist()[0]).removesuffix(b"\n")


class Source(Protocol):
    """Where rows come from.

    Attributes:
        read: Rows so far, those with it that could not be read.
    """

    read: int

    def batches(self, rows: int, columns: Sequence[str]) -> Iterator[Batch]:
        """Rows in order, at most so many at once."""
        ...

    def sink(self, out: IO[bytes], adds: Mapping[str, pa.DataType], changes: Sequence[str]) -> Sink:
        """What writes rows as they came, with columns added (or replaced) and others changed that keep their type."""
        ...


class Sink(Protocol):
    """Where rows go."""

    def write(self, stored: Stored, answers: Sequence[Answer | None]) -> None:
        """Write rows with their answers; those whose answer is None are left out."""
        ...

    def close(self) -> None: ...


class Rejects:
    """Rows that cannot be read or worked on: counted, said on standard error, kept where a file is given.

    Attributes:
        count: How many so far.
    """

    def __init__(self, name: str, path: Path | None) -> None:
        self.name, self.count = name, 0
        self._file: IO[bytes] | None = None
        if path is not None:
            self._file = os.fdopen(os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "wb")
            path.chmod(0o600)  # it may have been there before

    def add(self, place: str, error: str, raw: bytes) -> None:
        """Count a row, say what is wrong with it, and keep its bytes."""
        self.count += 1
        if self.count <= SENTENCES:
            print(f"{self.name}, {place}: {error}", file=sys.stderr)
        if self._file is not None:
            self._file.write(raw + b"\n")

    def close(self) -> None:
        """Say how many sentences were left out."""
        if self.count > SENTENCES:
            print(f"{self.name}: and {self.count - SENTENCES:,} more rejected.", file=sys.stderr)
        if self._file is not None:
            self._file.close()


@contextlib.contextmanager
def rejects(name: str, path: Path | None) -> Iterator[Rejects]:
    """Rejects of a source called `name`, kept in the file at `path` where one is given."""
    try:
        made = Rejects(name, path)
    except OSError as error:
        raise Problem(f"--rejects {path}: cannot be written ({error.strerror}).") from None
    try:
        yield made
    finally:
        made.close()


class JsonLines:
    """One JSON object a line, UTF-8."""

    def __init__(self, stream: IO[bytes], name: str, limit: int) -> None:
        self._stream, self._name, self._limit = stream, name, limit
        self.read = 0

    def batches(self, rows: int, columns: Sequence[str]) -> Iterator[Batch]:
        """See `Source`."""
        batch, size = Batch([], [], [], []), 0
        for number, line, length in self._lines():
            if not line.strip():
                continue
            self.read += 1
            value, error = {}, ""
            try:
                if length > self._limit + 1:
                    raise Misfit(too_long(length, self._limit))
                value = parsed(line, _finite)
            except Misfit as misfit:
                error = str(misfit)
            batch.places.append(f"line {number}")
            batch.values.append(value)
            batch.errors.append(error)
            batch.stored.append(line)
            size += len(line)
            if len(batch.places) >= rows or size >= BATCH_BYTES:
                yield batch
                batch, size = Batch([], [], [], []), 0
        if batch.places:
            yield batch

    def _lines(self) -> Iterator[Piece]:
        number = 0
        try:
            for piece in lines(self._stream):
                number = piece.number
                yield piece
        except (EOFError, zlib.error, gzip.BadGzipFile):
            raise Problem(
                f"{self._name}: the gzip stream is cut off or damaged after line {number}; pack the file again."
            ) from None

    def sink(self, out: IO[bytes], adds: Mapping[str, pa.DataType], changes: Sequence[str]) -> _JsonSink:
        """See `Source`."""
        return _JsonSink(out)


def _finite(number: str) -> float:
    value = float(number)
    if math.isinf(value):
        raise Misfit("a number that is too large to be passed on.")
    return value


class _JsonSink:
    def __init__(self, out: IO[bytes]) -> None:
        self._out = out

    def write(self, stored: Stored, answers: Sequence[Answer | None]) -> None:
        for line, answer in zip(stored, answers, strict=True):
            if answer is not None:
                self._out.write(json_line({**parsed(line), **answer}))
        self._out.flush()  # what reads the pipe need not wait for more

    def close(self) -> None:
        return


def json_line(value: Any) -> bytes:
    """A line of JSON; halves of characters, which UTF-8 cannot write, as escapes."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    try:
        return text.encode() + b"\n"
    except UnicodeEncodeError:
        return json.dumps(value, default=str).encode() + b"\n"


class ParquetRows:
    """A Parquet file."""

    def __init__(self, file: IO[bytes], name: str) -> None:
        self._name, self.read = name, 0
        try:
            self._file = pq.ParquetFile(file)
        except (pa.ArrowException, OSError):
            raise Problem(f"{name}: not a whole Parquet file (cut off or damaged); write it again.") from None

    def batches(self, rows: int, columns: Sequence[str]) -> Iterator[Batch]:
        """See `Source`."""
        schema = self._file.schema_arrow
        if twice := {name for name in schema.names if schema.names.count(name) > 1}:
            raise Problem(f"{self._name}: two columns are called {min(twice)!r}; rename one.")
        asked = [name for name in columns if name in schema.names]
        try:
            for part in self._file.iter_batches(batch_size=rows):
                table = pa.Table.from_batches([part])
                places = [f"row {self.read + row + 1}" for row in range(table.num_rows)]
                self.read += table.num_rows
                values = table.select(asked).to_pylist() if asked else [{} for _ in places]
                yield Batch(places, values, [""] * len(places), table)
        except (pa.ArrowException, OSError):
            raise Problem(f"{self._name}: damaged after row {self.read}; write the file again.") from None

    def sink(self, out: IO[bytes], adds: Mapping[str, pa.DataType], changes: Sequence[str]) -> _ParquetSink:
        """See `Source`."""
        return _ParquetSink(out, self._file.schema_arrow, adds, changes)


class _ParquetSink:
    def __init__(
        self, out: IO[bytes], schema: pa.Schema, adds: Mapping[str, pa.DataType], changes: Sequence[str]
    ) -> None:
        fields = [pa.field(f.name, adds[f.name]) if f.name in adds else f for f in schema]
        fields += [pa.field(name, dtype) for name, dtype in adds.items() if name not in schema.names]
        self._schema = pa.schema(fields)
        self._answered = {*adds, *changes}
        self._writer = pq.ParquetWriter(pa.PythonFile(_Counted(out), mode="w"), self._schema, compression="zstd")

    def write(self, stored: Stored, answers: Sequence[Answer | None]) -> None:
        rows = [row for row, answer in enumerate(answers) if answer is not None]
        table = cast(pa.Table, stored).take(pa.array(rows, pa.int64()))
        arrays = []
        for field in self._schema:
            if field.name not in self._answered:
                arrays.append(table[field.name])
                continue
            there = field.name in table.column_names
            before = table[field.name].to_pylist() if there else [None] * len(rows)
            new = [cast(Answer, answers[row]).get(field.name, old) for row, old in zip(rows, before, strict=True)]
            arrays.append(pa.array(new, field.type))
        self._writer.write_table(pa.table(arrays, schema=self._schema))

    def close(self) -> None:
        self._writer.close()


class Ids:
    """Writes the ids of chosen rows, one a line."""

    def __init__(self, out: IO[bytes]) -> None:
        self._out = out

    def write(self, stored: Stored, answers: Sequence[Answer | None]) -> None:
        """See `Sink`."""
        rows = stored.select(_ids(stored)).to_pylist() if isinstance(stored, pa.Table) else map(parsed, stored)
        for row, answer in zip(rows, answers, strict=True):
            if answer is not None and answer["chosen"]:
                found = row.get("id") if row.get("id") is not None else row["turn_id"]
                self._out.write(str(found).encode("utf-8", "surrogatepass") + b"\n")

    def close(self) -> None:
        """See `Sink`."""


def _ids(table: pa.Table) -> list[str]:
    return [name for name in ("id", "turn_id") if name in table.column_names]


class _Counted(io.RawIOBase):
    """A pipe that knows how far it is, as Parquet wants to know and pipes do not."""

    def __init__(self, out: IO[bytes]) -> None:
        self._out, self._at = out, 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._at += len(data)
        self._out.write(data)
        return len(data)

    def tell(self) -> int:
        return self._at

    def flush(self) -> None:
        self._out.flush()


@contextlib.contextmanager
def open_source(path: str, name: str, form: str | None, limit: int) -> Iterator[Source]:
    """Open a path, or standard input for `-`.

    Args:
        path: File, gzip or not, or `-`.
        name: What to call it.
        form: `jsonl` or `parquet`; None tells by the first bytes.
        limit: Bytes of the longest line that is read.

    Raises:
        Problem: There is nothing at the path, or it is neither.
    """
    with contextlib.ExitStack() as stack:
        try:
            plain: Any = sys.stdin.buffer if path == STDIO else stack.enter_context(open(path, "rb"))
            stream = plain if hasattr(plain, "peek") else io.BufferedReader(plain)
            head = stream.peek(4)[:4]
            if head[:2] == b"\x1f\x8b":
                stream = io.BufferedReader(cast(Any, gzip.GzipFile(fileobj=stream)))
                head = stream.peek(4)[:4]
        except FileNotFoundError:
            raise Problem(f"{path}: no such file; give a file of JSON lines or Parquet, or - for a pipe.") from None
        except IsADirectoryError:
            raise Problem(f"{path}: a directory; give one file, or `cat` several into a pipe.") from None
        except (EOFError, zlib.error, gzip.BadGzipFile):
            raise Problem(f"{name}: the gzip stream is damaged; pack the file again.") from None
        except OSError as error:
            raise Problem(f"{name}: cannot be read ({error.strerror or type(error).__name__}).") from None
        form = form or ("parquet" if head == PARQUET else "jsonl")
        wrong = next((what for start, what in BEGINNINGS.items() if start != PARQUET and head.startswith(start)), None)
        if wrong and form == "jsonl":
            raise Problem(f"{name}: the file {wrong}; expected JSON lines or Parquet.")
        if form == "jsonl":
            if head.startswith(BYTE_ORDER_MARK):
                stream.read(len(BYTE_ORDER_MARK))
            yield JsonLines(stream, name, limit)
            return
        if path == STDIO or not stream.seekable():
            whole = stack.enter_context(tempfile.TemporaryFile())  # of its owner alone, and without a name
            while chunk := stream.read(2**20):
                whole.write(chunk)
            whole.seek(0)
            stream = whole
        yield ParquetRows(stream, name)


@contextlib.contextmanager
def open_out(path: Path | None, binary: bool) -> Iterator[IO[bytes]]:
    """Open a file that has its name only once it is whole, or standard output for None.

    Raises:
        Problem: A table would go to a terminal, or the file cannot be written.
    """
    if path is None:
        if binary and sys.stdout.isatty():
            raise Problem("Parquet does not read well on a terminal; give --out PATH, or a pipe.")
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    if path.is_dir():
        raise Problem(f"{path}: a directory; give the path of a file.")
    draft = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with draft.open("wb") as file:
            yield file
        draft.replace(path)
    except FileNotFoundError:
        raise Problem(f"{path}: its directory is not there; make it first.") from None
    finally:
        draft.unlink(missing_ok=True)


def together(batches: Iterator[Batch], key: Callable[[dict[str, Any]], Any], most: int) -> Iterator[Batch]:
    """Batches that divide no run of rows of one key, as long as it has at most `most` rows."""
    kept = Batch([], [], [], [])
    for batch in batches:
        joined = batch if not kept.places else _joined(kept, batch)
        last = key(joined.values[-1])
        at = len(joined.places)
        while at and key(joined.values[at - 1]) == last:
            at -= 1
        if len(joined.places) - at > most:
            at = len(joined.places)
        if at:
            yield _cut(joined, 0, at)
        kept = _cut(joined, at, len(joined.places))
    if kept.places:
        yield kept


def _joined(first: Batch, second: Batch) -> Batch:
    if isinstance(first.stored, list) and isinstance(second.stored, list):
        stored: Stored = first.stored + second.stored
    else:
        stored = pa.concat_tables([cast(pa.Table, first.stored), cast(pa.Table, second.stored)])
    return Batch(first.places + second.places, first.values + second.values, first.errors + second.errors, stored)


def _cut(batch: Batch, begin: int, end: int) -> Batch:
    stored = batch.stored[begin:end] if isinstance(batch.stored, list) else batch.stored.slice(begin, end - begin)
    return Batch(batch.places[begin:end], batch.values[begin:end], batch.errors[begin:end], stored)
