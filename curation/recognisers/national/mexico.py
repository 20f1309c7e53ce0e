"""Mexico: CURP and RFC.

A CURP is 18 letters and digits: of the name, the birth date, H, M or X, the state, consonants, and a check digit
(RENAPO): values 0 to 36 over "0-9A-NÑO-Z", weights 18 to 2, modulo 10. An RFC is three or four letters, a date and
three signs (SAT). Both hold a date, which keeps other codes out; the check digit of a CURP is a proof, but one that
fails it is masked all the same.

Left alone: social security numbers (NSS) and voters' keys without their names; see `documents`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from curation.found import Found
from curation.recognisers.digits import LATIN, has_digit

_DATE = r"\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"
_CURP = re.compile(
    rf"(?<![{LATIN}])[A-ZÑ][AEIOUX][A-ZÑ]{{2}}{_DATE}[HMX][A-Z]{{2}}[B-DF-HJ-NP-TV-ZÑ]{{3}}[A-Z0-9]\d(?![{LATIN}])",
    re.IGNORECASE,
)
_RFC = re.compile(rf"(?<![{LATIN}&])[A-ZÑ&]{{3,4}}[ -]?{_DATE}[ -]?[A-Z0-9]{{2}}[0-9A](?![{LATIN}])", re.IGNORECASE)
_SIGNS = "0123456789ABCDEFGHIJKLMNÑOPQRSTUVWXYZ"


def mexican_numbers(text: str) -> Iterator[Found]:
    """CURP and RFC."""
    if not has_digit(text):
        return
    for match in _CURP.finditer(text):
        yield Found(*match.span(), "ID_NUMBER", 0.95 if is_curp(match[0].upper()) else 0.7)
    for match in _RFC.finditer(text):
        yield Found(*match.span(), "ID_NUMBER", 0.8)


def is_curp(curp: str) -> bool:
    """Whether the check digit of 18 capitals and digits holds."""
    if not set(curp) <= set(_SIGNS) or not curp[17].isdigit():
        return False
    total = sum(_SIGNS.index(c) * (18 - place) for place, c in enumerate(curp[:17]))
    return (10 - total % 10) % 10 == int(curp[17])
