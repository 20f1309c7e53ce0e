"""Gold questions: records with expected answers, mixed in among the others so that nobody can tell them apart.

A file of gold is a Parquet table of what the project takes (`schemas.judgements.AnnotationTask` for `pairwise`, turns
for the others) with a column `expected`: the answer to the project's first question. What is expected never goes to
the server.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import polars as pl

from annotation.projects.pairwise import UNKNOWN_LOCALE
from annotation.projects.project import Project, Source
from schemas.judgements import PREFERENCES
from schemas.problems import Problem

SHOWN = ("locale", "cluster_id", "difficulty", "first_turn")  # beside the messages
FROM = {"first_turn": "turn_index"}


def read_gold(file: Path, project: Project) -> pl.DataFrame:
    """Rows of the project, with `expected`.

    Raises:
        Problem: The file cannot be read, lacks a column, or expects what cannot be answered.
    """
    try:
        table = pl.scan_parquet(file)
        expected = table.select(expected=pl.col("expected").cast(pl.String)).collect()["expected"]
        rows = project.rows(table).collect()
    except FileNotFoundError:
        raise Problem(f"{file}: no such file; expected a Parquet file of gold questions.") from None
    except pl.exceptions.ColumnNotFoundError as error:
        lacking = re.search(r'"(\w+)"', str(error))
        what = f"the column {lacking[1]!r}" if lacking else "a column"
        raise Problem(f"{file}: lacks {what} that gold questions of {project.name} have.") from None
    except (pl.exceptions.PolarsError, OSError):
        raise Problem(f"{file}: cannot be read; expected a Parquet file of gold questions.") from None
    known = answers_to(project)
    for number, value in enumerate(expected, start=1):
        if value not in known:
            raise Problem(
                f"{file}, row {number}: what is expected is none of {', '.join(known)}, the answers to {project.key!r}."
            )
    if rows["record_id"].n_unique() != rows.height:
        raise Problem(f"{file}: holds the same record twice.")
    return rows.with_columns(expected)


def answers_to(project: Project) -> tuple[str, ...]:
    """What may be expected of a project: the answers to its key question."""
    asked = next(item for item in project.questions if item["name"] == project.key)
    if asked["settings"]["type"] == "ranking":
        return PREFERENCES
    return tuple(option["value"] for option in asked["settings"]["options"])


def mixed(source: Source, gold: pl.DataFrame) -> Source:
    """The source with gold among its rows; a row that is in both is there once.

    Raises:
        Problem: Gold lacks what all other records show, so that annotators could tell it apart.
    """
    locale = pl.col("locale").replace(UNKNOWN_LOCALE, None)
    for some in islice(source.batches(), 1):
        lacking, there = gold.with_columns(locale).null_count(), some.with_columns(locale).null_count()
        for shown in SHOWN:
            if lacking[shown].item() and not there[shown].item():
                raise Problem(
                    f"--gold: rows lack `{FROM.get(shown, shown)}`, which the stage's rows have and annotators see; "
                    "they could tell gold questions apart. Give each row one such as the others have."
                )
    plan = pl.concat([source.plan, gold.select(pl.col(set(source.plan.columns) & set(gold.columns)))], how="diagonal")
    plan = plan.unique("record_id", keep="first")
    new = gold.join(source.plan, on="record_id", how="anti").drop("expected")

    def batches() -> Iterator[pl.DataFrame]:
        for batch in source.batches():  # the stage may hold a row that its plan left out
            yield batch.join(new.select("record_id"), on="record_id", how="anti", maintain_order="left")
        if new.height:
            yield new

    return Source(plan.sort("record_id"), batches, source.left_out)
