"""Opening a run: what is there is read, and what is wrong is said in a sentence."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from invented_run import make_run

from apps.explorer_run import newest_run, open_run
from schemas.problems import Problem
from schemas.stage import MANIFEST


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("runs") / "curate", turns=500, personas=40)


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    """A copy that a test may break."""
    to = tmp_path / "curate"
    to.mkdir()
    for path in made.iterdir():
        (to / path.name).write_bytes(path.read_bytes())
    return to


def test_a_run_is_read(run: Path) -> None:
    opened = open_run(run)
    report = json.loads((run / "report.json").read_bytes())
    assert opened.chosen == report["quotas"]["total"]
    assert opened.report.recipe.quotas.locales["pt-BR"].min == 0.12
    assert opened.persona_names()["p00000"] == "Mira the baker"


def change(name: str, key: str, value: object) -> Callable[[Path], None]:
    def apply(run: Path) -> None:
        content = json.loads((run / name).read_bytes())
        (run / name).write_text(json.dumps({**content, key: value}))

    return apply


def cut(run: Path) -> None:
    pl.read_parquet(run / "cells.parquet").drop("taken").write_parquet(run / "cells.parquet")


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (lambda run: (run / MANIFEST).unlink(), "no manifest.json in it"),
        (lambda run: ((run / MANIFEST).unlink(), (run / "work").mkdir()), "this run is not finished"),
        (change(MANIFEST, "stage", "judge"), "made by stage 'judge'"),
        (lambda run: (run / MANIFEST).write_text("{"), "not a manifest of ours"),
        (lambda run: (run / "cells.parquet").unlink(), "cells.parquet: no such file"),
        (lambda run: (run / "shares.parquet").write_text("x"), "shares.parquet: not readable as Parquet"),
        (cut, "cells.parquet: column taken is missing"),
        (lambda run: (run / "report.json").write_text("x"), "report.json: the file is not as expected (json_invalid)"),
        (lambda run: (run / "report.json").write_text("[]"), "report.json: the file is not as expected (model_type)"),
        (change("report.json", "recipe", {"quotas": {"total": -1}}), "recipe.quotas.total is not as expected"),
        (change("report.json", "seed", "many"), "report.json: seed is not as expected"),
        (change("report.json", "stages", [{"stage": "read"}]), "report.json: stages.0.in is not as expected"),
    ],
)
def test_what_is_wrong_is_a_sentence(run: Path, broken: Callable[[Path], None], words: str) -> None:
    broken(run)
    with pytest.raises(Problem) as told:
        open_run(run)
    assert words in str(told.value)


def test_no_directory_and_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Problem, match="no such directory"):
        open_run(tmp_path / "nowhere")
    with pytest.raises(Problem, match="is a file"):
        open_run(tmp_path / "file")


def test_the_newest_curation_is_found_among_other_stages(run: Path, tmp_path: Path) -> None:
    change(MANIFEST, "stage", "judge")(make_run(tmp_path / "generation-001" / "judge", turns=100, personas=40))
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / MANIFEST).write_text('{"name": "another program"}')
    assert newest_run(tmp_path) == run
    with pytest.raises(Problem, match="make demo"):
        newest_run(tmp_path / "nothing")
