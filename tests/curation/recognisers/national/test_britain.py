"""United Kingdom."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recognised import shown

from curation.recognisers.national.britain import british_numbers, is_nhs


@pytest.mark.parametrize(
    ("text", "personal"),
    [
        ("my ni is AB123456C", "AB123456C"),
        ("ab 12 34 56 c", "ab 12 34 56 c"),
        ("nhs number 943 476 5919", "943 476 5919"),
        ("943 476 5919", "943 476 5919"),
        ("nhs: 9434765919", "9434765919"),
        ("MORGA657054SM9IJ", "MORGA657054SM9IJ"),
    ],
)
def test_found(text: str, personal: str) -> None:
    assert shown(text, british_numbers) == [personal]


@pytest.mark.parametrize("text", ["BG123456C", "AB123456E", "nhs 943 476 5918", "9434765919", "as 12 of us"])
def test_left_alone(text: str) -> None:
    assert shown(text, british_numbers) == []


def test_nhs_by_hand() -> None:
    # 9*10+4*9+3*8+4*7+7*6+6*5+5*4+9*3+1*2 = 299; 299 % 11 = 2; 11 - 2 = 9
    assert is_nhs("9434765919")


@given(st.text("0123456789", min_size=9, max_size=9), st.integers(0, 9))
def test_one_wrong_digit(digits: str, place: int) -> None:
    right = next((digits + d for d in "0123456789" if is_nhs(digits + d)), None)
    if right is not None:  # one in eleven has no check digit
        wrong = right[:place] + str((int(right[place]) + 1) % 10) + right[place + 1 :]
        assert shown(f"nhs {right}", british_numbers) == [right]
        assert shown(f"nhs {wrong}", british_numbers) == []
