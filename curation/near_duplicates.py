"""Turns that say nearly the same thing, found by embedding and letters within FAISS neighbourhoods.

Rows come ranked, the one that should survive first. A row is dropped if one that is kept before it is alike: the first
maximal independent set in that order, which no order of input can change.

Neighbourhoods are cells of k-means over vectors of meaning (the turn's embedding) and of each message's letters
(`wording.sketches`) side by side. Each row is looked for in its own cell and in the nearest ones besides. Pairs that
are near enough wait until there are many, and are settled together, from cheap to dear: products of vectors, similarity
of letters, words (`alike`). Both messages must be alike.

Memory does not grow with the number of pairs: cells are read from disk one at a time, texts are made plain where they
are compared, and of each row only the first few that it is like are kept. Where all of those turn out to be dropped
themselves, the row is asked for the next few.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from curation import on_disk, wording
from curation.alike import Messages, messages
from curation.cells import BY_LETTERS, Cells, Vectors
from curation.wording import Vocabulary
from schemas.curation_recipe import NearDuplicates

CANDIDATE = 0.65  # product of two rows' vectors from which the pair is looked at
LETTERS_NEAR = 0.35  # product of letters' sketches that both messages need,
NEAR = 0.65  # and product of letters' sketches or embeddings, whichever is higher
LISTED = 8  # rows that a row is like, kept at once
QUERIES = 4096
TILE = 512  # rows compared with others at once: those of the ranking's first part with its first part only
PAIRS = 256  # whose vectors are multiplied at once: they stay in the processor's cache
FEW, MANY = 20_000, 100_000  # pairs that wait to be settled, within a piece of a cell and at all
DECIDED = 100_000  # pairs gone through at once

Ints = npt.NDArray[np.int64]
Rows = npt.NDArray[np.int32]
Kinds = npt.NDArray[np.int8]
Floats = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]


class Edges(NamedTuple):
    """Pairs of ranked rows that are alike: `row` after `other`, how alike, and by which of `duplicates.KINDS`."""

    row: Rows
    other: Rows
    likeness: Floats
    kind: Kinds


class Near(NamedTuple):
    """Pairs that are to be looked at: `row` after `other`, and products of letters' sketches, float32 [n, sides]."""

    row: Rows
    other: Rows
    letters: Floats


class Side(NamedTuple):
    """One message of every ranked row.

    Attributes:
        vectors: float32 [m, d], each of length 1; may lie on disk (`numpy.memmap`).
        texts: As many.
        place: Of each ranked row in both, int32 [n].
        kept: Texts of all ranked rows as `plain` gives them, where they take little room; else made again when asked.
    """

    vectors: Floats
    texts: pl.Series
    place: Rows
    kept: pl.Series | None = None

    def embeddings(self, rows: Rows) -> Floats:
        """Of ranked rows."""
        return on_disk.take(self.vectors, self.place[rows])

    def plain(self, rows: Rows) -> pl.Series:
        """Texts of ranked rows, as `wording.plain` gives them."""
        return wording.plain(self.texts.gather(self.place[rows])) if self.kept is None else self.kept.gather(rows)

    def cosine(self, row: Rows, other: Rows) -> Floats:
        """Of the message's embeddings in pairs of rows."""
        found = np.zeros(len(row), dtype=np.float32)
        for begin in range(0, len(row), PAIRS):
            part = slice(begin, begin + PAIRS)
            np.einsum("ij,ij->i", self.embeddings(row[part]), self.embeddings(other[part]), out=found[part])
        return found

    def messages(self, row: Rows, other: Rows, cosine: Floats) -> Messages:
        """The message in pairs of rows."""
        rows, back = np.unique(np.concatenate([row, other]), return_inverse=True)
        both = self.plain(rows).gather(back)
        return messages(both[: len(row)], both[len(row) :], cosine)


def first_alike(
    sides: Sequence[Side],
    vectors: Vectors,
    cells: Cells,
    long: Flags,
    settings: NearDuplicates,
    edges: Edges,
    words: Vocabulary,
) -> tuple[Rows, Floats, Kinds]:
    """For each row the first kept row before it that is alike.

    Args:
        sides: The user's message and the reply, or one text alone.
        vectors: Of each row, as `cells.write` makes them.
        cells: Where to look.
        long: Rows that are not looked for here, as their texts are too long.
        settings: Bounds.
        edges: Pairs found otherwise (MinHash).
        words: Of all texts.

    Returns:
        The row, int32 [n], -1 where the row itself is kept; how alike, float32 [n]; the kind, int8 [n].
    """
    from threadpoolctl import threadpool_limits

    count = len(long)
    after = np.full(count, -1, dtype=np.int32)  # rows up to this one have been listed
    more = np.zeros(count, dtype=bool)  # rows that are like others after that one
    asked = ~long
    with threadpool_limits(1, "blas"):
        while asked.any():
            found, full = _search(sides, vectors, cells, settings, words, asked, after, long)
            edges = _joined([edges, found])
            last = np.full(count, -1, dtype=np.int32)
            np.maximum.at(last, found.row, found.other)
            after[full] = last[full]
            more[asked] = full[asked]
            # Kept, though it is like more rows than were listed: those listed were all dropped. That may come about
            # rounds later, when a row that is listed turns out to go itself.
            asked = more & (_resolve(edges, count)[0] < 0)
    return _resolve(edges, count)


def _none() -> Edges:
    some = np.zeros(0, dtype=np.int32)
    return Edges(some, some, np.zeros(0, dtype=np.float32), np.zeros(0, dtype=np.int8))


def _resolve(edges: Edges, count: int) -> tuple[Rows, Floats, Kinds]:
    """Go down the ranking: a row with a kept row among those it is like is dropped."""
    order = np.lexsort((-edges.likeness, edges.other, edges.row))
    gone = bytearray(count)
    decided, reasons = -1, [np.zeros(0, dtype=np.int64)]
    for begin in range(0, len(order), DECIDED):
        part = order[begin : begin + DECIDED]
        reason = []
        for edge, row, other in zip(part.tolist(), edges.row[part].tolist(), edges.other[part].tolist(), strict=True):
            if row != decided and not gone[other]:
                reason.append(edge)
                decided = row
                gone[row] = 1
        reasons.append(np.array(reason, dtype=np.int64))
    why = np.concatenate(reasons)
    dropped = edges.row[why]
    original, kind = np.full(count, -1, dtype=np.int32), np.zeros(count, dtype=np.int8)
    likeness = np.zeros(count, dtype=np.float32)
    original[dropped], likeness[dropped], kind[dropped] = edges.other[why], edges.likeness[why], edges.kind[why]
    return original, likeness, kind


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
        return _joined(
            [
                settle(self._sides, row[part], other[part], letters[part], self._settings, self._words)
                for part in (slice(begin, begin + MANY) for begin in range(0, max(1, len(row)), MANY))
            ]
        )


def _search(
    sides: Sequence[Side],
    vectors: Vectors,
    cells: Cells,
    settings: NearDuplicates,
    words: Vocabulary,
    asked: Flags,
    after: Rows,
    long: Flags,
) -> tuple[Edges, Flags]:
    """The first rows that each asked row is like, past those listed already; and which have more of them."""
    full = np.zeros(len(vectors), dtype=bool)
    found: list[Edges] = []
    waiting = _Waiting(sides, settings, words)
    for cell in range(len(cells.starts) - 1):
        others = cells.members[cells.starts[cell] : cells.starts[cell + 1]]
        others = others[~long[others]]
        lookers = cells.askers[cells.asking[cell] : cells.asking[cell + 1]]
        lookers = lookers[asked[lookers]]
        for begin in range(0, len(lookers), QUERIES):
            block = lookers[begin : begin + QUERIES]
            found.extend(_in_cell(len(sides), vectors, waiting, block, others, after, full))
            if waiting.count > MANY:
                found.append(waiting.settle())
            if len(found) > 100:
                found = [_first(found, full)]
    found.append(waiting.settle())
    return _first(found, full), full


def _in_cell(
    sides: int, vectors: Vectors, waiting: _Waiting, block: Rows, others: Rows, after: Rows, full: Flags
) -> Iterator[Edges]:
    """Look for rows of the block in one cell, a growing piece of the ranking at a time.

    A row that is like enough of them is left out of the next piece: of many copies of one text, each is compared with
    few. Pairs are settled here for that, and where there are too many of them; else they wait.
    """
    asking = on_disk.take(vectors, block)
    counts = np.zeros(len(block), dtype=np.int64)
    others = others[: np.searchsorted(others, block[-1])]
    for begin, end in pairwise(_pieces(len(others))):
        piece = others[begin:end]
        members = on_disk.take(vectors, piece)
        full[block[counts >= LISTED]] = True
        still = np.flatnonzero((counts < LISTED) & (block > piece[0]))
        for start in range(0, len(still), TILE):
            some = still[start : start + TILE]
            before = int(np.searchsorted(piece, block[some[-1]]))
            waiting.add(_near(sides, asking[some], members[:before], block[some], piece[:before], after))
            last = start + TILE >= len(still)
            if waiting.count > MANY or (last and end < len(others) and waiting.count > FEW):
                edges = waiting.settle()
                mine = edges.row[np.isin(edges.other, others) & np.isin(edges.row, block)]
                counts += np.bincount(np.searchsorted(block, mine), minlength=len(block))
                yield edges


def _near(sides: int, asking: Floats, members: Floats, rows: Rows, others: Rows, after: Rows) -> Near:
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
    sides: Sequence[Side], row: Rows, other: Rows, letters: Floats, settings: NearDuplicates, words: Vocabulary
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
    return Edges(row[pairs], other[pairs], likeness, np.ones(len(pairs), dtype=np.int8))


def _first(found: list[Edges], full: Flags) -> Edges:
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
