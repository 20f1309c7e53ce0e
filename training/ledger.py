"""The ledger: every generation's verdict on one line, in SQLite, append-only."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from schemas.problems import Problem
from schemas.release import Release

_SCHEMA = """
CREATE TABLE IF NOT EXISTS releases (
    version TEXT PRIMARY KEY,
    recipe TEXT NOT NULL,
    generation INTEGER NOT NULL,
    parent TEXT NOT NULL,
    model TEXT NOT NULL,
    decision TEXT NOT NULL CHECK (decision IN ('release', 'hold', 'reject')),
    reason TEXT NOT NULL,
    decided_at TEXT NOT NULL,
    record TEXT NOT NULL
);
CREATE TRIGGER IF NOT EXISTS releases_stay BEFORE UPDATE ON releases
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER IF NOT EXISTS releases_remain BEFORE DELETE ON releases
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
"""


@contextmanager
def _open(path: Path) -> Iterator[sqlite3.Connection]:
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, timeout=30)
    try:
        with connection:
            connection.executescript(_SCHEMA)
            yield connection
    except sqlite3.DatabaseError as error:
        raise Problem(f"{path}: the ledger cannot be used ({error}); move it away, or give another run_dir.") from None
    finally:
        connection.close()


def record(path: Path, release: Release) -> None:
    """Write a release, once: the same version again changes nothing."""
    row = (
        release.version,
        release.recipe,
        release.generation,
        release.parent,
        release.model,
        release.decision,
        release.reason,
        release.decided_at.isoformat(),
        release.model_dump_json(),
    )
    with _open(path) as connection:
        connection.execute("INSERT INTO releases VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING", row)


def releases(path: Path, recipe: str) -> list[Release]:
    """All releases of a product line, oldest first."""
    if not path.is_file():
        return []
    with _open(path) as connection:
        rows = connection.execute(
            "SELECT record FROM releases WHERE recipe = ? ORDER BY generation, decided_at", (recipe,)
        ).fetchall()
    return [Release.model_validate_json(text) for (text,) in rows]
