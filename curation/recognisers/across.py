"""Personal data that one speaker gives over several messages: "i live at" / "12 long meadow road" / "97201".

Short messages of one speaker that follow each other are read as one text, and what is found there is handed back to
the messages that it stands in. Kept is what runs over the end of a message, or begins with one whose sign stands in
the message before ("my number is" / "555 0142"). A telephone number in pieces wants somebody who leads to it, or a
plus or nought in front and nine digits: answers to a quiz are numbers, too.

Left alone: messages of more than 80 characters, in which people write whole sentences. Not done: what only the
question of the other speaker makes personal ("when were you born?" / "3/4/1999"); small towns in small letters that
no region or postcode follows.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate

from curation.found import Found
from curation.recognisers.accounts import accounts
from curation.recognisers.addresses import addresses
from curation.recognisers.asian_addresses import asian_addresses
from curation.recognisers.births import births
from curation.recognisers.cards import cards
from curation.recognisers.digits import has_digit, plain
from curation.recognisers.documents import documents
from curation.recognisers.handles import handles
from curation.recognisers.mail import emails
from curation.recognisers.national import NATIONAL
from curation.recognisers.phones import CALLED, phones
from curation.recognisers.spelt_phones import spelt_phones

LONGEST = 80
_IN_A_ROW = (emails, handles, phones, spelt_phones, cards, accounts, documents, births, *NATIONAL)
_BY_LINES = (addresses, asian_addresses)


def across(messages: Sequence[str]) -> list[list[Found]]:
    """Find what only several messages together tell.

    Args:
        messages: All messages of one speaker in a conversation, in order.

    Returns:
        For each message its findings, in order; they add to what the recognisers find in the message alone.
    """
    found: list[list[Found]] = [[] for _ in messages]
    first = 0
    for place in range(len(messages) + 1):
        if place < len(messages) and len(messages[place]) <= LONGEST:
            continue
        if place - first > 1:
            _look(messages[first:place], found[first:place])
        first = place + 1
    return [sorted(set(hits)) for hits in found]


def _look(messages: Sequence[str], found: list[list[Found]]) -> None:
    """Add findings over short messages that follow each other; `found` holds the lists to add to."""
    starts = [0, *accumulate(len(message) + 1 for message in messages)]
    row = " ".join(messages)
    for finder in _IN_A_ROW:
        for hit in finder(row):
            _hand_back(row, hit._replace(recogniser=finder.__name__), starts, messages, found)
    if has_digit(row):
        lines = "\n".join(messages)
        for finder in _BY_LINES:
            for hit in finder(lines):
                _hand_back(lines, hit._replace(recogniser=finder.__name__), starts, messages, found)


def _hand_back(text: str, hit: Found, starts: Sequence[int], messages: Sequence[str], found: list[list[Found]]) -> None:
    pieces = list(_pieces(hit, starts, messages))
    if len(pieces) > 1 and hit.type == "PHONE_NUMBER" and not _is_led(text, hit):
        return
    if len(pieces) == 1 and (pieces[0][0] == 0 or pieces[0][1].start > 2):
        return  # its message tells it alone, or nobody leads to it
    for place, piece in pieces:
        found[place].append(piece)


def _pieces(hit: Found, starts: Sequence[int], messages: Sequence[str]) -> Iterator[tuple[int, Found]]:
    """The part of a finding that stands in each message, and which message that is."""
    place = bisect_right(starts, hit.start) - 1
    while place < len(messages) and starts[place] < hit.end:
        start, end = max(0, hit.start - starts[place]), min(len(messages[place]), hit.end - starts[place])
        if start < end:
            yield place, hit._replace(start=start, end=end)
        place += 1


def _is_led(text: str, hit: Found) -> bool:
    shown = text[hit.start : hit.end]
    return CALLED.search(text, max(0, hit.start - 60), hit.start) is not None or (
        shown[0] in "+0" and len(plain(shown)) >= 9
    )
