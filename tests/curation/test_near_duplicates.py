"""Near-duplicates: a kept turn has none that was kept, a dropped one has, and the order of rows changes nothing."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from curation import clusters, near_duplicates
from schemas.problems import Problem
from schemas.turns import hash_fraction


def make(rows: int, noise: float = 0.05, width: int = 24) -> tuple[pl.Series, np.ndarray]:
    random = np.random.default_rng(0)
    found = random.normal(size=(rows, width))
    found[rows // 2 :] = found[random.integers(0, rows // 2, rows - rows // 2)]
    found[rows // 2 :] += (
        random.normal(size=(rows - rows // 2, width)) * random.uniform(0, 2 * noise, (rows - rows // 2, 1)) * 5
    )
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    return pl.Series("turn_id", [f"{i:032x}" for i in range(rows)]), found.astype(np.float32)


def by_the_book(ids: pl.Series, embeddings: np.ndarray, similarity: float) -> dict[str, str]:
    """One turn at a time against all kept ones."""
    order = np.lexsort((ids.to_numpy(), hash_fraction(20, "near_duplicates", ids).to_numpy()))
    kept: list[int] = []
    dropped = {}
    for row in order:
        alike = embeddings[kept] @ embeddings[row] >= similarity - 1e-5
        if alike.any():
            dropped[ids[int(row)]] = ids[kept[int(np.argmax(alike))]]
        else:
            kept.append(int(row))
    return dropped


def test_the_same_as_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    ids, embeddings = make(1500)
    expected = by_the_book(ids, embeddings, 0.9)
    assert 200 < len(expected) < 900
    one = np.zeros(len(ids), dtype=np.int32)
    for block in (4096, 256, 37):
        monkeypatch.setattr(near_duplicates, "BLOCK", block)
        assert dict(near_duplicates.find(ids, embeddings, one, 0.9, 20).rows()) == expected


def test_clusters_lose_few_and_neighbours_win_them_back(monkeypatch: pytest.MonkeyPatch) -> None:
    ids, embeddings = make(3000)
    expected = by_the_book(ids, embeddings, 0.9)
    assigned = clusters.assign(embeddings, clusters.fit(embeddings, None, 20))
    found = near_duplicates.find(ids, embeddings, assigned, 0.9, 20)
    monkeypatch.setattr(near_duplicates, "PROBES", 1)
    alone = near_duplicates.find(ids, embeddings, assigned, 0.9, 20)
    assert alone.height < found.height
    assert found.height >= 0.98 * len(expected)
    rows = dict(zip(ids, range(len(ids)), strict=True))
    for drop, kept in found.iter_rows():
        assert embeddings[rows[drop]] @ embeddings[rows[kept]] >= 0.9 - 2e-5
    assert not set(found["duplicate_of"]) & set(found["turn_id"])


def test_the_order_of_rows_does_not_matter() -> None:
    ids, embeddings = make(2000)
    assigned = clusters.assign(embeddings, clusters.fit(embeddings, None, 20))
    found = near_duplicates.find(ids, embeddings, assigned, 0.9, 20)
    order = np.random.default_rng(1).permutation(len(ids))
    again = near_duplicates.find(ids.gather(order), embeddings[order], assigned[order], 0.9, 20)
    assert again.equals(found)
    assert not near_duplicates.find(ids, embeddings, assigned, 0.9, 21).equals(found)


def test_copies_of_one_text_leave_one() -> None:
    ids, embeddings = make(9000)
    embeddings[:] = embeddings[0]
    found = near_duplicates.find(ids, embeddings, np.zeros(9000, dtype=np.int32), 1.0, 20)
    assert found.height == 8999
    assert found["duplicate_of"].n_unique() == 1


def test_no_turns_and_numbers_of_clusters_with_gaps() -> None:
    ids, embeddings = make(4)
    embeddings[:] = embeddings[0]
    empty = near_duplicates.find(ids.clear(), embeddings[:0], np.zeros(0, dtype=np.int32), 0.9, 20)
    assert empty.schema == {"turn_id": pl.String, "duplicate_of": pl.String}
    assert empty.is_empty()
    assert near_duplicates.find(ids, embeddings, np.array([9, 9, 2, 2], dtype=np.int32), 0.9, 20).height == 3


def test_lengths_that_differ_are_told() -> None:
    ids, embeddings = make(10)
    with pytest.raises(Problem, match="10 ids, 9 embeddings"):
        near_duplicates.find(ids, embeddings[:9], np.zeros(10, dtype=np.int32), 0.9, 20)
