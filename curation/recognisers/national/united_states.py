"""United States: Social Security numbers, taxpayer numbers (ITIN), Medicare numbers.

An SSN has no check digit: three, two and four digits between dashes or spaces are one by their form, and nine in a
row after its name. The areas 000 and 666 are never given out, 900 and up are ITINs (Social Security Administration;
IRS). Where the form says SSN and the area says no, it is masked all the same: people mistype their own. A Medicare
number has a letter or digit by place (CMS, "MBI format").

Left alone: employers' numbers (EIN), which firms print on letters. Licences, which each state numbers in its own way,
are in `documents`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from curation.found import Found
from curation.recognisers.digits import LATIN, has_digit, runs

_FORM = re.compile(r"\d{3}([- .])\d{2}\1\d{4}")
_SAID = re.compile(
    r"(?:\bssn|\bss#|\bitin|social(?: security)?)(?:[\W_]{1,4}(?:number|no|num|is|was|it['’]?s|tax|id"
    r"|my)){0,4}[\W_]{0,4}$",
    re.IGNORECASE,
)
_LETTER = "[AC-HJKMNP-RT-Y]"
_MEDICARE = re.compile(
    rf"(?<![{LATIN}-])[1-9]{_LETTER}[AC-HJKMNP-RT-Y0-9]\d-?{_LETTER}[AC-HJKMNP-RT-Y0-9]\d-?{_LETTER}{{2}}\d\d(?![{LATIN}-])"
)


def american_numbers(text: str) -> Iterator[Found]:
    """SSN, ITIN and Medicare numbers."""
    if not has_digit(text):
        return
    for run in runs(text):
        if len(run.digits) != 9:
            continue
        said = _SAID.search(text, max(0, run.start - 50), run.start) is not None
        if _FORM.fullmatch(run.shown) or said:
            yield Found(run.start, run.end, "SSN", 0.95 if said else 0.85 if is_given_out(run.digits) else 0.6)
    for match in _MEDICARE.finditer(text):
        yield Found(*match.span(), "ID_NUMBER", 0.8)


def is_given_out(digits: str) -> bool:
    """Whether nine digits can be an SSN or an ITIN."""
    area, group, serial = int(digits[:3]), int(digits[3:5]), int(digits[5:])
    if area >= 900:
        return 50 <= group <= 65 or 70 <= group <= 88 or 90 <= group <= 92 or 94 <= group <= 99
    return area not in (0, 666) and group > 0 and serial > 0
