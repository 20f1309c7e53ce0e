"""Postcodes without a street."""

from __future__ import annotations

import pytest
from recognised import shown

from curation.recognisers.postcodes import postcodes


@pytest.mark.parametrize(
    ("text", "personal"),
    [
        ("LS8 2QX is me", "LS8 2QX"),
        ("K1A 0B1", "K1A 0B1"),
        ("my zip code is 97201", "97201"),
        ("my postcode is ls8 2qx", "ls8 2qx"),
        ("cep 01310-100", "01310-100"),
        ("PLZ: 10115", "10115"),
        ("郵便番号は150-0041です", "150-0041"),
        ("우편번호 06236", "06236"),
    ],
)
def test_found(text: str, personal: str) -> None:
    assert shown(text, postcodes) == [personal]


@pytest.mark.parametrize(
    "text", ["97201 of them", "the zip file has 12345 rows", "B52 bombers", "R2D2 and C3PO", "in LS8"]
)
def test_left_alone(text: str) -> None:
    assert shown(text, postcodes) == []
