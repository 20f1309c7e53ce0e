"""What people answered, made ready to be measured: `answers.parquet` to votes.

A vote is one annotator's value for one question about one record. A question that takes several labels becomes as many
yes-or-no questions, one a label: who ticked two of five reasons said yes twice and no three times. Agreement on it is
told by label then, and shows which of them the guidelines leave unclear; a distance between sets (MASI, Jaccard) would
give one number that does not. Free text is not measured.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from annotation.projects import find
from schemas.judgements import PROJECTS, Answer
from schemas.problems import Problem

ANSWERS = "answers.parquet"
COLUMNS = [
    "project", "record_id", "locale", "question", "value", "annotator", "seconds", "timestamp", "gold", "first_shown",
]  # fmt: skip

YES, NO = "yes", "no"
BETWEEN = ": "  # stands between a question and its label
TRAIT = "a trait"  # characters have traits of their own: as labels they are one


class Question(NamedTuple):
    """How the values of a question are to be compared.

    Attributes:
        kind: `nominal`: equal or not. `ordinal`: in an order. `labels`: several at once. `text`: not at all.
        values: Of an ordinal question, from one end to the other; of one that takes labels, those.
    """

    kind: Literal["nominal", "ordinal", "labels", "text"]
    values: tuple[str, ...] = ()


@cache
def questions() -> dict[tuple[str, str], Question]:
    """The questions of all projects, by project and name."""
    return {
        (project, asked["name"]): _question(asked["settings"])
        for project in PROJECTS
        for asked in find(project).questions
    }


def _question(settings: Mapping[str, Any]) -> Question:
    values = [option["value"] for option in settings.get("options", [])]
    if settings["type"] == "ranking":
        return Question("ordinal", ("a", "tie", "b"))  # a tie lies between the two
    if settings["type"] == "multi_label_selection":
        return Question("labels", tuple(value for value in values if not re.fullmatch(r"trait \d+", value)))
    if settings["type"] == "label_selection":
        graded = all(value.isdecimal() for value in values)
        return Question("ordinal", ("0", *sorted(values))) if graded else Question("nominal")
    return Question("text")


def key_question() -> pl.Expr:
    """Whether a vote is about the question that its project is there for."""
    keys = {project: find(project).key for project in PROJECTS}
    return pl.col("question") == pl.col("project").replace_strict(keys, default=None)


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


def pulls(directory: Path) -> list[Path]:
    """What was pulled: the directory itself, or those in it.

    Raises:
        Problem: Nothing was.
    """
    found = [directory] if (directory / ANSWERS).is_file() else sorted(p.parent for p in directory.glob(f"*/{ANSWERS}"))
    if not found:
        raise Problem(
            f"{directory}: holds no {ANSWERS}; expected what `python -m annotation pull` wrote, or a directory of such."
        )
    return found


def read_votes(pulled: Sequence[Path]) -> Votes:
    """Votes of what was pulled.

    Args:
        pulled: Directories, as `pulls` finds them.

    Raises:
        Problem: Answers are not as `pull` writes them.
    """
    schema = Answer.create_empty().schema
    for directory in pulled:
        try:
            found = pl.read_parquet_schema(directory / ANSWERS)
        except (pl.exceptions.PolarsError, OSError):
            raise Problem(f"{directory / ANSWERS}: cannot be read; pull once more.") from None
        for name in COLUMNS:
            if found.get(name) != schema[name]:
                there = found.get(name, "missing")
                raise Problem(
                    f"{directory / ANSWERS}: column {name} is {there}, expected {schema[name]}; pull once more."
                )
    return as_votes(pl.concat([pl.read_parquet(each / ANSWERS, columns=COLUMNS) for each in pulled]))


def as_votes(answers: pl.DataFrame) -> Votes:
    """Votes of answers.

    Args:
        answers: `schemas.judgements.Answer`, of which `COLUMNS` are enough.

    Raises:
        Problem: A project or question is not known, or a value is not one of its question's.
    """
    kinds = pl.DataFrame(
        [(*name, question.kind) for name, question in questions().items()],
        schema={"project": pl.String, "question": pl.String, "kind": pl.String},
        orient="row",
    )
    answers = answers.join(kinds, on=["project", "question"], how="left")
    unknown = answers.filter(pl.col("kind").is_null()).select("project", "question").unique().sort("*")
    for project, name in unknown.rows():
        raise Problem(f"answers: project {project} has no question {name}; pull with the version that pushed.")
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
        known = questions()[str(project), str(name)].values
        if strange := set(group["value"].unique()) - set(known):
            raise Problem(
                f"answers: question {name} of project {project} has {len(strange)} values that are none of "
                f"{', '.join(known)}; pull with the version that pushed."
            )


def _by_label(answers: pl.DataFrame) -> pl.DataFrame:
    """Answers with several labels, as one yes or no for each label that anyone ticked."""
    try:
        lists = answers.with_columns(pl.col("value").str.json_decode(pl.List(pl.String)))
    except pl.exceptions.ComputeError:
        told = "answers: a question that takes labels has a value that is no JSON list"
        raise Problem(f"{told}; pull with the version that pushed.") from None
    parts = [answers.clear()]
    ticked = pl.col("value").list
    for project, name, part in by_question(lists):
        known = questions()[project, name].values
        holds = {label: ticked.contains(label) for label in known}
        holds[TRAIT] = ticked.set_difference(list(known)).list.len() > 0
        for label, held in holds.items():
            value = pl.when(held).then(pl.lit(YES)).otherwise(pl.lit(NO))
            parts.append(part.with_columns(value=value, question=pl.lit(f"{name}{BETWEEN}{label}")))
    return pl.concat([part for part in parts if part.is_empty() or (part["value"] == YES).any()])
