"""All recognisers together: what one must not take from another, harmless chat, and time that grows with the text."""

from __future__ import annotations

import time

import pytest
from recognised import hits


@pytest.mark.parametrize(
    ("text", "kind", "personal"),
    [
        ("write to ana.silva+x@mail.example.org ok", "EMAIL_ADDRESS", "ana.silva+x@mail.example.org"),
        ("it's john dot smith at gmail dot com", "EMAIL_ADDRESS", "john dot smith at gmail dot com"),
        ("lena(at)web.de please", "EMAIL_ADDRESS", "lena(at)web.de"),
        ("call me on 0171 2345678", "PHONE_NUMBER", "0171 2345678"),
        ("+55 11 91234-5678 é o meu", "PHONE_NUMBER", "+55 11 91234-5678"),
        ("call 06.12.34.56.78 tonight", "PHONE_NUMBER", "06.12.34.56.78"),
        ("(602)272-9781", "PHONE_NUMBER", "(602)272-9781"),
        ("find me @moon_cat.7 there", "HANDLE", "@moon_cat.7"),
        ("my insta is lena_x99 lol", "HANDLE", "lena_x99"),
        ("snap: bobby", "HANDLE", "bobby"),
        ("https://instagram.com/foo.bar is me", "URL", "https://instagram.com/foo.bar"),
        ("https://example.com/users/ana77?x=1", "URL", "https://example.com/users/ana77?x=1"),
        ("my ip is 203.0.113.28", "IP_ADDRESS", "203.0.113.28"),
        ("card 4111 1111 1111 1111 ok", "CREDIT_CARD", "4111 1111 1111 1111"),
        ("GB82 WEST 1234 5698 7654 32", "IBAN_CODE", "GB82 WEST 1234 5698 7654 32"),
        ("ssn 078-05-1120", "SSN", "078-05-1120"),
        ("I'm at 12 Long Meadow Road, come", "STREET_ADDRESS", "12 Long Meadow Road"),
        ("Hauptstraße 5a", "STREET_ADDRESS", "Hauptstraße 5a"),
        ("j'habite 36 rue de la Paix", "STREET_ADDRESS", "36 rue de la Paix"),
        ("moro na Rua Augusta, 1200", "STREET_ADDRESS", "Rua Augusta, 1200"),
        ("vivo en Calle Mayor 5", "STREET_ADDRESS", "Calle Mayor 5"),
        ("abito in Via Roma 131", "STREET_ADDRESS", "Via Roma 131"),
        ("Prinsengracht 263", "STREET_ADDRESS", "Prinsengracht 263"),
        ("Jl. Sudirman No. 12", "STREET_ADDRESS", "Jl. Sudirman No. 12"),
        ("東京都渋谷区神南1-2-3です", "STREET_ADDRESS", "東京都渋谷区神南1-2-3"),
        ("서울시 강남구 테헤란로 12", "STREET_ADDRESS", "서울시 강남구 테헤란로 12"),
        ("hi im sarah, hello", "PERSON", "sarah"),
        ("my name is john smith", "PERSON", "john smith"),
        ("me chamo joão e você", "PERSON", "joão"),
        ("me llamo Lucía", "PERSON", "Lucía"),
        ("je m'appelle zoé", "PERSON", "zoé"),
        ("ich heiße Lena Müller", "PERSON", "Lena Müller"),
        ("mi chiamo luca", "PERSON", "luca"),
        ("私は田中です", "PERSON", "田中"),
        ("山田と申します", "PERSON", "山田"),
        ("제 이름은 김민수예요", "PERSON", "김민수"),
        ("nama saya budi", "PERSON", "budi"),
        ("меня зовут Анна", "PERSON", "Анна"),
        ("ik heet Sanne", "PERSON", "Sanne"),
    ],
)
def test_personal_data_is_found(text: str, kind: str, personal: str) -> None:
    assert hits(text) == [(kind, personal)]


@pytest.mark.parametrize(
    "text",
    [
        "I'm tired and i'm going home, im so bored",
        "I'm German, actually",
        "my name is a secret",
        "it's Friday! This is great.",
        "my twitter is full of bots, facebook is down",
        "i buy it at amazon.com",
        "https://news.example.com/2024/05/story",
        "10 people on the street, 2 dogs on my way",
        "from 1999-2004 on, 2020-06-20 14:11, 10 000 000 people, $1234567",
        "ich bin müde und sehr traurig",
        "私は学生です",
        "soy vegana, sono stanco, je suis fatigué",
        "Am Montag 5 Uhr",
        "he scored 44 in 2018",
    ],
)
def test_harmless_chat_is_left_alone(text: str) -> None:
    assert hits(text) == []


@pytest.mark.parametrize(
    "piece",
    ["A", "a1 ", "1 ", "AVENIDA ", "Rua A", "name.", "a.b@", "at dot ", "my name is ", "+1-", "1.", "市1", "/u/", "::"],
)
def test_no_text_makes_a_pattern_run_away(piece: str) -> None:
    began = time.process_time()
    hits(piece * 3000)
    assert time.process_time() - began < 5
