"""Links that lead to a person, and links that do not."""

from __future__ import annotations

import pytest
from recognised import shown

from curation.recognisers.links import links


@pytest.mark.parametrize(
    ("text", "personal"),
    [
        ("https://instagram.com/foo.bar is me", "https://instagram.com/foo.bar"),
        ("https://example.com/users/ana77?x=1", "https://example.com/users/ana77?x=1"),
        ("wa.me/4917112345678!", "wa.me/4917112345678"),
        ("my site: http://example.org/~jo/cv.", "http://example.org/~jo/cv"),
        ("https://docs.google.com/document/d/1AbC", "https://docs.google.com/document/d/1AbC"),
        ("https://shop.example.com/reset?token=abc123", "https://shop.example.com/reset?token=abc123"),
        ("https://www.linkedin.com/in/jo-smith-7", "https://www.linkedin.com/in/jo-smith-7"),
    ],
)
def test_found(text: str, personal: str) -> None:
    assert shown(text, links) == [personal]


@pytest.mark.parametrize(
    "text",
    [
        "https://news.example.com/2024/05/story",
        "https://www.youtube.com/watch?v=dQw4w9WgXcQ",
        "https://en.wikipedia.org/wiki/Portland",
        "https://www.reddit.com/r/cats",
        "and/or, 24/7, what?!",
        "example.com",
    ],
)
def test_left_alone(text: str) -> None:
    assert shown(text, links) == []
