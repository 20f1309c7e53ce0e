"""India."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recognised import shown

from curation.recognisers.checks import verhoeff
from curation.recognisers.national.india import indian_numbers


@pytest.mark.parametrize(
    ("text", "personal"),
    [
        ("aadhaar 9999 4105 7058", "9999 4105 7058"),
        ("999941057058", "999941057058"),
        ("my aadhar is 1234 5678 9012", "1234 5678 9012"),  # wrong, but said to be one
        ("pan ABCPE1234F", "ABCPE1234F"),
        ("MH 12 AB 1234", "MH 12 AB 1234"),
    ],
)
def test_found(text: str, personal: str) -> None:
    assert shown(text, indian_numbers) == [personal]


@pytest.mark.parametrize("text", ["999941057059", "ABCXE1234F", "XX 12 AB 1234", "199941057058", "a pan for 12"])
def test_left_alone(text: str) -> None:
    assert shown(text, indian_numbers) == []


@given(st.text("0123456789", min_size=10, max_size=10), st.integers(0, 11), st.sampled_from(["", " ", "-"]))
def test_in_any_grouping_and_not_with_one_digit_changed(digits: str, place: int, separator: str) -> None:
    right = next("5" + digits + d for d in "0123456789" if verhoeff("5" + digits + d))
    grouped = separator.join((right[:4], right[4:8], right[8:]))
    assert shown(f"so {grouped} ok", indian_numbers) == [grouped]
    wrong = right[:place] + str((int(right[place]) + 1) % 10) + right[place + 1 :]
    assert shown(f"so {wrong} ok", indian_numbers) == []
