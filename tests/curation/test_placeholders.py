"""Placeholders hold through a conversation and no further; the key is private."""

from __future__ import annotations

import re
import stat
from pathlib import Path

import pytest

from curation.placeholders import compared, placeholder, pseudonym, read_key
from schemas.problems import Problem

KEY = bytes(range(32))


def test_key_is_made_once_and_private(tmp_path: Path) -> None:
    path = tmp_path / "runs" / "key"
    key = read_key(path)
    assert len(key) == 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_key(path) == key
    path.chmod(0o640)
    with pytest.raises(Problem, match="others can read"):
        read_key(path)
    path.chmod(0o600)
    path.write_bytes(b"short")
    with pytest.raises(Problem, match="32 random bytes, found 5"):
        read_key(path)


def test_a_placeholder_holds_through_a_conversation_and_no_further() -> None:
    one = placeholder(KEY, "c", "PERSON", "anna")
    assert re.fullmatch(r"<PERSON_[0-9a-f]{6}>", one)
    assert placeholder(KEY, "c", "PERSON", "anna") == one
    others = [
        placeholder(KEY, "d", "PERSON", "anna"),
        placeholder(KEY, "c", "PERSON", "ben"),
        placeholder(KEY, "c", "HANDLE", "anna"),
        placeholder(bytes(32), "c", "PERSON", "anna"),
    ]
    assert len({one, *others}) == 5
    assert pseudonym(KEY, "someone") != pseudonym(bytes(32), "someone")


@pytest.mark.parametrize(
    ("kind", "mentions"),
    [
        ("PHONE_NUMBER", ["0171 23 45 678", "0171-2345678", "+49 (171) 2345678", "\uff10171 2345678"]),
        ("EMAIL_ADDRESS", ["A.b@x.com", "a dot b (at) x dot com", "a . b [at] x . com"]),
        ("STREET_ADDRESS", ["12 Long Meadow Road", "12 long meadow road,"]),
        ("CREDIT_CARD", ["4111 1111 1111 1111", "4111-1111-1111-1111"]),
        ("IBAN_CODE", ["GB82 WEST 1234 5698 7654 32", "gb82west12345698765432"]),
        ("HANDLE", ["@Moon_Cat", "moon_cat"]),
    ],
)
def test_mentions_of_the_same_data_are_compared_alike(kind: str, mentions: list[str]) -> None:
    assert len({compared(kind, mention) for mention in mentions}) == 1


def test_different_numbers_are_compared_apart() -> None:
    assert compared("PHONE_NUMBER", "0171 2345678") != compared("PHONE_NUMBER", "0171 2345679")
    assert compared("ID_NUMBER", "AB1234567") != compared("ID_NUMBER", "AC1234567")


def test_a_key_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(Problem, match=r"none can be made \(Not a directory\)|none can be made \(File exists\)"):
        read_key(tmp_path / "file" / "key")
