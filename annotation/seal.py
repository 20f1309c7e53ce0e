"""What a record was made from, sealed: who wrote which reply travels with the record, and no annotator can read it.

Argilla hides metadata in searches only: whoever may open a record may also ask the server for it whole. So what tells
the replies apart is encrypted (Fernet: AES-128 in CBC mode with HMAC-SHA256, from the `cryptography` package), with a
key that stays in the home, readable by its owner alone. Losing the key loses which reply was whose.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from schemas.problems import Problem

if TYPE_CHECKING:
    from cryptography.fernet import Fernet


class Seal:
    """Seals and opens with the key of a home, which is made when something is sealed first."""

    def __init__(self, home: Path) -> None:
        """
        Args:
            home: Home of the embedded server and of what push and pull remember.
        """
        self._file = home / "projects" / "seal.key"
        self._cipher: Fernet | None = None

    def close(self, known: dict[str, Any]) -> str:
        """Seal.

        Raises:
            Problem: The key's file holds none.
        """
        if self._cipher is None and not self._file.exists():
            self._make()
        written = json.dumps(known, ensure_ascii=True, sort_keys=True)
        return self._with_key().encrypt(written.encode()).decode("ascii")

    def open(self, sealed: str) -> dict[str, Any]:
        """What was sealed.

        Raises:
            Problem: The key is not there, or it was sealed with another.
        """
        from cryptography.fernet import InvalidToken

        if self._cipher is None and not self._file.exists():
            raise Problem(
                f"{self._file}: no such file; it is needed to tell which reply is whose. Pull where the records were "
                "pushed, or copy the key from there."
            )
        try:
            return dict(json.loads(self._with_key().decrypt(sealed.encode("ascii", "replace"))))
        except InvalidToken:
            raise Problem(
                f"{self._file}: does not open records that are on the server: they were pushed with another key, or "
                "were changed. Copy the key from where they were pushed."
            ) from None

    def _make(self) -> None:
        """Make a key: whole or not at all, and once, whoever else is about to."""
        from cryptography.fernet import Fernet

        self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = self._file.with_name(f".seal.{os.getpid()}")
        draft.unlink(missing_ok=True)
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(Fernet.generate_key())
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, self._file)
        except FileExistsError:
            pass
        finally:
            draft.unlink()

    def _with_key(self) -> Fernet:
        from cryptography.fernet import Fernet

        if self._cipher is None:
            try:
                self._cipher = Fernet(self._file.read_bytes().strip())
            except ValueError:
                raise Problem(f"{self._file}: holds no key; put it back from a backup.") from None
            except OSError as error:
                raise Problem(f"{self._file}: {error.strerror}; expected the key that push made.") from None
        return self._cipher
