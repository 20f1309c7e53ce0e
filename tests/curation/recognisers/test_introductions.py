"""Names that their owner gives."""

from __future__ import annotations

import pytest

from curation.recognisers.introductions import introductions


@pytest.mark.parametrize(
    ("text", "person"),
    [
        ("hi im sarah, hello", "sarah"),
        ("my name is john smith", "john smith"),
        ("me chamo joão e você", "joão"),
        ("me llamo Lucía", "Lucía"),
        ("je m'appelle zoé", "zoé"),
        ("ich heiße Lena Müller", "Lena Müller"),
        ("mi chiamo luca", "luca"),
        ("私は田中です", "田中"),
        ("山田と申します", "山田"),
        ("제 이름은 김민수예요", "김민수"),
        ("nama saya budi", "budi"),
        ("меня зовут Анна", "Анна"),
        ("ik heet Sanne", "Sanne"),
    ],
)
def test_an_introduced_name(text: str, person: str) -> None:
    assert [text[hit.start : hit.end] for hit in introductions(text)] == [person]


@pytest.mark.parametrize(
    "text",
    [
        "I'm tired and i'm going home, im so bored",
        "I'm German, actually",
        "my name is a secret",
        "it's Friday! This is great.",
        "ich bin müde und sehr traurig",
        "私は学生です",
        "soy vegana, sono stanco, je suis fatigué",
    ],
)
def test_no_introduction(text: str) -> None:
    assert list(introductions(text)) == []
