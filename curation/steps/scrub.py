"""The step `scrub` on rows: personal data replaced, and where it stood."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

import polars as pl
import pyarrow as pa

from curation.steps.rows import TEXTS, Row, checked_text, row_id, texts
from schemas.recipe import Recipe
from schemas.turns import Turn

if TYPE_CHECKING:
    from curation.finder import Finder
    from curation.found import Found

SPANS = pa.list_(
    pa.struct(
        [
            ("in", pa.string()),
            ("start", pa.int32()),
            ("end", pa.int32()),
            ("type", pa.string()),
            ("score", pa.float64()),
            ("recogniser", pa.string()),
        ]
    )
)
COUNTS = pa.list_(pa.struct([("type", pa.string()), ("count", pa.uint32())]))


class Scrub:
    """The texts with personal data replaced, and what was found.

    `spans` has a row for each piece: `in` (`text`, `user` or `response`), `start` and `end` in characters of the text
    as it came, `type`, `score` and `recogniser`. `pii` counts them by type. Rows of one `conversation_id` that come
    together are looked at together, and have the same placeholders; a row without one is its own conversation.
    """

    reads = (
        *TEXTS,
        "role",
        "conversation_id",
        "turn_index",
        "persona_id",
        "locale",
        "tool_calls",
        "user_key",
    )
    adds: ClassVar = {"spans": SPANS, "pii": COUNTS}
    changes = ("text", "messages", "response", "tool_calls", "user_key")

    def __init__(self, recipe: Recipe, key: bytes) -> None:
        from curation.finder import Finder
        from schemas.personas import read_personas

        settings = recipe.curation
        self._find, self._key = Finder(settings.scrub), key
        self._replace, self._locale = settings.scrub.replace, settings.locale
        self._personas = read_personas(Path(settings.personas)) if settings.personas else {}

    def check(self, row: Row) -> None:
        self.conversation(row)
        texts(row)
        for key in ("role", "persona_id", "locale", "tool_calls", "user_key"):
            if row.get(key) is not None:
                checked_text(row[key], key)

    @staticmethod
    def conversation(row: Row) -> str:
        """What a row belongs to."""
        if row.get("conversation_id") is None:
            return row_id(row)
        return row_id({"id": row["conversation_id"]})

    def __call__(self, rows: Sequence[Row]) -> list[Row]:
        from curation import conversations, scrub, tool_calls

        find = cast("Finder", _Once(self._find))
        frame = pl.DataFrame([self._turn(row, at) for at, row in enumerate(rows)], schema=_TURN)
        clean = scrub.scrub(frame, find, self._key, self._personas, self._replace)
        asides: dict[str, list[str]] = {}
        for conversation, calls in frame.select("conversation_id", "tool_calls").drop_nulls().unique().iter_rows():
            asides.setdefault(conversation, []).extend(tool_calls.texts(calls))
        whole = conversations.conversations(frame, conversations.exploded(frame), asides)
        found = {one.conversation.id: one.mentions for one in scrub.located(whole, find, self._personas)}
        return [
            self._answer(row, new, found[new["conversation_id"]])
            for row, new in zip(rows, clean.iter_rows(named=True), strict=True)
        ]

    def _turn(self, row: Row, at: int) -> dict[str, Any]:
        """A row as a turn; a text is a turn of which only one side spoke."""
        if row.get("text") is not None:
            replied = row.get("role") == "assistant"
            said = (None, row["text"]) if replied else (row["text"], None)  # null: nothing was said
            messages, response = [{"role": "user", "content": said[0]}], said[1]
        else:
            messages = [{"role": message["role"], "content": message["content"]} for message in row["messages"]]
            response = row["response"]
        if messages[0]["role"] != "system":  # the first message is taken for the product's own, and left alone
            messages = [{"role": "system", "content": ""}, *messages]
        return {
            "conversation_id": self.conversation(row),
            "turn_index": row["turn_index"] if isinstance(row.get("turn_index"), int) else at,
            "persona_id": row.get("persona_id") or "",
            "locale": row.get("locale") or self._locale,
            "user_key": row.get("user_key") or "",
            "messages": messages,
            "response": response,
            "tool_calls": row.get("tool_calls"),
        }

    def _answer(self, row: Row, new: Row, mentions: Mapping[str, Any]) -> Row:
        answer: dict[str, Any] = {"spans": [], "pii": new["pii"]}
        for place, text in texts(row):
            for mention in mentions.get(text, ()):
                found = mention.found._asdict()
                found["recogniser"] = found["recogniser"] or "conversation"  # told by another message
                answer["spans"].append({"in": place, **found})
        if row.get("text") is not None:
            answer["text"] = new["response"] or new["messages"][-1]["content"]
        else:
            contents = [message["content"] for message in new["messages"]][-len(row["messages"]) :]
            pairs = zip(row["messages"], contents, strict=True)
            answer["messages"] = [{**message, "content": content} for message, content in pairs]
            answer["response"] = new["response"]
        for key in ("tool_calls", "user_key"):
            if row.get(key):
                answer[key] = new[key]
        return answer


_COLUMNS = (
    "conversation_id",
    "turn_index",
    "persona_id",
    "locale",
    "user_key",
    "messages",
    "response",
    "tool_calls",
)
_TURN = {name: Turn.create_empty().schema[name] for name in _COLUMNS}


class _Once:
    """A finder that looks at each text once, for the two that ask."""

    def __init__(self, find: Finder) -> None:
        self._find = find
        self._known: dict[tuple[Any, ...], list[Found]] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._find, name)

    def __call__(self, texts: Sequence[str], *flags: Sequence[bool]) -> list[list[Found]]:
        asked = list(zip(texts, *flags, strict=True))
        new = list(dict.fromkeys(one for one in asked if one not in self._known))
        columns = [[one[column] for one in new] for column in range(1 + len(flags))]
        self._known.update(zip(new, self._find(*columns), strict=True))
        return [self._known[one] for one in asked]
