"""What several messages of one speaker tell together."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.recognisers.across import LONGEST, across


def parts(*messages: str) -> list[str]:
    """What is found in each message, from its first to its last character."""
    found = []
    for message, hits in zip(messages, across(messages), strict=True):
        covered = sorted({place for hit in hits for place in range(hit.start, hit.end)})
        found.append("".join(message[place] for place in covered))
    return found


@pytest.mark.parametrize(
    ("messages", "personal"),
    [
        (("i live at", "12 long meadow road", "portland", "97201"), ["", "12 long meadow road", "portland", "97201"]),
        (("12 Oak Street", "Portland", "Oregon", "come over"), ["12 Oak Street", "Portland", "Oregon", ""]),
        (("my address is", "12 long meadow"), ["", "12 long meadow"]),
        (("send it to 14 elm", "apt 3", "boise idaho 83702"), ["14 elm", "apt 3", "boise idaho 83702"]),
        (("ok so my number is", "555", "867", "5309", "lol"), ["", "555", "867", "5309", ""]),
        (("meine nummer", "0171", "39 20 012"), ["", "0171", "39 20 012"]),
        (("call me", "five five five", "oh one four two"), ["", "five five five", "oh one four two"]),
        (("jo.smith", "@gmail.com"), ["jo.smith", "@gmail.com"]),
        (("its jo", "at gmail", "dot com"), ["jo", "at gmail", "dot com"]),
        (("my birthday is", "3/4/1999"), ["", "3/4/1999"]),
        (("my insta is", "lena_x99"), ["", "lena_x99"]),
        (("4242 4242", "4242 4242"), ["4242 4242", "4242 4242"]),
        (("東京都緑川区桜台", "3-12-8"), ["東京都緑川区桜台", "3-12-8"]),
    ],
)
def test_found(messages: tuple[str, ...], personal: list[str]) -> None:
    assert parts(*messages) == personal


@pytest.mark.parametrize(
    "messages",
    [
        (),
        ("12 Oak Street",),
        ("yes", "no", "i have 3 dogs", "2 cats"),
        ("5", "10", "1999", "20", "33"),
        ("i live in", "portland"),
        ("my number is " + "x" * LONGEST, "555", "867"),
    ],
)
def test_left_alone(messages: tuple[str, ...]) -> None:
    assert parts(*messages) == [""] * len(messages)


@given(st.lists(st.text("0123456789 abcdeo@.-\n", max_size=30), max_size=8))
def test_findings_lie_in_their_messages(messages: list[str]) -> None:
    for message, hits in zip(messages, across(messages), strict=True):
        assert all(0 <= hit.start < hit.end <= len(message) and hit.recogniser for hit in hits)
