"""Germany: tax numbers (Steuer-ID), identity cards and passports, pension insurance numbers.

A Steuer-ID has eleven digits, the first no nought, one digit two or three times among the first ten, and a check
digit (ISO/IEC 7064 MOD 11,10; Bundeszentralamt für Steuern). A card's number is nine letters and digits, mostly with
a check digit (weights 7 3 1 over values 0 to 35, ICAO Doc 9303): with it, it stands alone where it holds letters and
digits; without, after its name. An insurance number is area, birth date, initial, serial and check digit (Deutsche
Rentenversicherung).

Left alone: tax numbers of the offices (Steuernummer), which have as many forms as there are states, without their
name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from curation.found import Found
from curation.recognisers.checks import mod11_10
from curation.recognisers.digits import LATIN, has_digit, pieces, runs

_CARD = re.compile(
    rf"(?<![{LATIN}])[CFGHJKLMNPRTVWXYZ][CFGHJKLMNPRTVWXYZ0-9]{{8}}[ -]?\d?(?:D|<<)?(?![{LATIN}])", re.IGNORECASE
)
_SAID = re.compile(r"(?:ausweis|reisepass|perso\b|pass(?:nummer|nr)?\b).{0,25}$", re.IGNORECASE)
_PENSION = re.compile(
    rf"(?<![{LATIN}])\d{{2}}[ -]?(?:[0-2]\d|3[01])(?:0\d|1[0-2])\d\d[ -]?[A-Z][ -]?\d{{2}}[ -]?\d(?![{LATIN}])",
    re.IGNORECASE,
)


def german_numbers(text: str) -> Iterator[Found]:
    """Steuer-ID, identity card and passport, pension insurance."""
    if not has_digit(text):
        return
    for run in runs(text):
        for piece in pieces(run, 11, 11):
            if is_tax_id(piece.digits):
                yield Found(piece.start, piece.end, "ID_NUMBER", 0.65)
                break
    for match in _CARD.finditer(text):
        signs = re.sub(r"[ -]", "", match[0]).upper()
        if not signs.isascii() or sum(c.isdigit() for c in signs) < 3:
            continue
        said = _SAID.search(text, max(0, match.start() - 50), match.start())
        if said or is_card(signs):
            yield Found(*match.span(), "ID_NUMBER", 0.9)
    for match in _PENSION.finditer(text):
        if match[0].isascii() and is_pension(re.sub(r"[ -]", "", match[0]).upper()):
            yield Found(*match.span(), "ID_NUMBER", 0.9)


def is_tax_id(digits: str) -> bool:
    """Whether eleven digits are a Steuer-ID."""
    often = max(digits[:10].count(d) for d in digits[:10])
    return len(digits) == 11 and digits[0] != "0" and often in (2, 3) and mod11_10(digits)


def is_card(signs: str) -> bool:
    """Whether nine letters and digits and a tenth check digit are a card's or passport's number."""
    total = sum(int(c, 36) * (7, 3, 1)[place % 3] for place, c in enumerate(signs[:9]))
    return len(signs) >= 10 and signs[9].isdigit() and total % 10 == int(signs[9])


def is_pension(signs: str) -> bool:
    """Whether twelve signs are a pension insurance number: letter as two digits, weights by place, sums of digits."""
    spread = signs[:8] + f"{ord(signs[8]) - 64:02d}" + signs[9:11]
    weights = (2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1)
    total = sum(sum(map(int, str(int(d) * weight))) for d, weight in zip(spread, weights, strict=True))
    return total % 10 == int(signs[11])
