"""Telephone numbers in words and in figures that stand apart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recognised import shown

from curation.recognisers.spelt_phones import spelt_phones


@pytest.mark.parametrize(
    ("text", "personal"),
    [
        ("call me five five five, oh one four two ok", "five five five, oh one four two"),
        ("it's oh seven seven double zero nine double one two", "oh seven seven double zero nine double one two"),
        ("five 5 five 0 one 4 two", "five 5 five 0 one 4 two"),
        ("FIVE FIVE FIVE ZERO ONE FOUR TWO", "FIVE FIVE FIVE ZERO ONE FOUR TWO"),
        ("five-five-five-zero-one-four-two", "five-five-five-zero-one-four-two"),
        ("null eins sieben eins zwo drei neun vier", "null eins sieben eins zwo drei neun vier"),
        ("zero um nove oito meia dois três quatro", "zero um nove oito meia dois três quatro"),
        ("cinco cinco cero uno dos tres nueve ocho", "cinco cinco cero uno dos tres nueve ocho"),
        ("zéro six douze trente-quatre cinquante-six", "zéro six douze trente-quatre cinquante-six"),
        ("nol delapan satu dua tujuh tiga sembilan lima", "nol delapan satu dua tujuh tiga sembilan lima"),
        ("nau aath saat chhe paanch ek do do teen nau", "nau aath saat chhe paanch ek do do teen nau"),
        ("0 1 7 1 3 9 2 0 0 1 2", "0 1 7 1 3 9 2 0 0 1 2"),
        ("〇九〇の一二三四の五六七八だよ", "〇九〇の一二三四の五六七八"),
        ("공일공 일이삼사 오육칠팔", "공일공 일이삼사 오육칠팔"),
    ],
)
def test_found(text: str, personal: str) -> None:
    assert shown(text, spelt_phones) == [personal]


@pytest.mark.parametrize(
    "text",
    [
        "one two three four five six seven eight nine ten",
        "ten nine eight seven six five four three two one",
        "um dois três quatro cinco seis sete",
        "no no no no no no no",
        "i have two dogs and three cats and four birds",
        "0 1 1 0 1 0 0 1 0 1 1",
        "1 2 3 4 5 6 7 8 9",
        "ten twenty thirty forty fifty sixty seventy",
        "one or two, three or four, five or six",
    ],
)
def test_left_alone(text: str) -> None:
    assert shown(text, spelt_phones) == []


_ENGLISH = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


@given(st.lists(st.sampled_from(_ENGLISH), min_size=7, max_size=11))
def test_any_row_after_a_lead(row: list[str]) -> None:
    assert shown("my number is " + " ".join(row), spelt_phones) == [" ".join(row)]
