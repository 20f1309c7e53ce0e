"""Tables given to `push` beside the turns: votes by record, vectors, judges' scores."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from schemas.judgements import ScoredCandidate
from schemas.problems import Problem


def _read(file: Path, columns: list[str], what: str) -> pl.DataFrame:
    """
    Raises:
        Problem: The file is not there, is not Parquet, or lacks a column.
    """
    try:
        table = pl.read_parquet(file)
    except FileNotFoundError:
        raise Problem(f"{file}: no such file; expected {what}.") from None
    except (pl.exceptions.PolarsError, OSError):
        raise Problem(f"{file}: not a Parquet file that can be read; expected {what}.") from None
    if lacking := [column for column in columns if column not in table.columns]:
        raise Problem(f"{file}: lacks the column {lacking[0]!r}; expected {what}.")
    return table


def read_overlap(file: Path, plan: pl.DataFrame) -> pl.DataFrame:
    """The plan with `votes`; null for records the file does not name.

    Raises:
        Problem: The file is not of that form, or names a record twice.
    """
    table = _read(file, ["votes"], "record_id (or turn_id) and votes")
    key = "record_id" if "record_id" in table.columns else "turn_id"
    if key not in table.columns or not table.schema["votes"].is_integer():
        raise Problem(f"{file}: expected record_id (or turn_id) and votes, whole numbers.")
    if table[key].n_unique() != table.height or int(table["votes"].min() or 1) < 1:  # type: ignore[arg-type]
        raise Problem(f"{file}: expected each {key} once, with 1 vote or more.")
    return plan.join(table.select(key, "votes"), on=key, how="left", maintain_order="left")


def read_vectors(file: Path) -> pl.DataFrame:
    """`turn_id`, `vector` (all of one length).

    Raises:
        Problem: The file is not of that form.
    """
    table = _read(file, ["turn_id", "vector"], "turn_id and vector")
    try:
        vectors = table.select("turn_id", pl.col("vector").cast(pl.List(pl.Float64))).unique("turn_id", keep="first")
    except pl.exceptions.PolarsError:
        raise Problem(f"{file}: expected vectors as lists of numbers.") from None
    sizes = vectors["vector"].list.len().unique().to_list()
    whole = vectors.select(pl.col("vector").list.eval(pl.element().is_finite()).list.all().all()).item()
    if len(sizes) != 1 or not sizes[0] or not whole:
        raise Problem(f"{file}: expected vectors of one length, without gaps.")
    return vectors


def read_judged(file: Path) -> pl.DataFrame:
    """Scored candidates.

    Raises:
        Problem: The file is not of that form.
    """
    columns = ScoredCandidate.column_names()
    table = _read(file, columns, "scored candidates, as a judge writes them").select(columns)
    if (judges := table.select("judge", "judge_version").n_unique()) > 1:
        raise Problem(f"{file}: holds scores of {judges} judges or versions, which do not compare; give one's.")
    return table
