"""What a conversation has told, looked for in all of its messages.

A name that is sure in one message (its owner gave it, it has several words, or the finder is sure of it) is personal
in every other, earlier ones included; so are numbers, mail addresses, accounts and street addresses that stand there
again, however they are written. All known data of a conversation are looked up in one pass over a text's words.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

from curation.found import INTRODUCED, NOT_A_NAME, Found
from curation.people import PARTICLES, TOKEN, UNSPACED, People, fold, name_words, undrawn
from curation.placeholders import NUMBERS, PERSON, compared
from curation.recognisers.names import table

SURE = 0.85  # score from which a single word that the finder calls a name is looked for elsewhere
LONGEST_GAP = 8  # characters between two words of the same name or address
SHORTEST_NUMBER = 5  # digits; a house number alone is nobody's

Where = Literal["anywhere", "capital", "as a name"]
_STRICTNESS: dict[Where, int] = {"anywhere": 0, "capital": 1, "as a name": 2}


class _Entry(NamedTuple):
    tokens: tuple[str, ...]
    type: str
    where: Where


_NUMBER = re.compile(r"\d+(?:[^\S\n]?[().\-\u2010-\u2015/\s]{0,2}\d+)*")
_DIGITS = re.compile(r"\d+")
_IN_A_NAME = re.compile(r"[\s.'’-]*")
_STARTS = re.compile(r"(?:^|[.!?…:;\n\"“”«»*(\[\-–—>|])\s*$")
_GREETED = re.compile(
    r"(?:hi|hey|hello|dear|thanks|bye|oh|hallo|liebe|lieber|hola|querida|querido|oi|olá|salut|coucou|cher|chère|ciao"
    r"|cara|caro|halo|hai|mr|mrs|ms|miss|dr|frau|herr|aunt|uncle|tante|tía|tío|tia|tio|dona|doña|don|mbak|mas|pak|bu)"
    r"\.?,? $",
    re.IGNORECASE,
)


class Known:
    """The known personal data of one conversation.

    Args:
        found: Findings by text.
        own: Words that belong to the persona and stay, as `people.fold` has them.
        languages: ISO 639-1 codes of the conversation.
    """

    def __init__(
        self, found: Mapping[str, Sequence[Found]], own: frozenset[str], languages: Collection[str] = ("en",)
    ) -> None:
        self.own = own
        self._languages = languages
        self._capitals_tell = "de" not in languages  # there every noun has one
        mentions: dict[str, float] = {}
        others: set[tuple[str, str]] = set()
        for text, hits in found.items():
            for hit in hits:
                shown = text[hit.start : hit.end]
                if hit.type == PERSON:
                    mentions[shown] = max(hit.score, mentions.get(shown, 0.0))
                else:
                    others.add((hit.type, shown))
        self.people = People(mentions)
        self._index: defaultdict[str, dict[tuple[str, ...], _Entry]] = defaultdict(dict)
        self._unspaced: set[str] = set()
        self._numbers: dict[str, str] = {}
        self._identities: dict[tuple[str, str], str] = {}
        self._addresses = sorted(
            {compared(kind, shown) for kind, shown in others if kind == "STREET_ADDRESS"}, key=lambda a: (-len(a), a)
        )
        for shown, score in mentions.items():
            self._add_name(shown, score)
        for kind, shown in sorted(others):
            self._add_other(kind, shown)
        self._inside = (
            re.compile("|".join(map(re.escape, sorted(self._unspaced, key=lambda name: (-len(name), name)))))
            if self._unspaced
            else None
        )

    def _add_name(self, shown: str, score: float) -> None:
        parts = name_words(shown)
        if score < SURE and len(parts) < 2:
            return
        tokens = tuple(TOKEN.findall(fold(shown)[0]))
        if len(parts) > 1 and not self.own.issuperset(parts):
            self._add(_Entry(tokens, PERSON, "anywhere"))
        for word in parts:
            if word in self.own:
                continue
            if UNSPACED.search(word):
                if len(word) > 1:
                    self._unspaced.add(word)
            elif len(word) < 3 or is_ordinary(word, self._languages, told=score >= INTRODUCED):
                self._add(_Entry((word,), PERSON, "as a name"))
            elif len(parts) > 1 or score >= INTRODUCED:
                self._add(_Entry((word,), PERSON, "anywhere"))
            elif not _is_rarely_a_name(word, self._languages):
                self._add(_Entry((word,), PERSON, "capital"))

    def _add_other(self, kind: str, shown: str) -> None:
        digits = "".join(_DIGITS.findall(shown))
        if kind in NUMBERS and len(compared(kind, shown)) >= SHORTEST_NUMBER and compared(kind, shown).isdigit():
            self._numbers[compared(kind, shown)] = kind
        tokens = tuple(TOKEN.findall(fold(shown)[0]))
        letters = sum(map(len, tokens))
        telling = bool(digits) or len(tokens) > 1 or "_" in shown
        if letters >= (4 if telling else 5) and (telling or not is_ordinary(tokens[0], self._languages)):
            self._add(_Entry(tokens, kind, "anywhere"))

    def _add(self, entry: _Entry) -> None:
        entries = self._index[entry.tokens[0]]
        old = entries.get(entry.tokens)
        if old is None or _STRICTNESS[entry.where] < _STRICTNESS[old.where]:
            entries[entry.tokens] = entry

    def identity(self, kind: str, shown: str) -> str:
        """What a mention is compared by: the same for the same person, number or address."""
        if (kind, shown) not in self._identities:
            self._identities[kind, shown] = self._identity(kind, shown)
        return self._identities[kind, shown]

    def _identity(self, kind: str, shown: str) -> str:
        if kind == PERSON:
            return self.people.person(shown)
        plain = compared(kind, shown)
        if kind == "STREET_ADDRESS":  # the street alone is the address with its town
            return next((whole for whole in self._addresses if f" {plain} " in f" {whole} "), plain)
        return plain

    def again(self, text: str) -> Iterator[Found]:
        """Known data in a text, in no particular order; overlaps are possible."""
        if self._numbers:
            yield from self._numbers_again(text)
        if not self._index and not self._inside:
            return
        folded, places = fold(text)
        for start, end, kind in self._places(text, folded, places):
            yield Found(start, end, kind, 0.5, "known")

    def _places(self, text: str, folded: str, places: list[int] | None) -> Iterator[tuple[int, int, str]]:
        def original(start: int, end: int) -> tuple[int, int]:
            if places is None:
                return start, end
            stop = places[end - 1] + 1
            following = places[end] if end < len(places) else len(text)
            return places[start], following if not text[stop:following].strip() else stop  # with its accents

        if self._inside:
            for match in self._inside.finditer(folded):
                yield *original(*match.span()), PERSON
        if self._index:
            tokens = [(match[0], match.start(), match.end()) for match in TOKEN.finditer(folded)]
            for at, (token, start, _) in enumerate(tokens):
                entries = self._index.get(token) or next(filter(None, map(self._index.get, undrawn(token))), None)
                if not entries:
                    continue
                for entry in sorted(entries.values(), key=lambda e: -len(e.tokens)):
                    end = _end(entry, tokens, at, folded)
                    if end and self._stands(entry.where, text, *original(start, end)):
                        yield *original(start, end), entry.type
                        break

    def _stands(self, where: Where, text: str, start: int, end: int) -> bool:
        """Whether a known word is meant as the name there."""
        shown = text[start:end]
        if where == "anywhere":
            return True
        if where == "capital":
            return not shown[0].islower()
        if _GREETED.search(text, max(0, start - 12), start):
            return True
        shouting = text.isupper() or not shown[0].isupper()
        return self._capitals_tell and not shouting and not _STARTS.search(text, max(0, start - 4), start)

    def _numbers_again(self, text: str) -> Iterator[Found]:
        longest = max(map(len, self._numbers)) + 4
        for run in _NUMBER.finditer(text):
            groups = [(match[0], *match.span()) for match in _DIGITS.finditer(text, *run.span())]
            for first, (_, start, _) in enumerate(groups):
                digits = ""
                for group, _, end in groups[first:]:
                    digits += compared("ID_NUMBER", group)
                    if len(digits) > longest:
                        break
                    kind = self._numbers.get(digits) or self._numbers.get(compared("PHONE_NUMBER", digits))
                    if kind:
                        yield Found(start, end, kind, 0.5, "known")


def _end(entry: _Entry, tokens: Sequence[tuple[str, int, int]], at: int, folded: str) -> int | None:
    """Where a known thing ends whose first word is at a place, or None where something else stands."""
    if at + len(entry.tokens) > len(tokens):
        return None
    for place, token in enumerate(entry.tokens[1:], at + 1):
        found, start, _ = tokens[place]
        before = tokens[place - 1][2]
        if token != found or start - before > LONGEST_GAP:
            return None
        if entry.type == PERSON and not _IN_A_NAME.fullmatch(folded, before, start):
            return None
    return tokens[at + len(entry.tokens) - 1][2]


def is_ordinary(word: str, languages: Collection[str], told: bool = False) -> bool:
    """Whether a word is also used as no name: then it is masked only where it stands as one.

    The table of names knows how much more often a word is a name than not, in log-odds. Where its owner gave the name,
    only words that are hardly ever one are spared.

    Args:
        word: Folded.
        languages: ISO 639-1 codes of the conversation.
        told: Whether its owner gave it as a name.
    """
    row = table()[word]
    if word in NOT_A_NAME or row is None:
        return word in NOT_A_NAME
    return ("en" in languages and row.english.lower < (-30 if told else -10)) or (
        any(language != "en" for language in languages) and row.other.any_case < (-35 if told else -10)
    )


def _is_rarely_a_name(word: str, languages: Collection[str]) -> bool:
    """Whether a word with a capital is mostly the name of something else (NFL, Disney)."""
    row = table()[word]
    return row is not None and ((row.english if "en" in languages else row.other).capital < 0)


def joined(text: str, hits: Iterable[Found], known: Known) -> list[Found]:
    """Neighbouring mentions of one person as one: `anna` `kowalska`."""
    result: list[Found] = []
    for hit in hits:
        last = result[-1] if result else None
        if last and last.type == hit.type == PERSON and hit.start - last.end < 20:
            gap = text[last.end : hit.start]
            between = all(word in PARTICLES for word in TOKEN.findall(fold(gap)[0]))
            names = (text[last.start : last.end], text[hit.start : hit.end])
            alike = known.identity(PERSON, names[0]) == known.identity(PERSON, names[1])
            if alike and between and re.fullmatch(r"[\w \t'’-]*", gap):
                result[-1] = last._replace(end=hit.end)
                continue
        result.append(hit)
    return result
