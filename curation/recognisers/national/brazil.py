"""Brazil: CPF, CNPJ and RG.

A CPF has nine digits and two check digits modulo 11, a CNPJ twelve (letters too, since July 2026) and two (Receita
Federal). Written with their dots and dash they are known by form, right or mistyped; without them by their check
digits. An RG has no check that all states share: it counts by the form 12.345.678-9.

Left alone: the all-equal numbers (111.111.111-11), which pass the arithmetic and belong to nobody; voters' and PIS
numbers without their names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from curation.found import Found
from curation.recognisers.digits import LATIN, has_digit, pieces, runs

_CPF = re.compile(r"\d{3}\.\d{3}\.\d{3}[-.]\d{2}")
_CNPJ = re.compile(
    rf"(?<![{LATIN}])[A-Z0-9]{{2}}\.[A-Z0-9]{{3}}\.[A-Z0-9]{{3}}/[A-Z0-9]{{4}}-\d{{2}}(?![{LATIN}])", re.IGNORECASE
)
_RG = re.compile(rf"(?<![{LATIN}.])\d{{1,2}}\.\d{{3}}\.\d{{3}}-[\dXx](?![{LATIN}])")


def brazilian_numbers(text: str) -> Iterator[Found]:
    """CPF, CNPJ and RG."""
    if not has_digit(text):
        return
    for run in runs(text):
        for piece in pieces(run, 11, 11):
            if (is_cpf(piece.digits) or _CPF.fullmatch(piece.shown)) and len(set(piece.digits)) > 1:
                yield Found(piece.start, piece.end, "ID_NUMBER", 0.9 if "." in piece.shown else 0.65)
                break
        for piece in pieces(run, 14, 14):
            if is_cnpj(piece.digits):
                yield Found(piece.start, piece.end, "ID_NUMBER", 0.85)
                break
    if "." in text:
        for pattern in (_CNPJ, _RG):
            for match in pattern.finditer(text):
                yield Found(*match.span(), "ID_NUMBER", 0.8)


def is_cpf(digits: str) -> bool:
    """Whether the two check digits of a CPF hold: weights 10 to 2, then 11 to 2."""
    return len(digits) == 11 and len(set(digits)) > 1 and _ends_in(digits, _mod11(digits, range(2, 12)))


def is_cnpj(signs: str) -> bool:
    """Whether the two check digits of a CNPJ hold: weights 2 to 9 from the right, over and over."""
    return len(signs) == 14 and len(set(signs)) > 1 and _ends_in(signs, _mod11(signs.upper(), [*range(2, 10)] * 2))


def _mod11(signs: str, weights: range | list[int]) -> str:
    """The two digits that a number without its last two signs must have; letters count as their ASCII code less 48."""
    kept = signs[:-2]
    for _ in range(2):
        total = sum((ord(c) - 48) * weight for c, weight in zip(reversed(kept), weights, strict=False))
        kept += str((11 - total % 11) % 11 % 10)
    return kept[-2:]


def _ends_in(signs: str, check: str) -> bool:
    return signs[-2:] == check
