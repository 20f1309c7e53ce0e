"""People's names in chat: a table of names, the words around them, and what the NLP engine says.

A tagger alone is deaf to names in lower case and in capitals, and speaks one language. A table alone cannot tell
Grace from grace. Here each word gets log-odds (in tenths) of being part of a person's name, as a sum of

- the table (`curation/data/names.md`): how common the name is against how common the word is, with a capital inside a
  sentence, in lower case, or where the case tells nothing;
- the words around it: a greeting, a title, kinship, a verb of speech, a name beside it; a determiner or "Street"
  against it (`name_words.py`);
- the engine's entities, found on a copy in which names have their capitals back and shouting has none.

The points of the last two were set by hand, by what makes sense and by looking at mistakes. Neighbouring words that are
names make one finding. Not done: names that no list knows, in lower case, with nothing that announces them.
"""

from __future__ import annotations

import lzma
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from itertools import pairwise
from typing import NamedTuple

from curation.found import NOT_A_NAME, Found
from curation.recognisers import name_words as near


class Entity(NamedTuple):
    """What an NLP engine found: characters, half open, and whether it is a person."""

    start: int
    end: int
    person: bool


class Odds(NamedTuple):
    """Log-odds, in tenths, that a word is part of a person's name."""

    capital: int
    """With a capital inside a sentence."""
    any_case: int
    """Where the case tells nothing: at a sentence's start, in a text without or of capitals."""
    lower: int
    """In lower case in a text that has capitals."""


class Row(NamedTuple):
    """A row of the table."""

    surname: bool
    english: Odds
    other: Odds


ORDINARY = Odds(-30, -60, -60)
PROPER = Odds(-10, -20, -35)  # nearly always with a capital: the name of something
UNKNOWN = Odds(0, -6, -25)
UNKNOWN_OTHER = Odds(-8, -14, -28)  # the table knows fewer words of other languages
NEVER = Odds(-60, -60, -60)
HOPELESS = -45  # nothing around a word makes up for less
TAKEN = -4  # from here on a word is part of a name: 40 %


class Table(dict[str, "Row | None"]):
    """Rows by word in lower case, None for words it does not know; a row is read when it is first asked for."""

    def __init__(self, packed: bytes) -> None:
        self._lines = dict(line.split("\t", 1) for line in lzma.decompress(packed).decode().split("\n"))

    def __missing__(self, word: str) -> Row | None:
        line = self._lines.get(word)
        if line is None:
            return None
        kind, *shown = line.split("\t")
        if shown:
            values = [*map(int, shown)]
            if kind.isupper():
                values[:2] = max(values[0], PROPER.capital), max(values[1], PROPER.any_case)
            self[word] = Row(kind in "sS", Odds(*values[:3]), Odds(*values[3:]))
        else:
            odds = ORDINARY if kind == "o" else PROPER
            self[word] = Row(False, odds, odds)
        return self[word]


@cache
def table() -> Table:
    """The table of names and ordinary words."""
    return Table((files("curation") / "data" / "names.tsv.xz").read_bytes())


_TOKEN = re.compile(r"[^\W\d_]+(?:['’\-][^\W\d_]+)*")
_POSSESSIVE = re.compile(r"['’](?:s|ll|d|re|ve|m)$", re.IGNORECASE)
_BREAK = re.compile(r"[.!?:;\n\"“”*>•(|~…]|[-–—] ?$")
# "didn't", "sooo", "hahah"
_NOISE = re.compile(r"n['’]t$|(\w)\1\1|^(?:ha|he|hi|ja|je|hua|wk|kk|lo?l)+[haeijwkl]*$")
_TOGETHER = frozenset((" ", "  ", ". ", " . ", ".", " ' "))
_POINTS_BEFORE = {
    **dict.fromkeys(near.PLACES, -8),
    "of": -6,
    **dict.fromkeys(("mount", "mt"), -30),
    **dict.fromkeys(near.DETERMINERS, -20),
    **dict.fromkeys(near.LINKS, 5),
    **dict.fromkeys(near.ADDRESSED | near.GREETINGS, 15),
    **dict.fromkeys(near.KIN, 22),
    **dict.fromkeys(near.TITLES, 25),
}
_POINTS_AFTER = {**dict.fromkeys(near.SPEAKS, 8), **dict.fromkeys(near.THINGS, -25)}
_OWNS = re.compile(r"['’] ?s\b| ['’] s\b")
_COMMA_BEFORE = re.compile(r", ?$")
_END_AFTER = re.compile(r" ?(?:$|[.!?\n])")
_LINE = re.compile(r"[^\n]+")


@dataclass(slots=True)
class Reading:
    """A text's words, and what the table says of each.

    Attributes:
        text: As it was written.
        recased: The copy for an engine, letter for letter: names have capitals, shouting has none.
        spans: Characters of each word, without a possessive's ending.
        base: Log-odds by table and case.
        rough: The same as if the word were a name's part: whether a name beside it may take it along.
    """

    text: str
    recased: str
    shouting: bool
    spans: list[tuple[int, int]]
    words: list[str]
    lowered: list[str]
    starts: list[bool]
    joined: list[bool]
    base: list[int]
    rough: list[int]
    unknown: list[bool]


def read(text: str, english: bool) -> Reading | None:
    """Look a text's words up.

    Args:
        text: As it was written.
        english: Whether it counts as English; in other languages the table's other odds hold.

    Returns:
        None where no word can be a name: such a text needs no engine.
    """
    spans = [match.span() for match in _TOKEN.finditer(text)]
    if not spans:
        return None
    words = [text[start:end] for start, end in spans]
    if "'" in text or "’" in text:
        for index, word in enumerate(words):
            if not word.isalpha() and (ending := _POSSESSIVE.search(word)):
                words[index] = word[: ending.start()]
                spans[index] = (spans[index][0], spans[index][0] + ending.start())
    lowered = [word.lower() for word in words]
    capitals = sum(word[0].isupper() and low != "i" for word, low in zip(words[1:], lowered[1:], strict=True))
    shouting = capitals > 0 and _shouts(text)
    gaps = [text[left[1] : right[0]] for left, right in pairwise(spans)]
    starts = [True, *(gap != " " and _BREAK.search(gap) is not None for gap in gaps)]
    lowering = capitals == 0 and not words[0][0].isupper()
    titled = len(words) > 3 and capitals > 0.7 * len(words)
    german = not english and not near.GERMAN.isdisjoint(lowered)
    rows = table()
    base, rough, unknown = [], [], []
    for word, low, starting in zip(words, lowered, starts, strict=True):
        row = rows[low]
        upper = word[0].isupper()
        if row is None and "-" in low:
            known = [part for half in low.split("-") if (part := rows[half])]
            row = max(known, key=lambda r: r.english.capital, default=None)
        if (
            low in near.NEVER
            or (not upper and low in NOT_A_NAME)
            or ((row is None or row.english is ORDINARY) and _NOISE.search(low))
        ):
            odds = NEVER
        elif row is None:
            odds = UNKNOWN if english else UNKNOWN_OTHER
        else:
            odds = row.english if english else row.other
        if len(word) == 1:
            value = -60
        elif shouting or titled:
            value = odds.any_case - 3
        elif not upper:
            if row is None or capitals:
                value = odds.lower
            elif lowering:
                value = odds.any_case - 3
            else:  # a phone puts a capital at the start by itself, and often on names, too
                value = (odds.any_case + odds.lower) // 2
        elif starting and not (row is None and word.isupper()):
            value = min(odds.any_case, odds.capital) + (8 if english else 0)
        elif word.isupper():
            value = odds.any_case - (10 if row else 20)
        else:
            value = odds.any_case if german else odds.capital
        value = min(value, 25)
        if row is not None and row.surname and not upper:
            value -= 6
        base.append(value)
        rough.append(odds.any_case if not upper or shouting else max(odds.capital, odds.any_case))
        unknown.append(row is None and odds is not NEVER and len(word) > 1)
    if max(base) <= HOPELESS:
        return None
    joined = [False, *(gap in _TOGETHER for gap in gaps)]
    reading = Reading(text, text, shouting, spans, words, lowered, starts, joined, base, rough, unknown)
    if shouting or english or lowering:
        reading.recased = _recased(reading, english, 1 if shouting or not (capitals or words[0][0].isupper()) else 2)
    return reading


def _shouts(text: str) -> bool:
    capitals = sum(map(str.isupper, text))
    return capitals > 3 and capitals > 0.6 * sum(map(str.isalpha, text)) and any(map(str.isspace, text))


def _recased(reading: Reading, english: bool, column: int) -> str:
    rows, text = table(), reading.text
    parts, at = [], 0
    for (start, end), word, low in zip(reading.spans, reading.words, reading.lowered, strict=True):
        if word == low or reading.shouting:
            row = rows[low]
            named = row is not None and (row.english if english else row.other)[column] > -15
            if reading.shouting and word.isupper():
                new = word.title() if named or row is None or start == reading.spans[0][0] else low
            else:
                new = word[0].upper() + word[1:] if named else word
            if new != word and len(new) == len(word):
                parts += [text[at:start], new]
                at = end
    return "".join([*parts, text[at:]])


def names(reading: Reading, entities: Sequence[Entity] | None) -> list[Found]:
    """Names of people.

    Args:
        reading: See `read`.
        entities: What the engine found in the recased copy; None where it was not asked.

    Returns:
        Findings in order, with the probability as score.
    """
    scores = _scores(reading, entities)
    lifted = _lifted(reading, scores)
    inside = [score > TAKEN for score in lifted]
    if not any(inside):
        return []
    _fill(reading, inside)
    found, index = [], 0
    while index < len(inside):
        if not inside[index]:
            index += 1
            continue
        stop = index + 1
        while stop < len(inside) and inside[stop] and _goes_on(reading, stop):
            stop += 1
        score = 1 / (1 + math.exp(-max(lifted[index:stop]) / 10))
        found.append(Found(reading.spans[index][0], reading.spans[stop - 1][1], "PERSON", round(score, 3), "names"))
        index = stop
    return found


def _goes_on(reading: Reading, index: int) -> bool:
    """Whether a word and the one before it can be one name: nothing between them but a space or an initial's stop."""
    return reading.joined[index] and (not reading.starts[index] or len(reading.words[index - 1]) == 1)


def _scores(reading: Reading, entities: Sequence[Entity] | None) -> list[int]:
    """Log-odds of each word by itself, with what stands around it and what the engine says."""
    text, lowered = reading.text, reading.lowered
    alone = _alone(text, reading.spans)
    someone = 0 if near.PRONOUNS.isdisjoint(lowered) else 4
    scores = []
    rest = iter(sorted(entities or ()))
    entity = next(rest, None)
    for index, value in enumerate(reading.base):
        if value <= HOPELESS:
            scores.append(value)
            continue
        start, end = reading.spans[index]
        upper = reading.words[index][0].isupper()
        while entity and entity.end <= start:
            entity = next(rest, None)
        label = 0 if entity is None or entity.start >= end else 1 if entity.person else -1
        score = value + someone
        if label > 0:
            if reading.unknown[index] and not upper:
                score += -60 if _mistyped(lowered[index]) else 27
            else:  # a capital of our own making is half the reason why the engine says so
                score += 32 if upper and not reading.shouting and value > -35 else 15
        elif entities is not None and upper:
            score -= 8 if reading.unknown[index] else 20 if label < 0 and value < -5 else 10
        if index and not reading.starts[index]:
            before = lowered[index - 1]
            to_you = before == "you" and index > 1 and lowered[index - 2] in near.TO_YOU
            score += 12 if to_you else _POINTS_BEFORE.get(before, 0)
            if _COMMA_BEFORE.search(text, max(0, start - 3), start) and _END_AFTER.match(text, end):
                score += 8
        if index + 1 < len(lowered) and not reading.starts[index + 1]:
            score += _POINTS_AFTER.get(lowered[index + 1], 0)
        if _OWNS.match(text, end):
            score += 4
        if alone and alone[index]:
            score += 12
        scores.append(score)
    return scores


def _lifted(reading: Reading, scores: Sequence[int]) -> list[int]:
    """Log-odds with the company a word keeps: a given name lifts its surname, one of a list lifts the others."""
    rough, unknown, lowered = reading.rough, reading.unknown, reading.lowered
    upper = [word[0].isupper() for word in reading.words]
    lifted = list(scores)
    for index in range(1, len(scores)):
        left, right = index - 1, index
        if max(scores[left], scores[right]) > 5 and _goes_on(reading, index) and upper[left] == upper[right]:
            takes = rough[right] > (-35 if upper[right] else -25)
            if scores[left] > 5 and (takes or (unknown[right] and scores[left] > 10)):
                least = 1 if rough[right] > -10 or unknown[right] else -99
                lifted[right] = max(lifted[right], scores[right] + 18, least)
            if scores[right] > 5 and reading.base[left] > -15:
                lifted[left] = max(lifted[left], scores[left] + 12)
        if index > 1 and len(reading.words[left]) == 1 and lowered[left] != "i":  # Jo B Smith
            first = index - 2
            if (
                reading.joined[left]
                and reading.joined[right]
                and upper[first] == upper[right]
                and max(scores[first], scores[right]) > -20
                and min(rough[first], rough[right]) > -20
            ):
                for one in (first, right):
                    lifted[one] = max(lifted[one], scores[one] + 20, 3)
    for index in range(1, len(scores)):
        if lowered[index - 1] in near.AND and index > 1 and reading.joined[index]:
            other = index - 2
        elif reading.text[reading.spans[index - 1][1] : reading.spans[index][0]].strip() in (",", "&", "/"):
            other = index - 1
        else:
            continue
        if upper[other] == upper[index]:
            for one, two in ((other, index), (index, other)):
                if lifted[one] > 10 and rough[two] > -15:
                    lifted[two] = max(lifted[two], scores[two] + 12, 1 if unknown[two] else -99)
    # What is surely a name once is one wherever it stands in the text.
    sure = {word for word, score, row in zip(lowered, lifted, rough, strict=True) if score > 8 and row > -25}
    for index, word in enumerate(lowered) if sure else ():
        if word in sure and (upper[index] or rough[index] > -5):
            lifted[index] = max(lifted[index], 3)
    return lifted


def _fill(reading: Reading, inside: list[bool]) -> None:
    """Take in what belongs to a name and is none by itself: initials, particles, `jr`."""
    upper = [word[0].isupper() for word in reading.words]
    for index in range(1, len(inside)):
        if inside[index] or not inside[index - 1] or not reading.joined[index]:
            continue
        word = reading.lowered[index]
        if word in near.AFTER_NAMES and upper[index]:
            inside[index] = True
        elif index + 1 < len(inside) and reading.joined[index + 1]:
            last = index + 1 if reading.lowered[index + 1] not in near.PARTICLES else index + 2
            if last >= len(inside):
                continue
            if word in near.PARTICLES and (inside[last] or (upper[last] and upper[index - 1])):
                inside[index : last + 1] = [True] * (last + 1 - index)
            elif len(word) == 1 and inside[index + 1] and upper[index] == upper[index - 1]:
                inside[index] = True


def _alone(text: str, spans: Sequence[tuple[int, int]]) -> list[bool]:
    """Whether a word stands in a line of two or three and nothing else, or is who speaks (`Anna: hi`)."""
    lines = "\n" in text
    if not lines and ":" not in text:
        return []
    result, at = [False] * len(spans), 0
    for line in _LINE.finditer(text):
        while at < len(spans) and spans[at][0] < line.start():
            at += 1
        first = at
        while at < len(spans) and spans[at][0] < line.end():
            at += 1
        if lines and at - first in (2, 3) and not any(map(str.isdigit, line[0])):
            result[first:at] = [True] * (at - first)
        elif at - first > 1 and text[spans[first][1] : spans[first][1] + 1] == ":":
            result[first] = True
    return result


@lru_cache(65536)
def _mistyped(word: str) -> bool:
    """Whether a word is an ordinary one with two letters swapped, one left out or one too many."""
    rows = table()

    def ordinary(other: str) -> bool:
        row = rows[other]
        return row is not None and row.english.lower < -30

    cuts = range(len(word))
    return len(word) > 3 and (
        any(ordinary(word[:i] + word[i + 1] + word[i] + word[i + 2 :]) for i in cuts[:-1])
        or any(ordinary(word[:i] + word[i + 1 :]) for i in cuts)
        or any(ordinary(word[:i] + letter + word[i:]) for i in cuts for letter in "abcdefghijklmnopqrstuvwxyz'")
    )
