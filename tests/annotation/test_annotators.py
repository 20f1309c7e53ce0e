from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from invented_answers import Person, preferences
from polars.testing import assert_frame_equal

from annotation.annotators import annotators, drift, held_against
from annotation.answers import as_votes
from annotation.intervals import difference, mean_of_two, wilson

NO_LENGTHS = pl.DataFrame(schema={"project": pl.String, "record_id": pl.String, "characters": pl.Int64})
CROWD = [Person(f"p{number:02}", 0.8) for number in range(10)]


def measured(answers: pl.DataFrame, lengths: pl.DataFrame = NO_LENGTHS) -> dict[str, dict]:
    table = annotators(held_against(as_votes(answers).votes), lengths)
    return {row["annotator"]: row for row in table.iter_rows(named=True)}


def test_intervals_of_shares():
    # Wilson 1927, as Newcombe (1998) tabulates it: 81 of 263, 15 of 148, 0 of 20, 1 of 29.
    found = wilson([81, 15, 0, 1], [263, 148, 20, 29])
    assert found.low == pytest.approx([0.2553, 0.0624, 0.0, 0.0061], abs=5e-5)
    assert found.high == pytest.approx([0.3662, 0.1605, 0.1611, 0.1718], abs=5e-5)
    assert np.isnan(wilson([0], [0]).value).all()
    # Newcombe (1998), his example (a) for differences: 56 of 70 less 48 of 80.
    apart = difference(wilson([56], [70]), wilson([48], [80]))
    assert (apart.value[0], apart.low[0], apart.high[0]) == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)
    both = mean_of_two(wilson([10], [10]), wilson([0], [10]))
    assert both.value == pytest.approx([0.5])
    assert 0.3 < both.low[0] < 0.5 < both.high[0] < 0.7


def test_accuracy_on_gold_is_recovered():
    people = [Person("good", 0.95), Person("fair", 0.75), Person("poor", 0.5), *CROWD]
    rows = measured(preferences(people, 4000, seed=1, gold=0.3).answers)
    for person in people[:3]:
        row = rows[person.name]
        assert row["gold_low"] < person.right < row["gold_high"]
        assert row["gold_n"] > 150
    assert "is often wrong on gold questions" in rows["poor"]["notes"]
    assert rows["good"]["notes"] == []
    assert rows["good"]["others"] > rows["fair"]["others"] > rows["poor"]["others"]


def test_others_leave_one_out_by_hand():
    said = {"r1": "aab", "r2": "aabb", "r3": "a"}
    rows = [(record, f"p{place}", value) for record, values in said.items() for place, value in enumerate(values)]
    base = preferences(CROWD, 1).answers.head(1)
    answers = pl.concat(
        base.with_columns(record_id=pl.lit(r), annotator=pl.lit(p), value=pl.lit(v), gold=None) for r, p, v in rows
    ).cast({"gold": pl.String})
    held = held_against(as_votes(answers).votes).sort("record_id", "annotator")
    assert held["others"].to_list() == [None, None, "a", "b", "b", "a", "a", None]
    assert held["right"].to_list() == [None, None, False, False, False, False, False, None]


def test_who_always_takes_the_first_is_told_and_nobody_else():
    people = [Person("first", side=1.0), Person("leans", side=0.5), *CROWD]
    rows = measured(preferences(people, 2000, seed=2).answers)
    assert rows["first"]["first"] == 1.0
    assert rows["first"]["first_p"] < 1e-50
    assert "is drawn to the reply shown first" in rows["first"]["notes"]
    assert "is drawn to the reply shown first" in rows["leans"]["notes"]
    assert rows["leans"]["first_low"] < 0.75 < rows["leans"]["first_high"]
    for person in CROWD:
        row = rows[person.name]
        assert row["notes"] == []
        assert row["first_p"] > 1e-4


def test_better_replies_that_come_first_are_no_bias():
    rows = measured(preferences(CROWD, 3000, seed=3, balance=0.8).answers)
    for row in rows.values():
        assert row["first_low"] > 0.6, "uncorrected, everyone seems drawn to the first"
        assert row["balanced_low"] < 0.55
        assert row["notes"] == []


def test_who_has_no_side_among_many_who_have_is_not_drawn_to_the_other():
    people = [Person("fair", 0.8), *(Person(f"side{number}", 0.8, side=0.7) for number in range(5))]
    made = preferences(people, 4000, seed=9).answers
    rows = measured(made)
    assert rows["fair"]["balanced_high"] < 0.45, "beside them it seems so"
    assert rows["fair"]["notes"] == []
    assert sum("is drawn to the reply shown first" in rows[f"side{number}"]["notes"] for number in range(5)) == 5
    mirrored = made.with_columns(pl.col("first_shown").replace({"a": "b", "b": "a"}))
    rows = measured(mirrored)
    assert rows["fair"]["balanced_low"] > 0.55
    assert rows["fair"]["notes"] == []
    assert sum("is drawn to the reply shown second" in rows[f"side{number}"]["notes"] for number in range(5)) == 5


def test_the_exact_probability():
    row = measured(preferences([Person("x", 1.0), *CROWD], 200, seed=4).answers)["x"]
    from scipy.stats import binomtest

    hits = round(row["first"] * row["first_n"])
    assert row["first_p"] == pytest.approx(binomtest(hits, row["first_n"]).pvalue, rel=1e-6)


def test_haste():
    people = [Person("quick", seconds=0.8), Person("skims", seconds=6.0), *CROWD]
    made = preferences(people, 900, seed=5)
    ids = made.truth["record_id"]
    lengths = pl.DataFrame({"project": "pairwise", "record_id": ids, "characters": 1500})
    rows, unknown = measured(made.answers, lengths), measured(made.answers)
    assert "answers faster than one can read" in rows["quick"]["notes"]
    assert "answers faster than one can read" in rows["skims"]["notes"], "1,500 characters in 6 seconds"
    assert "answers faster than one can read" not in unknown["skims"]["notes"], "of unknown length, 6 seconds may do"
    assert rows["p00"]["haste"] < 0.05
    assert rows["p00"]["seconds"] == pytest.approx(30, rel=0.15)
    silent = made.answers.with_columns(seconds=pl.lit(None, dtype=pl.Float64))
    assert measured(silent)["quick"]["haste"] is None


def test_drift():
    people = [Person("tires", 0.9, late=0.5), *CROWD]
    made = preferences(people, 3000, seed=6)
    rows = measured(made.answers)
    assert "agrees less as time goes on" in rows["tires"]["notes"]
    assert rows["tires"]["drift_high"] < -0.15
    for person in CROWD:
        assert rows[person.name]["notes"] == []
    points = drift(held_against(as_votes(made.answers).votes)).filter(annotator="tires")
    assert points["point"].to_list() == list(range(10))
    assert points["n"].sum() == rows["tires"]["drift_n"]
    assert points["share"][0] > points["high"][-1]


def test_little_work_says_little():
    row = measured(preferences([Person("new", 0.0), *CROWD], 20, seed=7, gold=0.8).answers)["new"]
    assert row["gold"] == 0.0
    assert row["gold_high"] < 0.7, "the interval alone would say so"
    assert 2 < row["gold_n"] < 10
    assert row["notes"] == []


@settings(max_examples=20)
@given(st.randoms(use_true_random=False))
def test_order_of_answers_changes_nothing(random):
    made = preferences(CROWD, 40, seed=8, gold=0.2).answers
    rows = list(range(made.height))
    random.shuffle(rows)
    one, other = (held_against(as_votes(table).votes) for table in (made, made[rows]))
    assert_frame_equal(annotators(one, NO_LENGTHS), annotators(other, NO_LENGTHS))
    assert_frame_equal(drift(one), drift(other))
