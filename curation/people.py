"""Who is who in a conversation: names as they are compared, and which mentions are the same person.

A mention is the set of its words, without titles, particles and single letters, as `fold` has them. A mention whose
words stand in exactly one longer name is that person: `Anna`, `Kowalska` and `Ms Kowalska` are `Anna Kowalska`. One
that fits several (`Anna`, beside `Anna Kowalska` and `Anna Nowak`) is nobody of them and keeps a placeholder of its
own, so that two people never become one. All of it depends on which names there are and not on their order.

Not done: nicknames, diminutives and case endings (`Anny`) are people of their own.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from functools import cache

from curation.found import words

PARTICLES = words(
    "van von der den de del della di da do dos das du la le el al bin binti ibn ter zu y e and und et i a the"
)
TITLES = words(
    """mr mrs ms miss mx dr prof sir madam lady lord herr frau señor señora senor senora sr sra don doña monsieur madame
    mademoiselle m mme mlle signor signora pan pani bapak ibu pak bu mas mbak aunt auntie uncle tante onkel tia tio"""
)
# Scripts that write no spaces between words, or hang endings on them: a name is found inside a longer run of letters.
UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\uffdc\U00020000-\U0003ffff]")
# \w knows no vowel signs of Indic scripts and Thai.
TOKEN = re.compile(r"[\w\u0900-\u0963\u0966-\u0dff\u0e31-\u0e4e\u0eb1-\u0ece\u1000-\u109f\u1780-\u17d3]+")
_DRAWN_OUT = re.compile(r"(.)\1{2,}")
_PLAIN = {"ł": "l", "Ł": "l", "ø": "o", "Ø": "o", "đ": "d", "Đ": "d", "ı": "i"}


@cache
def _fold(char: str) -> str:
    if unicodedata.category(char) == "Cf" or "\u0300" <= char <= "\u036f" or "\ufe00" <= char <= "\ufe0f":
        return ""  # accents, zero-width characters, marks of direction
    if char in _PLAIN:
        return _PLAIN[char]
    apart = unicodedata.normalize("NFKD", char)
    if apart[0] < "\u0590":  # Latin, Greek, Cyrillic: the letter without its accents
        return "".join(c for c in apart if not "\u0300" <= c <= "\u036f").casefold()
    return unicodedata.normalize("NFKC", char).casefold()


def fold(text: str) -> tuple[str, list[int] | None]:
    """A text as it is compared: no case, no accents, no characters that cannot be seen.

    Returns:
        The text, and for each of its characters the place in the original; None where places are the same.
    """
    if text.isascii():
        return text.lower(), None
    parts = [_fold(char) for char in text]
    folded = "".join(parts)
    if len(folded) == len(parts) and all(parts):
        return folded, None
    return folded, [place for place, part in enumerate(parts) for _ in part]


def undrawn(word: str) -> tuple[str, ...]:
    """`mariaaa` as `maria` and `mariaa`; nothing for a word with no letter three times in a row."""
    if not _DRAWN_OUT.search(word):
        return ()
    return _DRAWN_OUT.sub(r"\1", word), _DRAWN_OUT.sub(r"\1\1", word)


def name_words(name: str) -> tuple[str, ...]:
    """Words of a name as they are compared, in order, without titles, particles and single letters."""
    return tuple(
        word
        for word in TOKEN.findall(fold(name)[0])
        if (len(word) > 1 or not word.isascii()) and word not in PARTICLES and word not in TITLES
    )


class People:
    """The people of a conversation.

    Args:
        names: Every mention, as written, in any order.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._of: dict[frozenset[str], frozenset[str]] = {}
        self._longer: defaultdict[str, set[int]] = defaultdict(set)
        people: list[frozenset[str]] = []
        mentions = {frozenset(name_words(name)) for name in names} - {frozenset()}
        for mention in sorted(mentions, key=lambda words: (-len(words), sorted(words))):
            whose = self._whose(mention)
            if len(whose) == 1:
                self._of[mention] = people[whose.pop()]
                continue
            self._of[mention] = mention
            if not whose:
                for word in mention:
                    self._longer[word].add(len(people))
                people.append(mention)
        self._people = people

    def _whose(self, mention: frozenset[str]) -> set[int]:
        """Which people have all words of a mention; the rarest word first, so that most are gone at once."""
        sets = sorted((self._longer.get(word, set()) for word in mention), key=len)
        return set.intersection(*sets) if all(sets) else set()

    def person(self, name: str) -> str:
        """What stands for the person in a placeholder: the words of the fullest name, sorted."""
        words = frozenset(self._known(word) for word in name_words(name))
        if words not in self._of and words:
            whose = self._whose(words)
            self._of[words] = self._people[whose.pop()] if len(whose) == 1 else words
        return " ".join(sorted(self._of[words])) if words else " ".join(fold(name)[0].split())

    def _known(self, word: str) -> str:
        return word if word in self._longer else next((w for w in undrawn(word) if w in self._longer), word)
