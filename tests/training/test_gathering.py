"""The annotate stage of the cycle, in a folder and on the real server."""

from __future__ import annotations

import sys
import uuid
from pathlib import Path

import polars as pl
import pytest
from conftest import ROOT
from tests_server import Server

from schemas.recipe import Recipe
from schemas.stage import no_progress
from training.gathering import annotate
from training.generation import Generation, Waiting

sys.path.insert(0, str(ROOT / "tests" / "annotation"))
import annotation_material as material


def generation(directory: Path, tool: str, annotators: str, name: str, enough: float = 1.0) -> Generation:
    """A generation that has its sample."""
    recipe = Recipe.model_validate(
        {
            "name": name,
            "run_dir": str(directory),
            "annotation": {"tool": tool, "annotators": annotators, "votes": 2, "enough": enough},
            "curation": {"input": "nowhere"},
        }
    )
    if not (directory / "sample").exists():
        material.sampled(directory / "sample", material.tasks(6))
    return Generation(recipe, 1, "parent", directory)


@pytest.fixture
def there(monkeypatch, server: Server, tmp_path):
    monkeypatch.setenv("ARGILLA_API_URL", server.url)
    monkeypatch.setenv("ARGILLA_API_KEY", server.api_key)
    monkeypatch.setenv("FLYWHEEL_ANNOTATION_HOME", str(tmp_path / "home"))


@pytest.mark.parametrize("tool", ["folder", "argilla"])
def test_the_cycle_waits_for_people_and_goes_on_with_their_answers(tool, there, tmp_path):
    name = f"g{uuid.uuid4().hex[:8]}"
    with pytest.raises(Waiting, match="waiting for annotators: 0 of 12 submitted"):
        annotate(generation(tmp_path / "run", tool, "people", name), no_progress)
    manifest = annotate(generation(tmp_path / "run", tool, "simulated", name), no_progress)
    assert manifest.figures["comparisons"] == 12
    assert manifest.figures["annotators"] == ["simulated:1", "simulated:2"]
    assert manifest.rows.in_ == 6


def test_a_rehearsal_says_the_same_wherever_it_is_held(there, tmp_path):
    name = f"g{uuid.uuid4().hex[:8]}"
    said = []
    for tool in ("folder", "argilla"):
        annotate(generation(tmp_path / tool, tool, "simulated", name), no_progress)
        said.append(pl.read_parquet(tmp_path / tool / "annotate" / "preferences.parquet"))
    assert said[0].equals(said[1])


def test_enough_may_be_less_than_all(tmp_path):
    from annotation.folder import Folder

    almost = generation(tmp_path, "folder", "people", "almost", enough=0.5)
    with pytest.raises(Waiting, match=r"0 of 12 submitted \(6 are enough\)"):
        annotate(almost, no_progress)
    tasks = Folder(tmp_path / "annotation").tasks()["task_id"]
    answers = [{"task_id": t, "annotator": a, "preference": "a"} for t in tasks.head(3) for a in ("anna", "ben")]
    Folder(tmp_path / "annotation").submit(answers)
    manifest = annotate(almost, no_progress)
    assert manifest.figures["dropped"] == {"no votes": 3}
    assert (manifest.rows.in_, manifest.rows.kept) == (6, 3)
