"""What push keeps on this machine, beside the server's home: expected answers, and records that were refused.

    projects/PROJECT[-ROUND]/gold.parquet      record_id, expected: never on the server, where annotators could read it
    projects/PROJECT[-ROUND]/refused.jsonl     records the server would not take, exactly as they were sent
    projects/PROJECT[-ROUND]/lock              held by the one push that runs
    projects/seal.key                          opens what annotators may not see of records: see `annotation.seal`

Readable by its owner alone.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl

from annotation.seal import Seal
from schemas.problems import Problem

GOLD = {"record_id": pl.String, "expected": pl.String}


class State:
    """State of one project and round.

    Attributes:
        directory: Where it is kept.
        seal: For what annotators may not see.
    """

    def __init__(self, home: Path, project: str, round_: str | None) -> None:
        self.directory = home / "projects" / (project + (f"-{round_}" if round_ else ""))
        self.seal = Seal(home)

    def gold(self) -> pl.DataFrame:
        """Expected answers: `record_id`, `expected`.

        Raises:
            Problem: The file cannot be read.
        """
        file = self.directory / "gold.parquet"
        if not file.is_file():
            return pl.DataFrame(schema=GOLD)
        try:
            return pl.read_parquet(file).select(list(GOLD)).cast(GOLD)  # type: ignore[arg-type]
        except (pl.exceptions.PolarsError, OSError):
            raise Problem(f"{file}: cannot be read; push with --gold again.") from None

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Wait until no other push of this project and round runs here, and keep others waiting."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self.directory / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def keep_gold(self, expected: pl.DataFrame) -> None:
        """Add expected answers; the newest counts."""
        both = pl.concat([self.gold(), expected.select(list(GOLD))]).unique("record_id", keep="last").sort("record_id")
        draft = self._private("gold.parquet.partial")
        both.write_parquet(draft)
        draft.replace(self.directory / "gold.parquet")

    def keep_refused(self, letters: Iterable[dict[str, Any]], given: Iterable[str]) -> Path | None:
        """Keep records that were refused.

        Args:
            letters: Each with `id`, `reason` and the `record` as it was sent.
            given: Ids of all records of this push: what is kept of them from earlier ones is no longer true.

        Returns:
            The file; None where nothing is refused.
        """
        file = self.directory / "refused.jsonl"
        known = {letter["id"]: letter for letter in self.refused()}
        for name in given:
            known.pop(name, None)
        known |= {letter["id"]: letter for letter in letters}
        lines = [json.dumps(known[name], ensure_ascii=True) + "\n" for name in sorted(known)]
        if not lines:
            file.unlink(missing_ok=True)
            return None
        draft = self._private("refused.jsonl.partial")
        draft.write_text("".join(lines), encoding="utf-8")
        draft.replace(file)
        return file

    def refused(self) -> list[dict[str, Any]]:
        """Records that were refused and not taken since."""
        file = self.directory / "refused.jsonl"
        lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
        return [json.loads(line) for line in lines]

    def _private(self, name: str) -> Path:
        """An empty file that its owner alone may read."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for made in (self.directory, self.directory.parent):
            made.chmod(0o700)
        path = self.directory / name
        path.unlink(missing_ok=True)
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        return path
