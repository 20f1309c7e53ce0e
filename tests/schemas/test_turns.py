"""Turns: what fits goes on, what does not names the rule it broke; hashes depend on content alone."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.turns import Turn, hash_fraction, turn_id

GOOD = {
    "turn_id": "0" * 32,
    "conversation_id": "c",
    "turn_index": 0,
    "timestamp": datetime(2026, 1, 1, tzinfo=UTC),
    "user_key": "u",
    "persona_id": "p",
    "locale": "pt-BR",
    "surface": "app",
    "source": "user",
    "model_version": "m",
    "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}],
    "response": "r",
    "tool_calls": None,
    "continued": None,
    "thumb": None,
}


def frame(**changes):
    return pl.DataFrame([{**GOOD, **changes}], schema=Turn.create_empty().schema)


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"locale": "pt_BR"}, "locale|regex"),
        ({"response": "  "}, "response|check"),
        ({"thumb": 3}, "thumb|check"),
        ({"source": "robot"}, "source|check"),
        ({"messages": [{"role": "user", "content": "u"}, {"role": "user", "content": "u"}]}, "system_prompt_first"),
        ({"messages": [GOOD["messages"][0], {"role": "assistant", "content": "u"}]}, "user_message_last"),
        ({"messages": [GOOD["messages"][0], {"role": "wizard", "content": "u"}, GOOD["messages"][1]]}, "known_roles"),
    ],
)
def test_a_row_that_breaks_a_rule_is_set_aside_with_it(changes, rule):
    kept, failed = Turn.filter(pl.concat([frame(), frame(**changes, turn_id="1" * 32)]))
    assert kept["turn_id"].to_list() == ["0" * 32]
    assert rule in failed.counts()


@given(st.text(), st.text(), st.integers(0, 100))
def test_turn_ids_depend_on_every_part(conversation, response, index):
    messages = [{"role": "user", "content": "x"}]
    one = turn_id(conversation, index, "p", messages, response)
    assert one == turn_id(conversation, index, "p", messages, response)
    assert one != turn_id(conversation, index + 1, "p", messages, response)
    assert one != turn_id(conversation, index, "p", messages, response + "!")
    assert one != turn_id(conversation, index, "p", [{"role": "user", "content": "y"}], response)


def test_hash_fractions_are_uniform_and_independent_of_order():
    ids = pl.Series([str(i) for i in range(4000)])
    drawn = hash_fraction(1, "a", ids)
    assert drawn.is_between(0, 1, closed="left").all()
    assert abs(drawn.mean() - 0.5) < 0.02
    assert hash_fraction(1, "a", ids.reverse()).reverse().equals(drawn)
    assert abs(pl.select(pl.corr(drawn, hash_fraction(1, "b", ids))).item()) < 0.05


def test_hash_fractions_are_the_same_on_every_machine():
    # By a loop over whole numbers of Python, as the docstring of `hash_fraction` has it.
    ids = ["", "a", "abcdefgh", "abcdefghi", "0" * 32, "ação", "x" * 100]
    drawn = hash_fraction(20, "select", pl.Series(ids)).to_list()
    expected = [0.2958085672, 0.8355970076, 0.4480238104, 0.6884073826, 0.5181903979, 0.6356550324, 0.6794504554]
    assert [round(number, 10) for number in drawn] == expected
    assert [hash_fraction(20, "select", pl.Series([one])).item() for one in ids] == drawn  # whatever stands beside it
    assert hash_fraction(20, "select", pl.Series([], dtype=pl.String)).len() == 0
    assert hash_fraction(20, "select", pl.Series(["9", *ids, "9"])[1:-1]).to_list() == drawn
