"""Telephone numbers that are spelt or spaced out: "oh one seven one", "five 5 five", "null eins sieben", "0 1 7 1".

Number words of the sample's languages (and Hindi as it is typed in Latin letters) are read as digits: "double seven"
is two, "twenty three" and "trente-quatre" two each. A row of at least seven digits' worth is a number, or six where
somebody leads to it ("call", "my number is"); a row of single figures between spaces needs nine without a lead.
Counting is none: steps that are nearly all alike (one two three, ten twenty thirty, five five five), and noughts and
ones alone (binary). Japanese and Korean write without spaces (〇九〇, ゼロ, 공일공); those rows want to begin with a
nought or after a lead.

Left alone: amounts in words ("two hundred"), shorter rows. `phones` has digits in groups.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise

from curation.found import Found, words
from curation.recognisers.phones import CALLED

_WORDS = (
    "zero oh o null nil nought cero zéro nol kosong shunya",
    "one eins ein um uma uno una un une satu ek",
    "two zwei zwo dois duas dos deux dua do",
    "three drei três tres trois tiga teen",
    "four vier quatro cuatro quatre empat char chaar",
    "five fünf fuenf cinco cinq lima paanch panch",
    "six sechs seis meia enam chhe chhah",
    "seven sieben sete siete sept tujuh saat",
    "eight acht oito ocho huit delapan aath",
    "nine neun nove nueve neuf sembilan nau niner",
)
_TENS = (
    "ten zehn dez diez dix sepuluh",
    "twenty zwanzig vinte veinte vingt",
    "thirty dreißig dreissig trinta treinta trente",
    "forty fourty vierzig quarenta cuarenta quarante",
    "fifty fünfzig cinquenta cincuenta cinquante",
    "sixty sechzig sessenta sesenta soixante",
    "seventy siebzig setenta septante",
    "eighty achtzig oitenta ochenta huitante",
    "ninety neunzig noventa nonante",
)
_TEENS = words(
    """
    eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen elf zwölf dreizehn vierzehn
    fünfzehn sechzehn siebzehn achtzehn neunzehn onze doze treze catorze quatorze quinze dezesseis dezessete
    dezoito dezenove once doce trece catorce quince dieciséis diecisiete dieciocho diecinueve douze treize seize
    """
)
_VALUES = {word: digit for digit, line in enumerate(_WORDS) for word in line.split()}
_VALUES |= {word: 10 * (place + 1) for place, line in enumerate(_TENS) for word in line.split()}
_VALUES |= dict.fromkeys(_TEENS, 11)
_VALUES |= {  # vierunddreißig
    f"{unit}und{ten}": 22
    for line in _WORDS[1:]
    for unit in line.split()
    for ten_line in _TENS[1:]
    for ten in ten_line.split()
    if ten.endswith("ig")
}
_TIMES = {"double": 1, "triple": 2, "doble": 1, "triplo": 2, "duplo": 1, "doppel": 1, "dobel": 1, "hundred": 2}
_JOINTS = words("y e et und and dash hyphen then")
_FIGURES = frozenset("0123456789")
_ROWABLE = _FIGURES.union(_VALUES, _TIMES, (f"{pair:02d}" for pair in range(100)))
_TOKEN = re.compile(r"[^\W\d_]{1,20}|\d{1,5}")
_GAP = re.compile(r"[\s,.\-–—/…+()]{1,5}")
_UNSPACED = re.compile(
    r"(?:(?:ゼロ|まる|れい|いち|に|さん|よん|し|ご|ろく|なな|しち|はち|きゅう|く"
    r"|[〇零○一二三四五六七八九壱])[の、・ー\- 　]{0,2}){8,15}"
    r"|(?:[공영일이삼사오육륙칠팔구](?:[\-, .]{0,2}|에 ?| ?다시 ?)){8,15}"
)


def spelt_phones(text: str) -> Iterator[Found]:
    """Telephone numbers in words, or in figures that stand apart."""
    lowered = text.lower()
    if not text.isascii():
        for match in _UNSPACED.finditer(text):
            if match[0][0] in "ゼま零〇○공영" or CALLED.search(text, max(0, match.start() - 40), match.start()):
                yield Found(match.start(), match.start() + len(match[0].rstrip(" 　、の")), "PHONE_NUMBER", 0.7)
    parts = lowered.replace("-", " ").replace(",", " ").replace(".", " ").split()
    if len(parts) < 4 or len(lowered) != len(text) or sum(map(_ROWABLE.__contains__, parts)) < 4:
        return
    row: list[re.Match[str]] = []
    for token in [*_TOKEN.finditer(lowered), None]:
        joined = token and (not row or _GAP.fullmatch(lowered, row[-1].end(), token.start()))
        if row and not (joined and token and _fits(token[0], row)):
            yield from _judged(text, row)
            row = []
        if token and _fits(token[0], row):
            row.append(token)


def _fits(word: str, row: Sequence[re.Match[str]]) -> bool:
    return word in _VALUES or word in _TIMES or word.isdecimal() or (bool(row) and word in _JOINTS)


def _judged(text: str, row: list[re.Match[str]]) -> Iterator[Found]:
    """The row as a finding, if it is a telephone number."""
    while row and row[-1][0] in _JOINTS:
        row.pop()
    spelt = sum(token[0] in _VALUES for token in row)
    worth = sum(_worth(token[0]) for token in row)
    single = all(len(token[0]) == 1 and token[0].isdecimal() for token in row)
    if worth < 6 or worth > 20 or not (spelt > 1 or single):
        return
    called = CALLED.search(text, max(0, row[0].start() - 60), row[0].start()) is not None
    values = [int(token[0]) if token[0].isdecimal() else _VALUES.get(token[0], -1) for token in row]
    steps = Counter(after - before for before, after in pairwise(values))
    counting = max(steps.values(), default=0) > 0.6 * len(values) or (set(values) <= {0, 1})
    least = 6 if called else 9 if single else 7
    if worth >= least and (called or not counting):
        yield Found(row[0].start(), row[-1].end(), "PHONE_NUMBER", 0.7)


def _worth(word: str) -> int:
    """How many digits a word stands for."""
    if word.isdecimal():
        return len(word)
    return _TIMES.get(word, 0) + (word in _VALUES) * (1 + (_VALUES.get(word, 0) > 9))
