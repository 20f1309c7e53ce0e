"""The home of an embedded server: its credentials, its lock, and where it is when it runs.

    credentials/   password, api_key, auth_secret; users/NAME: passwords of accounts that were made here
    users.json     which locales each annotator reads
    argilla.db     everything that was pushed and answered (SQLite)
    search.db      the search index; made anew from argilla.db whenever it is missing or stale
    redis/         the queue of background jobs
    log/  tmp/     the parts' own logs; copies of the pages while the server runs
    lock           held by the server as long as any part of it lives
    running.json   where it is, while it runs

The directory is its owner's alone (0700, files 0600).
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from schemas.problems import Problem

OWNER = "owner"
LOOK = 0.3  # seconds
SECRETS = ("password", "api_key", "auth_secret")


@dataclass(frozen=True)
class Home:
    """A home directory that exists.

    Attributes:
        path: Absolute.
    """

    path: Path

    @property
    def database(self) -> Path:
        """Argilla's SQLite file."""
        return self.path / "argilla.db"

    @property
    def password_file(self) -> Path:
        """The owner's password."""
        return self.path / "credentials" / "password"

    @property
    def running_file(self) -> Path:
        """Where a running server says where it is."""
        return self.path / "running.json"

    def secret(self, name: str) -> str:
        """One of the credentials.

        Raises:
            Problem: The server has not been started here yet.
        """
        file = self.path / "credentials" / name
        if not file.is_file():
            raise Problem(f"{file}: no such file; `python -m annotation serve` makes it.")
        return file.read_text(encoding="utf-8").strip()

    def locales(self) -> dict[str, dict[str, Any]]:
        """Annotators by user name: `{"locales": ["de-DE"], "id": "..."}`."""
        file = self.path / "users.json"
        if not file.exists():
            return {}
        try:
            return json.loads(file.read_bytes())
        except ValueError:
            raise Problem(f"{file}: not JSON any more; mend it, or delete it and give locales again.") from None

    def keep_locales(self, annotators: dict[str, dict[str, Any]]) -> None:
        """Write down who reads what; see `locales`."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(self.path / "users.json", json.dumps(annotators, indent=1, sort_keys=True) + "\n")

    def keep_password(self, name: str, password: str) -> Path:
        """Keep an account's first password where its owner can read it out; the file."""
        folder = self.path / "credentials" / "users"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(folder / name, password + "\n")
        return folder / name

    def forget_password(self, name: str) -> None:
        """Remove it."""
        (self.path / "credentials" / "users" / name).unlink(missing_ok=True)


def find_home(given: Path | None = None) -> Path:
    """Where the home is, made or not: `given`, `FLYWHEEL_ANNOTATION_HOME`, or a place among the user's data."""
    if given or os.environ.get("FLYWHEEL_ANNOTATION_HOME"):
        return Path(given or os.environ["FLYWHEEL_ANNOTATION_HOME"]).expanduser().absolute()
    data = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return data / "character-flywheel" / "annotation"


def make_home(path: Path) -> Home:
    """Make a home with fresh credentials, or open the one that is there.

    Raises:
        Problem: The directory holds something else, or cannot be written.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not (path / "credentials").is_dir() and set(os.listdir(path)) - {"lock", "users.json", "projects"}:
            raise Problem(f"{path}: not empty, and not a home of an annotation server; give --home another directory.")
        path.chmod(0o700)
        for folder in ("credentials", "credentials/users", "log", "redis", "tmp"):
            (path / folder).mkdir(mode=0o700, exist_ok=True)
        if not _has_secrets(path):
            with locked(Home(path)):  # of two that begin at once, one makes them
                for name in () if _has_secrets(path) else SECRETS:
                    write_private(path / "credentials" / name, secrets.token_urlsafe(24) + "\n")
    except OSError as error:
        raise Problem(
            f"{error.filename or path}: {error.strerror}. Give --home a directory that you may write."
        ) from None
    return Home(path)


def _has_secrets(path: Path) -> bool:
    return all((path / "credentials" / name).exists() for name in SECRETS)


def open_home(path: Path) -> Home:
    """The home that is there.

    Raises:
        Problem: There is none.
    """
    if not (path / "credentials" / "api_key").is_file():
        raise Problem(f"{path}: no annotation server has been started here; run `python -m annotation serve` first.")
    return Home(path)


def write_private(file: Path, text: str) -> None:
    """Write a file that its owner alone may read, whole or not at all."""
    descriptor, draft = tempfile.mkstemp(prefix=f".{file.name}-", dir=file.parent)  # mkstemp makes it 0600
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        os.replace(draft, file)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise


def take_lock(home: Home, wait: float = 5.0) -> int:
    """Make this process, and those that inherit the descriptor, the only server of a home.

    The kernel keeps the lock until the last of them is gone, however it ended: nothing needs cleaning up. Parts of a
    server that was just killed take a moment to go, so one whose first process is gone is waited for; and so is, for
    the blink of an eye, one that only looks whether there is a server (`running`).

    Returns:
        The descriptor.

    Raises:
        Problem: Another one has it.
    """
    descriptor = os.open(home.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    began = time.monotonic()
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            holder = os.pread(descriptor, 20, 0).decode() or "unknown"
            alive = holder.isdigit() and Path(f"/proc/{holder}").exists()
            if time.monotonic() - began > (LOOK if alive else wait):
                os.close(descriptor)
                raise Problem(
                    f"{home.path}: in use by process {holder}; a home serves one at a time. "
                    "`python -m annotation stop` ends that server, --home takes another directory."
                ) from None
            time.sleep(0.05)
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, str(os.getpid()).encode(), 0)
    return descriptor


@contextlib.contextmanager
def locked(home: Home) -> Iterator[None]:
    """Keep servers off a home for as long as something is done to it."""
    descriptor = take_lock(home)
    try:
        yield
    finally:
        os.close(descriptor)


def running(home: Home) -> dict[str, Any] | None:
    """What `running.json` says, or None where no server runs: one that was killed leaves the file, but not the lock."""
    try:
        told = json.loads(home.running_file.read_bytes())
        descriptor = os.open(home.path / "lock", os.O_RDONLY | os.O_CLOEXEC)
    except (OSError, ValueError):
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return told
    finally:
        os.close(descriptor)
    return None
