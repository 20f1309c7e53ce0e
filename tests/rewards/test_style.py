"""Style marks on replies whose marks are plain to see."""

from __future__ import annotations

import polars as pl
import pytest

from rewards.style import MARKS, style_marks, style_shares


@pytest.mark.parametrize(
    ("reply", "marks"),
    [
        ("Come in, the kettle is on!", set()),
        ("so happy for you 🎉", {"emoji"}),
        ("Try this:\n1. breathe\n2. sleep", {"list"}),
        ("- one\n- two", {"list"}),
        ("I have 2 cats. 3 dogs.", set()),
        ("It's important to remember that safety comes first.", {"preaching"}),
        ("As an AI language model, I have no feelings.", {"broken_character"}),
        ("I'm an aide to the king.", set()),
        ("I'm sorry, but I can't help with that.", {"refusal"}),
        ("I can't help laughing!", {"refusal"}),  # known: words alone do not tell
        ("word " * 90, {"wall_of_text"}),
    ],
)
def test_marks(reply, marks):
    found = style_marks(pl.Series([reply])).row(0, named=True)
    assert {mark for mark in MARKS if found[mark]} == marks


def test_shares_are_means_over_replies_and_empty_is_zero():
    shares = style_shares(pl.Series(["one two", "one two three four 🎉"]))
    assert shares["words"] == 3.5
    assert shares["emoji"] == 0.5
    assert style_shares(pl.Series([], dtype=pl.String))["words"] == 0.0
