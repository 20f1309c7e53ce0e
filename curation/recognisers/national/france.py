"""France: the number of social security (NIR).

Thirteen signs and a key of two: sex, year and month of birth, department (2A and 2B for Corsica), commune, order; the
key is 97 less the number modulo 97 (INSEE). With the key it stands alone; without it the name must lead to it, in
`documents`.

Left alone: tax numbers (SPI) and identity cards without their names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from curation.found import Found
from curation.recognisers.digits import LATIN, has_digit

_NIR = re.compile(
    rf"(?<![{LATIN}])[123478][ .-]?\d{{2}}[ .-]?\d{{2}}[ .-]?(?:\d{{2}}"
    rf"|2[AB])[ .-]?\d{{3}}[ .-]?\d{{3}}[ .-]?\d{{2}}(?![{LATIN}])",
    re.IGNORECASE,
)
_SAID = re.compile(r"(?:s[ée]cu(?:rit[ée] sociale)?|\bnir\b|\binsee\b).{0,25}$", re.IGNORECASE)


def french_numbers(text: str) -> Iterator[Found]:
    """NIR with its key."""
    if not has_digit(text):
        return
    for match in _NIR.finditer(text):
        right = match[0].isascii() and is_nir(re.sub(r"[ .-]", "", match[0]).upper())
        if right or _SAID.search(text, max(0, match.start() - 50), match.start()):
            yield Found(*match.span(), "ID_NUMBER", 0.9 if right else 0.6)


def is_nir(signs: str) -> bool:
    """Whether the key holds: 2A counts as 19, 2B as 18."""
    number = int(signs[:13].replace("2A", "19").replace("2B", "18"))
    return 97 - number % 97 == int(signs[13:])
