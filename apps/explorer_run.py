"""Open a curated run for the explorer: counts, cells and scrubbed examples, never a turn's own text.

`python -m apps.explorer_run RUNS` prints which curated run under a directory was finished last.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

import polars as pl
from pydantic import BaseModel, Field, ValidationError

from schemas.curation_recipe import Curation
from schemas.problems import Problem
from schemas.stage import MANIFEST, read_manifest

CELLS = {"persona_id": pl.String, "locale": pl.String, "first": pl.Boolean, "hard": pl.String}
COUNTS = ("supply", "taken")
SHARES = ("dimension", "value", "label", "came_in", "reached_quotas", "chosen")
EXAMPLES = ("stage", "reason", "turn_id", "persona_id", "locale", "said", "response", "duplicate_of")
MAKE_ONE = "make one with: python -m curation run RECIPE --out DIR"


class StageCounts(BaseModel):
    """Where the rows of one step went."""

    stage: str
    in_: int = Field(alias="in")
    kept: int
    dropped: int
    quarantined: int


class ReasonCount(BaseModel):
    """How many rows a step let go for one reason."""

    stage: str
    reason: str
    count: int


class Report(BaseModel):
    """What the explorer reads of `report.json`; the rest is for other readers."""

    name: str
    seed: int
    stages: list[StageCounts]
    dropped: list[ReasonCount]
    recipe: Curation


class Run(NamedTuple):
    """A finished curation.

    Attributes:
        directory: Where it lies.
        report: Counts by step and reason, and the recipe that the run was made from.
        cells: `persona_id`, `locale`, `first`, `hard`, `supply`, `taken`; a row for each cell.
        shares: `dimension`, `value`, `label`, `came_in`, `reached_quotas`, `chosen`; counts of turns.
        examples: At most 20 turns a reason, scrubbed, or without text where they went before scrubbing.
    """

    directory: Path
    report: Report
    cells: pl.DataFrame
    shares: pl.DataFrame
    examples: pl.DataFrame

    @property
    def chosen(self) -> int:
        """Turns that the run chose."""
        return int(self.cells["taken"].sum())

    def persona_names(self) -> dict[str, str]:
        """Readable names of personas, by id; where the run has one."""
        named = self.shares.filter(pl.col("dimension") == "persona", pl.col("label").is_not_null())
        return dict(named.select("value", "label").iter_rows())


def open_run(directory: Path) -> Run:
    """Open the directory of a finished run.

    Raises:
        Problem: It is not there, not finished, not a curation, or was written by another version.
    """
    try:
        return _open(directory)
    except PermissionError as error:
        raise Problem(f"{error.filename}: not yours to read; ask its owner, or open a run of your own.") from None


def newest_run(runs: Path) -> Path:
    """The finished curation under `runs` that was finished last.

    Raises:
        Problem: There is none.
    """
    found = []
    for path in runs.glob(f"**/{MANIFEST}") if runs.is_dir() else ():
        try:
            manifest = read_manifest(path.parent)
        except Problem:  # somebody else's file of that name
            continue
        if manifest and manifest.stage == "curate":
            found.append((path.stat().st_mtime_ns, path.parent))
    if not found:
        raise Problem(f"{runs}: no curated run in it. `make demo` makes one from the bundled sample; or {MAKE_ONE}")
    return max(found)[1]


def _open(directory: Path) -> Run:
    if not directory.exists():
        raise Problem(f"{directory}: no such directory; expected that of a curated run. Or {MAKE_ONE}")
    if not directory.is_dir():
        raise Problem(f"{directory}: is a file; expected the directory of a curated run, which holds a {MANIFEST}.")
    manifest = read_manifest(directory)
    if manifest is None:
        if (directory / "work").is_dir():
            raise Problem(f"{directory}: this run is not finished; give the command that began it again, then reload.")
        raise Problem(f"{directory}: no {MANIFEST} in it, so it is not a curated run. Give another, or {MAKE_ONE}")
    if manifest.stage != "curate":
        raise Problem(f"{directory}: made by stage {manifest.stage!r}; expected a curated run, made by stage 'curate'.")
    report = _report(directory / "report.json")
    cells = _table(directory / "cells.parquet", (*CELLS, *COUNTS))
    return Run(
        directory,
        report,
        cells.select(*(pl.col(name).cast(kind) for name, kind in CELLS.items()), pl.col(*COUNTS).cast(pl.Int64)),
        _table(directory / "shares.parquet", SHARES),
        _table(directory / "examples.parquet", EXAMPLES),
    )


def _again() -> str:
    return "the run was made by another version: curate again into a new directory."


def _report(path: Path) -> Report:
    try:
        return Report.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise Problem(f"{path}: no such file; {_again()}") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        raise Problem(f"{path}: {key or 'the file'} is not as expected ({first['type']}); {_again()}") from None


def _table(path: Path, columns: tuple[str, ...]) -> pl.DataFrame:
    try:
        frame = pl.read_parquet(path)
    except FileNotFoundError:
        raise Problem(f"{path}: no such file; {_again()}") from None
    except pl.exceptions.PolarsError:
        raise Problem(f"{path}: not readable as Parquet; {_again()}") from None
    missing = [name for name in columns if name not in frame.columns]
    if missing:
        raise Problem(f"{path}: column {', '.join(missing)} is missing; {_again()}")
    return frame.select(columns)


if __name__ == "__main__":
    try:
        print(newest_run(Path(sys.argv[1] if len(sys.argv) > 1 else "runs")))
    except Problem as problem:
        print(*problem.sentences, sep="\n", file=sys.stderr)
        sys.exit(2)
