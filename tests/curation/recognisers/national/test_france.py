"""France."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recognised import shown

from curation.recognisers.national.france import french_numbers, is_nir


@pytest.mark.parametrize(
    ("text", "personal"),
    [
        ("2 55 08 14 168 025 38", "2 55 08 14 168 025 38"),
        ("255081416802538", "255081416802538"),
        ("ma sécu c'est 2 55 08 14 168 025 39", "2 55 08 14 168 025 39"),  # mistyped, but said to be one
    ],
)
def test_found(text: str, personal: str) -> None:
    assert shown(text, french_numbers) == [personal]


@pytest.mark.parametrize("text", ["255081416802539", "9 55 08 14 168 025 38", "14 juillet 1789"])
def test_left_alone(text: str) -> None:
    assert shown(text, french_numbers) == []


def test_corsica_counts_as_19_and_18() -> None:
    assert is_nir(f"1800119123456{97 - 1800119123456 % 97:02d}".replace("19123", "2A123", 1))
    assert is_nir(f"1800118123456{97 - 1800118123456 % 97:02d}".replace("18123", "2B123", 1))


@given(st.sampled_from("12"), st.integers(0, 99), st.integers(1, 12), st.integers(1, 95), st.integers(0, 999_999))
def test_with_its_key_and_not_with_another(sex: str, year: int, month: int, department: int, rest: int) -> None:
    number = f"{sex}{year:02d}{month:02d}{department:02d}{rest:06d}"
    key = 97 - int(number) % 97
    assert shown(f"c'est {number}{key:02d} ok", french_numbers) == [f"{number}{key:02d}"]
    assert shown(f"c'est {number}{key % 97 + 1:02d} ok", french_numbers) == []
