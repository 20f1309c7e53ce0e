"""Topics: spherical k-means over embeddings, with FAISS.

Centroids are fitted on an even sample, and rows are read in blocks, so that memory does not grow with what lies on
disk.
"""

from __future__ import annotations

from math import isqrt
from typing import Any

import numpy as np
import numpy.typing as npt

from curation import on_disk
from schemas.problems import Problem

MOST = 4096  # clusters where the recipe names no number
SAMPLE = 50  # turns that each centroid is fitted on at most; more change little
ROUNDS = 10
BLOCK = 4096  # rows read at once

Vectors = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.signedinteger[Any]]


def fit(embeddings: Vectors | on_disk.Stored, count: int | None, seed: int) -> Vectors:
    """Fit centroids.

    The same rows in the same order give the same centroids, on any number of threads; sort by `turn_id` before.

    Args:
        embeddings: float32 or float16 [n, d], each of length 1; may lie on disk (`numpy.memmap` or `on_disk.Stored`).
        count: How many clusters, at most n of them; None takes the square root of n, at most 4,096.
        seed: The recipe's seed.

    Returns:
        Centroids of length 1, float32 [k, d].

    Raises:
        Problem: An embedding holds a value that is not finite.
    """
    rows, width = embeddings.shape
    if not rows:
        return np.zeros((0, width), dtype=np.float32)
    clusters = min(count or min(isqrt(rows), MOST), rows)
    kmeans = _faiss().Kmeans(
        width,
        clusters,
        niter=ROUNDS,
        seed=seed,
        spherical=True,
        min_points_per_centroid=1,
        max_points_per_centroid=SAMPLE + 1,
    )
    taken = min(rows, SAMPLE * clusters)
    sample = np.arange(taken, dtype=np.int64) * rows // taken
    fitted = np.empty((taken, width), dtype=np.float32)
    for begin in range(0, taken, BLOCK):
        part = slice(begin, begin + BLOCK)
        fitted[part] = _checked(embeddings, sample[part])
    kmeans.train(fitted)
    return np.asarray(kmeans.centroids, dtype=np.float32)


def assign(embeddings: Vectors | on_disk.Stored, centroids: Vectors) -> npt.NDArray[np.int32]:
    """The centroid that each row is most like.

    Args:
        embeddings: float32 or float16 [n, d]; may lie on disk, as for `fit`.
        centroids: float32 [k, d].

    Returns:
        int32 [n], from 0 to k - 1.

    Raises:
        Problem: An embedding holds a value that is not finite.
    """
    return nearest(embeddings, centroids, 1)[:, 0].astype(np.int32)


def nearest(embeddings: Vectors | on_disk.Stored, centroids: Vectors, count: int) -> Numbers:
    """The centroids that each row is most like, the best first, [n, count], int16 if that will do; as `assign`."""
    found = np.zeros((len(embeddings), count), dtype=np.int16 if len(centroids) < 1 << 15 else np.int32)
    if not len(embeddings):
        return found
    index = _faiss().IndexFlatIP(centroids.shape[1])
    index.add(np.ascontiguousarray(centroids, dtype=np.float32))
    for begin in range(0, len(embeddings), BLOCK):
        rows = np.arange(begin, min(begin + BLOCK, len(embeddings)))
        found[rows] = index.search(_checked(embeddings, rows), count)[1]
    return found


def _checked(embeddings: Vectors | on_disk.Stored, rows: npt.NDArray[np.int64]) -> Vectors:
    some = np.ascontiguousarray(on_disk.take(embeddings, rows), dtype=np.float32)
    bad = np.flatnonzero(~np.isfinite(some).all(axis=1))
    if len(bad):
        raise Problem(
            f"embeddings: row {rows[bad[0]]} of {len(embeddings)} holds a value that is not a finite number; expected "
            "finite float32. Look at the embedding model and its precision."
        )
    return some


def _faiss() -> Any:
    import faiss

    return faiss
