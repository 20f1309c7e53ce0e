"""Topics: k-means over embeddings, with FAISS."""

from __future__ import annotations

from math import isqrt
from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.problems import Problem

MOST = 4096  # clusters where the recipe names no number
SAMPLE = 100  # turns that each centroid is fitted on at most; more change little
ROUNDS = 20

Vectors = npt.NDArray[np.float32]


def fit(embeddings: Vectors, count: int | None, seed: int) -> Vectors:
    """Fit centroids.

    The same rows in the same order give the same centroids, on any number of threads; sort by `turn_id` before.

    Args:
        embeddings: float32 [n, d].
        count: How many clusters, at most n of them; None takes the square root of n, at most 4,096.
        seed: The recipe's seed.

    Returns:
        Centroids, float32 [k, d].

    Raises:
        Problem: An embedding holds a value that is not finite.
    """
    faiss, embeddings = _faiss(), _checked(embeddings)
    rows, width = embeddings.shape
    if not rows:
        return np.zeros((0, width), dtype=np.float32)
    clusters = min(count or min(isqrt(rows), MOST), rows)
    kmeans = faiss.Kmeans(
        width, clusters, niter=ROUNDS, seed=seed, min_points_per_centroid=1, max_points_per_centroid=SAMPLE
    )
    kmeans.train(embeddings)
    return np.asarray(kmeans.centroids, dtype=np.float32)


def assign(embeddings: Vectors, centroids: Vectors) -> npt.NDArray[np.int32]:
    """Nearest centroid of each row, by Euclidean distance.

    Args:
        embeddings: float32 [n, d].
        centroids: float32 [k, d].

    Returns:
        int32 [n], from 0 to k - 1.

    Raises:
        Problem: An embedding holds a value that is not finite.
    """
    embeddings = _checked(embeddings)
    if not len(embeddings):
        return np.zeros(0, dtype=np.int32)
    index = _faiss().IndexFlatL2(centroids.shape[1])
    index.add(np.ascontiguousarray(centroids, dtype=np.float32))
    return np.asarray(index.search(embeddings, 1)[1][:, 0], dtype=np.int32)


def _checked(embeddings: Vectors) -> Vectors:
    bad = np.flatnonzero(~np.isfinite(embeddings).all(axis=1))
    if len(bad):
        raise Problem(
            f"embeddings: row {bad[0]} of {len(embeddings)} holds a value that is not a finite number ({len(bad)} such "
            "rows); expected finite float32. Look at the embedding model and its precision."
        )
    return np.ascontiguousarray(embeddings, dtype=np.float32)


def _faiss() -> Any:
    import faiss

    return faiss
