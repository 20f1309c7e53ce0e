"""Personal data out of turns: found by Presidio, replaced by keyed placeholders.

The spaCy model's names count only in texts of the model's own language: it tags others wildly. A name that its owner
gave, or one of several words, is looked for in all messages of the turn, so that a reply that repeats it does not give
it away, and a surname alone stands for the full name. The system prompt that comes first is the product's own text and
stays; names in it, and the persona's, are not personal data in its conversations.

Not done: keys and numbers in tool calls are left alone; a name that only later turns tell to be one is readable in
earlier turns.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, partial
from typing import Any

import polars as pl

from curation import language
from curation.finder import Finder, merged
from curation.found import INTRODUCED, NOT_A_NAME, Found
from curation.placeholders import PERSON, placeholder, pseudonym
from schemas.personas import Persona
from schemas.turns import CuratedTurn


def scrub(turns: pl.DataFrame, find: Finder, key: bytes, personas: Mapping[str, Persona]) -> pl.DataFrame:
    """Replace personal data in messages, replies and tool calls, and key the users again.

    Each distinct text is analysed once: a conversation's history stands in all its later turns.

    Args:
        turns: `schemas.turns.Turn` rows.
        find: What finds.
        key: See `read_key`.
        personas: Whose names are free in their conversations.

    Returns:
        The rows in the same order, with `messages`, `response`, `tool_calls` and `user_key` replaced and `pii` added:
        counts by type over the user's last message and the reply.
    """
    rows = turns.select(
        "conversation_id", "persona_id", "locale", "messages", "response", "tool_calls", "user_key"
    ).to_dicts()
    calls = [_strings(row["tool_calls"]) for row in rows]
    wanted = dict.fromkeys(
        (row["locale"].split("-")[0], text)
        for row, strings in zip(rows, calls, strict=True)
        for text in [row["response"], *strings, *(message["content"] for message in row["messages"])]
    )
    distinct = list(dict.fromkeys(text for _, text in wanted))
    detected = dict(zip(distinct, language.detect(distinct), strict=True))
    tagged = {pair: _is_spoken(find.language, pair[0], detected[pair[1]]) for pair in wanted}
    asked = list(dict.fromkeys((pair[1], yes) for pair, yes in tagged.items()))
    found = dict(zip(asked, find([text for text, _ in asked], [yes for _, yes in asked]), strict=True))

    @cache
    def own_names(persona_id: str, spoken: str, prompt: str) -> frozenset[str]:
        hits = found[prompt, tagged[spoken, prompt]] if prompt else []
        return _own_names(personas.get(persona_id), prompt, hits)

    @cache
    def others(own: frozenset[str], spoken: str, text: str) -> list[Found]:
        return [hit for hit in found[text, tagged[spoken, text]] if not _is_own(text, hit, own)]

    @cache
    def masked(
        conversation: str, own: frozenset[str], known: frozenset[str], spoken: str, text: str
    ) -> tuple[str, Counter[str]]:
        hits = merged([*others(own, spoken, text), *_again(text, known, own)])
        return _replace(text, hits, known, key, conversation)

    result = []
    for row, strings in zip(rows, calls, strict=True):
        spoken, (system, *messages) = row["locale"].split("-")[0], row["messages"]
        own = own_names(row["persona_id"], spoken, system["content"])
        said = [*(message["content"] for message in messages), row["response"]]
        known = frozenset(name for text in said for name in _sure_names(text, others(own, spoken, text)))
        mask = partial(masked, row["conversation_id"], own, known, spoken)
        response, counts = mask(row["response"])
        result.append(
            {
                "messages": [system, *({"role": m["role"], "content": mask(m["content"])[0]} for m in messages)],
                "response": response,
                "tool_calls": _with_strings(row["tool_calls"], {text: mask(text)[0] for text in strings}),
                "user_key": pseudonym(key, row["user_key"]),
                "pii": [
                    {"type": kind, "count": count}
                    for kind, count in sorted((counts + mask(messages[-1]["content"])[1]).items())
                ],
            }
        )
    changed = ("messages", "response", "tool_calls", "user_key", "pii")
    schema = {name: CuratedTurn.create_empty().schema[name] for name in changed}
    return turns.with_columns(pl.DataFrame(result, schema=schema).get_columns())


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
    return frozenset(word for name in names for word in _name_words(name))


def _name_words(name: str) -> list[str]:
    return [
        word
        for word in re.findall(r"\w+", unicodedata.normalize("NFKC", name).casefold())
        if len(word) > 1 or not word.isascii()
    ]


def _is_own(text: str, found: Found, own: frozenset[str]) -> bool:
    return found.type == PERSON and own.issuperset(_name_words(text[found.start : found.end]))


def _sure_names(text: str, found: Sequence[Found]) -> Iterator[str]:
    """Names that are looked for elsewhere: given by their owner, or of several words."""
    for hit in found:
        name = text[hit.start : hit.end]
        if hit.type == PERSON and (hit.score == INTRODUCED or len(_name_words(name)) > 1):
            yield name


def _again(text: str, known: frozenset[str], own: frozenset[str]) -> Iterator[Found]:
    """Words of known names wherever they stand: as they were written, or with a capital."""
    for name in known:
        spaced = name.isascii() or not any(c > "\u2e7f" for c in name)
        for word in re.findall(r"[\w'’-]+", name) if spaced else [name]:
            if (len(word) < 3 and spaced) or word.lower() in NOT_A_NAME or own.issuperset(_name_words(word)):
                continue
            edge = r"\b" if spaced else ""
            for match in re.finditer(f"{edge}(?:{re.escape(word)}|{re.escape(word.title())}){edge}", text):
                yield Found(*match.span(), PERSON, 0.5)


def _replace(
    text: str, found: Sequence[Found], known: frozenset[str], key: bytes, conversation_id: str
) -> tuple[str, Counter[str]]:
    parts, at = [], 0
    for hit in found:
        shown = text[hit.start : hit.end]
        if hit.type == PERSON:  # a surname alone stands for the full name
            full = (name for name in sorted(known) if set(_name_words(shown)) < set(_name_words(name)))
            shown = next(full, shown)
        parts += [text[at : hit.start], placeholder(key, conversation_id, hit.type, shown)]
        at = hit.end
    return "".join([*parts, text[at:]]), Counter(hit.type for hit in found)


def _strings(tool_calls: str | None) -> list[str]:
    """Texts inside tool calls: JSON's string values, or the whole where it is not JSON."""
    if tool_calls is None:
        return []
    try:
        parsed = json.loads(tool_calls)
    except ValueError:
        return [tool_calls]
    texts: list[str] = []
    _walk(parsed, lambda text: texts.append(text) or text)  # type: ignore[func-returns-value]
    return texts


def _with_strings(tool_calls: str | None, replaced: Mapping[str, str]) -> str | None:
    if tool_calls is None or not replaced:
        return tool_calls
    if tool_calls in replaced:
        return replaced[tool_calls]
    return json.dumps(_walk(json.loads(tool_calls), replaced.__getitem__), ensure_ascii=False)


def _walk(value: Any, change: Any) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [_walk(item, change) for item in value]
    if isinstance(value, dict):
        return {name: _walk(item, change) for name, item in value.items()}
    return value
