"""Runs of digits, which phones, cards, accounts and documents are judged from: looked for once, shared by all of them.

A run is 6 to 30 digits with at most three spaces, dots, dashes, slashes or brackets between two of them. Most chat has
no digit at all, so every recogniser of numbers asks `has_digit` first; the answers for the last few texts are kept,
because the recognisers are called one after the other on the same text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

# Letters of the scripts in which a number's neighbours are part of its word: not \w, for Japanese and Korean go on
# without a space ("番号は090-1234-5678です").
LATIN = r"A-Za-z0-9À-ɏ_"
_SEPARATOR = r"[ \t\u00a0\u3000().\-\u2010-\u2015\u2212\uff0dー/]{0,3}"
_RUN = re.compile(
    rf"(?<![{LATIN}.])(?<!\d,)(?:[+(（＋]{{1,3}} ?)?\d(?:{_SEPARATOR}\d){{5,29}}(?:(?= ?(?:x"
    rf"|ext\.?) ?\d)|(?![{LATIN}]|[,.]\d))"
)
# Numbers in a link are the page's; links that lead to a person are found whole.
_IN_A_LINK = re.compile(r"(?:://|\bwww\.|\w\.[a-z]{2,6}/)\S{0,190}$", re.IGNORECASE)
_DIGIT = re.compile(r"\d")
_GROUP = re.compile(r"\d+")


class Run(NamedTuple):
    """Digits that stand together.

    Attributes:
        start, end: Characters in the text, half open.
        shown: As written, with a leading plus or bracket.
        digits: ASCII digits alone.
    """

    start: int
    end: int
    shown: str
    digits: str

    @property
    def groups(self) -> list[str]:
        """The digits as separators divide them."""
        return _GROUP.findall(self.shown)


@lru_cache(maxsize=8)
def has_digit(text: str) -> bool:
    """Whether there is any decimal digit, of any script."""
    return _DIGIT.search(text) is not None


@lru_cache(maxsize=8)
def runs(text: str) -> tuple[Run, ...]:
    """Runs of 6 to 30 digits, in order."""
    if not has_digit(text):
        return ()
    return tuple(
        Run(*match.span(), match[0], plain(match[0]))
        for match in _RUN.finditer(text)
        if not _IN_A_LINK.search(text, max(0, match.start() - 200), match.start())
    )


def plain(shown: str) -> str:
    """Digits alone, those of any script as ASCII."""
    return "".join(c if c.isascii() else str(int(c)) for c in shown if c.isdecimal())


def pieces(run: Run, least: int, most: int) -> Iterator[Run]:
    """A run and its stretches of whole groups that have `least` to `most` digits, longest first.

    "4242 4242 4242 4242 12 27" has a card's number in it. Digits that all stand alone are one number or none: their
    stretches are too many for a check digit to tell right from chance.
    """
    if least <= len(run.digits) <= most:
        yield run
    groups = list(_GROUP.finditer(run.shown))
    if len(groups) < 2 or len(run.digits) <= least or len(groups) == len(run.digits):
        return
    found = []
    for first in range(len(groups)):
        length = 0
        for last in range(first, len(groups)):
            length += groups[last].end() - groups[last].start()
            if length > most:
                break
            if length >= least and length < len(run.digits):
                found.append((length, groups[first].start(), groups[last].end()))
    for _, start, end in sorted(found, key=lambda piece: (-piece[0], piece[1])):
        shown = run.shown[start:end]
        yield Run(run.start + start, run.start + end, shown, plain(shown))
