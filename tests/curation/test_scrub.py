"""Personal data: what is found, what is left alone, and placeholders that hold together."""

from __future__ import annotations

import json
import re
import stat
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation import placeholders, scrub
from curation.finder import Finder, merged
from schemas.personas import Persona
from schemas.problems import Problem
from schemas.recipe import Scrub
from schemas.turns import Turn, turn_id

KEY = bytes(range(32))


def test_key_is_made_once_and_private(tmp_path: Path) -> None:
    path = tmp_path / "runs" / "key"
    key = placeholders.read_key(path)
    assert len(key) == 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert placeholders.read_key(path) == key
    path.chmod(0o640)
    with pytest.raises(Problem, match="others can read"):
        placeholders.read_key(path)
    path.chmod(0o600)
    path.write_bytes(b"short")
    with pytest.raises(Problem, match="32 random bytes, found 5"):
        placeholders.read_key(path)


def test_a_placeholder_holds_through_a_conversation_and_no_further() -> None:
    def of(conversation: str, text: str, key: bytes = KEY) -> str:
        return placeholders.placeholder(key, conversation, "PERSON", text)

    assert re.fullmatch(r"<PERSON_[0-9a-f]{6}>", of("c", "Anna"))
    assert of("c", "Anna") == of("c", "ANNA") == of("c", "anna kowalska")
    assert len({of("c", "Anna"), of("d", "Anna"), of("c", "Ben"), of("c", "Anna", bytes(32))}) == 4
    phones = {placeholders.placeholder(KEY, "c", "PHONE_NUMBER", text) for text in ("0171 23 45 678", "0171-2345678")}
    assert len(phones) == 1
    mails = {placeholders.placeholder(KEY, "c", "EMAIL_ADDRESS", t) for t in ("A.b@x.com", "a dot b (at) x dot com")}
    assert len(mails) == 1


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 12), st.floats(0, 1)), max_size=12))
def test_merging_covers_all_and_overlaps_nowhere(spans: list[tuple[int, int, float]]) -> None:
    found = [scrub.Found(start, start + length + 1, "PERSON", score) for start, length, score in spans]
    whole = merged(found)
    covered = {i for item in whole for i in range(item.start, item.end)}
    assert covered == {i for item in found for i in range(item.start, item.end)}
    assert all(left.end <= right.start for left, right in pairwise(whole))


@pytest.fixture(scope="module")
def find() -> Finder:
    return Finder(Scrub())


def conversation(
    *texts: str, system: str = "You are Mira, a baker.", locale: str = "en-US", calls: str | None = None
) -> pl.DataFrame:
    """A turn after each reply; user and character take turns."""
    rows = []
    for index in range(len(texts) // 2):
        said = [
            {"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(texts[: 2 * index + 1])
        ]
        messages = [{"role": "system", "content": system}, *said]
        response = texts[2 * index + 1]
        rows.append(
            {
                "turn_id": turn_id("c", index, "mira", messages, response),
                "conversation_id": "c",
                "turn_index": index,
                "timestamp": datetime(2026, 1, 1, tzinfo=UTC),
                "user_key": "someone",
                "persona_id": "mira",
                "locale": locale,
                "surface": "app",
                "source": "user",
                "model_version": "m",
                "messages": messages,
                "response": response,
                "tool_calls": calls,
                "continued": None,
                "thumb": None,
            }
        )
    return Turn.validate(pl.DataFrame(rows, schema=Turn.create_empty().schema))


MIRA = {"mira": Persona(persona_id="mira", name="Mira", locale="en-US", system_prompt="x", allowed_names=("Old Tom",))}


def test_the_same_person_is_the_same_placeholder_in_every_turn(find: Finder) -> None:
    turns = conversation(
        "Hi, my name is Anna Kowalska and I live in Berlin.",
        "Hello Anna! I'm Mira.",
        "Did Old Tom call 0171 2345678?",
        "No.",
    )
    done = scrub.scrub(turns, find, KEY, MIRA)
    text = json.dumps(done["messages"].to_list()) + "".join(done["response"])
    assert not re.search("Anna|Kowalska|2345678", text)
    assert len(set(re.findall(r"<PERSON_\w+>", text))) == 1
    assert "Berlin" in text
    assert "Mira" in text
    assert "Old Tom" in text
    assert done["messages"][0][0] == {"role": "system", "content": "You are Mira, a baker."}
    assert done["pii"].to_list() == [
        [{"type": "PERSON", "count": 2}],
        [{"type": "PHONE_NUMBER", "count": 1}],
    ]
    assert set(done["user_key"]) == {placeholders.pseudonym(KEY, "someone")}
    assert scrub.scrub(turns.reverse(), find, KEY, MIRA).reverse().equals(done)
    apart = pl.concat([scrub.scrub(turns[index], find, KEY, MIRA) for index in range(turns.height)])
    assert apart.equals(done)


def test_a_reply_does_not_give_a_name_away(find: Finder) -> None:
    said = ("me chamo natália furtado", "Natália, não vou esquecer.", "a furtado sou eu", "natália furtado, claro")
    done = scrub.scrub(conversation(*said, locale="pt-BR"), find, KEY, {})
    text = json.dumps(done["messages"].to_list()) + "".join(done["response"])
    assert not re.search("nat|furtado", text, re.IGNORECASE)
    assert len(set(re.findall(r"<PERSON_\w+>", text))) == 1


def test_a_name_in_the_system_prompt_is_the_character(find: Finder) -> None:
    done = scrub.scrub(conversation("Hello Mira, hello Jacob Miller!", "I'm Mira."), find, KEY, {})
    assert "Mira" in done["messages"][0][1]["content"]
    assert "Jacob" not in done["messages"][0][1]["content"]
    assert done["response"][0] == "I'm Mira."


def test_the_english_tagger_is_silent_in_other_languages(find: Finder) -> None:
    said = "Ayer comimos Tortilla con Pimiento en la Plaza con muchos amigos de Juan."
    done = scrub.scrub(conversation(said, "Qué rico suena eso, de verdad.", locale="es-MX"), find, KEY, {})
    assert done["messages"][0][1]["content"] == said
    asked: list[bool] = []

    def listening(texts: list[str], tag: list[bool]) -> list[list[scrub.Found]]:
        asked.extend(tag)
        return [[] for _ in texts]

    listening.language = "en"  # type: ignore[attr-defined]
    scrub.scrub(conversation(said, said, locale="en-US", system=said), listening, KEY, {})  # type: ignore[arg-type]
    assert asked == [False]


def test_tool_calls_stay_json(find: Finder) -> None:
    calls = json.dumps([{"name": "mail", "arguments": {"to": "ana@example.org", "n": 3}}])
    done = scrub.scrub(conversation("hello there", "hi there", calls=calls), find, KEY, {})["tool_calls"][0]
    assert re.fullmatch(r"<EMAIL_ADDRESS_\w{6}>", json.loads(done)[0]["arguments"]["to"])
    assert json.loads(done)[0]["arguments"]["n"] == 3
    broken = scrub.scrub(conversation("hello there", "hi there", calls="{to: ana@example.org"), find, KEY, {})
    assert "ana@" not in broken["tool_calls"][0]


def test_shouted_names_are_names(find: Finder) -> None:
    assert [f.type for f in find(["MY BOSS KEVIN NAKAGAWA IS THE WORST"], [True])[0]] == ["PERSON"]


def test_a_model_that_is_not_there_is_told() -> None:
    with pytest.raises(Problem, match="no spaCy model"):
        Finder(Scrub(model="nowhere_model"))
