"""Turns that say the same thing: of each group one stays, whichever comes first in hash order.

Turns are taken in the order of their hashes. One is dropped if a turn that was kept before it is similar, looked for in
the clusters whose centres are nearest to it: its own and two more, so that few pairs are missed that a border divides.
This is the first maximal independent set in hash order, which no order of rows can change. Work goes in blocks of rows
against those kept so far: memory does not grow with the number of pairs, and of many copies of one greeting most are
compared with one other row each.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from schemas.problems import Problem
from schemas.turns import hash_fraction

BLOCK = 2048
PROBES = 3
ROUNDING = 1e-5  # of cosines in float32

Ints = npt.NDArray[np.int64]
Vectors = npt.NDArray[np.float32]


def find(
    ids: pl.Series, embeddings: Vectors, cluster_ids: npt.NDArray[np.int32], similarity: float, seed: int
) -> pl.DataFrame:
    """Find turns to drop, and the kept turn that each repeats.

    Args:
        ids: `turn_id` of each row, unique.
        embeddings: float32 [n, d], each of length 1.
        cluster_ids: int32 [n], from 0; see `clusters.assign`.
        similarity: Cosine from which two turns count as one (less 0.00001, for rounding).
        seed: The recipe's seed.

    Returns:
        `turn_id`, `duplicate_of`, sorted by `turn_id`. What is in `duplicate_of` is never dropped itself.

    Raises:
        Problem: The three do not have a row for each turn.
    """
    if not len(ids) == len(embeddings) == len(cluster_ids):
        raise Problem(
            f"near-duplicates: {len(ids)} ids, {len(embeddings)} embeddings and {len(cluster_ids)} clusters; expected "
            "as many of each. Embed and cluster these same turns again."
        )
    order = (
        pl.DataFrame({"turn_id": ids, "fraction": hash_fraction(seed, "near_duplicates", ids)})
        .with_row_index("row")
        .sort("fraction", "turn_id")["row"]
        .to_numpy()
    )
    from threadpoolctl import threadpool_limits

    vectors, clusters = np.ascontiguousarray(embeddings[order], dtype=np.float32), cluster_ids[order].astype(np.int64)
    with threadpool_limits(1, "blas"):  # many small products: threads would wait for each other more than work
        original = _first_alike(vectors, clusters, similarity - ROUNDING)
    dropped = np.flatnonzero(original >= 0)
    names = ids.gather(order)
    return pl.DataFrame(
        {"turn_id": names.gather(dropped), "duplicate_of": names.gather(original[dropped])},
        schema={"turn_id": pl.String, "duplicate_of": pl.String},
    ).sort("turn_id")


def _first_alike(vectors: Vectors, clusters: Ints, similarity: float) -> Ints:
    """For each row the first kept row before it that is alike, or -1 where the row itself is kept."""
    count = len(vectors)
    original = np.full(count, -1, dtype=np.int64)
    if not count:
        return original
    clusters = np.unique(clusters, return_inverse=True)[1]
    members = np.argsort(clusters, kind="stable")  # by cluster, then in order of rows
    starts = np.searchsorted(clusters[members], np.arange(clusters.max() + 2))
    centres = np.add.reduceat(vectors[members], starts[:-1], axis=0)
    centres /= np.diff(starts)[:, None].astype(np.float32)
    lengths = (centres**2).sum(axis=1)
    for begin in range(0, count, BLOCK):
        end = min(begin + BLOCK, count)
        asked = np.arange(begin, end)
        probed = _probes(vectors[begin:end], centres, lengths, clusters[begin:end])
        by_cluster = np.argsort(probed.ravel(), kind="stable")
        edges = np.searchsorted(probed.ravel()[by_cluster], np.arange(len(centres) + 1))
        found = np.full(end - begin, count, dtype=np.int64)
        pairs = []
        for cluster in np.flatnonzero(np.diff(edges)):
            rows = asked[by_cluster[edges[cluster] : edges[cluster + 1]] // probed.shape[1]]
            others = members[starts[cluster] : starts[cluster + 1]]
            others = others[: np.searchsorted(others, end)]
            others = others[(others >= begin) | (original[others] < 0)]
            row, other = np.nonzero(vectors[rows] @ vectors[others].T >= similarity)
            row, other = rows[row], others[other]
            before = other < begin
            np.minimum.at(found, row[before] - begin, other[before])
            within = ~before & (other < row)
            pairs.append(np.column_stack((row[within], other[within])))
        old = found < count
        original[begin:end][old] = found[old]
        # Within the block: when its turn comes a row is decided, as all before it have had theirs.
        new = np.concatenate(pairs)
        new = new[np.argsort(new[:, 1], kind="stable")]
        firsts, places = np.unique(new[:, 1], return_index=True)
        for first, repeats in zip(firsts, np.split(new[:, 0], places)[1:], strict=True):
            if original[first] < 0:
                original[repeats[original[repeats] < 0]] = first
    return original


def _probes(vectors: Vectors, centres: Vectors, lengths: Vectors, own: Ints) -> Ints:
    """Clusters in which each row is looked for: its own, and those with the nearest centres besides."""
    distance = lengths - 2 * vectors @ centres.T
    distance[np.arange(len(vectors)), own] = -np.inf
    probes = min(PROBES, len(centres))
    return np.argpartition(distance, probes - 1, axis=1)[:, :probes].astype(np.int64)
