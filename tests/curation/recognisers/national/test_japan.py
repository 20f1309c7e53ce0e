"""Japan."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recognised import shown

from curation.recognisers.national.japan import is_my_number, japanese_numbers


@pytest.mark.parametrize(
    ("text", "personal"),
    [
        ("マイナンバーは123456789018です", "123456789018"),
        ("1234 5678 9018", "1234 5678 9018"),
        ("マイナンバー 1234-5678-9012", "1234-5678-9012"),  # wrong, but said to be one
    ],
)
def test_found(text: str, personal: str) -> None:
    assert shown(text, japanese_numbers) == [personal]


@pytest.mark.parametrize("text", ["123456789019", "12月3日", "090-1234-5678"])
def test_left_alone(text: str) -> None:
    assert shown(text, japanese_numbers) == []


def test_by_hand() -> None:
    # from the right 1 0 9 8 7 6 5 4 3 2 1 with 2 3 4 5 6 7 2 3 4 5 6: 2+0+36+40+42+42+10+12+12+10+6 = 212
    # 212 % 11 = 3; 11 - 3 = 8
    assert is_my_number("123456789018")


@given(st.text("0123456789", min_size=11, max_size=11))
def test_every_number_has_one_check_digit(digits: str) -> None:
    assert sum(is_my_number(digits + d) for d in "0123456789") == 1
