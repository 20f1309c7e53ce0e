"""Keyed placeholders: `<PERSON_3f2a9c>`.

One is the type and six hexadecimal digits of HMAC-SHA256(key, conversation, type, what mentions of the same data have
in common): the same person is the same placeholder through a conversation, whatever the order of rows, and nobody
without the key can test a guess. Who is the same person is told by `curation.people`.

Six digits are 16.8 million: among n placeholders of one type in one conversation, two that are different are the same
by chance with a probability of about n * n / 33.6 million, 0.03 % for a hundred. Then two people look like one; nothing
leaks.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import re
import tempfile
import unicodedata
from pathlib import Path

from schemas.problems import Problem

KEY_BYTES = 32
PERSON = "PERSON"
NUMBERS = frozenset(("PHONE_NUMBER", "CREDIT_CARD", "SSN", "ID_NUMBER", "IBAN_CODE", "BANK_ACCOUNT"))
LOCAL_DIGITS = 7  # the end of a telephone number that stays when area and country are left out


def read_key(path: Path) -> bytes:
    """The key of the placeholders; made at first use, readable by its owner alone.

    Raises:
        Problem: Others can read the file, it does not hold 32 bytes, or none can be made.
    """
    try:
        _make(path)
    except OSError as error:
        raise Problem(
            f"{path}: no key is there, and none can be made ({error.strerror}); give a curation.scrub.key_file, or a "
            "directory that you may write."
        ) from None
    if path.stat().st_mode & 0o077:
        raise Problem(
            f"{path}: others can read this key; run chmod 600 on it, or give another curation.scrub.key_file."
        )
    key = path.read_bytes()
    if len(key) != KEY_BYTES:
        raise Problem(f"{path}: expected a key of {KEY_BYTES} random bytes, found {len(key)}; give another key_file.")
    return key


def _make(path: Path) -> None:
    """A new key, where there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        # Written whole before it has its name: a kill leaves a key or none, and of two processes one key stays.
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=path.name) as draft:  # mode 0600
            draft.write(os.urandom(KEY_BYTES))
            draft.flush()
            os.fsync(draft.fileno())
            with contextlib.suppress(FileExistsError):
                os.link(draft.name, path)


def placeholder(key: bytes, conversation_id: str, kind: str, identity: str) -> str:
    """`<TYPE_xxxxxx>` for a piece of personal data.

    Args:
        key: See `read_key`.
        conversation_id: Placeholders of different conversations have nothing in common.
        kind: Type of the data.
        identity: What mentions of the same data have in common, see `compared` and `people.People`.
    """
    return f"<{kind}_{keyed(key, conversation_id, kind, identity).hex()[:6]}>"


def keyed(key: bytes, *parts: str) -> bytes:
    """HMAC-SHA256 of texts, 32 bytes."""
    return hmac.new(key, "\x1f".join(parts).encode("utf-8", "surrogatepass"), hashlib.sha256).digest()


def compared(kind: str, text: str) -> str:
    """What two mentions of the same number, address or account have in common, however they are written."""
    plain = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    if kind in NUMBERS:
        digits = "".join(str(unicodedata.digit(c)) for c in plain if c.isdigit())
        if kind == "PHONE_NUMBER" and len(digits) >= 5:
            return digits[-LOCAL_DIGITS:]  # +49 171 2345678 and 0171 2345678 are one
        return "".join(c for c in plain if c.isalnum()) if any(c.isalpha() for c in plain) else digits
    if kind == "EMAIL_ADDRESS":
        spelt = re.sub(r"\s*(?:[(\[{<]at[)\]}>]|\bat\b|\barroba\b|\bchiocciola\b|\barobase\b)\s*", "@", plain)
        return re.sub(r"\s*(?:[(\[{<]dot[)\]}>]|\bdot\b|\bpunto\b|\bponto\b|\bpunkt\b|\.)\s*", ".", spelt)
    if kind == "STREET_ADDRESS":
        return " ".join(re.findall(r"\w+", plain))
    return plain.lstrip("@")


def pseudonym(key: bytes, user_key: str) -> str:
    """16 hexadecimal digits that stand for a user."""
    return keyed(key, user_key).hex()[:16]
