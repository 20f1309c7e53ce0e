"""Korea."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recognised import shown

from curation.recognisers.national.korea import is_registration, korean_numbers


@pytest.mark.parametrize(
    ("text", "personal"),
    [
        ("주민번호 900101-1234568", "900101-1234568"),
        ("201231-3111111", "201231-3111111"),  # since 2020 without a check digit
        ("9001011234568", "9001011234568"),
        ("주민등록번호는 9001011234567", "9001011234567"),  # wrong, but said to be one
    ],
)
def test_found(text: str, personal: str) -> None:
    assert shown(text, korean_numbers) == [personal]


@pytest.mark.parametrize("text", ["9001011234567", "901301-1234568", "010-0000-1234", "1월 1일"])
def test_left_alone(text: str) -> None:
    assert shown(text, korean_numbers) == []


def test_by_hand() -> None:
    # 9*2+0*3+0*4+1*5+0*6+1*7+1*8+2*9+3*2+4*3+5*4+6*5 = 124; 124 % 11 = 3; 11 - 3 = 8
    assert is_registration("9001011234568")


@given(st.integers(0, 99), st.integers(1, 12), st.integers(1, 28), st.integers(1, 8), st.integers(0, 99999))
def test_every_date_with_a_dash(year: int, month: int, day: int, sex: int, serial: int) -> None:
    number = f"{year:02d}{month:02d}{day:02d}-{sex}{serial:05d}0"
    assert shown(f"{number}입니다", korean_numbers) == [number]
