"""Account names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recognised import shown

from curation.recognisers.handles import handles


@pytest.mark.parametrize(
    ("text", "personal"),
    [
        ("find me @moon_cat.7 there", "@moon_cat.7"),
        ("わたし@kumo.soraだから", "@kumo.sora"),
        ("my insta is lena_x99 lol", "lena_x99"),
        ("snap: bobby", "bobby"),
        ("add me on snap lena_x99", "lena_x99"),
        ("lena_x99 on insta", "lena_x99"),
        ("im nightowl on discord", "nightowl"),
        ("it's pixel.moth#1234", "pixel.moth#1234"),
        ("ask u/quiet_storm", "u/quiet_storm"),
        ("インスタはtofu_fanです", "tofu_fan"),
        ("인스타는 byeol2야", "byeol2"),
        ("id ku rainyday_7", "rainyday_7"),
        ("mein insta ist regentag", "regentag"),
        ("friend code: SW-1234-5678-9012", "SW-1234-5678-9012"),
        ("ig: lena.maria", "lena.maria"),
    ],
)
def test_found(text: str, personal: str) -> None:
    assert shown(text, handles) == [personal]


@pytest.mark.parametrize(
    "text",
    [
        "my twitter is full of bots, facebook is down",
        "im always on discord",
        "i saw it on twitter",
        "the 2nd on twitter, 20k on instagram",
        "r/cats is fun",
        "my line is busy, i have no id",
        "twitter: breaking news again",
        "price @ 5 dollars",
        "we're #1 and #12",
        "jo@example.org",
    ],
)
def test_left_alone(text: str) -> None:
    assert shown(text, handles) == []


@given(st.from_regex(r"[a-z]{3,8}_[a-z]{2,6}[0-9]{1,3}", fullmatch=True))
def test_marked_names_after_a_network(name: str) -> None:
    assert shown(f"my instagram is {name}, add me", handles) == [name]
    assert shown(f"@{name}", handles) == [f"@{name}"]
