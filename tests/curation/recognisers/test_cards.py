"""Payment cards."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recognised import shown

from curation.recognisers.cards import cards
from curation.recognisers.checks import luhn


@pytest.mark.parametrize(
    ("text", "personal"),
    [
        ("card 4111 1111 1111 1111 ok", ["4111 1111 1111 1111"]),
        ("5555-5555-5555-4444", ["5555-5555-5555-4444"]),
        ("3782 822463 10005", ["3782 822463 10005"]),
        ("4242424242424242 12/27 123", ["4242424242424242"]),
        ("4242 4242 4242 4242 12 27", ["4242 4242 4242 4242"]),
        ("my card number is 4242 4242 4242 4241", ["4242 4242 4242 4241"]),  # one digit wrong, and said to be one
        ("cvv is 123 and exp 04/29", ["123", "04/29"]),
    ],
)
def test_found(text: str, personal: list[str]) -> None:
    assert shown(text, cards) == personal


@pytest.mark.parametrize(
    "text",
    ["4242 4242 4242 4241", "1111111111111111", "it ends in 4242", "in 04/29 we met", "9876543210987654321"],
)
def test_left_alone(text: str) -> None:
    assert shown(text, cards) == []


@given(st.text("0123456789", min_size=14, max_size=14), st.sampled_from(["", " ", "-", "."]), st.integers(0, 15))
def test_right_in_any_grouping_and_wrong_with_one_digit_changed(middle: str, separator: str, place: int) -> None:
    right = next("4" + middle + d for d in "0123456789" if luhn("4" + middle + d))
    grouped = separator.join(right[i : i + 4] for i in range(0, 16, 4))
    assert shown(f"so {grouped} ok", cards) == [grouped]
    wrong = right[:place] + str((int(right[place]) + 1) % 10) + right[place + 1 :]
    assert shown(f"so {wrong} ok", cards) == []
