"""Japan: the individual number (マイナンバー).

Twelve digits, the last a check digit modulo 11 with weights 2 to 7 and 2 to 6 from the right (Ministry of Internal
Affairs, ordinance of 2014). In fours or in a row; one in eleven rows of twelve digits passes by chance, and such rows
are somebody's number of something anyway.

Left alone: licences, passports, insurance cards without their names; see `documents`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from curation.found import Found
from curation.recognisers.checks import weighted
from curation.recognisers.digits import pieces, runs

_SAID = re.compile(r"(?:マイナンバー|個人番号|my ?number).{0,20}$", re.IGNORECASE)


def japanese_numbers(text: str) -> Iterator[Found]:
    """The individual number."""
    for run in runs(text):
        for piece in pieces(run, 12, 12):
            said = _SAID.search(text, max(0, piece.start - 40), piece.start) is not None
            if said or is_my_number(piece.digits):
                yield Found(piece.start, piece.end, "ID_NUMBER", 0.9 if said else 0.6)
                break


def is_my_number(digits: str) -> bool:
    """Whether the check digit holds: 11 less the remainder, 0 where the remainder is 0 or 1."""
    rest = weighted(digits[:11][::-1], (2, 3, 4, 5, 6, 7, 2, 3, 4, 5, 6)) % 11
    return len(digits) == 12 and (0 if rest < 2 else 11 - rest) == int(digits[11])
