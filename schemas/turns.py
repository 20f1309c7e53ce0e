"""Turn: one reply of a character, with all that came before it.

`Turn` is what a reader makes of raw logs; `CuratedTurn` is what curation adds to it. Both are dataframely schemas: use
`Turn.filter(df)` at a stage's door, so that one bad row costs one row.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import dataframely as dy
import numpy as np
import numpy.typing as npt
import polars as pl

ROLES = ("system", "user", "assistant", "tool")
SOURCES = ("user", "internal", "safety", "tool", "legacy")

# BCP-47 as far as chat logs use it: language, optional script, optional region.
LOCALE_PATTERN = r"^[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?$"

GOLDEN = np.uint64(0x9E3779B97F4A7C15)

MESSAGES = pl.List(pl.Struct({"role": pl.String, "content": pl.String}))
COUNTS = pl.List(pl.Struct({"type": pl.String, "count": pl.UInt32}))
SCORES = pl.List(pl.Struct({"label": pl.String, "score": pl.Float64}))


class Turn(dy.Schema):
    """A turn as it comes from a log, before curation.

    Attributes:
        turn_id: Content hash, see `turn_id`.
        conversation_id: Conversation the turn belongs to, as the log names it.
        turn_index: Place of the turn in its conversation; 0 is a first turn.
        timestamp: When the reply was shown, UTC.
        user_key: Pseudonym of the user; keyed again by curation, never a name or an address.
        persona_id: Character that replied.
        locale: BCP-47 tag, for example `pt-BR`.
        surface: Where the chat took place (app, web, ...).
        source: Who produced the conversation, one of `SOURCES`.
        model_version: Policy that wrote the reply.
        messages: `{role, content}` in order: the persona's system prompt first, the user's message last.
        response: The reply itself.
        tool_calls: JSON of the tools the character called, or null.
        continued: Whether the user wrote again; null where unknown.
        thumb: 1, -1 or null.
    """

    turn_id = dy.String(primary_key=True, regex=r"^[0-9a-f]{32}$")
    conversation_id = dy.String(min_length=1)
    turn_index = dy.Int32(min=0)
    timestamp = dy.Datetime(time_zone="UTC", time_unit="us")
    user_key = dy.String(min_length=1)
    persona_id = dy.String(min_length=1)
    locale = dy.String(regex=LOCALE_PATTERN)
    surface = dy.String(min_length=1)
    source = dy.String(check=lambda source: source.is_in(SOURCES))
    model_version = dy.String(min_length=1)
    messages = dy.List(dy.Struct({"role": dy.String(), "content": dy.String()}), min_length=2)
    response = dy.String(check=lambda text: text.str.strip_chars().str.len_chars() > 0)
    tool_calls = dy.String(nullable=True)
    continued = dy.Bool(nullable=True)
    thumb = dy.Int8(nullable=True, check=lambda thumb: thumb.is_in([-1, 1]))

    @dy.rule()
    def system_prompt_first(cls) -> pl.Expr:
        return pl.col("messages").list.first().struct.field("role") == "system"

    @dy.rule()
    def user_message_last(cls) -> pl.Expr:
        return pl.col("messages").list.last().struct.field("role") == "user"

    @dy.rule()
    def known_roles(cls) -> pl.Expr:
        return pl.col("messages").list.eval(pl.element().struct.field("role").is_in(ROLES)).list.all()


class CuratedTurn(Turn):
    """A turn that curation let through, with what it learned of it.

    Attributes:
        pii: Personal data masked in the turn, as `{type, count}`.
        safety: Highest score over the user's message and the reply, as `{label, score}`.
        cluster_id: Topic cluster, numbered within one curation run.
        difficulty: Shrunk reward variance over replies of the current policy, null until it has been measured.
        language: ISO 639-1 code found in the text, or `und`.
    """

    pii = dy.List(dy.Struct({"type": dy.String(), "count": dy.UInt32()}))
    safety = dy.List(dy.Struct({"label": dy.String(), "score": dy.Float64()}))
    cluster_id = dy.Int32(min=0)
    difficulty = dy.Float64(nullable=True, min=0.0)
    language = dy.String(min_length=2)


class DroppedTurn(dy.Schema):
    """A turn that a rule let go, and which rule.

    Attributes:
        turn_id: The turn.
        stage: Step of curation that dropped it.
        reason: Why, in a few words that hold no message text.
    """

    turn_id = dy.String(primary_key=True, regex=r"^[0-9a-f]{32}$")
    stage = dy.String(min_length=1)
    reason = dy.String(min_length=1)


class Quarantined(dy.Schema):
    """A record that could not be read as what it should be; the file is readable by its owner alone.

    Attributes:
        file: Name of the input file.
        place: Where in the file: `line 12`, `row 3`, `bytes 0-`.
        error: What was expected, in a sentence without message text.
        raw: The exact bytes. For a row of a table: the row as JSON.
    """

    file = dy.String(min_length=1)
    place = dy.String(min_length=1)
    error = dy.String(min_length=1)
    raw = dy.Binary()


def turn_id(
    conversation_id: str,
    turn_index: int,
    persona_id: str,
    messages: Sequence[Mapping[str, Any]],
    response: str,
) -> str:
    """Content hash of a turn: 32 hexadecimal digits, the same wherever and whenever it is computed."""
    content = [conversation_id, turn_index, persona_id, [[m["role"], m["content"]] for m in messages], response]
    packed = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(packed, digest_size=16).hexdigest()


def hash_fraction(seed: int, purpose: str, ids: pl.Series) -> pl.Series:
    """A number in [0, 1) for each id, from the id, the purpose and the seed alone.

    All randomness in choosing rows comes from here, so that the order of rows, the number of workers and a resume
    cannot change what is chosen. The bytes of an id are taken in by words of 8, each added to the state and mixed by
    the finaliser of SplitMix64 (Steele, Lea and Flood, 2014), over whole columns and in whole numbers alone: the same
    on every machine and with every version of every library. It is fast, not cryptographic.

    Args:
        seed: The recipe's seed.
        purpose: What the number is for; different purposes give independent numbers.
        ids: Strings, none null.

    Returns:
        Float64 series, as long as `ids`.
    """
    if ids.null_count():
        raise ValueError("an id is null")
    key = hashlib.blake2b(f"{seed}\x1f{purpose}".encode(), digest_size=8).digest()
    step = 1 << 18  # rows at once, so that what is worked on stays in the cache
    parts = [_hashed(int.from_bytes(key, "little"), ids[at : at + step]) for at in range(0, max(len(ids), 1), step)]
    state = np.concatenate(parts)
    return pl.Series(ids.name, (state >> np.uint64(11)) * 2.0**-53, dtype=pl.Float64)


def _hashed(key: int, ids: pl.Series) -> npt.NDArray[np.uint64]:
    """64 bits for each string."""
    import pyarrow as pa

    strings = ids.to_arrow().cast(pa.large_string())
    _, places, data = strings.buffers()
    start = np.frombuffer(places, dtype="<i8")[strings.offset : strings.offset + len(strings) + 1]
    length = np.diff(start)
    words = int(-(-length.max(initial=0) // 8))
    # 8 bytes at any place; those beyond the end of a string are masked.
    padded = np.frombuffer(bytes(data or b"") + bytes(8), dtype=np.uint8)
    at = np.ndarray((len(padded) - 7,), dtype="<u8", buffer=padded, strides=(1,))
    state = _mixed(np.uint64(key) + length.astype(np.uint64) * GOLDEN)
    if words and length.min() == 8 * words:  # no id of turns is longer or shorter than 32 bytes: no masks
        table = np.frombuffer(data, dtype="<u8", count=len(ids) * words, offset=int(start[0])).reshape(-1, words)
        for word in range(words):
            state = _mixed((state ^ table[:, word]) + GOLDEN)
        return state
    for word in range(words):
        more = np.flatnonzero(length > 8 * word) if length.min() <= 8 * word else slice(None)
        beyond = np.maximum(64 - 8 * (length[more] - 8 * word), 0).astype(np.uint64)
        value = (at[start[:-1][more] + 8 * word] << beyond) >> beyond
        state[more] = _mixed((state[more] ^ value) + GOLDEN)
    return state


def _mixed(state: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))
