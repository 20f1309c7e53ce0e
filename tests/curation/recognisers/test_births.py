"""Dates of birth."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recognised import shown

from curation.recognisers.births import births


@pytest.mark.parametrize(
    ("text", "personal"),
    [
        ("my birthday is 3/4/1999", "3/4/1999"),
        ("i was born on the 3rd of april 1999", "3rd of april 1999"),
        ("DOB: 1999-04-03", "1999-04-03"),
        ("born April 3, 1999 in Boise", "April 3, 1999"),
        ("3/4/1999 is my birthday", "3/4/1999"),
        ("my bday's on may 5th btw", "may 5th"),
        ("nasci em 12 de março de 1990", "12 de março de 1990"),
        ("mi cumpleaños es el 5 de mayo", "5 de mayo"),
        ("nací el 05/05/1988", "05/05/1988"),
        ("je suis née le 14 juillet 1989", "14 juillet 1989"),
        ("geboren am 3.10.1990 in Bonn", "3.10.1990"),
        ("ich hab am 3. oktober geburtstag", "3. oktober"),
        ("aku lahir tanggal 17 agustus 1995", "17 agustus 1995"),
        ("1999年4月3日生まれです", "1999年4月3日"),
        ("生年月日は平成11年4月3日", "平成11年4月3日"),
        ("내 생일은 4월 3일이야", "4월 3일"),
        ("생년월일 990403", "990403"),
        ("date of birth 03041999", "03041999"),
    ],
)
def test_found(text: str, personal: str) -> None:
    assert shown(text, births) == [personal]


@pytest.mark.parametrize(
    "text",
    [
        "i was born in 1994",
        "he was born there. The war ended on 8 May 1945",
        "the film came out on 3/4/1999",
        "happy birthday! see you 5 minutes later",
        "my birthday is on friday",
        "born to run in 2 days",
        "newborn kittens, 3 of them",
    ],
)
def test_left_alone(text: str) -> None:
    assert shown(text, births) == []


@given(st.integers(1, 28), st.integers(1, 12), st.integers(1920, 2020), st.sampled_from("/.-"))
def test_any_day_in_digits(day: int, month: int, year: int, separator: str) -> None:
    for date in (f"{day}{separator}{month}{separator}{year}", f"{year}{separator}{month}{separator}{day}"):
        assert shown(f"i was born on {date}", births) == [date]
        assert shown(f"the show was on {date}", births) == []
