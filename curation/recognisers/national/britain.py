"""United Kingdom: National Insurance numbers and NHS numbers.

A National Insurance number is two letters that HMRC gives out, six digits and a letter A to D; its form is enough. An
NHS number has ten digits, the last a check digit modulo 11 with weights 10 to 2 (NHS Data Dictionary); American
telephone numbers look the same, so it wants its name near by, or three, three and four digits between spaces.

Left alone: unique taxpayer references, which have no public check; driving licences are in `documents`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from curation.found import Found
from curation.recognisers.checks import weighted
from curation.recognisers.digits import LATIN, has_digit, pieces, runs

_INSURANCE = re.compile(
    rf"(?<![{LATIN}])(?!BG|GB|KN|NK|NT|TN"
    rf"|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?-?(?:\d{{2}}[ -]?){{3}}[A-D](?![{LATIN}])",
    re.IGNORECASE,
)
_SAID = re.compile(r"\bnhs\b.{0,30}$", re.IGNORECASE)
_FORM = re.compile(r"\d{3} \d{3} \d{4}")
# A driver number of DVLA: five letters of the surname (9 where it is shorter), digits of the birth date, initials.
_DRIVER = re.compile(
    rf"(?<![{LATIN}])[A-Z][A-Z9]{{4}}\d[0156]\d[0-3]\d{{2}}[A-Z][A-Z9]\d?[A-Z0-9]{{2,3}}(?![{LATIN}])", re.IGNORECASE
)


def british_numbers(text: str) -> Iterator[Found]:
    """National Insurance, NHS and driver numbers."""
    if not has_digit(text):
        return
    for pattern in (_INSURANCE, _DRIVER):
        for match in pattern.finditer(text):
            yield Found(*match.span(), "ID_NUMBER", 0.9)
    for run in runs(text):
        for piece in pieces(run, 10, 10):
            said = _SAID.search(text, max(0, piece.start - 50), piece.start) is not None
            if is_nhs(piece.digits) and (said or _FORM.fullmatch(piece.shown)):
                yield Found(piece.start, piece.end, "ID_NUMBER", 0.9 if said else 0.5)
                break


def is_nhs(digits: str) -> bool:
    """Whether the check digit of ten digits holds; a check of 10 is never given out."""
    check = (11 - weighted(digits[:9], range(10, 1, -1)) % 11) % 11
    return len(digits) == 10 and check == int(digits[9])
