"""The tables behind the charts: no turn is lost between bars, and hostile text stays text."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from invented_run import make_run

from apps import explorer_charts as charts
from apps.explorer_run import Report, Run, open_run
from apps.explorer_words import plain, reason_words

EMPTY = {"name": "empty", "seed": 1, "stages": [], "dropped": [], "recipe": {}}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return open_run(make_run(tmp_path_factory.mktemp("runs") / "curate", turns=3000, personas=60))


def test_bars_of_the_waterfall_join_up(run: Run) -> None:
    rows = charts.waterfall_rows(run.report)
    level = rows["end"][0]
    for row in rows[1:-1].iter_rows(named=True):
        assert row["end"] == level
        if row["fate"] != "stays":
            assert row["end"] - row["begin"] == row["count"] > 0
            level = row["begin"]
    assert rows["end"][-1] == level == run.chosen


def test_many_reasons_become_one_row_and_none_is_lost() -> None:
    dropped = [{"stage": "quotas", "reason": f"quota: locale l{i} above 3 %", "count": 10 + i} for i in range(12)]
    lost = sum(row["count"] for row in dropped)
    report = {
        "stages": [{"stage": "quotas", "in": 1000, "kept": 1000 - lost, "dropped": lost, "quarantined": 0}],
        "dropped": dropped,
    }
    rows = charts.waterfall_rows(Report.model_validate({**EMPTY, **report}))
    assert rows["label"].to_list()[1] == "quotas: l11 at most 3 %"
    assert rows["label"].to_list()[-2] == "quotas: 4 other reasons"
    assert rows.filter(pl.col("fate") == "goes")["count"].sum() == lost


def test_an_empty_run_has_a_waterfall() -> None:
    rows = charts.waterfall_rows(Report.model_validate(EMPTY))
    assert charts.waterfall(rows).to_dict()["layer"]


def test_the_largest_and_all_others_are_the_whole(run: Run) -> None:
    rows = charts.share_rows(run.shares, "persona")
    assert rows["row"].n_unique() == charts.TOP + 1
    for _, place in rows.group_by("place"):
        assert place["share"].sum() == pytest.approx(1)
    assert rows.filter(pl.col("place") == "chosen")["count"].sum() == run.chosen
    assert charts.shares_chart(rows, 0.03).to_dict()["layer"]


def test_reasons_of_quotas_in_words() -> None:
    assert reason_words("quota: persona above 3 %") == "each persona at most 3 %"
    assert reason_words("quota: locale pt-BR below 12 %") == "room for pt-BR, at least 12 %"
    assert reason_words("quota: total") == "the total is reached"
    assert reason_words("toxicity above 0.95") == "toxicity above 0.95"


@given(st.text(alphabet="[]()!<>*_`$:~#|\\@ahttpw./-"))
def test_marked_text_is_escaped(text: str) -> None:
    shown = plain(text)
    for mark in "[]<>*_`$:~|@":
        assert all(shown[at - 1 : at] == "\\" for at, letter in enumerate(shown) if letter == mark)


def test_labels_cannot_leave_their_string() -> None:
    hostile = "\"'];</script><script>alert(1)//"
    rows = charts.share_rows(
        pl.DataFrame(
            {
                "dimension": ["cluster"],
                "value": ["0"],
                "label": [hostile],
                "came_in": [1],
                "reached_quotas": [1],
                "chosen": [1],
            }
        ),
        "cluster",
    )
    axis = charts.shares_chart(rows, None).to_dict()["layer"][0]["encoding"]["y"]["axis"]
    written = axis["labelExpr"].removesuffix("[datum.value]")
    assert json.loads(written) == [hostile]
    assert "<" not in written


def test_the_app_is_private_wherever_it_is_started_from() -> None:
    import tomllib

    settings = tomllib.loads((Path(charts.__file__).parent / ".streamlit" / "config.toml").read_text())
    assert settings["server"]["address"] == "127.0.0.1"
    assert settings["browser"]["gatherUsageStats"] is False
    assert settings["client"]["showErrorDetails"] == "none"
