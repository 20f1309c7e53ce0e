"""Indonesia."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recognised import shown

from curation.recognisers.national.indonesia import indonesian_numbers, is_nik


@pytest.mark.parametrize(
    ("text", "personal"),
    [
        ("nik saya 3174014508990001", "3174014508990001"),
        ("3174 0145 0899 0001", "3174 0145 0899 0001"),
        ("npwp 09.254.294.3-407.000", "09.254.294.3-407.000"),
    ],
)
def test_found(text: str, personal: str) -> None:
    assert shown(text, indonesian_numbers) == [personal]


@pytest.mark.parametrize("text", ["9974014508990001", "3174013508990001", "3174014513990001", "tgl 17 agustus 1945"])
def test_left_alone(text: str) -> None:
    assert shown(text, indonesian_numbers) == []


@given(st.integers(1, 31), st.booleans(), st.integers(1, 12), st.integers(0, 99), st.integers(1, 9999))
def test_every_date_of_men_and_women(day: int, woman: bool, month: int, year: int, serial: int) -> None:
    number = f"327401{day + 40 * woman:02d}{month:02d}{year:02d}{serial:04d}"
    assert is_nik(number)
    assert shown(f"ini {number} ya", indonesian_numbers) == [number]
