"""Numbers of payment cards, and what goes with them.

A card is 12 to 19 digits, in any grouping, whose check digit holds (ISO/IEC 7812-1, Luhn) and whose first digit is
one that payment networks issue (2 to 6, and 1800 for old JCB). One wrong digit makes it no card; but where people say
that it is one ("my card number is"), 13 to 19 digits are masked all the same, because typing errors keep most of a
number readable. The three or four digits of the back (CVV) and the expiry date count after their name only.

Left alone: a card's last four digits ("ending in 4242"), which shops print on receipts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from curation.found import Found
from curation.recognisers.checks import luhn
from curation.recognisers.digits import has_digit, pieces, runs

_CARD_BEFORE = re.compile(
    r"(?:card|visa|master\s?card|amex|debit|credit|cart[ãa]o|tarjeta|carte|karte|kartu|カード|카드)"
    r"(?:\W{1,4}\w{1,20}){0,4}\W{0,4}$",
    re.IGNORECASE,
)
_BACK = re.compile(
    r"\b(?:cvv2?|cvc2?|csc|security code|card code|código de seguridad|código de segurança|cryptogramme|prüfziffer"
    r"|sicherheitscode)(?:\W{1,4}(?:is|es|é|est|ist|code|number|:)){0,2}\W{1,4}(?P<code>\d{3,4})(?!\w)"
    r"|\b(?:exp(?:iry|ires?|iration)?(?: date)?|valid (?:thru|until)|vence|validade|g[üu]ltig bis|caduca)"
    r"(?:\W{1,4}(?:is|on|el|em|in|:)){0,2}\W{1,4}(?P<expiry>(?:0?[1-9]|1[0-2])\s?[/-]\s?(?:20)?[2-4]\d)(?!\w)",
    re.IGNORECASE,
)


def cards(text: str) -> Iterator[Found]:
    """Card numbers with a right check digit, or said to be cards; CVV and expiry after their name."""
    if not has_digit(text):
        return
    for run in runs(text):
        if len(run.digits) < 12:
            continue
        for piece in pieces(run, 12, 19):
            if piece != run and len(piece.digits) not in (15, 16):
                continue  # numbers in a row with others are those that everybody has
            issued = piece.digits[0] in "23456" or piece.digits.startswith("1800")
            if issued and luhn(piece.digits) and len(set(piece.digits)) > 1:
                yield Found(piece.start, piece.end, "CREDIT_CARD", 0.95)
                break
        else:
            if 13 <= len(run.digits) <= 19 and _CARD_BEFORE.search(text, max(0, run.start - 60), run.start):
                yield Found(run.start, run.end, "CREDIT_CARD", 0.7)
    for match in _BACK.finditer(text):
        kind = "code" if match["code"] else "expiry"
        yield Found(*match.span(kind), "CREDIT_CARD", 0.6)
