"""Indonesia: population numbers (NIK) and tax numbers (NPWP).

A NIK has sixteen digits: province, regency, district, day of birth (plus 40 for women), month, year, serial. It has
no check digit, but province, day and month keep nearly all other rows of sixteen out. An NPWP is known by its dots.

Left alone: family card numbers (KK), which look like a NIK and are masked when they look enough so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from curation.found import Found
from curation.recognisers.digits import pieces, runs

# Codes of the provinces (Ministry of Home Affairs): the first digit is the island group.
_PROVINCES = {*range(11, 20), 21, *range(31, 37), 51, 52, 53, *range(61, 66), *range(71, 77), 81, 82, *range(91, 97)}
_NPWP = re.compile(r"\d{2}\.\d{3}\.\d{3}\.\d-\d{3}\.\d{3}")
_SAID = re.compile(r"\b(?:nik|ktp|kk|npwp)\b.{0,20}$", re.IGNORECASE)


def indonesian_numbers(text: str) -> Iterator[Found]:
    """NIK and NPWP."""
    for run in runs(text):
        for piece in pieces(run, 15, 16):
            said = _SAID.search(text, max(0, piece.start - 40), piece.start) is not None
            if said or is_nik(piece.digits) or _NPWP.fullmatch(piece.shown):
                yield Found(piece.start, piece.end, "ID_NUMBER", 0.9 if said else 0.7)
                break


def is_nik(digits: str) -> bool:
    """Whether sixteen digits have the form of a NIK."""
    day = int(digits[6:8]) % 40
    return (
        len(digits) == 16
        and int(digits[:2]) in _PROVINCES
        and digits[2:4] != "00"
        and 1 <= day <= 31
        and int(digits[6:8]) <= 71
        and 1 <= int(digits[8:10]) <= 12
        and digits[12:] != "0000"
    )
