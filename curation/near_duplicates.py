"""Turns that say nearly the same thing, found by embedding and letters within FAISS neighbourhoods.

Rows come ranked, the one that should survive first. A row is dropped if one that is kept before it is alike: the first
maximal independent set in that order, which no order of input can change.

Neighbourhoods are cells of k-means over vectors of meaning (the turn's embedding) and of each message's letters
(`wording.sketches`) side by side. Each row is looked for in its own cell and in the nearest ones besides. Pairs that
are near enough wait until there are many, and are settled together, from cheap to dear: products of vectors, similarity
of letters, words (`alike`). Both messages must be alike.

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
from curation.alike import Messages, messages
from curation.embed import turn_vectors
from curation.wording import Vocabulary
from schemas.curation_recipe import NearDuplicates

BY_LETTERS = 0.6  # weight of letters where neighbours are looked for, the rest is that of meaning
CANDIDATE = 0.65  # product of two rows' vectors from which the pair is looked at
LETTERS_NEAR = 0.35  # product of letters' sketches that both messages need,
NEAR = 0.65  # and product of letters' sketches or embeddings, whichever is higher
LISTED = 8  # rows that a row is like, kept at once
PROBED_ROWS = 3000  # that each row is compared with, about; at least three cells
PROBES = 3
QUERIES = 4096
TILE = 512  # rows compared with others at once: those of the ranking's first part with its first part only
PAIRS = 256  # whose vectors are multiplied at once: they stay in the processor's cache
FEW, MANY = 20_000, 100_000  # pairs that wait to be settled, within a cell and over cells
BLOCK = 8192  # rows read at once
BRUTE = 6000  # rows that need no cells

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]


class Edges(NamedTuple):
    """Pairs of ranked rows that are alike: `row` after `other`, how alike, and by which of `duplicates.KINDS`."""

    row: Ints
    other: Ints
    likeness: Floats
    kind: Ints


class Near(NamedTuple):
    """Pairs that are to be looked at: `row` after `other`, and products of letters' sketches, float32 [n, sides]."""

    row: Ints
    other: Ints
    letters: Floats


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

    def cosine(self, row: Ints, other: Ints) -> Floats:
        """Of the message's embeddings in pairs of rows."""
        found = np.zeros(len(row), dtype=np.float32)
        for begin in range(0, len(row), PAIRS):
            part = slice(begin, begin + PAIRS)
            one, two = (self.vectors[self.place[which[part]]] for which in (row, other))
            np.einsum("ij,ij->i", one, two, out=found[part])
            if begin // PAIRS % 16 == 15:  # a page read brings those around it along
                clusters.let_go(self.vectors)
        return found

    def messages(self, row: Ints, other: Ints, cosine: Floats) -> Messages:
        """The message in pairs of rows."""
        return messages(self.plain.gather(row), self.plain.gather(other), cosine)


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
    more = np.zeros(count, dtype=bool)  # rows that are like others after that one
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
            more[asked] = False
            more[full] = True
            # Kept, though it is like more rows than were listed: those listed were all dropped. That may come about
            # rounds later, when a row that is listed turns out to go itself.
            asked = np.flatnonzero(more & (_resolve(edges, count)[0] < 0))
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
    """Meaning and each message's letters side by side, ranked, float32 [n, d + SKETCH * sides], on disk."""
    count, meant = len(sides[0].place), sides[0].vectors.shape[1]
    wide = meant + wording.SKETCH * len(sides)
    file.truncate(max(1, count * wide * 4))
    vectors: np.memmap[Any, Any] = np.memmap(file, dtype=np.float32, mode="r+", shape=(count, wide))
    for begin in range(0, count, BLOCK):
        part = slice(begin, min(begin + BLOCK, count))
        meaning = np.asarray(sides[0].vectors[sides[0].place[part]])
        for side in sides[1:]:
            meaning = turn_vectors(meaning, side.vectors[side.place[part]])
        vectors[part, :meant] = meaning * np.float32((1 - BY_LETTERS) ** 0.5)
        for number, side in enumerate(sides):
            place = meant + number * wording.SKETCH
            letters = wording.sketches(side.plain[part]) * np.float32((BY_LETTERS / len(sides)) ** 0.5)
            vectors[part, place : place + wording.SKETCH] = letters
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


class _Waiting:
    """Pairs that are near enough to be looked at, kept until there are enough of them to be settled together."""

    def __init__(self, sides: Sequence[Side], settings: NearDuplicates, words: Vocabulary) -> None:
        self._sides, self._settings, self._words = sides, settings, words
        self._near: list[Near] = []
        self.count = 0

    def add(self, near: Near) -> None:
        self._near.append(near)
        self.count += len(near.row)

    def settle(self) -> Edges:
        near, self._near, self.count = self._near, [], 0
        if not near:
            return _none()
        row, other, letters = (np.concatenate(parts) for parts in zip(*near, strict=True))
        return settle(self._sides, row, other, letters, self._settings, self._words)


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
    full = np.zeros(len(vectors), dtype=bool)
    found: list[Edges] = []
    waiting = _Waiting(sides, settings, words)
    read = 0
    for cell in range(len(cells.starts) - 1):
        others = cells.members[cells.starts[cell] : cells.starts[cell + 1]]
        others = others[~long[others]]
        lookers = cells.askers[cells.asking[cell] : cells.asking[cell + 1]]
        lookers = lookers[wanted[lookers]]
        for begin in range(0, len(lookers), QUERIES):
            block = lookers[begin : begin + QUERIES]
            found.extend(_in_cell(len(sides), vectors, waiting, block, others, after, full))
            read += len(block) + len(others)
            if waiting.count > MANY:
                found.append(waiting.settle())
            if read > 2 * BLOCK:
                _let_go(vectors, sides)
                read = 0
            if len(found) > 100:
                found = [_first(found, full)]
    found.append(waiting.settle())
    return _first(found, full), np.flatnonzero(full)


def _in_cell(
    sides: int,
    vectors: np.memmap[Any, Any],
    waiting: _Waiting,
    block: Ints,
    others: Ints,
    after: Ints,
    full: npt.NDArray[np.bool_],
) -> Iterator[Edges]:
    """Look for rows of the block in one cell, a growing piece of the ranking at a time.

    A row that is like enough of them is left out of the next piece: of many copies of one text, each is compared with
    few. Only then are pairs settled here; else they wait.
    """
    asking = vectors[block]
    counts = np.zeros(len(block), dtype=np.int64)
    others = others[: np.searchsorted(others, block[-1])]
    for begin, end in pairwise(_pieces(len(others))):
        piece = others[begin:end]
        members = vectors[piece]
        full[block[counts >= LISTED]] = True
        still = np.flatnonzero((counts < LISTED) & (block > piece[0]))
        for start in range(0, len(still), TILE):
            some = still[start : start + TILE]
            before = int(np.searchsorted(piece, block[some[-1]]))
            waiting.add(_near(sides, asking[some], members[:before], block[some], piece[:before], after))
        if end < len(others) and waiting.count > FEW:
            edges = waiting.settle()
            mine = edges.row[np.isin(edges.other, others) & np.isin(edges.row, block)]
            counts += np.bincount(np.searchsorted(block, mine), minlength=len(block))
            yield edges


def _near(sides: int, asking: Floats, members: Floats, rows: Ints, others: Ints, after: Ints) -> Near:
    """Pairs near enough to be looked at, the later row first."""
    place = np.flatnonzero((asking @ members.T).ravel() >= CANDIDATE)
    one, two = place // max(1, len(others)), place % max(1, len(others))
    row, other = rows[one], others[two]
    some = np.flatnonzero((other < row) & (other > after[row]))
    letters = np.empty((len(some), sides), dtype=np.float32)
    for begin in range(0, len(some), PAIRS):
        part = some[begin : begin + PAIRS]
        for side in range(sides):
            width = slice(-wording.SKETCH * (sides - side), -wording.SKETCH * (sides - side - 1) or None)
            np.einsum(
                "ij,ij->i", asking[one[part], width], members[two[part], width], out=letters[begin:, side][: len(part)]
            )
    letters *= np.float32(sides / BY_LETTERS)
    keep = letters.min(axis=1, initial=1) >= LETTERS_NEAR
    return Near(row[some[keep]], other[some[keep]], letters[keep])


def _pieces(count: int) -> list[int]:
    """0, 256, 1024, 4096 and from then on every 4096, up to the count."""
    ends = [0]
    while ends[-1] < count:
        ends.append(min(count, max(256, min(4 * ends[-1], ends[-1] + 4096))))
    return ends


def settle(
    sides: Sequence[Side], row: Ints, other: Ints, letters: Floats, settings: NearDuplicates, words: Vocabulary
) -> Edges:
    """Which pairs are alike in every message: what is cheap is asked of all messages before what is dear of any.

    Args:
        sides: The messages.
        row: Ranked rows.
        other: As many.
        letters: float32 [n, sides], products of letters' sketches.
        settings: Bounds.
        words: Of all texts.
    """
    pairs = np.arange(len(row))
    cosines: list[Floats] = []
    for number, side in enumerate(sides):
        cosine = np.zeros(len(row), dtype=np.float32)
        cosine[pairs] = side.cosine(row[pairs], other[pairs])
        pairs = pairs[np.maximum(cosine[pairs], letters[pairs, number]) >= NEAR]
        cosines.append(cosine)
    compared: list[Messages] = []
    for side, cosine in reversed(list(zip(sides, cosines, strict=True))):
        both = side.messages(row[pairs], other[pairs], cosine[pairs])
        keep = both.likely(settings)
        compared = [some.filter(keep) for some in (*compared, both)]
        pairs = pairs[keep]
    likeness = np.ones(len(pairs), dtype=np.float32)
    while compared:
        alike = compared.pop().likeness(settings, words)
        keep = alike > 0
        compared = [some.filter(keep) for some in compared]
        pairs, likeness = pairs[keep], np.minimum(likeness[keep], alike[keep])
    return Edges(row[pairs], other[pairs], likeness, np.ones(len(pairs), dtype=np.int64))


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
