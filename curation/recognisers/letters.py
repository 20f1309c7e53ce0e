"""Words of a text in small ASCII letters, by which recognisers tell at once that they have nothing to look for.

Asked for by one recogniser after another on the same text, so the answers for the last few texts are kept. Texts with
other letters are none of this: Japanese and Korean write without spaces, and accents are typed or not.
"""

from __future__ import annotations

import re
from functools import lru_cache

_WORD = re.compile(r"[a-z]+")


@lru_cache(maxsize=8)
def ascii_words(text: str) -> frozenset[str]:
    """Runs of the letters a to z, capitals made small."""
    return frozenset(_WORD.findall(text.lower()))
