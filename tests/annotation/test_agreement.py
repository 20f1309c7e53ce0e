from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation.agreement import agree
from schemas.judgements import Comparison

MESSAGES = [{"role": "system", "content": "You are Mira."}, {"role": "user", "content": "Hello?"}]


def comparisons(votes: dict[str, str], turns: dict[str, str] | None = None) -> pl.DataFrame:
    """Votes by task, each vote a letter: `a`, `b`, `A`, `B` (by far) or `t`."""
    rows = []
    for task, said in votes.items():
        for place, vote in enumerate(said):
            side = "tie" if vote == "t" else vote.lower()
            rows.append(
                {
                    "comparison_id": f"{task}-{place}",
                    "task_id": task,
                    "turn_id": (turns or {}).get(task, f"turn of {task}"),
                    "persona_id": "mira",
                    "messages": MESSAGES,
                    "response_a": f"{task} a",
                    "response_b": f"{task} b",
                    "policy_a": "x",
                    "policy_b": "y",
                    "preference": side,
                    "strength": 0 if vote == "t" else 3 if vote.isupper() else 1,
                    "reasons": [],
                    "annotator": f"p{place}",
                    "seconds": None,
                    "timestamp": datetime(2026, 11, 26, tzinfo=UTC),
                }
            )
    return Comparison.validate(pl.DataFrame(rows, schema=Comparison.create_empty().schema))


def test_by_hand():
    found = agree(comparisons({"one": "aaB", "two": "bt", "three": "ab", "four": "B"}), 0.6)
    kept = {row["chosen"][0]["content"]: row for row in found.preferences.iter_rows(named=True)}
    assert set(kept) == {"one a", "two b", "four b"}
    one, two, four = kept["one a"], kept["two b"], kept["four b"]
    assert (one["agreement"], one["margin"], one["annotators"]) == (pytest.approx(2 / 3), 0.0, 3), (
        "1 + 1 - 3, not below 0"
    )
    assert (two["agreement"], two["margin"]) == (0.75, 0.5), "ties count half"
    assert (four["agreement"], four["margin"]) == (1.0, 3.0)
    assert found.dropped.rows() == [("three", "turn of three", "tied")]
    # Of 3 + 1 + 1 pairs of annotators, one said the same.
    assert found.pairwise_agreement == pytest.approx(1 / 5)


def test_the_bound_and_the_surest_pair_of_a_turn():
    votes = {"k1": "aab", "k2": "bbb", "k3": "bbbb", "k4": "aaab"}
    found = agree(comparisons(votes, dict.fromkeys(votes, "turn")), 0.7)
    assert found.preferences["chosen"].to_list() == [[{"role": "assistant", "content": "k3 b"}]]
    surer = "another pair of the turn is surer"
    assert dict(found.dropped.select("task_id", "reason").rows()) == {
        "k1": "agreement below the recipe's",
        "k2": surer,
        "k4": surer,
    }


def test_without_votes():
    found = agree(Comparison.create_empty(), 0.6)
    assert found.preferences.is_empty()
    assert found.dropped.is_empty()
    assert found.pairwise_agreement is None


votes = st.dictionaries(
    st.sampled_from([f"k{n}" for n in range(6)]), st.text("abABt", min_size=1, max_size=5), min_size=1
)


@given(votes, st.randoms(use_true_random=False))
def test_no_task_is_lost_and_order_changes_nothing(said, random):
    table = comparisons(said, {"k1": "shared", "k2": "shared"})
    found = agree(table, 0.6)
    assert found.preferences.height + found.dropped.height == len(said)
    rows = list(range(table.height))
    random.shuffle(rows)
    again = agree(table[rows], 0.6)
    assert again.preferences.equals(found.preferences)
    assert again.dropped.equals(found.dropped)
