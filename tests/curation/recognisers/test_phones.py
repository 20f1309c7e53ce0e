"""Telephone numbers in digits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recognised import shown

from curation.recognisers.phones import phones


@pytest.mark.parametrize(
    ("text", "personal"),
    [
        ("call me on 0171 2345678", "0171 2345678"),
        ("it's (208) 555-0142", "(208) 555-0142"),
        ("+55 11 91234-5678 é o meu", "+55 11 91234-5678"),
        ("06.12.34.56.78", "06.12.34.56.78"),
        ("089/99998-123", "089/99998-123"),
        ("020 7946 0123 is mine", "020 7946 0123"),
        ("+91-55555-01234", "+91-55555-01234"),
        ("055550 12345", "055550 12345"),
        ("(33) 5555-0123 marca", "(33) 5555-0123"),
        ("0812-0000-0012", "0812-0000-0012"),
        ("電話は090-0000-1234です", "090-0000-1234"),
        ("번호는 010-0000-1234야", "010-0000-1234"),
        ("７桁：０９０-００００-１２３４", "０９０-００００-１２３４"),
        ("call 555-3899x4587", "555-3899x4587"),
        ("my number is 5550142", "5550142"),
        ("+44 (0)7700 900123", "+44 (0)7700 900123"),
        ("2085550142", "2085550142"),
    ],
)
def test_found(text: str, personal: str) -> None:
    assert shown(text, phones) == [personal]


@pytest.mark.parametrize(
    "text",
    [
        "from 1999-2004 on, 2020-06-20 14:11, 10 000 000 people",
        "it cost $1234567 and €1.234.567",
        "21-19 18-21 15-13, what a match",
        "on 15 2017 and 12.05.2020",
        "3 4 5 6 7 8 9",
        "pi is 3.14159265",
        "https://news.example.com/2020/3/18/21229268/story",
        "1920x1080",
        "he scored 44 in 2018",
        "100-300 kids, 1,234,567 views",
        "the years 1914 1918 1939 1945",
    ],
)
def test_left_alone(text: str) -> None:
    assert shown(text, phones) == []


@given(
    st.sampled_from(["+1", "+44", "+49", "+81", "+62"]),
    st.lists(st.text("123456789", min_size=3, max_size=4), min_size=2, max_size=3),
    st.sampled_from([" ", "-", "."]),
)
def test_any_separators(country: str, groups: list[str], separator: str) -> None:
    number = separator.join([country, *groups])
    assert shown(f"so {number} then", phones) == [number]
