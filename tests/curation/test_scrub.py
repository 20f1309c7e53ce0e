"""Personal data through whole conversations: what one message tells holds in all, and nothing else changes."""

from __future__ import annotations

import json
import random
import re
from itertools import pairwise
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from talk import KEY, Listed, conversation, said

from curation import placeholders, scrub
from curation.finder import Finder, merged
from curation.found import Found
from schemas.curation_recipe import Scrub
from schemas.personas import Persona
from schemas.problems import Problem

MIRA = {"mira": Persona(persona_id="mira", name="Mira", locale="en-US", system_prompt="x", allowed_names=("Old Tom",))}


def scrubbed(*texts: str, find: Any = None, **how: Any) -> pl.DataFrame:
    return scrub.scrub(conversation(*texts, **how), find or Listed(), KEY, MIRA)


def people(text: str) -> list[str]:
    return re.findall(r"<PERSON_\w+>", text)


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 12), st.floats(0, 1)), max_size=12))
def test_merging_covers_all_and_overlaps_nowhere(spans: list[tuple[int, int, float]]) -> None:
    found = [Found(start, start + length + 1, "PERSON", score) for start, length, score in spans]
    whole = merged(found)
    covered = {i for item in whole for i in range(item.start, item.end)}
    assert covered == {i for item in found for i in range(item.start, item.end)}
    assert all(left.end <= right.start for left, right in pairwise(whole))


@pytest.fixture(scope="module")
def find() -> Finder:
    return Finder(Scrub())


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
    assert len(set(people(text))) == 1
    assert "Berlin" in text
    assert "Mira" in text
    assert "Old Tom" in text
    assert done["messages"][0][0] == {"role": "system", "content": "You are Mira, a baker."}
    assert done["pii"].to_list() == [
        [{"type": "PERSON", "count": 2}],
        [{"type": "PHONE_NUMBER", "count": 1}],
    ]
    assert set(done["user_key"]) == {placeholders.pseudonym(KEY, "someone")}
    assert done.drop("messages", "response", "user_key", "pii").equals(turns.drop("messages", "response", "user_key"))


def test_a_later_turn_masks_earlier_ones() -> None:
    for history in (True, False):
        done = scrubbed(
            "i bake with maria a lot", "How nice.", "MARIA'S bread", "Tell mariaaa!", "my name is maria lopez", "Oh!",
            history=history,
        )  # fmt: skip
        text = said(done)
        assert not re.search("maria|lopez", text, re.IGNORECASE)
        assert len(set(people(text))) == 1
        assert "'S bread" in text


@pytest.mark.parametrize(
    ("told", "again"),
    [
        ("me chamo natália furtado", "natalia, não vou esquecer"),
        ("my name is Zo\u00eb", "bye Zo\u200be\u0308 x"),
        ("my name is O'Brien", "ok o'brien"),
        ("меня зовут Анна", "АННА, да"),
        ("山田と申します", "こんにちは山田さん"),
        ("제 이름은 김민수예요", "김민수야 안녕"),
        ("it was Anna van der Berg", "ask anna van der berg now"),
    ],
)
def test_a_name_is_masked_however_it_is_written_again(told: str, again: str) -> None:
    done = scrubbed(again, "ok then", told, "nice to meet you", find=Listed(Anna_van_der_Berg=0.9))
    first = done["messages"][0][1]["content"]
    assert len(people(first)) == 1
    shown = re.sub(r"<PERSON_\w+>", "", first)
    assert not set(re.findall(r"\w{3,}", shown.lower())) & set(re.findall(r"\w{3,}", told.lower())) - {"den"}
    assert set(people(first)) == set(people(done["messages"][-1][-1]["content"]))


def test_a_name_that_is_a_word_is_masked_where_it_stands_as_a_name() -> None:
    done = scrubbed(
        "will you come",
        "I will.",
        "i am Will Smith",
        "hi will, Smith is nice",
        "I saw Will there",
        "Will it rain?",
        find=Listed(Will_Smith=0.9),
    )
    lines = [m["content"] for m in done["messages"][-1][1:]] + [done["response"][-1]]
    assert lines[0] == "will you come"
    assert lines[1] == "I will."
    assert lines[5] == "Will it rain?"
    assert re.fullmatch(r"hi <PERSON_\w+>, <PERSON_\w+> is nice", lines[3])
    assert re.fullmatch(r"I saw <PERSON_\w+> there", lines[4])
    assert len(set(people("".join(lines)))) == 1


def test_what_only_the_finder_thinks_is_followed_by_its_capital() -> None:
    done = scrubbed("Kevin texted", "Was it KEVIN or kevin", "and Bob", "bob?", find=Listed(Kevin=0.9, Bob=0.5))
    text = said(done)
    assert "Kevin" not in text
    assert "KEVIN" not in text
    assert "kevin" in text
    assert "Bob" not in text
    assert "bob?" in text


def test_two_people_of_one_first_name_stay_apart() -> None:
    done = scrubbed(
        "Anna Kowalska and Anna Nowak", "Ms Nowak?", "Kowalska", "anna?",
        find=Listed(Anna_Kowalska=0.9, Anna_Nowak=0.9, Nowak=0.9, Kowalska=0.9),
    )  # fmt: skip
    first = people(done["messages"][0][1]["content"])
    assert len(set(first)) == 2
    assert people(done["response"][0]) == [first[1]]
    assert people(done["messages"][1][-1]["content"]) == [first[0]]
    assert people(done["response"][1])[0] not in first


@pytest.mark.parametrize(
    ("told", "again", "left"),
    [
        ("call me on 0171 2345679", "so +49 171-234 5679 it is", "so "),
        ("call me on 0171 2345678", "0 171 23 45 67 8 then", " then"),
        ("my insta is lena_x99", "hi Lena_X99!", "hi "),
        ("write to ana.silva@mail.example.org", "ana.silva@mail.example.org ok", " ok"),
        ("I live at 12 Long Meadow Road", "is 12, long meadow ROAD far", "is "),
    ],
)
def test_numbers_and_addresses_are_masked_wherever_they_stand_again(told: str, again: str, left: str) -> None:
    done = scrubbed(again, "ok", told, "ok")
    first, last = done["messages"][0][1]["content"], done["messages"][-1][-1]["content"]
    assert left in first
    assert len(re.findall(r"\d", re.sub(r"<[A-Z_]+_[0-9a-f]{6}>", "", first))) <= 2
    assert set(re.findall(r"<[A-Z_]+_[0-9a-f]{6}>", first)) == set(re.findall(r"<[A-Z_]+_[0-9a-f]{6}>", last))


def test_a_link_with_a_name_in_it_goes_whole() -> None:
    done = scrubbed("see http://www.AnnaNowak.com/about, ok?", "https://example.org/story", find=Listed(AnnaNowak=0.9))
    assert re.fullmatch(r"see <URL_\w{6}>, ok\?", done["messages"][0][1]["content"])
    assert done["response"][0] == "https://example.org/story"


def test_a_name_in_the_system_prompt_is_the_character(find: Finder) -> None:
    done = scrub.scrub(conversation("Hello Mira, hello Jacob Miller!", "I'm Mira."), find, KEY, {})
    assert "Mira" in done["messages"][0][1]["content"]
    assert "Jacob" not in done["messages"][0][1]["content"]
    assert done["response"][0] == "I'm Mira."


def test_the_english_tagger_is_silent_in_other_languages(find: Finder) -> None:
    said = "Ayer comimos Tortilla con Pimiento en la Plaza con muchos amigos de Juan."
    done = scrub.scrub(conversation(said, "Qué rico suena eso, de verdad.", locale="es-MX"), find, KEY, {})
    assert "comimos Tortilla con Pimiento en la Plaza con muchos amigos" in done["messages"][0][1]["content"]
    asked: list[bool] = []

    class Listening(Listed):
        def __call__(self, texts: Any, tag: Any, english: Any) -> list[list[Found]]:
            asked.extend(tag)
            return [[] for _ in texts]

    scrub.scrub(conversation(said, said, locale="en-US", system=said), Listening(), KEY, {})  # type: ignore[arg-type]
    assert asked == [False]


def test_shouted_names_are_names(find: Finder) -> None:
    assert [f.type for f in find(["MY BOSS KEVIN NAKAGAWA IS THE WORST"], [True])[0]] == ["PERSON"]


def test_a_model_that_is_not_there_is_told() -> None:
    with pytest.raises(Problem, match="no spaCy model"):
        Finder(Scrub(model="nowhere_model"))


def test_scrubbing_again_changes_nothing(find: Finder) -> None:
    turns = conversation(
        "Hi, my name is Anna Kowalska, born 3 May 1990, ssn 078-05-1120", "Hello Anna! Card 4111 1111 1111 1111?",
        "I'm at 12 Long Meadow Road, call 0171 2345678 or ana.silva@mail.example.org, insta @moon_cat.7", "Fine, Anna.",
    )  # fmt: skip
    once = scrub.scrub(turns, find, KEY, MIRA)
    again = scrub.scrub(once.drop("pii"), find, KEY, MIRA)
    assert len(set(re.findall(r"<[A-Z_]+_[0-9a-f]{6}>", said(once)))) >= 7
    assert said(again) == said(once)
    assert again["pii"].to_list() == [[], []]


_WORDS = st.sampled_from(
    ["my name is anna", "Anna Nowak", "anna", "Maria", "0171 2345678", "+49 171 2345678", "@moon_cat", "ok", "will"]
)
_TALKS = st.lists(st.lists(_WORDS, min_size=2, max_size=6), min_size=1, max_size=4)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(_TALKS, st.booleans(), st.randoms(use_true_random=False))
def test_order_of_rows_and_other_conversations_change_nothing(
    talks: list[list[str]], history: bool, chance: random.Random
) -> None:
    find = Listed(Maria=0.9, Anna_Nowak=0.9)
    frames = [conversation(*talk, id=f"c{number}", history=history) for number, talk in enumerate(talks)]
    apart = pl.concat([scrub.scrub(frame, find, KEY, MIRA) for frame in frames])  # type: ignore[arg-type]
    together = pl.concat(frames)
    order = chance.sample(range(together.height), together.height)
    done = scrub.scrub(together[order], find, KEY, MIRA)  # type: ignore[arg-type]
    assert done.sort("conversation_id", "turn_index").equals(apart)
    assert done["turn_id"].equals(together[order]["turn_id"])


_ODD = st.text(
    st.characters(exclude_categories=("Cs",)) | st.sampled_from("\u200b\u202e\u0301\u0000\ufeff<>_@"), min_size=1
)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.lists(_ODD.filter(str.strip), min_size=2, max_size=4), _ODD)
def test_odd_text_loses_nothing(texts: list[str], name: str) -> None:
    turns = conversation(*texts, f"my name is anna {name}", "ok")
    find = Listed()
    done = scrub.scrub(turns, find, KEY, MIRA)  # type: ignore[arg-type]
    assert done["turn_id"].equals(turns["turn_id"])
    assert done["messages"].list.len().equals(turns["messages"].list.len())
    kept = re.compile(r"<[A-Z]+(?:_[A-Z]+)*_[0-9a-f]{6}>")
    for before, after in zip(said(turns).split("\n"), said(done).split("\n"), strict=True):
        at = 0
        for part in kept.split(after):  # what is not masked stands there as it was, in order
            at = before.index(part, at) + len(part)


def test_a_long_message_and_a_long_conversation_are_quick() -> None:
    find = Listed(Kevin=0.9)
    long = scrubbed("my name is anna " + "of words Kevin anna " * 10_000 + "word " * 160_000, "ok anna", find=find)
    assert not re.search("anna|Kevin", said(long))
    texts = [f"message {n} of anna, {n}" for n in range(600)]
    find.asked.clear()
    done = scrubbed("my name is anna", *texts, "bye", find=find)
    assert len(find.asked) == 603  # each text once, the prompt with them, though histories hold 91 thousand
    assert "anna" not in done["messages"][-1][-1]["content"]


def test_many_links_and_placeholders_are_quick() -> None:
    text = "my name is anna " + "https://anna.example.org/anna <PERSON_0123ab> anna " * 12_000
    done = scrubbed(text, "ok", find=Listed(anna=0.95))
    assert "anna" not in done["messages"][0][1]["content"]
    assert done["messages"][0][1]["content"].count("<PERSON_0123ab>") == 12_000


def test_an_error_tells_no_text() -> None:
    class Failing(Listed):
        def __call__(self, texts: Any, tag: Any, english: Any) -> list[list[Found]]:
            raise ValueError("no")

    with pytest.raises(ValueError, match=r"^no$"):
        scrubbed("my name is zanzibarina", "ok", find=Failing())
