"""What recognisers find in a text, for their tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from curation.finder import merged
from curation.found import Found
from curation.recognisers import FINDERS

Recogniser = Callable[[str], Iterator[Found]]


def hits(text: str, *finders: Recogniser) -> list[tuple[str, str]]:
    """Type and text of what the given finders, or all, find: merged, in order."""
    found = merged([item for finder in finders or FINDERS for item in finder(text)])
    return [(item.type, text[item.start : item.end]) for item in found]


def shown(text: str, *finders: Recogniser) -> list[str]:
    """Text of what is found."""
    return [piece for _, piece in hits(text, *finders)]
