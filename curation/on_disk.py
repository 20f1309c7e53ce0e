"""Rows of arrays that lie on disk (`numpy.memmap`), read so that the process does not grow by the file.

A page of a mapped file counts as the process's own until it is let go of, and one that is read brings fifteen around it
along. So rows are copied out a few at a time, and pages are let go of at once; the system keeps them as long as nobody
else needs the room.
"""

from __future__ import annotations

import mmap
from typing import Any

import numpy as np
import numpy.typing as npt

AT_ONCE = 512  # rows: with the pages around them at most 32 MiB

Array = npt.NDArray[Any]
Places = npt.NDArray[np.integer[Any]]


def take(array: Array, places: Places) -> Array:
    """`array[places]`, in memory."""
    if not _mapped(array):
        return np.asarray(array[places])
    found = np.empty((len(places), *array.shape[1:]), dtype=array.dtype)
    for begin in range(0, len(places), AT_ONCE):
        part = slice(begin, begin + AT_ONCE)
        found[part] = array[places[part]]
        let_go(array)
    return found


def put(array: Array, places: Places, rows: Array) -> None:
    """`array[places] = rows`."""
    for begin in range(0, len(places), AT_ONCE):
        part = slice(begin, begin + AT_ONCE)
        array[places[part]] = rows[part]
        let_go(array)


def let_go(array: Array) -> None:
    """Let go of what has been read of an array on disk, or written to it (that is not lost)."""
    if _mapped(array):
        array._mmap.madvise(mmap.MADV_DONTNEED)  # type: ignore[attr-defined]


def _mapped(array: Array) -> bool:
    """Not one whose changes are in memory only (mode `c`): letting go would lose them."""
    return isinstance(getattr(array, "_mmap", None), mmap.mmap) and getattr(array, "mode", "c") != "c"
