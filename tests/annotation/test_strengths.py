from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from annotation.strengths import strengths


def compared(strength: dict[str, float], *, tie: float, first: float, turns: int, seed: int) -> pl.DataFrame:
    """Three votes a turn on pairs of policies, by Davidson and Beaver's model."""
    random = np.random.default_rng(seed)
    names = np.array(list(strength))
    a = random.integers(0, len(names), turns)
    b = (a + random.integers(1, len(names), turns)) % len(names)
    turn = np.repeat(np.arange(turns), 3)
    a, b, swapped = a[turn], b[turn], random.random(3 * turns) < 0.5
    value = np.array(list(strength.values()))
    one, other = np.where(swapped, b, a), np.where(swapped, a, b)
    utility = np.stack([value[one] + first, value[other], tie + (value[one] + value[other]) / 2], axis=1)
    chance = np.exp(utility) / np.exp(utility).sum(axis=1, keepdims=True)
    outcome = (random.random(3 * turns)[:, None] > chance.cumsum(axis=1)).sum(axis=1)
    said = np.where(outcome == 2, "tie", np.where((outcome == 0) == swapped, "b", "a"))
    return pl.DataFrame(
        {
            "turn_id": [f"t{number}" for number in turn],
            "policy_a": names[a],
            "policy_b": names[b],
            "preference": said,
            "first_shown": np.where(swapped, "b", "a"),
        }
    )


TRUE = {"base": -0.6, "best": 0.5, "sft": 0.1}


def test_strengths_ties_and_order_are_recovered_within_their_intervals():
    found = strengths(compared(TRUE, tie=-0.5, first=0.4, turns=4000, seed=1))
    for row in found.policies.iter_rows(named=True):
        assert row["low"] < TRUE[row["policy"]] < row["high"]
        assert row["high"] - row["low"] < 0.12
        assert row["answers"] == row["won"] + row["tied"] + row["lost"]
    value, low, high = found.first
    assert low < 0.4 < high
    assert value == pytest.approx(0.4, abs=0.05)


def test_intervals_cover_what_is_true():
    covered = []
    for seed in range(60):
        found = strengths(compared(TRUE, tie=-0.5, first=0.3, turns=100, seed=seed), resamples=300)
        covered += [row["low"] < TRUE[row["policy"]] < row["high"] for row in found.policies.iter_rows(named=True)]
    assert 0.88 < np.mean(covered) < 0.99


def test_without_ties_and_order_it_is_bradley_terry():
    import evalica

    rows = compared(TRUE, tie=-0.5, first=0.0, turns=2000, seed=2).filter(pl.col("preference") != "tie")
    found = strengths(rows.with_columns(first_shown=pl.lit(None, dtype=pl.String)))
    won = {"a": evalica.Winner.X, "b": evalica.Winner.Y}
    winners = [won[said] for said in rows["preference"]]
    theirs = evalica.bradley_terry(rows["policy_a"].to_list(), rows["policy_b"].to_list(), winners, tolerance=1e-12)
    logs = np.log(theirs.scores[found.policies["policy"].to_list()].to_numpy())
    assert found.policies["strength"].to_numpy() == pytest.approx(logs - logs.mean(), abs=1e-3)
    assert found.first is None


def test_by_hand():
    # 30 to 10 between two policies, no ties: the odds are 3, so strengths are half the log of 3 apart from the middle.
    rows = pl.DataFrame(
        {
            "turn_id": [f"t{number}" for number in range(4000)],
            "policy_a": "x",
            "policy_b": "y",
            "preference": ["a"] * 3000 + ["b"] * 1000,
            "first_shown": pl.Series([None] * 4000, dtype=pl.String),
        }
    )
    assert strengths(rows).policies["strength"].to_list() == pytest.approx([np.log(3) / 2, -np.log(3) / 2], abs=1e-3)


def test_who_always_wins_stays_finite_and_one_turn_has_no_interval():
    rows = pl.DataFrame(
        {"turn_id": ["t"] * 3, "policy_a": "x", "policy_b": "y", "preference": "a", "first_shown": ["a", "b", "a"]}
    )
    found = strengths(rows)
    assert 0 < found.policies["strength"][0] < 9
    assert found.policies["low"].to_list() == [None, None]
    assert found.first is None


def test_order_of_rows_changes_nothing():
    rows = compared(TRUE, tie=-0.5, first=0.4, turns=50, seed=4)
    one, other = strengths(rows), strengths(rows.sample(fraction=1.0, shuffle=True, seed=0))
    assert one.policies.equals(other.policies)
    assert one.first == other.first
