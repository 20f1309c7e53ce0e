"""Whole conversations out of a frame of turns: every distinct text once, in the order in which they were said."""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

import polars as pl

from curation.found import Found


class Said(NamedTuple):
    """A text and who said it: `user`, `assistant`, `tool` or a `system` that is not the persona's prompt."""

    role: str
    text: str


class Conversation(NamedTuple):
    """A conversation.

    Attributes:
        id: As the log names it.
        languages: ISO 639-1 codes of its turns' locales.
        personas: Ids of the characters in it; one, as a rule.
        prompts: Their system prompts.
        said: Distinct messages and replies, in order.
        asides: Texts inside its tool calls, see `tool_calls.texts`.
    """

    id: str
    languages: frozenset[str]
    personas: frozenset[str]
    prompts: frozenset[str]
    said: tuple[Said, ...]
    asides: tuple[str, ...] = ()


class Mention(NamedTuple):
    """A finding, and what it has in common with other mentions of the same data in its conversation."""

    found: Found
    identity: str


class Located(NamedTuple):
    """The personal data of a conversation.

    Attributes:
        conversation: Where.
        mentions: By text, in order, not overlapping.
        own: Words of names that belong to the persona, as `people.fold` has them.
    """

    conversation: Conversation
    mentions: dict[str, list[Mention]]
    own: frozenset[str]


def exploded(turns: pl.DataFrame) -> pl.DataFrame:
    """One row a message.

    Returns:
        `row` (UInt32, place of the turn in the frame), `at` (place of the message in the turn), `role`, `content`.
    """
    return (
        turns.select("messages")
        .with_row_index("row")
        .with_columns(at=pl.int_ranges(pl.col("messages").list.len()))
        .explode("messages", "at")
        .drop_nulls("messages")
        .unnest("messages")
    )


def conversations(turns: pl.DataFrame, messages: pl.DataFrame, asides: dict[str, list[str]]) -> list[Conversation]:
    """The conversations of a frame, ordered by id.

    A text's place is where it stands first: in the earliest turn that has it, so the order of rows tells nothing. A
    history that is repeated in every turn costs a hash of each message and nothing more.

    Args:
        turns: Turns, whole conversations, in any order.
        messages: `exploded(turns)`.
        asides: Texts inside tool calls, by conversation.
    """
    # A history that was cut at its beginning has other places: the first turn that has a message decides.
    place = pl.struct("turn_index", "at")
    rows = turns.select("conversation_id", "turn_index").with_row_index("row")
    said = pl.concat(
        [
            messages.filter(pl.col("at") > 0).select("row", "at", "role", "content"),
            turns.select(
                pl.int_range(pl.len(), dtype=pl.UInt32).alias("row"),
                pl.col("messages").list.len().cast(pl.Int64).alias("at"),
                pl.lit("assistant").alias("role"),
                pl.col("response").alias("content"),
            ),
        ]
    ).drop_nulls("content")
    first = (
        said.join(rows, on="row", maintain_order="left")
        .group_by("conversation_id", "role", "content")
        .agg(place.min().alias("place"))
        .sort("conversation_id", "place", "role", "content")
    )
    by_conversation: defaultdict[str, list[Said]] = defaultdict(list)
    for conversation, role, content in first.select("conversation_id", "role", "content").iter_rows():
        by_conversation[conversation].append(Said(role, content))
    about = (
        turns.select(
            "conversation_id",
            "persona_id",
            pl.col("locale").str.split("-").list.first(),
            pl.col("messages").list.first().struct.field("content").alias("prompt"),
        )
        .group_by("conversation_id")
        .agg(pl.all().unique())
        .sort("conversation_id")
    )
    return [
        Conversation(
            id,
            frozenset(languages),
            frozenset(personas),
            frozenset(prompt for prompt in prompts if prompt),
            tuple(by_conversation[id]),
            tuple(sorted(set(asides.get(id, ())))),
        )
        for id, personas, languages, prompts in about.iter_rows()
    ]
