"""Rows of finished stages as projects want them: a plan of all that is to be pushed, and the rows a batch at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import polars as pl

from annotation.projects.project import Source
from schemas.problems import Problem
from schemas.stage import read_manifest
from schemas.turns import hash_fraction

STEP = 2_000  # rows in memory at once
PLAN = ("record_id", "turn_id", "locale", "policy")
TURN = ("turn_id", "persona_id", "locale", "messages", "response")
KNOWN = {"cluster_id": pl.Int32, "difficulty": pl.Float64, "turn_index": pl.Int32, "model_version": pl.String}


def finished(directory: Path, wanted: str, what: str) -> list[Path]:
    """Files of a finished stage.

    Args:
        directory: The stage.
        wanted: Pattern of the files.
        what: What they are, and which stage makes them, for people.

    Raises:
        Problem: There is no such stage, it is not finished, or has no such files.
    """
    if not directory.is_dir():
        raise Problem(f"{directory}: no such directory; expected {what}.")
    files = sorted(directory.glob(wanted))
    if read_manifest(directory) is None:
        raise Problem(f"{directory}: no manifest.json, so not a finished stage; expected {what}.")
    if not files:
        raise Problem(f"{directory}: holds no {wanted}; expected {what}.")
    return files


def scan(files: Sequence[Path], columns: Sequence[str]) -> pl.LazyFrame:
    """Read columns of Parquet files.

    Raises:
        Problem: A file cannot be read, or lacks a column.
    """
    for file in files:
        try:
            there = pl.read_parquet_schema(file)
        except (pl.exceptions.PolarsError, OSError):
            raise Problem(f"{file}: not a Parquet file that can be read; make the stage again.") from None
        if lacking := [column for column in columns if column not in there]:
            raise Problem(f"{file}: lacks the column {lacking[0]!r}; make the stage again.")
    return pl.scan_parquet(list(files)).select(columns)


def turns(directory: Path, extra: Sequence[str] = ()) -> pl.LazyFrame:
    """Turns of a finished curated run, with the columns every project wants."""
    files = finished(directory, "turns/*.parquet", "a finished run of `python -m curation run`")
    return of_turns(scan(files, [*TURN, *KNOWN, *extra]), extra)


def of_turns(turns: pl.LazyFrame, extra: Sequence[str] = ()) -> pl.LazyFrame:
    """Turns as rows of a project.

    Args:
        turns: The columns `TURN` and `extra`; those of `KNOWN` may lack.
        extra: Columns to take along.
    """
    there = turns.collect_schema().names()
    known = {name: pl.col(name) if name in there else pl.lit(None, dtype=kind) for name, kind in KNOWN.items()}
    return turns.select(
        *TURN, *extra,
        record_id="turn_id",
        policy=known["model_version"].fill_null("unknown"),
        first_turn=known["turn_index"] == 0,
        cluster_id=known["cluster_id"],
        difficulty=known["difficulty"],
    )  # fmt: skip


def source(rows: pl.LazyFrame, left_out: dict[str, int], also: Sequence[str] = ()) -> Source:
    """A source over lazy rows.

    Args:
        rows: What a project wants.
        left_out: Rows that are not among them, by reason.
        also: Columns the plan holds beyond `PLAN`.

    Raises:
        Problem: An id is there twice.
    """
    plan = rows.select(*PLAN, *also).collect()
    if plan["record_id"].n_unique() != plan.height:
        raise Problem("The stage holds rows with the same id; make it again.")
    return Source(plan, _in_steps(rows, plan.height), left_out)


def limited(source: Source, most: int) -> Source:
    """So many rows at most, drawn by hash of their ids: more of them later hold the same ones and others."""
    lot = hash_fraction(0, "records to annotate", source.plan["record_id"])
    drawn = source.plan.with_columns(lot=lot).sort("lot", "record_id").head(most).drop("lot")
    return source._replace(plan=drawn)


def _in_steps(rows: pl.LazyFrame, height: int) -> Callable[[], Iterator[pl.DataFrame]]:
    def batches() -> Iterator[pl.DataFrame]:
        for start in range(0, height, STEP):
            yield rows.slice(start, STEP).collect()

    return batches
