"""Korea: resident and foreigner registration numbers (주민등록번호, 외국인등록번호).

Six digits of a birth date and seven that begin with sex and century. Until October 2020 the last was a check digit
(weights 2 to 9, 2 to 5, 11 less the remainder, modulo 10); numbers given out since are random there. So the form with
its dash and a real date is enough, and thirteen digits in a row want the check digit or the number's name.

Left alone: the masked form (900101-1******) beyond its digits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from curation.found import Found
from curation.recognisers.checks import weighted
from curation.recognisers.digits import pieces, runs

_FORM = re.compile(r"\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])[ -]{0,3}[0-9]\d{6}")
_SAID = re.compile(r"(?:주민|민번|외국인\s?등록|\brrn\b).{0,20}$", re.IGNORECASE)


def korean_numbers(text: str) -> Iterator[Found]:
    """Registration numbers."""
    for run in runs(text):
        for piece in pieces(run, 13, 13):
            dashed = "-" in piece.shown and _FORM.fullmatch(piece.shown) is not None
            said = _SAID.search(text, max(0, piece.start - 40), piece.start) is not None
            if dashed or said or is_registration(piece.digits):
                yield Found(piece.start, piece.end, "ID_NUMBER", 0.9 if dashed or said else 0.7)
                break


def is_registration(digits: str) -> bool:
    """Whether thirteen digits begin with a date and end in their check digit."""
    check = (11 - weighted(digits[:12], (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5)) % 11) % 10
    return _FORM.fullmatch(digits) is not None and check == int(digits[12])
