"""Saved recipes load, say where they come from, and never take a file's place unasked."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from invented_run import make_run

from apps.explorer_recipe import recipe_text, run_command, save_recipe
from apps.explorer_run import Run, open_run
from schemas.curation_recipe import Band, Quotas
from schemas.problems import Problem
from schemas.reading import read_recipe

WHEN = datetime(2026, 11, 26, 9, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return open_run(make_run(tmp_path_factory.mktemp("runs") / "curate", turns=500, personas=40))


def test_only_the_quotas_differ_in_what_is_read_back(run: Run, tmp_path: Path) -> None:
    quotas = Quotas(max_persona_share=0.025, locales={"pt-BR": Band(min=0.0743)}, total=1234, soft={"locale pt-BR": 40})
    path = tmp_path / "new.yaml"
    save_recipe(tmp_path, path.name, recipe_text(run, quotas, WHEN), replace=False)
    read = read_recipe(path)
    assert read.curation == run.report.recipe.model_copy(update={"quotas": quotas})
    assert (read.name, read.seed) == (run.report.name, run.report.seed)
    lines = path.read_text().splitlines()
    assert lines[0] == "# Quotas chosen in the quota explorer on 2026-11-26 09:30 UTC."
    assert lines[1] == f"# From the run in {run.directory}"


def test_a_file_that_is_there_stays_unless_it_may_go(tmp_path: Path) -> None:
    path = tmp_path / "new.yaml"
    path.write_text("mine")
    with pytest.raises(Problem, match=r"is there already, and was left as it is"):
        save_recipe(tmp_path, "new.yaml", "theirs", replace=False)
    assert path.read_text() == "mine"
    save_recipe(tmp_path, "new.yaml", "theirs", replace=True)
    assert path.read_text() == "theirs"
    assert [left.name for left in tmp_path.iterdir()] == ["new.yaml"]


@pytest.mark.parametrize("name", ["../up.yaml", "recipe", ".yaml", "a b.yaml", "", "x.yaml.exe", "-x.yaml"])
def test_only_plain_names_are_taken(tmp_path: Path, name: str) -> None:
    with pytest.raises(Problem, match="not a name for a recipe"):
        save_recipe(tmp_path, name, "text", replace=True)


@pytest.mark.parametrize("replace", [False, True])
def test_a_place_that_cannot_be_written_is_a_sentence(tmp_path: Path, replace: bool) -> None:
    with pytest.raises(Problem, match="download the recipe instead"):
        save_recipe(tmp_path / "gone", "new.yaml", "text", replace=replace)


def test_the_command_does_not_write_into_the_run(run: Run) -> None:
    command = run_command(run, run.directory.parent / "my recipe.yaml")
    assert command.endswith(f"--out '{run.directory.parent}/curated-my recipe'")


def test_the_command_asks_for_logs_that_the_run_does_not_place(run: Run) -> None:
    section = run.report.recipe.model_copy(update={"input": "traffic.parquet"})
    lost = run._replace(report=run.report.model_copy(update={"recipe": section}))
    assert " --input LOGS --out " in run_command(lost, Path("new.yaml"))
    assert "--input" not in run_command(run, Path("new.yaml"))


def test_quotas_that_no_recipe_may_ask_for_are_a_sentence(run: Run) -> None:
    quotas = Quotas.model_construct(locales={"pt-BR": Band(min=0.7), "en-US": Band(min=0.6)})
    with pytest.raises(Problem, match="the floors add up to more than 1"):
        recipe_text(run, quotas, WHEN)
