"""A home in one file, and back.

A backup is a ZIP file with the database, the credentials, who reads what, and what push keeps; the search index is left
out, since it is made anew. `manifest.json`, written last, holds the SHA-256 of each member. The database is copied by
SQLite's online backup, so that people may go on answering: the copy is the state of one moment.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sqlite3
import tempfile
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from annotation.server.home import Home, locked
from schemas.problems import Problem

FORMAT = "character-flywheel annotation backup 1"
MANIFEST = "manifest.json"
KEPT = ("credentials", "users.json", "projects")  # beside the database
MEMBERS = ("argilla.db", *KEPT)
# What belongs to the old database goes with it: its search index, its background jobs.
REPLACED = (*MEMBERS, "argilla.db-wal", "argilla.db-shm", "search.db", "search.db-wal", "search.db-shm", "redis")
UNFINISHED = "restore-unfinished"
_CHUNK = 1 << 20


def write_backup(home: Home, path: Path) -> dict[str, Any]:
    """Write a home into a new file that its owner alone may read.

    Args:
        home: May be served meanwhile.
        path: Must not exist.

    Returns:
        The manifest: `format`, `made` (UTC), `counts` (rows by table) and `files` (sha256 and bytes by name).

    Raises:
        Problem: The file exists, there is no room, or the database is damaged.
    """
    if path.exists():
        raise Problem(f"{path}: there is a file of that name; a backup never writes over one, so give another name.")
    if not home.database.is_file():
        raise Problem(f"{home.database}: no such file; there is nothing to back up.")
    try:
        with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as directory:  # mode 0700
            draft = Path(directory) / path.name
            snapshot = Path(directory) / home.database.name
            counts = _copy_database(home.database, snapshot)
            members = {home.database.name: snapshot}
            for kept in KEPT:
                place = home.path / kept
                for file in [place] if place.is_file() else sorted(place.rglob("*")):
                    if file.is_file():
                        members[file.relative_to(home.path).as_posix()] = file
            os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            with zipfile.ZipFile(draft, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
                files = {name: _add(archive, name, file) for name, file in members.items()}
                manifest = {"format": FORMAT, "made": datetime.now(UTC).isoformat(), "counts": counts, "files": files}
                archive.writestr(MANIFEST, json.dumps(manifest, indent=1))
            with draft.open("rb") as written:
                os.fsync(written.fileno())
            os.link(draft, path)  # fails where a file of that name has come up meanwhile
    except OSError as error:
        raise Problem(f"{path}: {error.strerror}; no backup was written.") from None
    return manifest


def put_back(home_path: Path, path: Path) -> Path | None:
    """Make a backup the home's contents. What was there is kept aside.

    Args:
        home_path: The home; no server may run on it.
        path: From `write_backup`.

    Returns:
        Where the contents it had are now; None where it had none.

    Raises:
        Problem: The file is not a whole backup, or a server runs. Nothing is changed then.
    """
    try:
        home_path.mkdir(mode=0o700, parents=True, exist_ok=True)
        home = Home(home_path)
        with locked(home), tempfile.TemporaryDirectory(prefix=".restore-", dir=home_path) as directory:
            draft = Path(directory)
            _extract(path, draft)
            there = [name for name in REPLACED if (home_path / name).exists()]
            aside = home_path / f"before-restore-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}"
            # A home that lost its database half-way must not look like a new one.
            (home_path / UNFINISHED).write_text(f"{path}\n", encoding="utf-8")
            if there:
                aside.mkdir(mode=0o700)
            for name in there:
                (home_path / name).rename(aside / name)
            for part in sorted(draft.iterdir()):
                part.rename(home_path / part.name)
            (home_path / UNFINISHED).unlink()
    except OSError as error:
        raise Problem(f"{error.filename or home_path}: {error.strerror}; run the same command again.") from None
    return aside if there else None


def check_finished(home: Home) -> None:
    """Refuse a home on which a restore was cut off.

    Raises:
        Problem: It was; what to do.
    """
    mark = home.path / UNFINISHED
    if mark.exists():
        source = mark.read_text(encoding="utf-8").strip()
        raise Problem(
            f"{home.path}: a restore was cut off here; run `python -m annotation restore {source}` again. What was "
            f"there before is in the newest {home.path}/before-restore-*."
        )


def _copy_database(source: Path, target: Path) -> dict[str, int]:
    """Copy by SQLite's online backup, check the copy, and count what people would miss."""
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        with (
            contextlib.closing(sqlite3.connect(f"{source.as_uri()}?mode=ro", uri=True, timeout=30)) as live,
            contextlib.closing(sqlite3.connect(target)) as copy,
        ):
            live.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")
            if copy.execute("PRAGMA quick_check").fetchone() != ("ok",):
                raise Problem(f"{source}: damaged; no backup was written. Put an earlier one back with `restore`.")
            tables = ("users", "datasets", "records", "responses")
            return {table: copy.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables}
    except sqlite3.Error as error:
        raise Problem(f"{source}: {error}; no backup was written.") from None


def _add(archive: zipfile.ZipFile, name: str, file: Path) -> dict[str, Any]:
    digest, size = hashlib.sha256(), 0
    with file.open("rb") as source, archive.open(name, "w", force_zip64=True) as target:
        while block := source.read(_CHUNK):
            digest.update(block)
            size += len(block)
            target.write(block)
    return {"sha256": digest.hexdigest(), "bytes": size}


def _extract(path: Path, to: Path) -> None:
    """Unpack a backup and compare every byte with its manifest."""
    broken = Problem(f"{path}: not a whole backup of an annotation server; nothing was changed.")
    try:
        with zipfile.ZipFile(path) as archive:
            manifest = json.loads(archive.read(MANIFEST))
            if manifest.get("format") != FORMAT or set(archive.namelist()) != {*manifest["files"], MANIFEST}:
                raise broken
            for name, known in manifest["files"].items():
                parts = PurePosixPath(name).parts
                if parts[0] not in MEMBERS or ".." in parts:
                    raise broken
                target = to.joinpath(*parts)
                target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                if _unpacked(archive, name, target) != known["sha256"]:
                    raise Problem(f"{path}: {name} is not what was backed up (SHA-256 differs); nothing was changed.")
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError, AttributeError, EOFError):
        raise broken from None


def _unpacked(archive: zipfile.ZipFile, name: str, target: Path) -> str:
    digest = hashlib.sha256()
    with archive.open(name) as source, open(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        for block in iter(lambda: source.read(_CHUNK), b""):
            digest.update(block)
            out.write(block)
        out.flush()
        os.fsync(out.fileno())
    return digest.hexdigest()


def size_on_disk(directory: Path) -> int:
    """Bytes of all files below a directory."""

    def sizes(place: str) -> Iterator[int]:
        for entry in os.scandir(place):
            with contextlib.suppress(FileNotFoundError):  # the server's files come and go
                if entry.is_dir(follow_symlinks=False):
                    yield from sizes(entry.path)
                else:
                    yield entry.stat(follow_symlinks=False).st_size

    return sum(sizes(str(directory)))
