"""Check digits: what tells a real number of a card, an account or a document from any other number of that length.

Each is a few lines of arithmetic from a public standard, so they are written here: python-stdnum has them, too, but is
LGPL, and validates whole strings with messages and exceptions where a yes or no over a candidate is wanted.
All take ASCII digits (or letters, where the scheme has them) without separators.
"""

from __future__ import annotations

from collections.abc import Sequence


def luhn(digits: str) -> bool:
    """Cards (ISO/IEC 7812-1): every second digit from the right doubled, the sum divisible by 10."""
    doubled = [int(d) * (1 + place % 2) for place, d in enumerate(reversed(digits))]
    return sum(d - 9 * (d > 9) for d in doubled) % 10 == 0


def mod97(iban: str) -> bool:
    """IBAN (ISO 13616, ISO/IEC 7064 MOD 97-10): the first four characters moved to the end leave a remainder of 1."""
    return int("".join(str(int(c, 36)) for c in iban[4:] + iban[:4])) % 97 == 1


def weighted(digits: str, weights: Sequence[int]) -> int:
    """Sum of digits, each times its weight; digits beyond the weights do not count."""
    return sum(int(d) * weight for d, weight in zip(digits, weights, strict=False))


# Verhoeff's tables (Error Detecting Decimal Codes, 1969): products in the dihedral group D5, and its permutation.
_PRODUCTS = [[5 * ((a < 5) != (b < 5)) + ((a + b) % 5 if a < 5 else (a - b) % 5) for b in range(10)] for a in range(10)]
_MOVES = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4]


def verhoeff(digits: str) -> bool:
    """Aadhaar: the product of all digits, each moved on by its place from the right, is 0."""
    total = 0
    for place, d in enumerate(reversed(digits)):
        moved = int(d)
        for _ in range(place % 8):
            moved = _MOVES[moved]
        total = _PRODUCTS[total][moved]
    return total == 0


def mod11_10(digits: str) -> bool:
    """German tax numbers (ISO/IEC 7064 MOD 11,10): a running product that the check digit takes to 1."""
    product = 10
    for d in digits[:-1]:
        total = (int(d) + product) % 10 or 10
        product = total * 2 % 11
    return (11 - product) % 10 == int(digits[-1])
