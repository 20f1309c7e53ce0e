"""Mail addresses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recognised import shown

from curation.recognisers.mail import emails


@pytest.mark.parametrize(
    ("text", "personal"),
    [
        ("write to ana.silva+x@mail.example.org ok", "ana.silva+x@mail.example.org"),
        ("メールはyuki_77@example.jpです", "yuki_77@example.jp"),
        ("it's john dot smith at gmail dot com", "john dot smith at gmail dot com"),
        ("jo at gmail dot com", "jo at gmail dot com"),
        ("JO AT GMAIL DOT COM", "JO AT GMAIL DOT COM"),
        ("mail me, jo underscore smith at outlook dot com", "jo underscore smith at outlook dot com"),
        ("lena(at)web.de please", "lena(at)web.de"),
        ("lena [at] example [dot] org", "lena [at] example [dot] org"),
        ("ana arroba hotmail punto com", "ana arroba hotmail punto com"),
        ("é ana_b arroba gmail ponto com", "ana_b arroba gmail ponto com"),
        ("luc arobase orange point fr", "luc arobase orange point fr"),
        ("kim골뱅이naver점com", "kim골뱅이naver점com"),
        ("viral @ gmail . com", "viral @ gmail . com"),
        ("it's jo.smith77 at gmail", "jo.smith77 at gmail"),
    ],
)
def test_found(text: str, personal: str) -> None:
    assert shown(text, emails) == [personal]


@pytest.mark.parametrize(
    "text",
    [
        "i buy it at amazon.com",
        "look at gmail",
        "we met at the dot com bubble",
        "try meditation at some point in your life",
        "@handle is no mail",
        "a @ b",
        "at 5 . com",
        "see you at home dot dot dot",
        "they live at orange county",
    ],
)
def test_left_alone(text: str) -> None:
    assert shown(text, emails) == []


_NAME = st.text("abcdefghijklmnopqrstuvwxyz0123456789_", min_size=5, max_size=12)


@given(_NAME, _NAME, st.sampled_from(["com", "org", "de", "com.br", "co.uk"]))
def test_plain_addresses_are_found_whole(name: str, host: str, ending: str) -> None:
    address = f"{name}@{host.strip('_') or 'host'}.{ending}"
    assert shown(f"so {address}, ok", emails) == [address]
