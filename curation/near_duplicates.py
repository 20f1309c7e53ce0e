"""Turns that say nearly the same thing, found by embedding and letters within FAISS neighbourhoods.

Rows come ranked, the one that should survive first. A row is dropped if one that is kept before it is alike: the first
maximal independent set in that order, which no order of input can change.

Neighbourhoods are cells of k-means over vectors of meaning (the turn's embedding) and letters (`wording.sketches`)
side by side. Each row is looked for in its own cell and in the nearest ones besides. Pairs that are near enough are
settled message by message, user's and reply: a message is alike if the letters agree but for slips, noise or a cut-off
end, or if the meaning agrees and so do most of the words. Both messages must be.

Memory does not grow with the number of pairs: cells are read from disk one at a time, and of each row only the first
few that it is like are kept. Where all of those turn out to be dropped themselves, the row is asked for the next few.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from curation import clusters, wording
from curation.embed import turn_vectors
from curation.wording import Vocabulary
from schemas.curation_recipe import NearDuplicates

BY_LETTERS = 0.6  # weight of letters where neighbours are looked for, the rest is that of meaning
CANDIDATE = 0.65  # product of two rows' vectors from which the pair is looked at
LIKELY = 0.75  # similarity of letters from which words are compared
CUT = 0.5  # of the longer text at least, where the shorter is its beginning
BEGINNING = 0.88  # similarity of letters of the shorter text and as much of the longer
SLIPS = 0.1  # share of changed words that may still be slips
LETTERS = 0.94  # similarity of letters from which four times as many may be
MARGIN = 0.06  # below `similarity`, where only little was added
CAUTION = 0.5  # cosine that embeddings have to be surer by where all words differ
LISTED = 8  # rows that a row is like, kept at once
PROBED_ROWS = 3000  # that each row is compared with, about; at least three cells
PROBES = 3
QUERIES = 2048
BLOCK = 8192  # rows read at once
BRUTE = 3000  # rows that need no cells

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


class Edges(NamedTuple):
    """Pairs of ranked rows that are alike: `row` after `other`, how alike, and by which of `duplicates.KINDS`."""

    row: Ints
    other: Ints
    likeness: Floats
    kind: Ints


class Side(NamedTuple):
    """One message of every ranked row.

    Attributes:
        vectors: float32 [m, d], each of length 1; may lie on disk (`numpy.memmap`).
        plain: Texts, as `wording.plain` gives them.
        place: Of each ranked row in `vectors`, int64 [n].
    """

    vectors: Floats
    plain: pl.Series
    place: Ints

    def likeness(self, row: Ints, other: Ints, settings: NearDuplicates, words: Vocabulary) -> Floats:
        """How alike the message is in pairs of rows, 0 where not enough; see `message_likeness`."""
        cosine = np.zeros(len(row), dtype=np.float32)
        for begin in range(0, len(row), BLOCK):
            part = slice(begin, begin + BLOCK)
            one, two = (self.vectors[self.place[which[part]]] for which in (row, other))
            cosine[part] = np.einsum("ij,ij->i", one, two)
        return message_likeness(self.plain.gather(row), self.plain.gather(other), cosine, settings, words)


def first_alike(
    sides: Sequence[Side],
    long: npt.NDArray[np.bool_],
    settings: NearDuplicates,
    seed: int,
    edges: Edges,
    words: Vocabulary,
) -> tuple[Ints, Floats, Ints]:
    """For each row the first kept row before it that is alike.

    Args:
        sides: The user's message and the reply, or one text alone.
        long: Rows that are not looked for here, as their texts are too long.
        settings: Bounds.
        seed: Of the cells.
        edges: Pairs found otherwise (MinHash).
        words: Of all texts.

    Returns:
        The row, int64 [n], -1 where the row itself is kept; how alike, float32 [n]; the kind, int64 [n].
    """
    from threadpoolctl import threadpool_limits

    count = len(long)
    after = np.full(count, -1, dtype=np.int64)  # rows up to this one have been listed
    asked = np.flatnonzero(~long)
    with tempfile.TemporaryFile() as file, threadpool_limits(1, "blas"):
        vectors = _vectors(file, sides)
        cells = _cells(vectors, seed)
        while len(asked):
            found, full = _search(sides, vectors, cells, settings, words, asked, after, long)
            edges = _joined([edges, found])
            last = np.full(count, -1, dtype=np.int64)
            np.maximum.at(last, found.row, found.other)
            after[full] = last[full]
            # Kept, though it is like more rows than were listed: those listed were all dropped.
            asked = full[_resolve(edges, count)[0][full] < 0]
    return _resolve(edges, count)


def _none() -> Edges:
    some = np.zeros(0, dtype=np.int64)
    return Edges(some, some, np.zeros(0, dtype=np.float32), some)


def _resolve(edges: Edges, count: int) -> tuple[Ints, Floats, Ints]:
    """Go down the ranking: a row with a kept row among those it is like is dropped."""
    order = np.lexsort((-edges.likeness, edges.other, edges.row))
    gone = bytearray(count)
    reason = np.full(count, -1, dtype=np.int64)
    decided = -1
    for edge, row, other in zip(order.tolist(), edges.row[order].tolist(), edges.other[order].tolist(), strict=True):
        if row != decided and not gone[other]:
            reason[row], decided = edge, row
            gone[row] = 1
    dropped = reason >= 0
    original, kind = np.full(count, -1, dtype=np.int64), np.zeros(count, dtype=np.int64)
    likeness = np.zeros(count, dtype=np.float32)
    for whole, part in ((original, edges.other), (likeness, edges.likeness), (kind, edges.kind)):
        whole[dropped] = part[reason[dropped]]
    return original, likeness, kind


def _vectors(file: Any, sides: Sequence[Side]) -> np.memmap[Any, Any]:
    """Meaning and letters side by side, ranked, float16 [n, d + SKETCH], on disk."""
    count, wide = len(sides[0].place), sides[0].vectors.shape[1] + wording.SKETCH
    file.truncate(max(1, count * wide * 2))
    vectors: np.memmap[Any, Any] = np.memmap(file, dtype=np.float16, mode="r+", shape=(count, wide))
    for begin in range(0, count, BLOCK):
        part = slice(begin, min(begin + BLOCK, count))
        texts = pl.DataFrame([side.plain[part].alias(str(n)) for n, side in enumerate(sides)])
        joined = texts.select(pl.concat_str(pl.all(), separator=" "))[:, 0]
        meaning = np.asarray(sides[0].vectors[sides[0].place[part]])
        for side in sides[1:]:
            meaning = turn_vectors(meaning, side.vectors[side.place[part]])
        vectors[part, : -wording.SKETCH] = meaning * np.float32((1 - BY_LETTERS) ** 0.5)
        vectors[part, -wording.SKETCH :] = wording.sketches(joined) * np.float32(BY_LETTERS**0.5)
        _let_go(vectors, sides)
    return vectors


class _Cells(NamedTuple):
    """Rows by cell, ranked inside, and where each cell begins: those that live there, and those looked for there."""

    members: Ints
    starts: Ints
    askers: Ints
    asking: Ints


def _cells(vectors: np.memmap[Any, Any], seed: int) -> _Cells:
    """K-means cells, who lives in each and who is looked for in each."""
    count = len(vectors)
    if count <= BRUTE:
        every, edges = np.arange(count), np.array([0, count])
        return _Cells(every, edges, every, edges)
    centroids = clusters.fit(vectors, None, seed)
    probes = min(len(centroids), max(PROBES, -(-PROBED_ROWS * len(centroids) // count)))
    near = clusters.nearest(vectors, centroids, probes)
    members = np.argsort(near[:, 0], kind="stable")
    starts = np.searchsorted(near[members, 0], np.arange(len(centroids) + 1))
    flat = near.ravel()
    order = np.argsort(flat, kind="stable")
    return _Cells(members, starts, order // probes, np.searchsorted(flat[order], np.arange(len(centroids) + 1)))


def _search(
    sides: Sequence[Side],
    vectors: np.memmap[Any, Any],
    cells: _Cells,
    settings: NearDuplicates,
    words: Vocabulary,
    asked: Ints,
    after: Ints,
    long: npt.NDArray[np.bool_],
) -> tuple[Edges, Ints]:
    """The first rows that each asked row is like, past those listed already; and which have more of them."""
    wanted = np.zeros(len(vectors), dtype=bool)
    wanted[asked] = True
    found: list[Edges] = []
    full = np.zeros(len(vectors), dtype=bool)
    read = 0
    for cell in range(len(cells.starts) - 1):
        others = cells.members[cells.starts[cell] : cells.starts[cell + 1]]
        others = others[~long[others]]
        lookers = cells.askers[cells.asking[cell] : cells.asking[cell + 1]]
        lookers = lookers[wanted[lookers]]
        for begin in range(0, len(lookers), QUERIES):
            block = lookers[begin : begin + QUERIES]
            found.extend(_in_cell(sides, vectors, settings, words, block, others, after, full))
            read += len(block) + len(others)
            if read > 20 * BLOCK:
                _let_go(vectors, sides)
                found, read = [_first(found, full)], 0
    return _first(found, full), np.flatnonzero(full)


def _in_cell(
    sides: Sequence[Side],
    vectors: np.memmap[Any, Any],
    settings: NearDuplicates,
    words: Vocabulary,
    block: Ints,
    others: Ints,
    after: Ints,
    full: npt.NDArray[np.bool_],
) -> Iterator[Edges]:
    """Rows of one cell that those of the block are like, a growing piece of the ranking at a time.

    A row that has enough of them is left out of the next piece: of many copies of one text, each is compared with few.
    """
    asking = np.asarray(vectors[block], dtype=np.float32)
    counts = np.zeros(len(block), dtype=np.int64)
    others = others[: np.searchsorted(others, block[-1])]
    for begin, end in pairwise(_pieces(len(others))):
        piece = others[begin:end]
        still = np.flatnonzero((counts < LISTED) & (block > piece[0]))
        if not len(still):
            break
        near = asking[still] @ np.asarray(vectors[piece], dtype=np.float32).T >= CANDIDATE
        row, other = np.nonzero(near & (piece > after[block[still]][:, None]) & (piece < block[still][:, None]))
        edges = settle(sides, block[still[row]], piece[other], settings, words)
        counts += np.bincount(np.searchsorted(block, edges.row), minlength=len(block))
        if end < len(others):
            full[block[counts >= LISTED]] = True
        yield edges


def _pieces(count: int) -> list[int]:
    """0, 256, 1024, 4096 and from then on every 4096, up to the count."""
    ends = [0]
    while ends[-1] < count:
        ends.append(min(count, max(256, min(4 * ends[-1], ends[-1] + 4096))))
    return ends


def settle(sides: Sequence[Side], row: Ints, other: Ints, settings: NearDuplicates, words: Vocabulary) -> Edges:
    """Which pairs are alike in every message."""
    likeness = np.ones(len(row), dtype=np.float32)
    for side in reversed(sides):
        if len(row):
            alike = side.likeness(row, other, settings, words)
            keep = alike > 0
            row, other, likeness = row[keep], other[keep], np.minimum(likeness[keep], alike[keep])
    return Edges(row, other, likeness, np.ones(len(row), dtype=np.int64))


def message_likeness(
    one: pl.Series, two: pl.Series, cosine: Floats, settings: NearDuplicates, words: Vocabulary
) -> Floats:
    """How alike two messages are, and 0 where they are not the same said again.

    They are the same if they differ in nothing but slips and a little more or less (a filler, an end cut off); if one
    is the beginning of the other; or if other words stand for some, and the embeddings find that nothing changed by it.
    The more words changed, the surer embeddings have to be.

    Args:
        one: Texts as `wording.plain` gives them.
        two: As many.
        cosine: Of their embeddings.
        settings: Bounds.
        words: Of all texts.

    Returns:
        float32 [n]: similarity of letters or cosine, whichever is higher.
    """
    from rapidfuzz import fuzz, process

    def compared(a: pl.Series, b: pl.Series) -> Floats:
        found = process.cpdist(a.to_list(), b.to_list(), scorer=fuzz.ratio, dtype=np.float32)
        return np.asarray(found, np.float32) / np.float32(100)

    def inside(a: str, b: str) -> bool:
        return fuzz.partial_ratio(a, b) >= 100 * BEGINNING

    letters = compared(one, two)
    lengths = pl.DataFrame({"one": one.str.len_chars(), "two": two.str.len_chars()})
    short, long = lengths.min_horizontal().to_numpy(), lengths.max_horizontal().to_numpy()
    begins = np.zeros(len(one), dtype=bool)
    cut = np.flatnonzero((letters < 1) & (short >= CUT * long))
    if len(cut):
        few = pl.Series(short[cut])
        begins[cut] = compared(_head(one.gather(cut), few), _head(two.gather(cut), few)) >= BEGINNING
    likely = (letters >= LIKELY) | begins | (cosine >= settings.similarity - MARGIN)
    same = letters == 1
    for pair in np.flatnonzero(likely & ~same):
        changed, added = words.news(one[int(pair)], two[int(pair)])
        differs = changed + added / 2
        surely = cosine[pair] >= settings.similarity + CAUTION * differs
        if changed <= SLIPS or (letters[pair] >= LETTERS and changed <= 4 * SLIPS):
            said_more = added <= settings.added and cosine[pair] >= settings.similarity - MARGIN
            surely |= (
                begins[pair] or added <= settings.added / 4 or (said_more and inside(one[int(pair)], two[int(pair)]))
            )
        same[pair] = surely
    return np.where(same, np.maximum(letters, cosine), 0).astype(np.float32)


def _head(texts: pl.Series, lengths: pl.Series) -> pl.Series:
    return pl.DataFrame({"text": texts, "length": lengths}).select(pl.col("text").str.head("length"))["text"]


def _first(found: list[Edges], full: npt.NDArray[np.bool_]) -> Edges:
    """Of each row the first few that it is like, without repeats."""
    if not found:
        return _none()
    edges = _joined(found)
    order = np.lexsort((edges.other, edges.row))
    row, other = edges.row[order], edges.other[order]
    new = np.ones(len(row), dtype=bool)
    new[1:] = (row[1:] != row[:-1]) | (other[1:] != other[:-1])
    order, row = order[new], row[new]
    place = np.arange(len(row)) - np.searchsorted(row, row)
    full[row[place >= LISTED]] = True
    some = order[place < LISTED]
    return Edges(edges.row[some], edges.other[some], edges.likeness[some], edges.kind[some])


def _joined(several: Sequence[Edges]) -> Edges:
    return Edges(
        np.concatenate([edges.row for edges in several]),
        np.concatenate([edges.other for edges in several]),
        np.concatenate([edges.likeness for edges in several]),
        np.concatenate([edges.kind for edges in several]),
    )


def _let_go(vectors: np.memmap[Any, Any], sides: Sequence[Side]) -> None:
    for array in (vectors, *(side.vectors for side in sides)):
        clusters.let_go(array)
