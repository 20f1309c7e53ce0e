"""Figures against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rewards.difficulty import difficulty
from rewards.statistics import expected_calibration_error, explained_by, mean_interval, pair_accuracy, win_rate

SCORES = arrays(float, (5, 2), elements=st.floats(-5, 5))


def test_win_rate_by_hand():
    release = np.array([[1.0, 2.0], [0.0, 0.0]])
    parent = np.array([[0.0, 2.0], [0.0, 1.0]])
    # Prompt 1: 1>0, 1<2, 2>0, 2=2 -> (1 + 0 + 1 + 0.5) / 4; prompt 2: two ties, two losses -> 0.25.
    won = win_rate(release, parent, seed=1)
    assert won.rate.value == pytest.approx((0.625 + 0.25) / 2)
    assert won.difference.value == pytest.approx((0.5 - 0.5) / 2)
    assert won.rate.n == 2


@settings(max_examples=25, deadline=None)
@given(SCORES, SCORES)
def test_win_rates_of_both_sides_add_up_to_one(first, second):
    one = win_rate(first, second, seed=1, resamples=200).rate.value
    other = win_rate(second, first, seed=1, resamples=200).rate.value
    assert one + other == pytest.approx(1)
    assert 0 <= one <= 1


def test_the_interval_covers_as_often_as_it_says():
    rng = np.random.default_rng(0)
    covered = 0
    for trial in range(200):
        metric = mean_interval("m", rng.normal(0.3, 1, 60), seed=trial, resamples=400)
        covered += metric.low <= 0.3 <= metric.high
    assert 0.88 <= covered / 200 <= 0.99


def test_pair_accuracy_counts_ties_half():
    metric = pair_accuracy(np.array([1.0, 0.0, 2.0, 1.0]), np.array([0.0, 1.0, 2.0, 0.5]), seed=1)
    assert metric.value == pytest.approx((1 + 0 + 0.5 + 1) / 4)


def test_calibration_error_by_hand():
    # A gap of log(3) claims 0.75; right once in two: |0.75 - 0.5|.
    gap = np.log(3.0)
    assert expected_calibration_error(np.array([gap, 0.0]), np.array([0.0, gap])) == pytest.approx(0.25)


def test_explained_by_is_one_for_a_linear_score_and_zero_for_noise():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(500, 2))
    assert explained_by(x, 3 * x[:, 0] - x[:, 1] + 2) == pytest.approx(1)
    assert explained_by(x, rng.normal(size=500)) < 0.03
    assert explained_by(x, np.ones(500)) == 0


def scored(scores, version="v1"):
    rows = [
        {"turn_id": turn, "policy": "p", "judge": "j", "judge_version": version, "score": score}
        for turn, values in scores.items()
        for score in values
    ]
    return pl.DataFrame(rows)


STRATA = pl.DataFrame({"turn_id": ["a", "b", "c"], "stratum": ["x", "x", "y"]})


def test_difficulty_by_hand():
    found = difficulty(scored({"a": [0, 0, 0, 0], "b": [0, 2, 0, 2], "c": [0, 0, 0, 4]}), STRATA)
    variance = dict(zip(found["turn_id"], found["variance"], strict=True))
    assert variance == pytest.approx({"a": 0, "b": 4 / 3, "c": 4})
    # mean 16/9; noise 2 m^2 / 3; spread of variances less noise.
    m = 16 / 9
    noise = 2 * m**2 / 3
    t = max(0.0, np.var([0, 4 / 3, 4], ddof=1) - noise)
    weight = t / (t + noise)
    assert found.filter(turn_id="c")["difficulty"].item() == pytest.approx(m + (4 - m) * weight)
    assert found.sort("turn_id")["rank"].to_list() == [0.25, 0.75, 0.5]


def test_difficulty_mixes_no_judge_versions_and_needs_four_replies():
    with pytest.raises(ValueError, match="one judge version"):
        difficulty(pl.concat([scored({"a": [1, 2, 3, 4]}), scored({"b": [1, 2, 3, 4]}, "v2")]), STRATA)
    with pytest.raises(ValueError, match="at least 4"):
        difficulty(scored({"a": [1, 2, 3]}), STRATA)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(-3, 3), min_size=4, max_size=8), st.floats(-100, 100))
def test_difficulty_does_not_depend_on_the_mean(values, shift):
    found = difficulty(scored({"a": values, "b": [v + shift for v in values]}), STRATA)
    assert found["variance"][0] == pytest.approx(found["variance"][1], abs=1e-6)
