"""What the step commands take for a row, and how a step answers.

A row is either a text (`id`, `text`) or a turn (`turn_id`, `messages`, `response`; see `schemas.turns.Turn`), of which
the user's last message and the reply count. What a step adds to it are the columns that it names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Protocol

import polars as pl
import pyarrow as pa

from curation.readers.records import Misfit
from schemas.problems import Problem
from schemas.turns import MESSAGES

Row = Mapping[str, Any]
TEXTS = ("id", "turn_id", "text", "messages", "response")


class RowStep(Protocol):
    """A step that answers each row by itself, or each conversation.

    Attributes:
        reads: Keys that it looks at.
        adds: Columns that it adds, or replaces where they are there.
        changes: Columns that it changes where they are there, and whose type stays.
    """

    reads: ClassVar[Sequence[str]]
    adds: ClassVar[Mapping[str, pa.DataType]]
    changes: ClassVar[Sequence[str]]

    def check(self, row: Row) -> None:
        """Raise `Misfit` where the row is not what the step reads."""
        ...

    def __call__(self, rows: Sequence[Row]) -> Sequence[Row]:
        """What is added to each row."""
        ...


class WholeStep(Protocol):
    """A step that answers when it has seen all rows; see `RowStep`."""

    reads: ClassVar[Sequence[str]]
    adds: ClassVar[Mapping[str, pa.DataType]]
    changes: ClassVar[Sequence[str]]

    def check(self, row: Row) -> None: ...

    def gather(self, rows: Sequence[Row]) -> None:
        """Take in rows that have been checked."""
        ...

    def answers(self) -> Sequence[Row]:
        """What is added to each row, in the order in which they were gathered."""
        ...


def row_id(row: Row) -> str:
    """The id of a row: `id`, or `turn_id`.

    Raises:
        Misfit: There is none.
    """
    found = row.get("id") if row.get("id") is not None else row.get("turn_id")
    if isinstance(found, bool) or not isinstance(found, str | int) or found == "":
        raise Misfit("no id; expected a text or a whole number under `id`, or `turn_id`.")
    return str(found)


def texts(row: Row) -> list[tuple[str, str]]:
    """What was said in a row, each with where it stands: `text`, or `user` and `response`.

    Raises:
        Misfit: The row is neither a text nor a turn.
    """
    if row.get("text") is not None:
        return [("text", checked_text(row["text"], "text"))]
    messages = row.get("messages")
    if messages is None or row.get("response") is None:
        raise Misfit("no text; expected `text`, or a turn's `messages` and `response`.")
    if not isinstance(messages, list) or not messages:
        raise Misfit("`messages` is not a list of messages with role and content.")
    for message in messages:
        if not isinstance(message, Mapping) or not isinstance(message.get("role"), str):
            raise Misfit("a message without a role; expected {role, content}.")
        checked_text(message.get("content"), "content of a message")
    if messages[-1]["role"] != "user":
        raise Misfit("the last of `messages` is not the user's; the reply belongs into `response`.")
    return [("user", messages[-1]["content"]), ("response", checked_text(row["response"], "response"))]


def frame(rows: Sequence[Row], locale: str) -> pl.DataFrame:
    """Rows as turns: `messages`, `response`, `locale`; a text stands on both sides.

    Args:
        rows: Rows that `texts` takes.
        locale: Of rows that name none.
    """
    said = []
    for row in rows:
        if row.get("text") is not None:
            said.append(([{"role": "user", "content": row["text"]}], row["text"]))
        else:
            messages = [{"role": message["role"], "content": message["content"]} for message in row["messages"]]
            said.append((messages, row["response"]))
    return pl.DataFrame(
        {
            "messages": [messages for messages, _ in said],
            "response": [response for _, response in said],
            "locale": [row.get("locale") or locale for row in rows],
        },
        schema={"messages": MESSAGES, "response": pl.String, "locale": pl.String},
    )


def checked_text(value: Any, key: str) -> str:
    if not isinstance(value, str):
        raise Misfit(f"{key}: not a string.")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Misfit(f"{key}: holds half a character (a lone surrogate), which no text file can.") from None
    return value


def isolated(step: RowStep, rows: Sequence[Row]) -> Iterator[Row | str]:
    """Answers to rows; for one that the step fails on, a sentence without message text.

    Raises:
        Problem: The machine or the recipe is at fault, not a row.
    """
    try:
        yield from step(rows)
    except (Problem, MemoryError, OSError):
        raise
    except Exception as error:
        if len(rows) <= 1:
            yield f"the step failed on it with {type(error).__name__}."
            return
        half = len(rows) // 2
        yield from isolated(step, rows[:half])
        yield from isolated(step, rows[half:])
