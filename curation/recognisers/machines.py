"""Addresses of machines: IPv4, IPv6, and hardware addresses (MAC).

Python's `ipaddress` says what is an address; four numbers after "version", "v", "chapter" and the like are not one.
IPv6 needs at least two colons and a hexadecimal digit, so emoticons and "::" stay. A MAC is six pairs of hexadecimal
digits between colons or dashes, or three fours between dots.

Left alone: loopback, 0.0.0.0, broadcast: every machine has them.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from curation.found import Found
from curation.recognisers.digits import LATIN, has_digit

_IPV4 = re.compile(rf"(?<![{LATIN}.])(?:\d{{1,3}}\.){{3}}\d{{1,3}}(?![{LATIN}]|\.\d)")
_IPV6 = re.compile(r"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}(?:[0-9A-Fa-f]{1,4}|(?:\d{1,3}\.){3}\d{1,3})(?![\w:]|\.\w)")
_MAC = re.compile(
    r"(?<![\w:-])(?:(?:[0-9A-Fa-f]{2}:){5}|(?:[0-9A-Fa-f]{2}-){5})[0-9A-Fa-f]{2}(?![\w:-])"
    r"|(?<![\w.])(?:[0-9A-Fa-f]{4}\.){2}[0-9A-Fa-f]{4}(?![\w.])"
)
_VERSION = re.compile(
    r"(?:\bv|\b(?:version|ver|build|release|update|patch|firmware|chapter|section|§)\.?\s{0,2})$", re.IGNORECASE
)


def machines(text: str) -> Iterator[Found]:
    """IPv4, IPv6 and MAC addresses."""
    if not has_digit(text):
        return
    if text.count(".") > 2:
        for match in _IPV4.finditer(text):
            if _is_of_a_machine(match[0]) and not _VERSION.search(text, max(0, match.start() - 12), match.start()):
                yield Found(*match.span(), "IP_ADDRESS", 0.95)
    if text.count(":") > 1:
        for match in _IPV6.finditer(text):
            if len(match[0]) > 3 and _is_of_a_machine(match[0]):
                yield Found(*match.span(), "IP_ADDRESS", 0.95)
    if text.count(":") > 4 or text.count("-") > 4 or text.count(".") > 1:
        for match in _MAC.finditer(text):
            if any(c.isdigit() for c in match[0]) and len(set(match[0])) > 2:
                yield Found(*match.span(), "MAC_ADDRESS", 0.9)


def _is_of_a_machine(shown: str) -> bool:
    try:
        address = ipaddress.ip_address(shown)
    except ValueError:
        return False
    return not (address.is_loopback or address.is_unspecified or shown == "255.255.255.255")
