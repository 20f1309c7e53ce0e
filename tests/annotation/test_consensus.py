from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from invented_answers import Person, preferences
from polars.testing import assert_frame_equal

from annotation.consensus import dawid_skene, entropy
from annotation.more_votes import LEAST_GAIN, MOST_VOTES, deserving, gain, told

PEOPLE = [Person(f"p{number}", right) for number, right in enumerate((0.95, 0.9, 0.8, 0.7, 0.6, 0.5))]


def votes(rows: list[tuple[str, str, str]], gold: dict[str, str] | None = None) -> pl.DataFrame:
    table = pl.DataFrame(rows, schema=["record_id", "annotator", "value"], orient="row")
    expected = [(gold or {}).get(record) for record in table["record_id"]]
    return table.with_columns(gold=pl.Series(expected, dtype=pl.String))


def test_accuracies_are_recovered_and_posteriors_mean_what_they_say():
    made = preferences(PEOPLE, 4000, seed=3)
    found = dawid_skene(made.answers)
    estimated = np.einsum("avv,v->a", found.errors, found.prior)
    assert estimated == pytest.approx([person.right for person in PEOPLE], abs=0.04)
    truth = made.truth.sort("record_id")["value"]
    hit = (told(found)["value"] == truth).to_numpy()
    probability = told(found)["probability"].to_numpy()
    for low, high in ((0.4, 0.6), (0.6, 0.8), (0.8, 0.95), (0.95, 1.01)):
        part = (probability >= low) & (probability < high)
        assert part.sum() > 100
        assert hit[part].mean() == pytest.approx(probability[part].mean(), abs=0.05)
    majority = made.answers.group_by("record_id").agg(pl.col("value").sort().mode().first()).sort("record_id")["value"]
    assert hit.mean() > (majority == truth).mean() + 0.02, "it beats counting votes"


def test_by_hand():
    # One record, two annotators, who differ; no other votes. The prior on each is 4 right and 2 wrong, and nothing
    # tells them apart: both values stay at one half, and the doubt is one bit.
    found = dawid_skene(votes([("r", "ann", "no"), ("r", "ben", "yes")]))
    assert found.posterior == pytest.approx(np.array([[0.5, 0.5]]))
    assert entropy(found.posterior) == pytest.approx([1.0])
    # With half an answer for each value: counts are 4.5 and 2.5 of 6.5, where the value was given.
    assert found.errors[0, :, 0] == pytest.approx([4.5 / 6.5, 2.5 / 6.5])


def test_gold_is_held_and_tells_who_is_wrong():
    rows = [(f"g{number}", who, said) for number in range(20) for who, said in (("good", "yes"), ("bad", "no"))]
    found = dawid_skene(votes([*rows, ("r", "good", "no"), ("r", "bad", "yes")], {f"g{n}": "yes" for n in range(20)}))
    known = told(found)
    assert set(known.filter(pl.col("record_id") != "r")["probability"]) == {1.0}
    assert known.filter(record_id="r").select("value", "votes").row(0) == ("no", 2)


@settings(max_examples=25)
@given(st.randoms(use_true_random=False))
def test_order_of_answers_changes_nothing(random):
    made = preferences(PEOPLE, 60, seed=1, gold=0.1).answers
    rows = list(range(made.height))
    random.shuffle(rows)
    one, other = dawid_skene(made), dawid_skene(made[rows])
    assert np.array_equal(one.posterior, other.posterior)
    assert np.array_equal(one.errors, other.errors)


def test_who_deserves_a_vote():
    agreed = [(f"agreed{n:02}", who, "yes" if n % 2 else "no") for n in range(40) for who in ("ann", "ben", "cem")]
    split = [("split", "ann", "yes"), ("split", "ben", "no")]
    leaning = [("leaning", "dov", "yes"), ("leaning", "eva", "yes"), ("leaning", "fay", "no")]
    gold = [("gold", "ann", "yes"), ("gold", "ben", "no")]
    worn = [("worn", f"p{number}", "yes" if number % 2 else "no") for number in range(MOST_VOTES)]
    found = dawid_skene(votes([*agreed, *split, *leaning, *gold, *worn], {"gold": "yes"}))
    asked = deserving(found, pl.Series(["gold"]), 10)
    assert asked["record_id"].to_list() == ["split", "leaning"], "not what is agreed, known, or past settling"
    assert (asked["gain"] >= LEAST_GAIN).all()
    assert_frame_equal(deserving(found, pl.Series(["gold"]), 1), asked.head(1))


def test_gain_is_the_expected_fall_of_entropy():
    found = dawid_skene(preferences(PEOPLE, 50, seed=2).answers)
    typical = found.errors.mean(axis=0)
    for place, belief in enumerate(found.posterior[:10]):
        after = 0.0
        for given_value in range(3):
            joint = belief * typical[:, given_value]
            after += joint.sum() * entropy(joint / joint.sum())
        assert gain(found)[place] == pytest.approx(entropy(belief) - after, abs=1e-9)
