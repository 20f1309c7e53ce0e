"""Generations: the next one starts from the last model that was released, and only after a verdict."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from schemas.problems import Problem
from schemas.recipe import Recipe
from schemas.release import Release
from schemas.stage import open_stage
from training import ledger
from training.generation import current, home


def finish(generation, decision):
    record = Release(
        version=f"v{generation.number}",
        parent=generation.parent,
        recipe=generation.recipe.name,
        generation=generation.number,
        model=f"/models/{generation.number}",
        artefacts={},
        metrics=[],
        gates=[],
        experiment=None,
        simulated=[],
        embedded=[],
        decision=decision,
        reason="r",
        decided_at=datetime(2026, 1, generation.number, tzinfo=UTC),
    )
    ledger.record(generation.ledger, record)
    with open_stage(generation.directory / "release", "release", settings={}, inputs={}, seed=1) as stage:
        stage.finish()


def test_generations_follow_each_other(tmp_path):
    recipe = Recipe(name="line", run_dir=str(tmp_path))
    assert current(recipe) is None
    first = current(recipe, begin=True)
    assert (first.number, first.parent) == (1, recipe.policy.model)
    assert current(recipe, begin=True) == first
    with pytest.raises(Problem, match="no verdict yet"):
        current(recipe, begin=True, another=True)

    finish(first, "release")
    assert current(recipe, begin=True) == first
    second = current(recipe, begin=True, another=True)
    assert (second.number, second.parent) == (2, "/models/1")

    finish(second, "hold")
    third = current(recipe, begin=True, another=True)
    assert (third.number, third.parent) == (3, "/models/1"), "what was held is nobody's parent"
    assert home(recipe).stat().st_mode & 0o077 == 0


def test_a_broken_generation_file_gets_a_sentence(tmp_path):
    recipe = Recipe(name="line", run_dir=str(tmp_path))
    first = current(recipe, begin=True)
    (first.directory / "generation.json").write_text("{")
    with pytest.raises(Problem, match="not readable as ours"):
        current(recipe)
