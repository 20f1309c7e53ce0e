"""Words of a text in small ASCII letters, by which recognisers tell at once that they have nothing to look for.

Asked for by one recogniser after another on the same text, so the answers for the last few texts are kept. Texts with
other letters are none of this: Japanese and Korean write without spaces, and accents are typed or not.
"""

from __future__ import annotations

from functools import lru_cache

_SPACED = {code: " " for code in range(128) if not chr(code).isalpha()}


@lru_cache(maxsize=8)
def ascii_words(text: str) -> frozenset[str]:
    """Words between anything but the letters a to z, capitals made small."""
    return frozenset(text.lower().translate(_SPACED).split())
