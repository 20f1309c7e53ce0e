"""India: Aadhaar, PAN and number plates.

An Aadhaar has twelve digits, never begins with 0 or 1, and ends in a Verhoeff check digit (UIDAI); twelve digits in
fours, in a row, or after its name. A PAN is five letters, four digits and a letter, the fourth letter the kind of
holder (Income Tax Department). Plates are a state's two letters, a district, a series and four digits.

Left alone: masked Aadhaar (XXXX XXXX 1234), which is what people are told to share.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from curation.found import Found, any_of
from curation.recognisers.checks import verhoeff
from curation.recognisers.digits import LATIN, has_digit, pieces, runs

_PAN = re.compile(rf"(?<![{LATIN}])[A-Z]{{3}}[ABCFGHJLPT][A-Z]\d{{4}}[A-Z](?![{LATIN}])", re.IGNORECASE)
_STATES = any_of(
    """AN AP AR AS BH BR CG CH DD DL DN GA GJ HP HR JH JK KA KL
    LA LD MH ML MN MP MZ NL OD OR PB PY RJ SK TN TR TS TG UK UP WB"""
)
_PLATE = re.compile(rf"(?<![{LATIN}-]){_STATES}[ -]?\d{{1,2}}[ -]?[A-Z]{{1,3}}[ -]?\d{{4}}(?![{LATIN}-])")
_SAID = re.compile(r"(?:aadh?aa?r|uid(?:ai)?|आधार).{0,30}$", re.IGNORECASE)


def indian_numbers(text: str) -> Iterator[Found]:
    """Aadhaar, PAN and plates."""
    if not has_digit(text):
        return
    for match in _PAN.finditer(text):
        yield Found(*match.span(), "ID_NUMBER", 0.85)
    for match in _PLATE.finditer(text):
        yield Found(*match.span(), "ID_NUMBER", 0.7)
    for run in runs(text):
        for piece in pieces(run, 12, 12):
            said = _SAID.search(text, max(0, piece.start - 50), piece.start) is not None
            if said or (piece.digits[0] > "1" and verhoeff(piece.digits)):
                yield Found(piece.start, piece.end, "ID_NUMBER", 0.9 if said else 0.8)
                break
