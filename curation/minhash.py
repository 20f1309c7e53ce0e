"""MinHash over word shingles, for texts longer than an embedding model reads (Broder 1997).

Words are hashed, three in a row make a shingle, and the smallest of each of 112 permutations of the shingles make a
text's signature: the share of places in which two signatures agree estimates the Jaccard similarity of their shingles.
Candidates share one of 28 bands of four places; at a similarity of 0.5 that finds five pairs in six, at 0.7 all but
one in a thousand. Signatures settle what bands propose. All in numpy, over many texts at once; signatures of many lie
on disk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import polars as pl

from curation import on_disk, wording

SHINGLE = 3  # words
BANDS, ROWS = 28, 4
PERMUTATIONS = BANDS * ROWS
FIRST = 32  # rows of a band's bucket that the others are compared with, besides the one before
CHUNK_LETTERS = 500_000
TOGETHER = 20_000  # pairs whose signatures are compared at once
_BASE = np.uint64(0x9E3779B97F4A7C15)
_UNSPACED = r"([\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}])"

Ints = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]
Signatures = npt.NDArray[np.uint32]
Flags = npt.NDArray[np.bool_]


def signatures(texts: pl.Series, seed: int) -> Signatures:
    """Signatures of texts.

    Args:
        texts: As `wording.plain` gives them: words with one space between. A letter of a script without spaces counts
            as a word.
        seed: Of the permutations.

    Returns:
        uint32 [n, 112].
    """
    random = np.random.default_rng(seed)
    times = random.integers(0, 2**63, PERMUTATIONS, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    plus = random.integers(0, 2**64, PERMUTATIONS, dtype=np.uint64)
    parts = [np.zeros((0, PERMUTATIONS), dtype=np.uint32)]
    for chunk in wording.chunks(texts, CHUNK_LETTERS):
        shingles, starts = _shingles(chunk.str.replace_all(_UNSPACED, " ${1} ").to_list())
        found = np.empty((len(chunk), PERMUTATIONS), dtype=np.uint32)
        for place in range(PERMUTATIONS):
            mixed = ((shingles * times[place] + plus[place]) >> np.uint64(32)).astype(np.uint32)
            found[:, place] = np.minimum.reduceat(mixed, starts)
        parts.append(found)
    return np.concatenate(parts)


class Signed:
    """Signatures of the long ones of many texts, on disk, to be filled a block at a time.

    Only what is written takes room on the disk: 672 bytes a text.
    """

    def __init__(self, file: BinaryIO, count: int) -> None:
        """Of so many texts, one at least, in an empty file."""
        keys = count * PERMUTATIONS * 4  # where they begin: of each band those of all texts
        file.truncate(keys + count * BANDS * 8)
        self._signatures = np.memmap(file, np.uint32, "r+", 0, (count, PERMUTATIONS))  # type: ignore[call-overload]
        self._stored = on_disk.Stored(file.fileno(), np.dtype(np.uint32), (count, PERMUTATIONS))
        self._bands = np.memmap(file, np.uint64, "r+", keys, (BANDS, count))  # type: ignore[call-overload]

    def add(self, rows: on_disk.Places, found: Signatures) -> None:
        """Signatures of some rows, ascending."""
        on_disk.put(self._signatures, rows, found)
        for band in range(BANDS):
            self._bands[band, rows] = _keys(found[:, band * ROWS : (band + 1) * ROWS])
        on_disk.let_go(self._bands)

    def pairs(self, rows: Ints, least: float, worth: Callable[[Ints, Ints], Flags]) -> tuple[Ints, Ints]:
        """Pairs that share a band and agree, the later row first, without repeats.

        Of a large bucket each row is paired with the first few and the one before.

        Args:
            rows: Those with signatures, ascending.
            least: Agreement.
            worth: Which of some pairs are of use.
        """
        count = len(self._stored)
        found = np.zeros(0, dtype=np.int64)
        for band in range(BANDS):
            keys = np.asarray(self._bands[band][rows])
            on_disk.let_go(self._bands)
            pairs = [np.zeros(0, dtype=np.int64)]
            for later, earlier in _bucketed(keys):
                row, other = rows[later], rows[earlier]
                keep = worth(row, other)
                pairs.append(row[keep] * count + other[keep])
            new = np.setdiff1d(np.concatenate(pairs), found)
            agrees = self.agreement(new // count, new % count) >= least
            found = np.union1d(found, new[agrees])
        return found // count, found % count

    def agreement(self, row: Ints, other: Ints) -> npt.NDArray[np.float32]:
        """Estimated Jaccard similarity, pair by pair, float32 [n]; its standard error is at most 0.05."""
        share = np.empty(len(row), dtype=np.float32)
        for begin in range(0, len(row), TOGETHER):
            part = slice(begin, begin + TOGETHER)
            one, two = (on_disk.take(self._stored, rows[part]) for rows in (row, other))
            np.mean(one == two, axis=1, dtype=np.float32, out=share[part])
        return share


def _keys(band: Signatures) -> Words:
    """One number for each band of a signature."""
    keys = np.zeros(len(band), dtype=np.uint64)
    for place in range(ROWS):
        keys = (keys ^ band[:, place]) * _BASE
        keys ^= keys >> np.uint64(29)
    return keys


def _bucketed(keys: Words) -> Iterator[tuple[Ints, Ints]]:
    """Pairs with the same key, the later first: each with the first few of them, and with the one before."""
    order = np.argsort(keys, kind="stable")
    new = np.ones(len(keys), dtype=bool)
    new[1:] = keys[order[1:]] != keys[order[:-1]]
    starts = np.flatnonzero(new)[np.cumsum(new) - 1]
    place = np.arange(len(keys)) - starts
    for back in range(min(FIRST, int(place.max(initial=0)))):
        later = np.flatnonzero(place > back)
        yield order[later], order[starts[later] + back]
    later = np.flatnonzero(place > FIRST)
    yield order[later], order[later - 1]


def _shingles(texts: list[str]) -> tuple[Words, Ints]:
    """Hashes of all texts' shingles one after the other, and where each text's begin. Every text has at least one."""
    codes = np.frombuffer((" \n ".join(["", *texts]) + " ").encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    # A word's hash: the sum of its letters times powers of an odd number, from sums over all letters; mod 2**64.
    powers = np.cumprod(np.full(len(codes), _BASE, dtype=np.uint64))
    sums = np.concatenate([np.zeros(1, dtype=np.uint64), np.cumsum(codes.astype(np.uint64) * powers)])
    inside = np.concatenate([[False], codes != 32, [False]])
    begins, ends = np.flatnonzero(inside[1:] & ~inside[:-1]), np.flatnonzero(~inside[1:] & inside[:-1])
    unbase = np.uint64(pow(int(_BASE), -1, 2**64))
    inverse = np.cumprod(np.full(len(codes), unbase, dtype=np.uint64))
    words = (sums[ends] - sums[begins]) * inverse[begins]
    words = (words ^ (words >> np.uint64(31))) * np.uint64(0xBF58476D1CE4E5B9)
    new = codes[begins] == 10  # the line break before each text is a word too, and so each text has one
    text = np.cumsum(new) - 1
    shingle = words.copy()
    for step in range(1, SHINGLE):
        same = np.flatnonzero(text[step:] == text[:-step])
        shingle[same] = shingle[same] * _BASE + words[same + step]
    shingle = (shingle ^ (shingle >> np.uint64(29))) * np.uint64(0x94D049BB133111EB)
    return shingle, np.flatnonzero(new)
