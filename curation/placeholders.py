"""Keyed placeholders: `<PERSON_3f2a9c>`.

One is the type and six hexadecimal digits of HMAC-SHA256(key, conversation, type, text as compared): the same person is
the same placeholder through a conversation, whatever the order of rows, and nobody without the key can test a guess.
People are compared by first name: `Anna` and `Anna Kowalska` are one, which history and later turns agree on. So two
people of one first name in one conversation share a placeholder, and a nickname gets one of its own.
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


def read_key(path: Path) -> bytes:
    """The key of the placeholders; made at first use, readable by its owner alone.

    Raises:
        Problem: Others can read the file, or it does not hold 32 bytes.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        # Written whole before it has its name: a kill leaves a key or none, and of two processes one key stays.
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=path.name) as draft:  # mode 0600
            draft.write(os.urandom(KEY_BYTES))
            draft.flush()
            os.fsync(draft.fileno())
            with contextlib.suppress(FileExistsError):
                os.link(draft.name, path)
    if path.stat().st_mode & 0o077:
        raise Problem(
            f"{path}: others can read this key; run chmod 600 on it, or give another curation.scrub.key_file."
        )
    key = path.read_bytes()
    if len(key) != KEY_BYTES:
        raise Problem(f"{path}: expected a key of {KEY_BYTES} random bytes, found {len(key)}; give another key_file.")
    return key


def placeholder(key: bytes, conversation_id: str, kind: str, text: str) -> str:
    """`<TYPE_xxxxxx>` for a piece of personal data, the same for the same data in one conversation."""
    message = "\x1f".join([conversation_id, kind, _compared(kind, text)])
    return f"<{kind}_{hmac.new(key, message.encode('utf-8', 'surrogatepass'), hashlib.sha256).hexdigest()[:6]}>"


def _compared(kind: str, text: str) -> str:
    """What two mentions of the same data have in common."""
    plain = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    if kind == PERSON:
        return plain.split(" ")[0].strip(".,'’-")
    if kind in ("PHONE_NUMBER", "CREDIT_CARD", "SSN"):
        return "".join(c for c in plain if c.isdigit())
    if kind == "EMAIL_ADDRESS":
        spelt = re.sub(r"\s*(?:[(\[{<]at[)\]}>]|\bat\b)\s*", "@", plain)
        return re.sub(r"\s*(?:[(\[{<]dot[)\]}>]|\bdot\b|\.)\s*", ".", spelt)
    return plain.lstrip("@")


def pseudonym(key: bytes, user_key: str) -> str:
    """16 hexadecimal digits that stand for a user."""
    return hmac.new(key, user_key.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()[:16]
