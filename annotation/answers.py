"""What people answered, made ready to be measured: `answers.parquet` to votes.

A vote is one annotator's value for one question about one record. A question that takes several labels becomes as many
yes-or-no questions, one a label: who ticked two of five reasons said yes twice and no three times. Agreement on it is
told by label then, and shows which of them the guidelines leave unclear; a distance between sets (MASI, Jaccard) would
give one number that does not. Free text is not measured.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from schemas.problems import Problem

YES, NO = "yes", "no"
BETWEEN = ": "  # stands between a question and its label


class Question(NamedTuple):
    """How the values of a question are to be compared.

    Attributes:
        kind: `nominal`: equal or not. `ordinal`: in an order. `labels`: several at once. `text`: not at all.
        order: Values of an ordinal question, from one end to the other.
    """

    kind: Literal["nominal", "ordinal", "labels", "text"]
    order: tuple[str, ...] = ()


QUESTIONS: dict[str, dict[str, Question]] = {
    "pairwise": {
        "preference": Question("ordinal", ("a", "tie", "b")),  # a tie lies between the two
        "strength": Question("ordinal", ("0", "1", "2", "3")),
        "reasons": Question("labels"),
        "comment": Question("text"),
    },
    "violation": {
        "in_character": Question("nominal"),
        "violations": Question("labels"),
        "severity": Question("ordinal", ("0", "1", "2", "3")),
        "rewrite": Question("text"),
        "comment": Question("text"),
    },
    "image": {
        "wanted": Question("nominal"),
        "prompt_good": Question("nominal"),
        "comment": Question("text"),
    },
    "grey": {
        "decision": Question("nominal"),
        "comment": Question("text"),
    },
}
KEY = {"pairwise": "preference", "violation": "in_character", "image": "wanted", "grey": "decision"}
COLUMNS = {
    "project": pl.String,
    "record_id": pl.String,
    "locale": pl.String,
    "question": pl.String,
    "value": pl.String,
    "annotator": pl.String,
    "seconds": pl.Float64,
    "timestamp": pl.Datetime("us", "UTC"),
    "gold": pl.String,
    "first_shown": pl.String,
}


class Votes(NamedTuple):
    """Answers that can be compared.

    Attributes:
        votes: `project`, `record_id`, `locale`, `question`, `value`, `annotator`, `seconds`, `timestamp`, `gold`,
            `first_shown`: one an annotator, record and question, sorted by these, so that nothing hangs on row order.
        repeated: Answers left out since the same annotator answered the same question of the same record once more,
            later.
        texts: Answers in free text.
    """

    votes: pl.DataFrame
    repeated: int
    texts: int


def key_question() -> pl.Expr:
    """Whether a vote is about the question that its project is there for."""
    return pl.col("question") == pl.col("project").replace_strict(KEY, default=None)


def read_votes(path: Path) -> Votes:
    """Votes of an `answers.parquet` as `pull` writes it.

    Raises:
        Problem: The file is not there or not of that form.
    """
    if not path.is_file():
        raise Problem(f"{path}: no such file; expected the answers that `python -m annotation pull` writes.")
    found = pl.read_parquet_schema(path)
    for name, dtype in COLUMNS.items():
        if found.get(name) != dtype:
            raise Problem(f"{path}: column {name} is {found.get(name, 'missing')}, expected {dtype}; pull once more.")
    return as_votes(pl.read_parquet(path, columns=list(COLUMNS)))


def as_votes(answers: pl.DataFrame) -> Votes:
    """Votes of answers.

    Args:
        answers: With the columns of `COLUMNS`, one row an answer to a question.

    Raises:
        Problem: A project or question is not known, or a value is not one of its question's.
    """
    kinds = pl.DataFrame(
        [(project, name, kind) for project, those in QUESTIONS.items() for name, (kind, _) in those.items()],
        schema={"project": pl.String, "question": pl.String, "kind": pl.String},
        orient="row",
    )
    answers = answers.join(kinds, on=["project", "question"], how="left")
    for project, name in (
        answers.filter(pl.col("kind").is_null()).select("project", "question").unique().sort("*").rows()
    ):
        raise Problem(
            f"answers: no question {name} is known in project {project}; "
            f"known are {', '.join(QUESTIONS.get(project, QUESTIONS))}."
        )
    texts = answers.filter(kind="text").height
    answers = answers.filter(pl.col("kind") != "text", pl.col("value").is_not_null())
    one = ["project", "question", "record_id", "annotator"]
    given = answers.height
    if answers.select(one).is_duplicated().any():
        answers = answers.sort("timestamp", "value").unique(one, keep="last", maintain_order=True)
    _check_order(answers)
    votes = pl.concat([answers.filter(pl.col("kind") != "labels"), _by_label(answers.filter(kind="labels"))])
    return Votes(
        votes.drop("kind").sort("record_id", "annotator", "project", "question"), given - answers.height, texts
    )


def by_question(votes: pl.DataFrame) -> Iterator[tuple[str, str, pl.DataFrame]]:
    """Project, question and its votes, sorted by both names."""
    parts = votes.partition_by("project", "question", maintain_order=True, as_dict=True)
    for (project, question), part in sorted(parts.items()):
        yield project, question, part


def codes(column: pl.Series, known: pl.Series) -> NDArray[np.int64]:
    """Place of each entry of a text column among distinct values that hold it."""
    return column.cast(pl.Enum(known)).to_physical().to_numpy().astype(np.int64)


def _check_order(answers: pl.DataFrame) -> None:
    for (project, name), group in answers.filter(kind="ordinal").group_by("project", "question"):
        order = QUESTIONS[str(project)][str(name)].order
        if strange := set(group["value"].unique()) - set(order):
            raise Problem(
                f"answers: {len(strange)} values of question {name} in project {project} are not among "
                f"{', '.join(order)}; pull once more."
            )


def _by_label(answers: pl.DataFrame) -> pl.DataFrame:
    """Answers with several labels, as one yes or no for each label that anyone ever ticked in the project."""
    if answers.is_empty():
        return answers
    try:
        lists = answers.with_columns(pl.col("value", "gold").str.json_decode(pl.List(pl.String)))
    except pl.exceptions.ComputeError:
        raise Problem(
            "answers: a question that takes labels has a value that is no JSON list; pull once more."
        ) from None
    each = pl.concat([lists.select("project", "question", label=side) for side in ("value", "gold")])
    labels = each.explode("label").drop_nulls().unique().sort("*")
    ticked = pl.when(pl.col("value").list.contains(pl.col("label"))).then(pl.lit(YES)).otherwise(pl.lit(NO))
    expected = pl.when(pl.col("gold").list.contains(pl.col("label"))).then(pl.lit(YES)).otherwise(pl.lit(NO))
    return (
        lists.join(labels, on=["project", "question"])
        .with_columns(
            value=ticked,
            gold=pl.when(pl.col("gold").is_not_null()).then(expected),
            question=pl.col("question") + BETWEEN + pl.col("label"),
        )
        .select(answers.columns)
    )
