"""Verdicts follow from gates and the A/B test; the ledger forgets nothing."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime

import numpy as np
import pytest

from rewards.statistics import win_rate
from rewards.style import MARKS
from schemas.problems import Problem
from schemas.recipe import Evaluation
from schemas.release import Metric, Release
from training import ledger
from training.gates import gates, verdict

STYLE = {"words": 20.0, **dict.fromkeys(MARKS, 0.1)}


def won(rate, prompts=400):
    """A win rate of about `rate`, every prompt one reply a side."""
    wins = np.arange(prompts) < rate * prompts
    return win_rate(np.where(wins, 1.0, -1.0)[:, None], np.zeros((prompts, 1)), seed=1, resamples=300)


def accuracy(low):
    return Metric(name="judge_accuracy", value=low + 0.1, n=50, low=low, high=low + 0.2)


GOOD_JUDGE = accuracy(0.6)


def decide(rate, style=STYLE, toxic=0.0, ab="better", judge=GOOD_JUDGE):
    return verdict(gates(won(rate), judge, style, STYLE, toxic, 0.0, Evaluation()), ab)


@pytest.mark.parametrize(
    ("rate", "more", "decision", "why"),
    [
        (0.60, {}, "release", "better in breadth"),
        (0.60, {"ab": None}, "hold", "only an A/B test releases"),
        (0.60, {"ab": "inconclusive"}, "hold", "inconclusive"),
        (0.60, {"ab": "worse"}, "reject", "worse in breadth"),
        (0.60, {"judge": accuracy(0.45)}, "hold", "beat a coin"),
        (0.60, {"judge": None}, "hold", "beat a coin"),
        (0.66, {}, "hold", "gamed"),
        (0.95, {}, "hold", "gamed"),
        (0.51, {}, "hold", "includes 0.5"),
        (0.40, {}, "reject", "prefers the parent"),
        (0.60, {"style": {**STYLE, "emoji": 0.26}}, "hold", "emoji"),
        (0.60, {"style": {**STYLE, "words": 31.0}}, "hold", "length"),
        (0.60, {"style": {**STYLE, "words": 12.0}}, "hold", "length"),
        (0.60, {"toxic": 0.06}, "reject", "toxic"),
        (0.66, {"toxic": 0.06}, "reject", "toxic"),
    ],
)
def test_verdicts(rate, more, decision, why):
    found, reason = decide(rate, **more)
    assert found == decision
    assert why in reason


def test_no_win_rate_releases_without_an_ab_test():
    assert all(decide(rate, ab=None)[0] != "release" for rate in np.linspace(0, 1, 41))


def record(version="a", generation=1, decision="hold"):
    return Release(
        version=version,
        parent="p",
        recipe="line",
        generation=generation,
        model="m",
        artefacts={},
        metrics=[],
        gates=[],
        experiment=None,
        simulated=["users"],
        embedded=[],
        decision=decision,
        reason="r",
        decided_at=datetime(2026, 1, generation, tzinfo=UTC),
    )


def test_the_ledger_is_append_only_and_writes_a_version_once(tmp_path):
    path = tmp_path / "ledger.sqlite"
    assert ledger.releases(path, "line") == []
    ledger.record(path, record())
    ledger.record(path, record(decision="release"))
    ledger.record(path, record("b", 2, "release"))
    assert [(r.version, r.decision) for r in ledger.releases(path, "line")] == [("a", "hold"), ("b", "release")]
    assert ledger.releases(path, "other") == []
    connection = sqlite3.connect(path)
    for change in ("UPDATE releases SET decision = 'release'", "DELETE FROM releases"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            connection.execute(change)
    connection.close()


def test_a_ledger_that_is_not_one_gets_a_sentence(tmp_path):
    path = tmp_path / "ledger.sqlite"
    path.write_text("not a database, and long enough to be looked at " * 10)
    with pytest.raises(Problem, match="cannot be used"):
        ledger.releases(path, "line")
