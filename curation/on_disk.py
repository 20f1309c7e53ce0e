"""Rows of arrays that lie on disk, read so that the process does not grow by the file.

A page of a mapped file counts as the process's own until it is let go of, and one that is touched brings up to two
megabytes around it along, as the system sees fit. So rows are read from the file itself, into memory that is theirs.
"""

from __future__ import annotations

import mmap
import os
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Places = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Stored:
    """An array in an open file.

    Attributes:
        file: Number of the open file.
        dtype: Of the array.
        shape: Of the array; row after row, as `tobytes` gives them.
        offset: Bytes before it.
    """

    file: int
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    offset: int = 0

    def __len__(self) -> int:
        return self.shape[0]


def take(array: Array | Stored, places: Places) -> Array:
    """`array[places]`, in memory.

    Args:
        array: In memory, stored or mapped (`numpy.memmap`); of a mapped one the file is read.
        places: Rows, from 0 on.
    """
    if isinstance(array, Stored):
        return _read(array, places)
    # Mode `c` keeps changes in memory only, and of a part of a mapped array nobody knows where in the file it is.
    if not (isinstance(array, np.memmap) and _whole(array) and array.filename and array.mode != "c"):
        return np.asarray(array[places])
    file = os.open(array.filename, os.O_RDONLY)
    try:
        return _read(Stored(file, array.dtype, array.shape, array.offset), places)
    finally:
        os.close(file)


def put(array: Array, places: Places, rows: Array, at_once: int = 2048) -> None:
    """`array[places] = rows`; of a mapped array, pages written are let go of (that loses nothing)."""
    for begin in range(0, len(places), at_once):
        part = slice(begin, begin + at_once)
        array[places[part]] = rows[part]
        let_go(array)


def let_go(array: Array) -> None:
    """Let go of pages of a mapped array that were read or written."""
    held = getattr(array, "_mmap", None)
    if isinstance(held, mmap.mmap) and getattr(array, "mode", "c") != "c":
        held.madvise(mmap.MADV_DONTNEED)


def _whole(array: np.memmap[Any, Any]) -> bool:
    return isinstance(array.base, mmap.mmap) and array.flags.c_contiguous


def _read(array: Stored, places: Places) -> Array:
    """Rows that follow each other are read together."""
    found = np.empty((len(places), *array.shape[1:]), dtype=array.dtype)
    if not found.size:
        return found
    if places.min() < 0 or places.max() >= len(array):
        raise IndexError(f"rows {places.min()} to {places.max()} of {len(array)}")
    step = found[:1].nbytes
    into = found.data.cast("B")
    begins = np.flatnonzero(np.diff(places, prepend=places[0] - 2) != 1)
    ends = np.append(begins[1:], len(places))
    sources = array.offset + places[begins].astype(np.int64) * step
    for begin, end, source in zip((begins * step).tolist(), (ends * step).tolist(), sources.tolist(), strict=True):
        while begin < end:  # of more than two gigabytes only so many come at once
            got = os.preadv(array.file, [into[begin:end]], source)
            if not got:
                raise EOFError(f"a file ends at byte {source}, before row {len(array)}")
            begin, source = begin + got, source + got
    return found
