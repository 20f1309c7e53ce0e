"""Rows read from files are those of the array, and memory does not grow with what lies on disk."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT

from curation import on_disk

PLACES = np.array([3, 4, 5, 0, 98, 98, 1])


def test_rows_are_those_of_the_array(tmp_path: Path) -> None:
    whole = np.memmap(tmp_path / "rows", dtype=np.float16, mode="w+", shape=(100, 7))
    whole[:] = np.arange(700).reshape(100, 7)
    expected = np.arange(700).reshape(100, 7)
    assert np.array_equal(on_disk.take(whole, PLACES), expected[PLACES])  # written, though not yet flushed
    rest = np.memmap(tmp_path / "rows", dtype=np.float16, mode="r", offset=14, shape=(99, 7))
    assert np.array_equal(on_disk.take(rest, PLACES), expected[PLACES + 1])
    assert np.array_equal(on_disk.take(whole[1:], PLACES), expected[PLACES + 1])
    mine = np.memmap(tmp_path / "rows", dtype=np.float16, mode="c", shape=(100, 7))
    mine[3] = -1
    assert (on_disk.take(mine, PLACES)[0] == -1).all()
    with (tmp_path / "rows").open("rb") as file:
        stored = on_disk.Stored(file.fileno(), np.dtype(np.float16), (99, 7), 14)
        assert np.array_equal(on_disk.take(stored, PLACES), expected[PLACES + 1])
        assert on_disk.take(stored, PLACES[:0]).shape == (0, 7)
        with pytest.raises(IndexError, match="of 99"):
            on_disk.take(stored, np.array([0, 99]))
        with pytest.raises(EOFError, match="before row 200"):
            on_disk.take(on_disk.Stored(file.fileno(), np.dtype(np.float16), (200, 7)), np.array([150]))


def test_rows_are_put_where_they_belong(tmp_path: Path) -> None:
    array = np.memmap(tmp_path / "rows", dtype=np.float32, mode="w+", shape=(50, 3))
    places = np.random.default_rng(0).permutation(50)
    rows = np.random.default_rng(1).normal(size=(50, 3)).astype(np.float32)
    on_disk.put(array, places, rows, at_once=7)
    assert np.array_equal(np.asarray(array)[places], rows)


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the system does not tell the most memory taken")
def test_search_for_duplicates_takes_as_much_memory_for_more_turns() -> None:
    def more(rows: int) -> float:
        command = [sys.executable, "-m", "benchmarks.near_duplicates", "--memory", "--rows", str(rows)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, timeout=600)
        found = json.loads(done.stdout)
        assert found["recall"] > 0.99
        return float(found["more"])

    # Vectors alone are 113 MiB at 20,000 turns and 338 MiB at 60,000.
    assert more(60_000) - more(20_000) < 80
