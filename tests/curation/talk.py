"""Conversations to scrub, and a finder without a model: the recognisers, and names from a list."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime

import polars as pl

from curation.finder import merged
from curation.found import Found
from curation.recognisers import FINDERS
from schemas.turns import Turn, turn_id

KEY = bytes(range(32))


class Listed:
    """Finds what the recognisers find, and names of a list, with a score each, in texts it is told to tag."""

    language = "en"
    languages = frozenset(["en"])

    def __init__(self, **names: float) -> None:
        self.names = names
        self.asked: list[str] = []

    def __call__(self, texts: Sequence[str], tag: Sequence[bool], english: Sequence[bool]) -> list[list[Found]]:
        self.asked += texts
        return [self._found(text, yes) for text, yes in zip(texts, tag, strict=True)]

    def _found(self, text: str, tag: bool) -> list[Found]:
        found = [hit for finder in FINDERS for hit in finder(text)]
        for name, score in self.names.items() if tag else ():
            for match in re.finditer(rf"\b{name.replace('_', ' ')}\b", text):
                found.append(Found(*match.span(), "PERSON", score, "list"))
        return merged(found)


def conversation(
    *texts: str,
    system: str = "You are Mira, a baker.",
    locale: str = "en-US",
    calls: str | None = None,
    id: str = "c",
    history: bool = True,
) -> pl.DataFrame:
    """A turn after each reply; user and character take turns.

    Args:
        history: Whether each turn has all that was said before, or the user's last message alone.
    """
    rows = []
    for index in range(len(texts) // 2):
        said = [
            {"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(texts[: 2 * index + 1])
        ]
        messages = [{"role": "system", "content": system}, *(said if history else said[-1:])]
        response = texts[2 * index + 1]
        rows.append(
            {
                "turn_id": turn_id(id, index, "mira", messages, response),
                "conversation_id": id,
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


def said(turns: pl.DataFrame) -> str:
    """Everything in a frame but the system prompts, a line each."""
    lines = [message["content"] for messages in turns["messages"] for message in messages[1:]]
    return "\n".join([*lines, *turns["response"]])
