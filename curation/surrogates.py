"""Surrogates: other names, numbers and addresses in the place of personal data, so that text stays natural.

What stands in is chosen by HMAC(key, conversation, type, person): the same person has the same surrogate through a
conversation, different people have different ones, and another conversation has others again. A name keeps its script,
its language, its number of words, its case and, where our lists tell, whether a woman or a man has it; it is never one
that occurs in the conversation or belongs to the persona. Where two would be alike, the one that comes later in the
order of their hashes moves on, so the order of rows changes nothing. Other data: `surrogate_forms`.

A text with surrogates looks like one with personal data, also to the scrubber: scrubbing it again replaces them again.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterator

from curation.conversations import Located, Mention
from curation.people import PARTICLES, TITLES, TOKEN, fold, name_words, undrawn
from curation.placeholders import PERSON, keyed, placeholder
from curation.recognisers.names import table
from curation.surrogate_forms import made, styled
from curation.surrogate_words import NAMES, Names

ATTEMPTS = 16

_SCRIPTS = {
    "kana": re.compile("[\u3040-\u30ff]"),
    "ko": re.compile("[\uac00-\ud7a3]"),
    "ja": re.compile("[\u3400-\u9fff]"),
    "ru": re.compile("[\u0400-\u052f]"),
    "el": re.compile("[\u0370-\u03ff\u1f00-\u1fff]"),
    "he": re.compile("[\u0590-\u05ff]"),
    "ar": re.compile("[\u0600-\u06ff]"),
    "hi": re.compile("[\u0900-\u097f]"),
    "th": re.compile("[\u0e00-\u0e7f]"),
}
_LATIN = frozenset(["en", "de", "fr", "es", "pt", "it", "nl", "pl", "id"])
# A word of a name, with what an apostrophe joins to it: O'Brien.
_UNIT = re.compile(rf"{TOKEN.pattern}(?:['’]{TOKEN.pattern})*")
_FEMALE = frozenset(fold(name)[0] for names in NAMES.values() for name in names.female)
_MALE = frozenset(fold(name)[0] for names in NAMES.values() for name in names.male)


class Drawn:
    """Numbers from a keyed hash, as many as are asked for: the same key and parts give the same numbers."""

    def __init__(self, key: bytes, *parts: str) -> None:
        self._key, self._parts, self._count = key, parts, 0

    def __call__(self, below: int) -> int:
        self._count += 1
        return int.from_bytes(keyed(self._key, "surrogate", *self._parts, str(self._count))[:8], "big") % below


def surrogates(located: Located, key: bytes) -> Callable[[Mention, str], str]:
    """What stands in for each mention of a conversation.

    Args:
        located: The conversation and its mentions.
        key: See `placeholders.read_key`.

    Returns:
        A function from a mention and its text to what stands in its place. What could not be looked through, and a name
        in a script that no list has, is a placeholder.
    """
    id, languages = located.conversation.id, located.conversation.languages
    shown: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for text, mentions in located.mentions.items():
        for mention in mentions:
            shown[mention.found.type, mention.identity].add(text[mention.found.start : mention.found.end])
    people = {identity: texts for (kind, identity), texts in shown.items() if kind == PERSON}
    names = _names(located, people, key)
    attempts: dict[tuple[str, str], int] = {}
    used: set[str] = set()
    for kind, identity in sorted(shown, key=lambda data: keyed(key, id, *data)):
        if kind == PERSON:
            continue
        first = min(shown[kind, identity])
        for attempt in range(ATTEMPTS):
            new = fold(made(kind, first, Drawn(key, id, kind, identity, str(attempt)), languages))[0]
            attempts[kind, identity] = attempt
            if new not in used and new != fold(first)[0]:
                break
        used.add(new)

    def of(mention: Mention, text: str) -> str:
        kind, identity = mention.found.type, mention.identity
        if kind == PERSON:
            renamed = _renamed(text, names[identity], Drawn(key, id, kind, identity))
            return renamed or placeholder(key, id, kind, identity)
        return made(kind, text, Drawn(key, id, kind, identity, str(attempts[kind, identity])), languages)

    return of


def _names(located: Located, people: dict[str, set[str]], key: bytes) -> dict[str, dict[str, str]]:
    """For each person, what stands in for each of their words."""
    if not people:
        return {}
    id, languages = located.conversation.id, located.conversation.languages
    texts = [fold(text)[0] for text in (*located.mentions, *located.conversation.prompts)]
    taken = {token for text in texts for token in TOKEN.findall(text)} | located.own
    result: dict[str, dict[str, str]] = {}
    for identity in sorted(people, key=lambda person: keyed(key, id, PERSON, person)):
        mentions = [name_words(mention) for mention in sorted(people[identity])]
        last = {words[-1] for words in mentions if len(words) > 1} - {words[0] for words in mentions if len(words) > 1}
        result[identity] = {}
        words_ = {word for words in mentions for word in words}
        # Drawn out words go by the word itself.
        for word in sorted(word for word in words_ if words_.isdisjoint(undrawn(word))):
            draw = Drawn(key, id, PERSON, identity, word)
            row = table()[word] if word.isalpha() else None
            alone = all(len(words) == 1 for words in mentions)
            surname = word in last or (alone and row is not None and row.surname)
            for candidate in _candidates(word, surname, languages, draw):
                folded = fold(candidate)[0]
                spaced = folded.isascii() or not any(char > "\u2e7f" for char in folded)
                if folded not in taken and (spaced or not any(folded in text for text in texts)):
                    taken.add(folded)
                    result[identity][word] = candidate
                    break
    return result


def _candidates(word: str, surname: bool, languages: frozenset[str], draw: Drawn) -> Iterator[str]:
    """Names of the same kind: a list from a drawn place on, then other languages' in the same script, then pairs."""
    script = next((name for name, letters in _SCRIPTS.items() if letters.search(word)), "")
    if not script and any(char > "\u036f" for char in word):
        return  # a script that no list has
    if script == "ja" and "zh" in languages:
        script = "zh"
    names = NAMES[script or next((language for language in sorted(languages) if language in _LATIN), "en")]
    pool = _pool(word, surname, script, names)
    start = draw(len(pool))
    yield from (*pool[start:], *pool[:start])
    for other in sorted(_LATIN) if not script else ():
        yield from _pool(word, surname, script, NAMES[other])
    joint = "-" if not script or script in ("ru", "el") else ""
    for _ in range(10 * len(pool)):
        yield pool[draw(len(pool))] + joint + pool[draw(len(pool))]


def _pool(word: str, surname: bool, script: str, names: Names) -> list[str]:
    given = (*names.female, *names.male)
    if word in _FEMALE or (word not in _MALE and word.endswith(("a", "\u0430"))):  # most that end so are women's
        given = names.female
    elif word in _MALE or word.endswith("o"):
        given = names.male
    if script in ("ko", "zh") or (script == "ja" and len(word) > 2):  # surname and given name without a space
        if len(word) < 3:
            return list(names.surnames if len(word) == 1 else given)
        return [last + first for last in names.surnames for first in given]
    pool = list(names.surnames if surname or script == "ja" else given)
    if re.search("[\u3040-\u309f]", word):  # hiragana
        return ["".join(chr(ord(c) - 0x60) if "\u30a1" <= c <= "\u30f6" else c for c in name) for name in pool]
    return pool


def _renamed(text: str, words: dict[str, str], draw: Drawn) -> str | None:
    """A mention with its words replaced; titles and particles stay, initials are others. None where a word has none."""
    plain = "".join(char for char in unicodedata.normalize("NFC", text) if unicodedata.category(char) != "Cf")
    missing = False

    def other(match: re.Match[str]) -> str:
        nonlocal missing
        unit = match[0]
        folded = TOKEN.findall(fold(unit)[0])
        for part in folded:
            if (word := _looked_up(part, words)) is not None:
                owns = re.search(r"['’][sS]$", unit)
                return styled(words[word], unit[: owns.start()] if owns else unit) + (owns[0] if owns else "")
        if all(part in PARTICLES or part in TITLES for part in folded):
            return unit
        if len(unit) == 1 and unit.isascii():
            return styled("ABCDEFGHJKLMNPRST"[draw(17)], unit) if unit.isupper() else unit
        missing = True
        return unit

    renamed = _UNIT.sub(other, plain)
    return None if missing or renamed == plain else renamed


def _looked_up(part: str, words: dict[str, str]) -> str | None:
    return next((word for word in (part, *undrawn(part)) if word in words), None)
