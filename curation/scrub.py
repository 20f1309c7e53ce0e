"""Personal data out of whole conversations: found, followed through all messages, replaced.

`located` finds: every distinct text of a conversation is analysed once (a history stands in all later turns), and what
one message tells for sure is looked for in all of them, earlier ones included (`curation.known`). `scrub` replaces, by
keyed placeholders or by surrogates. Both look at one conversation at a time: other conversations in the frame, and the
order of rows, change nothing.

The tagger's names count only in texts of its own language: it tags others wildly. The system prompt that comes first is
the product's own text and stays; names in it, and the persona's, are not personal data in its conversations. A
placeholder is never touched again.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Literal

import polars as pl

from curation import language, tool_calls
from curation.conversations import Conversation, Located, Mention, conversations, exploded
from curation.finder import Finder, merged
from curation.found import Found
from curation.known import Known, joined
from curation.people import name_words
from curation.placeholders import PERSON, placeholder, pseudonym
from curation.recognisers.across import across
from curation.surrogates import surrogates
from schemas.personas import Persona
from schemas.turns import CuratedTurn


def scrub(
    turns: pl.DataFrame,
    find: Finder,
    key: bytes,
    personas: Mapping[str, Persona],
    replace: Literal["placeholder", "surrogate"] = "placeholder",
) -> pl.DataFrame:
    """Replace personal data in messages, replies and tool calls, and key the users again.

    Args:
        turns: `schemas.turns.Turn` rows: all turns of each conversation, in any order.
        find: What finds.
        key: See `placeholders.read_key`.
        personas: Whose names are free in their conversations.
        replace: By placeholders, or by other values that look alike.

    Returns:
        The rows in the same order, with `messages`, `response`, `tool_calls` and `user_key` replaced and `pii` added:
        counts by type over the user's last message and the reply.
    """
    messages = exploded(turns)
    calls = turns.select("conversation_id", "tool_calls").drop_nulls().unique()
    asides: defaultdict[str, list[str]] = defaultdict(list)
    for conversation, call in calls.iter_rows():
        asides[conversation] += tool_calls.texts(call)
    texts: list[tuple[str, str, str]] = []
    counts: list[tuple[str, str, str, int]] = []
    changed_calls: list[tuple[str, str, str]] = []
    replaced: dict[str, dict[str, str]] = {}
    for located_ in located(conversations(turns, messages, asides), find, personas):
        id = located_.conversation.id
        new = _replacer(located_, key, replace)
        replaced[id] = {text: _replace(text, mentions, new) for text, mentions in located_.mentions.items()}
        texts += [(id, text, replaced[id][text]) for _, text in located_.conversation.said]
        for _, text in set(located_.conversation.said):
            kinds = Counter(mention.found.type for mention in located_.mentions[text])
            counts += [(id, text, kind, count) for kind, count in kinds.items()]
    for conversation, call in calls.iter_rows():
        changed_calls.append((conversation, call, tool_calls.changed(call, replaced[conversation].__getitem__)))
    return _with(turns, messages, texts, counts, changed_calls, key)


def located(all: Sequence[Conversation], find: Finder, personas: Mapping[str, Persona]) -> Iterator[Located]:
    """Find personal data in whole conversations.

    Args:
        all: Conversations; each is analysed for itself.
        find: What finds.
        personas: Whose names are free in their conversations.

    Yields:
        For each conversation, in order, the mentions in all of its texts.
    """
    texts = list(dict.fromkeys(text for one in all for text in (*one.prompts, *_texts(one))))
    detected = dict(zip(texts, language.detect([_without_names(text) for text in texts]), strict=True))

    def asked(conversation: Conversation, text: str) -> tuple[str, bool, bool]:
        """The text, whether its language is one of the engine's, and whether it is English."""
        of = {
            language_: any(_is_spoken(language_, spoken, detected[text]) for spoken in conversation.languages)
            for language_ in {"en", *(find.languages or ())}
        }
        return text, find.languages is None or any(of[language_] for language_ in find.languages), of["en"]

    wanted = list(dict.fromkeys(asked(one, text) for one in all for text in (*one.prompts, *_texts(one))))
    found = dict(zip(wanted, find(*map(list, zip(*wanted, strict=True))), strict=True)) if wanted else {}
    for one in all:
        of_prompts = [(prompt, found[asked(one, prompt)]) for prompt in one.prompts]
        own = frozenset(
            word
            for persona_id in one.personas
            for prompt, hits_ in of_prompts or [("", [])]
            for word in _own_names(personas.get(persona_id), prompt, hits_)
        )
        hits = {
            text: [hit for hit in _settled(text, found[asked(one, text)]) if not _is_own(text, hit, own)]
            for text in _texts(one)
        }
        for text, more in _across(one).items():
            hits[text] += _settled(text, more)
        known = Known(hits, own, one.languages)
        mentions = {}
        for text, firm in hits.items():
            again = _settled(text, known.again(text))
            whole = joined(text, merged([*firm, *again]), known) if firm or again else []
            mentions[text] = [Mention(hit, known.identity(hit.type, text[hit.start : hit.end])) for hit in whole]
        yield Located(one, mentions, own)


def _texts(conversation: Conversation) -> Iterator[str]:
    """Every text once."""
    yield from dict.fromkeys((*(text for _, text in conversation.said), *conversation.asides))


def _across(conversation: Conversation) -> dict[str, list[Found]]:
    """What one speaker gives over several messages, by message."""
    found: defaultdict[str, list[Found]] = defaultdict(list)
    for role in sorted({role for role, _ in conversation.said}):
        messages = [text for speaker, text in conversation.said if speaker == role]
        for text, hits in zip(messages, across(messages), strict=True):
            found[text] += hits
    return found


# Words with a capital are mostly names, and names are of all languages.
_NAMES = re.compile(r"\b[A-ZÀ-ÞĀ-Ž][\w'’-]*(?:[.@]\w+)*")


def _without_names(text: str) -> str:
    return text if text.isupper() else _NAMES.sub(" ", text)


def _is_spoken(model: str, locale: str, detected: tuple[str, float]) -> bool:
    """Whether a text counts as the model's language: detected, or said by the locale and not clearly another one."""
    code, confidence = detected
    return (code == model and confidence >= 0.5) or (
        locale == model and (code in (model, language.UNDETERMINED) or confidence < 0.8)
    )


_YOU_ARE = re.compile(
    r"(?:\b(?i:you are|you're|your name is|play|act as|called|named|du bist|sie sind|tu es|vous êtes|eres|te llamas"
    r"|você é|sei|ti chiami|kamu adalah|"
    r"je bent)\s+|(?i:\bname:\s*))(?P<name>[^\W\d_][\w'’-]*(?:\s[A-ZÀ-Þ][\w'’-]*){0,3})"
    r"|あなた(?:の名前)?は(?P<ja>[一-龥ァ-ヶーぁ-ん]{1,10}?)(?:です|という|、|。)"
    r"|(?:당신은|너는)\s?(?P<ko>[가-힣]{2,6}?)(?=입니다|이야|야|,)"
)


def _own_names(persona: Persona | None, prompt: str, found: Sequence[Found]) -> frozenset[str]:
    """Words of the names that belong to a character: its own, those it is allowed, those in its system prompt."""
    names = [
        *([persona.name, *persona.allowed_names] if persona else []),
        *(prompt[f.start : f.end] for f in found if f.type == PERSON),
    ]
    names += [name for match in _YOU_ARE.finditer(prompt) for name in match.groups() if name]
    return frozenset(word for name in names for word in name_words(name))


def _is_own(text: str, found: Found, own: frozenset[str]) -> bool:
    names = name_words(text[found.start : found.end]) if found.type == PERSON else ()
    return bool(names) and own.issuperset(names)


_PLACEHOLDER = re.compile(r"<[A-Z]+(?:_[A-Z]+)*_[0-9a-f]{6}>")
_AND = re.compile(r"\s+(?:and|und|y|et|e|&)\s+|\s*[,/|]\s*")


def _settled(text: str, found: Iterable[Found]) -> list[Found]:
    """Findings that leave placeholders alone, with two people as two."""
    masks = [match.span() for match in _PLACEHOLDER.finditer(text)] if "<" in text else []
    settled = []
    for hit in found:
        pieces = [hit]
        if hit.type == PERSON:
            breaks = [match.span() for match in _AND.finditer(text, hit.start, hit.end)]
            edges = [hit.start, *(edge for span in breaks for edge in span), hit.end]
            pieces = [hit._replace(start=a, end=b) for a, b in zip(edges[::2], edges[1::2], strict=True) if a < b]
        for piece in pieces:
            over = [(start, end) for start, end in masks if start < piece.end and piece.start < end]
            if not over:
                settled.append(piece)
            elif piece.type != PERSON:  # what a tagger makes of a placeholder and its neighbours is no name
                edges = [piece.start, *(edge for span in over for edge in span), piece.end]
                settled += [
                    piece._replace(start=a, end=b)
                    for a, b in zip(edges[::2], edges[1::2], strict=True)
                    if a < b and any(map(str.isalnum, text[a:b]))
                ]
    return settled


Replacer = Callable[[Mention, str], str]


def _replacer(located: Located, key: bytes, replace: str) -> Replacer:
    """What stands in the place of a mention."""
    if replace == "surrogate":
        return surrogates(located, key)

    @cache
    def of(kind: str, identity: str) -> str:
        return placeholder(key, located.conversation.id, kind, identity)

    return lambda mention, shown: of(mention.found.type, mention.identity)


def _replace(text: str, mentions: Sequence[Mention], new: Replacer) -> str:
    if not mentions:
        return text
    parts, at = [], 0
    for mention in mentions:
        start, end = mention.found.start, mention.found.end
        parts += [text[at:start], new(mention, text[start:end])]
        at = end
    return "".join([*parts, text[at:]])


def _with(
    turns: pl.DataFrame,
    messages: pl.DataFrame,
    texts: list[tuple[str, str, str]],
    counts: list[tuple[str, str, str, int]],
    calls: list[tuple[str, str, str]],
    key: bytes,
) -> pl.DataFrame:
    """The frame with everything replaced, by joins on conversation and text."""
    schema = CuratedTurn.create_empty().schema
    ids = turns.select("conversation_id").with_row_index("row")
    new = pl.DataFrame(texts, schema=["conversation_id", "content", "new"], orient="row", schema_overrides=_STRINGS)
    new = new.unique()
    by_type = pl.DataFrame(
        counts,
        schema={"conversation_id": pl.String, "content": pl.String, "type": pl.String, "count": pl.UInt32},
        orient="row",
    )
    on = ["conversation_id", "content"]
    history = (
        messages.join(ids, on="row", maintain_order="left")
        .join(new, on=on, how="left", maintain_order="left")
        .with_columns(content=pl.when(pl.col("at") == 0).then("content").otherwise("new"))
        .group_by("row", maintain_order=True)
        .agg(pl.struct("role", "content").alias("messages"))
    )
    last = turns.select(pl.col("messages").list.last().struct.field("content"))["content"]
    said = pl.concat([ids.with_columns(content=last), ids.with_columns(turns["response"].alias("content"))])
    pii = (
        said.join(by_type, on=on)
        .group_by("row", "type")
        .agg(pl.col("count").sum())
        .sort("row", "type")
        .group_by("row", maintain_order=True)
        .agg(pl.struct("type", "count").alias("pii"))
    )
    replies = ids.with_columns(turns["response"].alias("content")).join(new, on=on, how="left", maintain_order="left")
    called = pl.DataFrame(
        calls, schema=["conversation_id", "tool_calls", "new"], orient="row", schema_overrides=_STRINGS
    )
    called = turns.select("conversation_id", "tool_calls").join(
        called, on=["conversation_id", "tool_calls"], how="left", maintain_order="left"
    )
    users = turns["user_key"].unique().to_list()
    return turns.with_columns(
        ids.join(history, on="row", how="left", maintain_order="left")["messages"].cast(schema["messages"]),
        replies["new"].alias("response"),
        called["new"].alias("tool_calls"),
        turns["user_key"].replace_strict(users, [pseudonym(key, user) for user in users], return_dtype=pl.String),
        ids.join(pii, on="row", how="left", maintain_order="left")["pii"].fill_null([]).cast(schema["pii"]),
    )


_STRINGS = dict.fromkeys(("conversation_id", "content", "tool_calls", "new"), pl.String)
