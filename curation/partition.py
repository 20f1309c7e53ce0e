"""Rows of many tables to files by number, in one pass and with flat memory: what a shuffle is in bigger engines."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import polars as pl

BUFFER_BYTES = 128 * 2**20  # held before anything is written


def write_private(path: Path, frame: pl.DataFrame) -> None:
    """Write a table that its owner alone can read; a kill leaves it whole or not there."""
    draft = path.with_name(f"{path.name}.{os.getpid()}.partial")  # two runs may write the same part of a store
    try:
        with os.fdopen(os.open(draft, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "wb") as file:
            frame.write_parquet(file)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def spread(frames: Iterable[pl.DataFrame], to: Path, place: str) -> list[int]:
    """Write each row into the file of its number.

    Args:
        frames: Tables of one schema with an integer column `place`.
        to: Directory, made anew and for its owner alone; rows of place `p` go to `{p:05}.parquet`, in order of coming.
        place: Name of the column that holds the number; it is not written.

    Returns:
        The numbers that got a row, in order.
    """
    import pyarrow.parquet as pq

    shutil.rmtree(to, ignore_errors=True)
    to.mkdir(mode=0o700, parents=True)
    writers: dict[int, Any] = {}
    held: list[pl.DataFrame] = []

    def flush() -> None:
        if not held:
            return
        for (number,), rows in pl.concat(held).partition_by(place, as_dict=True, include_key=False).items():
            table = rows.to_arrow(compat_level=pl.CompatLevel.oldest())
            if number not in writers:
                writers[int(number)] = pq.ParquetWriter(to / f"{number:05}.parquet", table.schema, compression="zstd")
            writers[int(number)].write_table(table)
        held.clear()

    try:
        for frame in frames:
            held.append(frame)
            if sum(part.estimated_size() for part in held) > BUFFER_BYTES:
                flush()
        flush()
    finally:
        for writer in writers.values():
            writer.close()
    return sorted(writers)
