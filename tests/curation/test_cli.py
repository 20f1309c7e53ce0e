"""`python -m curation`: what it passes on, what it prints, how it ends."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import polars as pl
import pytest

import curation
from curation.__main__ import main
from schemas.problems import Problem
from schemas.stage import Manifest, Rows

PERSONAS = "- {persona_id: mira, name: Mira, locale: pt-BR, system_prompt: You are Mira.}\n"
RECIPE = "name: demo\nrun_dir: runs\ncuration: {input: logs.jsonl, format: messages, personas: personas.yaml}\n"


SECRET = "zyxsecretwvu"


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    (tmp_path / "personas.yaml").write_text(PERSONAS)
    (tmp_path / "logs.jsonl").write_text("{}\n")
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    return tmp_path / "recipe.yaml"


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Calls of a pipeline that stands in for the real one: it curates nothing and reports all the same."""
    seen: list[dict[str, Any]] = []

    def run(recipe: Any, *, out: Path, advance: Any, **given: Any) -> Manifest:
        seen.append({"out": out, **given})
        if given["format"] == "lmsys":
            raise KeyboardInterrupt
        if given["format"] == "turns":
            raise Problem("logs.jsonl, line 1: first.", "logs.jsonl, line 2: second.")
        advance(1, 2, "reading")
        out.mkdir(parents=True)
        rows = {"in": 1200, "kept": 1000, "dropped": 150, "quarantined": 50}
        report = {"stages": [{"stage": "read", **rows}], "quotas": {"total": 990, "bound": 993, "gap": 3}}
        (out / "report.json").write_text(json.dumps(report))
        known: dict[str, Any] = {
            "stage": "curate",
            "fingerprint": "",
            "inputs": {},
            "outputs": {},
            "settings": {},
            "versions": {},
        }
        return Manifest(**known, rows=Rows(**rows), seed=1, seconds=0.1)

    module = ModuleType("curation.pipeline")
    module.run = run  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "curation.pipeline", module)
    monkeypatch.setattr(curation, "pipeline", module, raising=False)
    return seen


def test_recipe_paths_are_relative_to_the_recipe(
    recipe: Path, calls: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", str(recipe)]) == 0
    (call,) = calls
    assert call["input"] == recipe.parent / "logs.jsonl"
    assert call["format"] == "messages"
    assert call["out"] == recipe.parent / "runs" / "curation"
    assert list(call["personas"]) == ["mira"]
    shown = capsys.readouterr().out
    assert "1,200" in shown
    assert "overall" in shown
    assert "3 of 993 turns" in shown


def test_what_is_given_goes_before_the_recipe(recipe: Path, calls: list[dict[str, Any]], tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text("[]")
    words = ["run", str(recipe), "--input", str(other), "--format", "sharegpt", "--out", str(tmp_path / "o")]
    assert main(words) == 0
    assert (calls[0]["input"], calls[0]["format"], calls[0]["out"]) == (other, "sharegpt", tmp_path / "o")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--format", "turns"], "line 1: first.\nlogs.jsonl, line 2: second.\n"),
        (["--format", "message"], "did you mean messages?"),
        (["--input", "gone.jsonl"], "gone.jsonl: no such file or directory"),
    ],
)
@pytest.mark.usefixtures("calls")
def test_problems_are_sentences(
    recipe: Path, words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", str(recipe), *words]) == 2
    told = capsys.readouterr()
    assert sentence in told.err
    assert not told.out


@pytest.mark.usefixtures("calls")
def test_ctrl_c_says_how_to_go_on(recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", str(recipe), "--format", "lmsys"]) == 130
    assert "same command again" in capsys.readouterr().err.splitlines()[-1]


def test_help_is_fast_and_light() -> None:
    command = [sys.executable, "-X", "importtime", "-m", "curation", "run", "--help"]
    started = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True)
    assert time.monotonic() - started < 2  # 0.1 s, on a machine with time
    assert done.returncode == 0, done.stderr
    assert "RECIPE" in done.stdout
    assert not [heavy for heavy in ("polars", "pydantic", "torch", "rich") if f" {heavy}\n" in done.stderr]


@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [
        (ValueError(SECRET), 70, "ValueError in "),
        (PermissionError(13, "Permission denied", "a/b"), 2, "a/b: Permission denied"),
        (pl.exceptions.ComputeError("No space (os error 28)"), 2, "No space left on device"),
        (MemoryError(), 2, "MemoryError"),
    ],
)
def test_no_failure_shows_a_traceback_or_what_a_library_says_of_messages(
    recipe: Path,
    error: Exception,
    code: int,
    sentence: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fails(*_: Any) -> None:
        raise error

    monkeypatch.setattr("curation.__main__._run", fails)
    assert main(["run", str(recipe)]) == code
    told = capsys.readouterr().err
    assert SECRET not in told
    assert "Traceback" not in told
    assert sentence in told


def test_sigterm_ends_a_run_as_ctrl_c_does(
    recipe: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("curation.__main__._run", lambda _: signal.raise_signal(signal.SIGTERM))
    before = signal.getsignal(signal.SIGTERM)
    assert main(["run", str(recipe)]) == 130
    assert "same command again" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGTERM) is before
