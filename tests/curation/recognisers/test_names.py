"""Names of people by table, surroundings and engine."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.recognisers import names as recogniser
from curation.recognisers.names import Entity, names, read, table


def found(text: str, *people: str, english: bool = True, things: tuple[str, ...] = ()) -> list[str]:
    """What is found where an engine says that these are people, and things."""
    reading = read(text, english)
    if reading is None:
        return []
    entities = [Entity(text.index(each), text.index(each) + len(each), each in people) for each in (*people, *things)]
    return [text[hit.start : hit.end] for hit in names(reading, entities) if hit.score >= 0.4]


@pytest.mark.parametrize(
    ("text", "person"),
    [
        ("its maria btw", "maria"),
        ("MARCO WHERE R U", "MARCO"),
        ("tell sarah i said hi", "sarah"),
        ("lol jake is so funny", "jake"),
        ("hey jess 😭 come over", "jess"),
        ("so i was with my bf tyler and he left", "tyler"),
        ("my roommate priya snores", "priya"),
        ("I miss Grace so much", "Grace"),
        ("thanks Kevin!", "Kevin"),
        ("Zoe Young is the speaker", "Zoe Young"),
        ("I spoke to Mijail C Adomo", "Mijail C Adomo"),
        ("ask Giovanna Rodrigues MD", "Giovanna Rodrigues MD"),
        ("that is Maria de la Cruz", "Maria de la Cruz"),
        ("no way that is Sarah's car", "Sarah"),
        ("Then Nomsa Dlamini said so", "Nomsa Dlamini"),
    ],
)
def test_names_in_english(text: str, person: str) -> None:
    assert found(text) == [person]


@pytest.mark.parametrize(
    ("text", "person"),
    [
        ("foi Gustavo q pegou meu celular", "Gustavo"),
        ("pregunta por Guadalupe en la puerta", "Guadalupe"),
        ("mein Mitbewohner Jonas war da", "Jonas"),
        ("ma sœur Manon est partie", "Manon"),
        ("teman saya Budi sudah datang", "Budi"),
    ],
)
def test_names_in_other_languages(text: str, person: str) -> None:
    assert found(text, english=False) == [person]


@pytest.mark.parametrize(
    "text",
    [
        "i hope you will grace the mark on may first",
        "art class, bill to pay, a rose by the park",
        "May I see? Will you come? Hope so. Mark my words.",
        "sooooo good hahahaha didn't know that",
        "I WANT TO GO HOME NOW",
        "Georgia Tech won in Texas",
        "the hunter and the cook met a baker",
        "yeah idk tbh lol",
    ],
)
def test_ordinary_words_are_no_names(text: str) -> None:
    assert found(text) == []


def test_in_german_a_capital_tells_nothing() -> None:
    assert found("ich habe Hunger und will ins Internet mit der Taschenlampe", english=False) == []


def test_the_engine_decides_where_the_table_does_not_know() -> None:
    assert found("I saw a Xyzzil there") == []
    assert found("I saw a Xyzzil there", "Xyzzil") == ["Xyzzil"]
    assert found("hangwani u see now", "hangwani") == ["hangwani"]
    assert found("anyoen awake", "anyoen") == []  # a word with two letters swapped
    assert found("I saw Madison", things=("Madison",)) != []  # the table is sure enough
    assert found("I bought Hope there", things=("Hope",)) == []


def test_a_name_is_one_wherever_it_stands_in_the_text() -> None:
    assert found("Hi Xyzzil Smith. Dear me. Xyzzil left", "Xyzzil Smith") == ["Xyzzil Smith", "Xyzzil"]


def test_the_copy_for_the_engine_has_capitals_where_names_are() -> None:
    reading = read("its maria btw", True)
    assert reading is not None
    assert reading.recased == "its Maria btw"
    reading = read("MARCO WHERE R U", True)
    assert reading is not None
    assert reading.recased == "Marco where r u"


def test_a_text_without_a_candidate_needs_no_engine() -> None:
    assert read("yeah i think so too", True) is None
    assert read("Well, that is nice. I like it.", True) is None
    assert read("123 😭 !!", True) is None
    assert read("", True) is None


def test_the_card_tells_the_table_as_it_is() -> None:
    rows = table()
    kinds = [line[0].lower() for line in rows._lines.values()]
    card = (recogniser.files("curation") / "data" / "names.md").read_text(encoding="utf-8")
    assert f"{len(kinds):,} words: {kinds.count('g'):,} given names, {kinds.count('s'):,} surnames" in card
    assert rows["sarah"] is not None
    assert rows["qqqq"] is None


@settings(deadline=None)
@given(st.text(max_size=120), st.booleans(), st.lists(st.tuples(st.integers(0, 120), st.integers(1, 30)), max_size=4))
def test_findings_lie_in_the_text_in_order(text: str, english: bool, spans: list[tuple[int, int]]) -> None:
    reading = read(text, english)
    if reading is None:
        return
    assert len(reading.recased) == len(text)
    assert reading.recased.lower() == text.lower()
    hits = names(reading, [Entity(start, start + length, True) for start, length in spans])
    ends = [0]
    for hit in hits:
        assert ends[-1] <= hit.start < hit.end <= len(text)
        assert text[hit.start : hit.end].strip() == text[hit.start : hit.end]
        ends.append(hit.end)


@pytest.mark.parametrize("piece", ["Maria ", "a", "A, ", "x\n", "Anna: ", "O'", "jo-", "and Bob "])
def test_time_grows_with_the_text_and_no_faster(piece: str) -> None:
    def seconds(times: int) -> float:
        text = piece * times
        began = time.process_time()
        reading = read(text, True)
        if reading is not None:
            names(reading, [])
        return time.process_time() - began

    seconds(100)
    assert seconds(20_000) < 10
