from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation.alpha import alpha

# Krippendorff, "Computing Krippendorff's alpha-reliability" (2011), example C: four observers, twelve units, 0 missing.
PUBLISHED = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, 0, 0, 0],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, 0, 3],
        [0, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, 0],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, 0],
    ]
)


def counts(data: np.ndarray, values: int) -> np.ndarray:
    """Observers by units, values from 1 on and 0 for missing, to units by values."""
    return np.stack([(data == value).sum(axis=0) for value in range(1, values + 1)], axis=1)


@pytest.mark.parametrize(("level", "expected"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)])
def test_the_published_example(level, expected):
    found = alpha(counts(PUBLISHED, 5), level, numbers=range(1, 6))
    assert found.value == pytest.approx(expected, abs=0.0005)
    assert (found.records, found.answers) == (11, 40), "the unit with one value is not pairable"
    assert found.low < found.value <= found.high


def test_by_hand():
    # Two records of two answers: one agreed on value 0, one split. Of 4 answers 3 are 0 and 1 is 1. Observed
    # disagreement is 2 of 4 pairable values; by chance it is 2 * 3 * 1 / (4 * 3) = 1/2. Alpha is 1 - (2/4) / (1/2) = 0.
    assert alpha([[2, 0], [1, 1]], "nominal").value == pytest.approx(0.0)
    # A third record agrees on value 1: 2/6 observed, 2 * 3 * 3 / (6 * 5) = 3/5 by chance, 1 - (1/3) / (3/5) = 4/9.
    assert alpha([[2, 0], [1, 1], [0, 2]], "nominal").value == pytest.approx(4 / 9)


tables = st.lists(st.lists(st.integers(0, 4), min_size=4, max_size=4), min_size=3, max_size=12)


@given(tables, st.sampled_from(["nominal", "ordinal", "interval"]))
def test_equals_a_library(rows, level):
    import evalica

    data = np.array(rows, dtype=float).T
    ours = alpha(counts(data.astype(int), 4), level, numbers=range(1, 5))
    data[data == 0] = np.nan
    try:
        theirs = evalica.alpha(pd.DataFrame(data), distance=level, solver="naive")
    except evalica.InsufficientRatingsError:
        assert ours.value is None
        assert ours.records == 0
        return
    if theirs.expected == 0:
        assert ours.value is None
    else:
        assert ours.value == pytest.approx(theirs.alpha)


@given(tables, st.randoms(use_true_random=False))
def test_order_of_records_changes_nothing(rows, random):
    table = counts(np.array(rows).T, 4)
    shuffled = list(table)
    random.shuffle(shuffled)
    assert alpha(table, "ordinal") == alpha(np.array(shuffled), "ordinal")


def test_perfect_agreement_is_one_and_says_how_sure():
    few, many = (alpha(np.array([[3, 0], [0, 3]] * half), "nominal") for half in (2, 200))
    assert few.value == many.value == few.high == many.high == 1.0
    assert few.low < 0.5 < 0.97 < many.low < 1.0


def test_chance_is_zero():
    found = alpha(np.random.default_rng(0).multinomial(3, [0.5, 0.3, 0.2], 20_000), "nominal")
    assert found.low < 0 < found.high
    assert found.high - found.low < 0.02


def test_what_cannot_be_told():
    assert alpha(np.zeros((0, 2)), "nominal") == (None, None, None, 0, 0)
    assert alpha([[1, 0], [0, 1]], "nominal") == (None, None, None, 0, 0)
    assert alpha([[3, 0], [2, 0]], "nominal") == (None, None, None, 2, 5), "one value throughout"
    one = alpha([[2, 1]], "nominal")
    assert one.value == pytest.approx(0.0)
    assert one.low is None, "one record has no interval"


def answers(random: np.random.Generator, records: int, right: float) -> np.ndarray:
    """Three annotators who are right with this probability, on three values alike."""
    true = random.integers(0, 3, records)
    said = np.where(random.random((3, records)) < right, true, random.integers(0, 3, (3, records)))
    return counts(said + 1, 3)


def test_the_interval_covers_what_is_true():
    # Two annotators agree beyond chance where both know: alpha is 0.7 ** 2 in the limit.
    random = np.random.default_rng(1)
    found = [alpha(answers(random, 100, 0.7), "nominal", seed=seed) for seed in range(200)]
    covered = np.mean([each.low <= 0.49 <= each.high for each in found])
    assert 0.91 <= covered <= 0.985
