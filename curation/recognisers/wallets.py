"""Addresses of wallets: Bitcoin in both forms, Ethereum and what copies it.

A Bitcoin address of the old form is base58 with four bytes of double SHA-256 at its end; one of the new form (`bc1`)
is bech32 with a polynomial over GF(32) (BIP 173, and BIP 350 for bech32m). Both are checked, so words and hashes of
that length are left alone. An Ethereum address is 40 hexadecimal digits after `0x`; its checksum lies in its capitals
and needs Keccak, which Python does not carry: its form is enough, nothing else in chat looks like it.

Left alone: transactions (64 digits), and wallets of other chains.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator

from curation.found import Found
from curation.recognisers.digits import has_digit

_OLD = re.compile(r"(?<!\w)[13][1-9A-HJ-NP-Za-km-z]{25,34}(?!\w)")
_NEW = re.compile(r"(?<!\w)(?:bc1[02-9ac-hj-np-z]{11,71}|BC1[02-9AC-HJ-NP-Z]{11,71})(?!\w)")
_ETHEREUM = re.compile(r"(?<!\w)0x[0-9a-fA-F]{40}(?!\w)")
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"


def wallets(text: str) -> Iterator[Found]:
    """Bitcoin addresses whose checksum holds, and Ethereum addresses."""
    if not has_digit(text) or len(text) < 26:
        return
    for match in _OLD.finditer(text):
        if is_base58check(match[0]):
            yield Found(*match.span(), "CRYPTO", 1.0)
    for match in _NEW.finditer(text):
        if is_bech32(match[0].lower()):
            yield Found(*match.span(), "CRYPTO", 1.0)
    for match in _ETHEREUM.finditer(text):
        yield Found(*match.span(), "CRYPTO", 0.9)


def is_base58check(address: str) -> bool:
    """Whether 25 bytes in base58 end in the first four of the double SHA-256 of the others."""
    number = 0
    for c in address:
        number = number * 58 + _BASE58.index(c)
    if number >= 1 << 200:
        return False
    packed = number.to_bytes(25, "big")
    return hashlib.sha256(hashlib.sha256(packed[:-4]).digest()).digest()[:4] == packed[-4:]


def is_bech32(address: str) -> bool:
    """Whether the checksum of a `bc1` address in small letters holds, as bech32 or bech32m."""
    values = [3, 3, 0, 2, 3]  # "bc", spread as BIP 173 says: high bits, nought, low bits
    values += [_BECH32.index(c) for c in address[3:]]
    check = 1
    for value in values:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            check ^= generator if top >> bit & 1 else 0
    return check in (1, 0x2BC830A3)
