"""All recognisers together: who names what, harmless chat, odd texts, and time that grows with the text."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recognised import hits

from curation.recognisers import FINDERS, TYPES


@pytest.mark.parametrize(
    ("text", "kind", "personal"),
    [
        ("card 4111 1111 1111 1111 ok", "CREDIT_CARD", "4111 1111 1111 1111"),
        ("GB82 WEST 1234 5698 7654 32", "IBAN_CODE", "GB82 WEST 1234 5698 7654 32"),
        ("ssn 078-05-1120", "SSN", "078-05-1120"),
        ("meu cpf é 529.982.247-25", "ID_NUMBER", "529.982.247-25"),
        ("call me on 0171 2345678", "PHONE_NUMBER", "0171 2345678"),
        ("my account number is 12345678", "BANK_ACCOUNT", "12345678"),
        ("my birthday is 3/4/1999", "DATE_OF_BIRTH", "3/4/1999"),
        ("my ip is 203.0.113.28", "IP_ADDRESS", "203.0.113.28"),
        ("jo at gmail dot com", "EMAIL_ADDRESS", "jo at gmail dot com"),
        ("I'm at 12 Long Meadow Road, come", "STREET_ADDRESS", "12 Long Meadow Road"),
        ("https://instagram.com/foo.bar is me", "URL", "https://instagram.com/foo.bar"),
        ("hi im sarah, hello", "PERSON", "sarah"),
        ("my name is john smith", "PERSON", "john smith"),
        ("me chamo joão e você", "PERSON", "joão"),
        ("je m'appelle zoé", "PERSON", "zoé"),
        ("ich heiße Lena Müller", "PERSON", "Lena Müller"),
        ("私は田中です", "PERSON", "田中"),
        ("제 이름은 김민수예요", "PERSON", "김민수"),
        ("nama saya budi", "PERSON", "budi"),
    ],
)
def test_the_kind_that_names_it(text: str, kind: str, personal: str) -> None:
    assert hits(text) == [(kind, personal)]


@pytest.mark.parametrize(
    "text",
    [
        "I'm tired and i'm going home, im so bored",
        "my name is a secret",
        "my twitter is full of bots, facebook is down",
        "i buy it at amazon.com",
        "https://news.example.com/2024/05/story",
        "10 people on the street, 2 dogs on my way",
        "from 1999-2004 on, 2020-06-20 14:11, 10 000 000 people, $1234567",
        "ich bin müde und sehr traurig",
        "Am Montag 5 Uhr",
        "he scored 44 in 2018, 3-2 after 90 minutes",
        "Fallout 76, Windows 11, iOS 17.4.1, Apollo 13 and Blade Runner 2049",
        "see chapter 12, verse 3, page 1024 and version 2.10.3",
        "the 1960s, 20th century, 4th of July, 24/7",
        "it's 50% off, only 12,99 or 1.299,00 €",
        "3 + 4 = 7, 10^6, 2x4, 16:9, 1/2 cup",
        "i have 2 cats, 3 dogs and 14 fish at home",
        "nos vemos a las 5, faltan 20 minutos",
        "明日の3時に駅で、1000円持ってきて",
        "내일 3시에 만나, 5천원 가져와",
        "jam 7 malam ya, bawa 50 ribu",
    ],
)
def test_harmless_chat_is_left_alone(text: str) -> None:
    assert hits(text) == []


def test_findings_have_known_kinds_and_finders_have_names() -> None:
    names = [finder.__name__ for finder in FINDERS]
    assert len(set(names)) == len(names)
    assert all(name.isidentifier() and not name.startswith("_") for name in names)
    assert len(set(TYPES)) == len(TYPES)


_ODD = st.text(
    st.one_of(
        st.sampled_from(" \n\t,.-/@#:+()0123456789０９٣aAıİſKéñ가東市ー\u200b\u202e\ud800"),
        st.characters(),
    ),
    max_size=60,
)
_PIECES = st.sampled_from(
    [
        "DE89",
        "my passport is ",
        "call ",
        "12 Long ",
        "Road",
        " at gmail dot ",
        "born on ",
        "9434765919",
        "cpf ",
        "0x",
        "::",
    ]
)


@settings(max_examples=400)
@given(st.lists(st.one_of(_ODD, _PIECES), max_size=5).map("".join))
def test_odd_texts_stop_nothing(text: str) -> None:
    for finder in FINDERS:
        for found in finder(text):
            assert 0 <= found.start < found.end <= len(text)
            assert found.type in TYPES
            assert 0.4 <= found.score <= 1


_ADVERSE = [
    *(
        "A",
        "a1 ",
        "1 ",
        "AVENIDA ",
        "Rua A",
        "name.",
        "a.b@",
        "at dot ",
        "my name is ",
        "+1-",
        "1.",
        "市1",
        "/u/",
        "::",
    ),
    *("Ab ", "12 Ab ", "5 a b ", "one ", "1 A, ", "12345 A ", "a-", "@a", "5\n", "Apt 5 ", "my id is ", "0x", "born "),
    *("12 road ", "insta ", "i live at ", "Ab, ", "가1 ", "a at gmail ", "bc1q", "GB82 WEST ", "4242 ", "A1b2", "x#1"),
]


@pytest.mark.parametrize("piece", _ADVERSE)
def test_time_grows_with_the_text_and_no_faster(piece: str) -> None:
    def seconds(length: int) -> float:
        text = (piece * length)[:length]
        began = time.process_time()
        hits(text)
        return time.process_time() - began

    small = max(seconds(4_000), 0.01)
    assert seconds(16_000) < 4 * 3 * small  # quadratic would be 16 times, exponential would not end


def test_a_megabyte_of_everything() -> None:
    text = ("".join(_ADVERSE) * 5_000)[:1_000_000]
    began = time.process_time()
    hits(text)
    assert time.process_time() - began < 120
