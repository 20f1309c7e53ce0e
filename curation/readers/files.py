"""Which files to read, and which reader reads them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from curation.readers.records import Layout, Record
from curation.readers.tables import dataset_rows, parquet_rows
from curation.readers.text import text_records
from schemas.problems import Problem


def find_files(path: Path, format: str, layout: Layout) -> dict[str, Path]:
    """Files to read by name, in order of name.

    Raises:
        Problem: There is nothing at the path, or nothing that this format could be.
    """
    suffixes = (*layout.suffixes, *(f"{suffix}.gz" for suffix in layout.suffixes if suffix != ".parquet"))
    wanted = ", ".join(suffixes)
    if layout.datasets and any((path / mark).is_file() for mark in ("state.json", "dataset_dict.json")):
        return {path.name: path}
    if not path.exists():
        if layout.datasets and re.fullmatch(r"[\w.-]+/[\w.-]+", str(path)):
            return {str(path): path}
        raise Problem(f"{path}: no such file or directory; expected {format} logs ({wanted}).")
    if path.is_file():
        if not path.name.endswith(suffixes):
            found = "".join(path.suffixes) or "no suffix"
            raise Problem(f"{path}: format {format} reads {wanted}, found {found}; give the format the file is in.")
        return {path.name: path}
    files = {str(p.relative_to(path)): p for p in sorted(path.rglob("*")) if p.is_file() and p.name.endswith(suffixes)}
    if not files:
        others = sorted({p.suffix or p.name for p in path.rglob("*") if p.is_file()})
        there = f"found only {', '.join(others[:8])}" if others else "the directory is empty"
        raise Problem(f"{path}: no files of format {format} ({wanted}); {there}.")
    return files


def records_in(path: Path, name: str, layout: Layout, limit: int, rows: int) -> Iterator[Record]:
    """Records of one file (or of one dataset), in order.

    Args:
        path: The file.
        name: What to call it.
        layout: What it should hold.
        limit: Bytes of text a record may have.
        rows: Rows of a table held at once.

    Raises:
        Problem: The operating system or `datasets` does not hand it out.
    """
    try:
        if not path.is_file():
            yield from dataset_rows(path, name)
        elif path.name.endswith(".parquet"):
            yield from parquet_rows(path, name, layout, rows)
        else:
            yield from text_records(path, name, layout, limit)
    except OSError as error:
        raise Problem(f"{path}: cannot be read ({error.strerror or type(error).__name__}).") from None
