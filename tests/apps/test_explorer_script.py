"""The page's script without a browser: odd runs and odd commands are sentences, never tracebacks."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from conftest import ROOT
from invented_run import make_run
from streamlit.testing.v1 import AppTest

from schemas.curation_recipe import Band, Quotas, Weights

APP = str(ROOT / "apps" / "quota_explorer.py")


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Callable[..., AppTest]:
    def go(*arguments: str, tab: str = "Quotas") -> AppTest:
        monkeypatch.setattr(sys, "argv", [APP, *arguments])
        app = AppTest.from_file(APP, default_timeout=60)
        app.session_state["tab"] = tab
        app.run()
        assert not app.exception
        return app

    return go


def errors(app: AppTest) -> str:
    return "\n".join(error.value.replace("\\", "") for error in app.error)


def slider(app: AppTest, label: str):
    return next(found for found in app.slider if found.label == label)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "No run was given; expected: streamlit run"),
        (("--rum", "x"), "--rum x: not understood"),
        (("--run",), "--run: not understood"),
        (("--run=nowhere",), "nowhere: no such directory"),
    ],
)
def test_odd_commands(opened: Callable[..., AppTest], arguments: tuple[str, ...], words: str) -> None:
    assert words in errors(opened(*arguments))


def test_a_run_of_nothing_opens(opened: Callable[..., AppTest], tmp_path: Path) -> None:
    run = make_run(tmp_path / "curate", turns=0, personas=1)
    for tab in ("Where turns went", "Shares", "Quotas", "Compare", "Save as recipe"):
        app = opened("--run", str(run), tab=tab)
        assert not errors(app)
        assert app.metric[0].value == "0"


def test_hard_turns_wait_for_a_judge(opened: Callable[..., AppTest], tmp_path: Path) -> None:
    app = opened("--run", str(make_run(tmp_path / "curate", turns=500, personas=40, known_difficulty=False)))
    assert slider(app, "Hard turns, floor and ceiling").disabled
    assert any("no judge has scored replies yet" in caption.value for caption in app.caption)


def test_sliders_begin_at_the_runs_quotas_whatever_they_are(opened: Callable[..., AppTest], tmp_path: Path) -> None:
    quotas = Quotas(
        total=17,
        max_persona_share=0.25,
        locales={"en-US": Band(min=0.0125, max=1 / 3), "xx-XX": Band(max=0.5)},
        weights=Weights(locales={"ja-JP": 0.05, "en-US": 9.0}, first_turns=0.02),
        soft={"locale en-US": 123456.0},
        expected_discards=0.7,
    )
    run = make_run(tmp_path / "curate", turns=500, personas=40, quotas=quotas)
    app = opened("--run", str(run), tab="Save as recipe")
    assert not errors(app)
    assert app.metric[0].delta == "as in the run"
    written = app.code[0].value + "\n"
    for words in ("total: 17\n", "max_persona_share: 0.25\n", "min: 0.0125\n", "ja-JP: 0.05\n", "first_turns: 0.02\n",
                  "expected_discards: 0.7\n", "locale en-US: 123456.0\n", "xx-XX:\n"):  # fmt: skip
        assert words in written


def test_floors_above_everything_are_told_and_not_saved(opened: Callable[..., AppTest], tmp_path: Path) -> None:
    app = opened("--run", str(make_run(tmp_path / "curate", turns=2000, personas=60)))
    slider(app, "pt-BR, floor and ceiling").set_value((90.0, 100.0))
    next(box for box in app.selectbox if box.label == "Add a locale").set_value("de-DE").run()
    slider(app, "de-DE, floor and ceiling").set_value((40.0, 100.0)).run()
    assert not app.exception
    assert any(heading.value == "These quotas cannot all hold" for heading in app.subheader)
    app.session_state["tab"] = "Save as recipe"
    app.run()
    assert any("add up to more than 100 %" in warning.value for warning in app.warning)
    assert not app.code


def test_weights_and_soft_quotas_reach_the_answer(opened: Callable[..., AppTest], tmp_path: Path) -> None:
    quotas = Quotas(locales={"pt-BR": Band(min=0.3)})
    app = opened("--run", str(make_run(tmp_path / "curate", turns=2000, personas=60, quotas=quotas)))
    before = int(app.metric[0].value.replace(",", ""))
    slider(app, "pt-BR gives way at").set_value(10.0).run()
    assert int(app.metric[0].value.replace(",", "")) > before
    assert any(heading.value == "Soft quotas that gave way" for heading in app.subheader)
    slider(app, "Weight of first turns").set_value(3.0).run()
    assert any("weighted turns" in words.value for words in app.markdown)


def test_a_fault_of_ours_is_a_sentence_without_what_is_in_the_data(
    opened: Callable[..., AppTest], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run = make_run(tmp_path / "curate", turns=500, personas=40)
    shares = pl.read_parquet(run / "shares.parquet")
    shares.with_columns(came_in=pl.lit("SECRET")).write_parquet(run / "shares.parquet")
    app = opened("--run", str(run), tab="Shares")
    assert "The explorer came to a stop: " in errors(app)
    assert "in explorer_charts.py, line" in errors(app)
    assert "SECRET" not in errors(app) + "".join(capfd.readouterr())


def test_make_explorer_finds_the_newest_run_or_says_how_to_make_one(tmp_path: Path) -> None:
    def newest() -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "apps.explorer_run", str(tmp_path)]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    done = newest()
    assert (done.returncode, done.stdout) == (2, "")
    assert "`make demo` makes one" in done.stderr
    run = make_run(tmp_path / "demo" / "generation-001" / "curate", turns=100, personas=40)
    assert newest().stdout == f"{run}\n"
    assert json.loads((run / "manifest.json").read_bytes())["stage"] == "curate"
