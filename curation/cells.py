"""Where near-duplicates are looked for: k-means cells over vectors of what a row means and of its letters side by side.

The vectors lie on disk, ranked. Each row is looked for in its own cell and in the nearest ones besides.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from curation import clusters, on_disk, wording
from curation.embed import turn_vectors
from curation.on_disk import Stored

BY_LETTERS = 0.6  # weight of letters where neighbours are looked for, the rest is that of meaning
PROBED_ROWS = 3000  # that each row is compared with, about; at least three cells
PROBES = 3
BRUTE = 6000  # rows that need no cells
LITTLE = 1 << 26  # bytes of vectors that need not stay on disk

Floats = npt.NDArray[np.float32]
Vectors = Floats | Stored
Places = npt.NDArray[np.int64]
Rows = npt.NDArray[np.int32]


def write(file: BinaryIO, embeddings: Sequence[Floats], plain: Sequence[pl.Series]) -> None:
    """Append the vectors of some rows: meaning, then each message's letters, float32 [n, d + SKETCH * messages].

    Args:
        file: Where to.
        embeddings: Of each message, [n, d].
        plain: Texts of each message, as `wording.plain` gives them.
    """
    meaning = embeddings[0]
    for more in embeddings[1:]:
        meaning = turn_vectors(meaning, more)
    meant = meaning.shape[1]
    vectors = np.empty((len(meaning), meant + wording.SKETCH * len(plain)), dtype=np.float32)
    vectors[:, :meant] = meaning * np.float32((1 - BY_LETTERS) ** 0.5)
    for number, texts in enumerate(plain):
        place = meant + number * wording.SKETCH
        letters = wording.sketches(texts) * np.float32((BY_LETTERS / len(plain)) ** 0.5)
        vectors[:, place : place + wording.SKETCH] = letters
    file.write(vectors.data)


def written(file: BinaryIO, count: int) -> Vectors:
    """What was written of so many rows, one at least; read into memory if it is little, as each row is asked often."""
    file.flush()
    size = file.tell()
    stored = Stored(file.fileno(), np.dtype(np.float32), (count, size // 4 // count))
    return stored if size > LITTLE else on_disk.take(stored, np.arange(count))


class Cells(NamedTuple):
    """Rows by cell, ranked inside, and where each cell begins.

    Attributes:
        members: Rows that live in each.
        starts: Where the members of each begin, and the end.
        askers: Rows that are looked for in each.
        asking: Where the askers of each begin, and the end.
    """

    members: Rows
    starts: Places
    askers: Rows
    asking: Places


def cells(vectors: Vectors, seed: int) -> Cells:
    """K-means cells, who lives in each and who is looked for in each."""
    count = len(vectors)
    if count <= BRUTE:
        rows, whole = np.arange(count, dtype=np.int32), np.array([0, count])
        return Cells(rows, whole, rows, whole)
    centroids = clusters.fit(vectors, None, seed)
    probes = min(len(centroids), max(PROBES, -(-PROBED_ROWS * len(centroids) // count)))
    near = clusters.nearest(vectors, centroids, probes)

    def ends(cell: npt.NDArray[Any]) -> Places:
        return np.concatenate([[0], np.cumsum(np.bincount(cell, minlength=len(centroids)))])

    own, every = near[:, 0], near.ravel()
    members = np.argsort(own, kind="stable").astype(np.int32)
    order = np.argsort(every, kind="stable")
    order //= probes
    return Cells(members, ends(own), order.astype(np.int32), ends(every))
