"""Wrong input, told in a sentence.

A `Problem` is what a person is told when their file, their recipe or their machine is not as expected: where, what was
expected, what to do. Command lines print it and exit with 2; they never show a traceback for it. Text of messages never
goes into one.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class Problem(Exception):
    """One or more sentences about wrong input.

    Attributes:
        sentences: What to print, one line each.
    """

    def __init__(self, *sentences: str) -> None:
        self.sentences = list(sentences)
        super().__init__("\n".join(sentences))


def nearest(word: str, words: Iterable[str]) -> str | None:
    """The most similar of `words`, or None where nothing comes close."""
    found = difflib.get_close_matches(word, list(words), n=1, cutoff=0.6)
    return found[0] if found else None
