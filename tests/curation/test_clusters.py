"""Clusters: the same in, the same out, and no complaints about small inputs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from curation import clusters
from schemas.problems import Problem


def make(rows: int, topics: int = 6, width: int = 16) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    topic = random.integers(0, topics, rows)
    found = np.eye(topics, width)[topic] * 5 + random.normal(size=(rows, width))
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32), topic


def test_topics_are_found() -> None:
    embeddings, topic = make(1200)
    centroids = clusters.fit(embeddings, 30, 20)
    found = clusters.assign(embeddings, centroids)
    assert centroids.shape == (30, 16)
    assert centroids.dtype == np.float32
    assert found.shape == (1200,)
    assert found.dtype == np.int32
    pure = sum(np.bincount(topic[found == cluster]).max() for cluster in np.unique(found))
    assert pure > 0.98 * 1200
    likeness = embeddings @ centroids.T
    assert (likeness[np.arange(1200), found] >= likeness.max(axis=1) - 1e-5).all()
    np.testing.assert_allclose(np.linalg.norm(centroids, axis=1), 1, atol=1e-5)


def test_the_same_in_the_same_out_on_any_number_of_threads() -> None:
    import faiss

    embeddings, _ = make(6000)
    centroids = clusters.fit(embeddings, 10, 20)  # more rows than the fit looks at
    threads = faiss.omp_get_max_threads()
    try:
        faiss.omp_set_num_threads(1)
        assert np.array_equal(clusters.fit(embeddings, 10, 20), centroids)
    finally:
        faiss.omp_set_num_threads(threads)
    assert not np.array_equal(clusters.fit(embeddings, 10, 21), centroids)


@pytest.mark.parametrize(
    ("rows", "count", "expected"), [(100, None, 10), (5, 12, 5), (1, None, 1), (0, None, 0), (7, 7, 7)]
)
def test_how_many(rows: int, count: int | None, expected: int, capfd: pytest.CaptureFixture[str]) -> None:
    embeddings, _ = make(rows)
    centroids = clusters.fit(embeddings, count, 20)
    assert centroids.shape == (expected, 16)
    assert clusters.assign(embeddings, centroids).shape == (rows,)
    assert capfd.readouterr() == ("", "")


def test_copies_of_one_text() -> None:
    embeddings = np.tile(make(1)[0], (50, 1))
    centroids = clusters.fit(embeddings, None, 20)
    assert np.isfinite(centroids).all()
    assert len(np.unique(clusters.assign(embeddings, centroids))) == 1


def test_rows_on_disk_come_in_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    embeddings, _ = make(3000)
    disk = np.memmap(tmp_path / "vectors", dtype=np.float32, mode="w+", shape=embeddings.shape)
    disk[:] = embeddings
    centroids = clusters.fit(embeddings, 20, 20)
    assert np.array_equal(clusters.fit(disk, 20, 20), centroids)
    found = clusters.assign(embeddings, centroids)
    monkeypatch.setattr(clusters, "BLOCK", 100)
    assert np.array_equal(clusters.assign(disk, centroids), found)
    assert np.array_equal(disk, embeddings)  # letting go of pages loses nothing


def test_what_is_not_a_number_is_told() -> None:
    embeddings, _ = make(20)
    embeddings[7, 3] = np.nan
    with pytest.raises(Problem, match="row 7 of 20"):
        clusters.fit(embeddings, None, 20)


@pytest.mark.parametrize("libraries", ["faiss, torch", "torch, faiss"])
def test_faiss_and_torch_live_together(libraries: str) -> None:
    # Both bring OpenMP along; on some machines the second to be loaded ends the process.
    code = f"""
import {libraries}
import numpy as np
from curation import clusters
rows = np.random.default_rng(0).normal(size=(2000, 32)).astype("float32")
assert clusters.assign(rows, clusters.fit(rows, None, 20)).max() < 44
assert torch.isfinite(torch.from_numpy(rows).T @ torch.from_numpy(rows)).all()
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
