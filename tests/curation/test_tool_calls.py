"""Tool calls: personal data in strings, keys and numbers goes; everything else stays byte for byte."""

from __future__ import annotations

import json
import re

from hypothesis import given, settings
from hypothesis import strategies as st
from talk import KEY, Listed, conversation

from curation import scrub, tool_calls


def masked(calls: str, *texts: str) -> str:
    turns = conversation(*(texts or ("hello there", "hi there")), calls=calls)
    return str(scrub.scrub(turns, Listed(), KEY, {})["tool_calls"][0])  # type: ignore[arg-type]


def test_strings_are_masked_and_numbers_stay() -> None:
    done = json.loads(masked(json.dumps([{"name": "mail", "arguments": {"to": "ana@example.org", "n": 3}}])))
    assert re.fullmatch(r"<EMAIL_ADDRESS_\w{6}>", done[0]["arguments"]["to"])
    assert done[0]["arguments"]["n"] == 3
    assert done[0]["name"] == "mail"


def test_what_is_no_json_is_text() -> None:
    assert "ana@" not in masked("{to: ana@example.org")
    assert "ana@" not in masked("[" * 100_000 + "ana@example.org")


def test_keys_numbers_and_json_in_strings_are_masked() -> None:
    inner = json.dumps({"phone": 1712345678, "who": "maria"})
    calls = json.dumps({"maria": 1, "call": 1712345678, "at": 1700000000, "arguments": inner}, indent=1)
    done = json.loads(masked(calls, "my name is maria, call me on 0171 2345678", "ok"))
    (name,) = [key for key in done if key.startswith("<PERSON_")]
    assert done[name] == 1
    assert re.fullmatch(r"<PHONE_NUMBER_\w{6}>", done["call"])
    assert done["at"] == 1700000000
    assert json.loads(done["arguments"]) == {"phone": done["call"], "who": name}


_JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


@settings(deadline=None)
@given(_JSON, st.booleans(), st.sampled_from([None, 1]))
def test_without_personal_data_not_a_byte_changes(value: object, ascii: bool, indent: int | None) -> None:
    calls = json.dumps(value, ensure_ascii=ascii, indent=indent)
    assert tool_calls.changed(calls, lambda text: text) == calls


@settings(deadline=None)
@given(_JSON, st.booleans())
def test_changed_json_is_json_and_every_text_is_asked_for(value: object, ascii: bool) -> None:
    calls = json.dumps(value, ensure_ascii=ascii)
    known = set(tool_calls.texts(calls))
    asked: list[str] = []

    def change(text: str) -> str:
        asked.append(text)
        return text + '"<X>'

    json.loads(tool_calls.changed(calls, change))
    assert known.issuperset(asked)


def test_keys_that_stand_twice_are_both_looked_at() -> None:
    assert "ana@" not in masked('{"a": "ana@example.org", "a": "x"}')
