"""United States."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recognised import hits, shown

from curation.recognisers.national.united_states import american_numbers, is_given_out


@pytest.mark.parametrize(
    ("text", "kind", "personal"),
    [
        ("ssn 078-05-1120", "SSN", "078-05-1120"),
        ("it's 853 37 1694", "SSN", "853 37 1694"),
        ("my social security number is 078051120", "SSN", "078051120"),
        ("itin 912-70-1234", "SSN", "912-70-1234"),
        ("1EG4-TE5-MK73", "ID_NUMBER", "1EG4-TE5-MK73"),
    ],
)
def test_found(text: str, kind: str, personal: str) -> None:
    assert hits(text, american_numbers) == [(kind, personal)]


@pytest.mark.parametrize(
    "text", ["078051120", "call 078-051-120", "12-34-5678", "in 1999", "very social of the 3 of you"]
)
def test_left_alone(text: str) -> None:
    assert shown(text, american_numbers) == []


def test_areas_that_are_never_given_out() -> None:
    assert is_given_out("078051120")
    assert not any(map(is_given_out, ["000051120", "666051120", "078001120", "078050000", "912101234"]))
    assert is_given_out("912701234")  # a taxpayer's


@given(st.integers(1, 899), st.integers(1, 99), st.integers(1, 9999))
def test_the_form_is_found(area: int, group: int, serial: int) -> None:
    number = f"{area:03d}-{group:02d}-{serial:04d}"
    assert shown(f"that is {number} ok", american_numbers) == [number]
