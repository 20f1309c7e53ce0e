"""MinHash over word shingles, for texts longer than an embedding model reads (Broder 1997).

Words are hashed, three in a row make a shingle, and the smallest of each of 112 permutations of the shingles make a
text's signature: the share of places in which two signatures agree estimates the Jaccard similarity of their shingles.
Candidates share one of 28 bands of four places; at a similarity of 0.5 that finds five pairs in six, at 0.7 all but
one in a thousand. Signatures settle what bands propose. All in numpy, over many texts at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import polars as pl

SHINGLE = 3  # words
BANDS, ROWS = 28, 4
PERMUTATIONS = BANDS * ROWS
FIRST = 32  # rows of a band's bucket that the others are compared with, besides the one before
CHUNK_LETTERS = 2_000_000
_BASE = np.uint64(0x9E3779B97F4A7C15)
_UNSPACED = r"([\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}])"

Ints = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]
Signatures = npt.NDArray[np.uint32]


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
    spaced = texts.str.replace_all(_UNSPACED, " ${1} ")
    found = np.empty((len(texts), PERMUTATIONS), dtype=np.uint32)
    for begin, end in _chunks(spaced.str.len_chars().to_numpy()):
        shingles, starts = _shingles(spaced[begin:end].to_list())
        for place in range(PERMUTATIONS):
            mixed = ((shingles * times[place] + plus[place]) >> np.uint64(32)).astype(np.uint32)
            found[begin:end, place] = np.minimum.reduceat(mixed, starts)
    return found


def candidates(found: Signatures) -> tuple[Ints, Ints]:
    """Pairs that share a band, the later row first; of a large bucket each row with the first few and the one before.

    Args:
        found: uint32 [n, 112], in order of rank.
    """
    count = len(found)
    pairs = []
    for band in range(BANDS):
        keys = np.ascontiguousarray(found[:, band * ROWS : (band + 1) * ROWS]).view("V16").ravel()
        bucket = np.unique(keys, return_inverse=True)[1].ravel()
        order = np.argsort(bucket, kind="stable")
        starts = np.searchsorted(bucket[order], bucket[order])
        place = np.arange(count) - starts
        for back in range(min(FIRST, int(place.max(initial=0)))):
            later = np.flatnonzero(place > back)
            pairs.append(order[later] * count + order[starts[later] + back])
        later = np.flatnonzero(place > FIRST)
        pairs.append(order[later] * count + order[later - 1])
    both = np.unique(np.concatenate(pairs)) if pairs else np.zeros(0, dtype=np.int64)
    return both // max(1, count), both % max(1, count)


def agreement(one: Signatures, two: Signatures) -> npt.NDArray[np.float32]:
    """Estimated Jaccard similarity, pair by pair, float32 [n]; its standard error is at most 0.05."""
    share: npt.NDArray[np.float32] = (one == two).mean(axis=1, dtype=np.float32)
    return share


def _chunks(lengths: npt.NDArray[np.uint32]) -> Iterator[tuple[int, int]]:
    """Ranges of texts with about as many letters."""
    part = np.cumsum(lengths, dtype=np.int64) // CHUNK_LETTERS
    edges = [0, *(np.flatnonzero(np.diff(part)) + 1).tolist(), len(lengths)]
    yield from ((begin, end) for begin, end in pairwise(edges) if end > begin)


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
