"""Invented annotators whose accuracy, side, haste and drift are known, and what they answered."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from annotation.answers import COLUMNS

START = 1_780_000_000_000_000  # microseconds
VALUES = ("a", "b", "tie")


class Person(NamedTuple):
    """An invented annotator.

    Attributes:
        name: In the answers.
        right: Probability of the true value; other values share the rest.
        side: Probability of answering the reply shown first, whatever it says.
        late: `right` in the second half of the work, where it changes.
        seconds: Median.
    """

    name: str
    right: float = 0.8
    side: float = 0.0
    late: float | None = None
    seconds: float = 30.0


class Invented(NamedTuple):
    """Answers and what they should have been.

    Attributes:
        answers: As `pull` writes them.
        truth: `record_id`, `value`.
    """

    answers: pl.DataFrame
    truth: pl.DataFrame


def preferences(
    people: list[Person],
    records: int,
    *,
    votes: int = 3,
    seed: int = 0,
    gold: float = 0.0,
    locales: tuple[str, ...] = ("en-GB",),
    balance: float = 0.5,
) -> Invented:
    """Preferences of a pairwise project.

    Args:
        people: The annotators.
        records: How many.
        votes: Annotators a record, drawn at random.
        seed: Of everything.
        gold: Share of the records whose value is known.
        locales: In turn.
        balance: Probability that the better reply is shown first.
    """
    random = np.random.default_rng(seed)
    who = np.argsort(random.random((records, len(people))), axis=1)[:, :votes].ravel()
    record = np.repeat(np.arange(records), votes)
    true = random.choice(3, records, p=[0.4, 0.4, 0.2])
    first = np.where(random.random(records) < balance, true, 1 - true) % 2
    first = np.where(true == 2, random.integers(0, 2, records), first)[record]
    late = record >= records / 2
    right = np.array([person.right for person in people])
    later = np.array([person.right if person.late is None else person.late for person in people])
    accuracy = np.where(late, later[who], right[who])
    wrong = (true[record] + random.integers(1, 3, len(who))) % 3
    said = np.where(random.random(len(who)) < accuracy, true[record], wrong)
    sided = random.random(len(who)) < np.array([person.side for person in people])[who]
    said = np.where(sided, first, said)
    seconds = np.array([person.seconds for person in people])[who] * random.lognormal(0, 0.4, len(who))
    known = random.random(records) < gold
    ids = pl.Series([f"{number:032x}" for number in range(records)])
    values = pl.Series(VALUES)
    answers = pl.DataFrame(
        {
            "record_id": ids.gather(record),
            "turn_id": ids.gather(record),
            "locale": pl.Series(locales).gather(record % len(locales)),
            "value": values.gather(said),
            "annotator": pl.Series([person.name for person in people]).gather(who),
            "seconds": seconds,
            "timestamp": pl.Series(START + record * 60_000_000 + who).cast(pl.Datetime("us", "UTC")),
            "gold": [VALUES[true[one]] if known[one] else None for one in record],
            "first_shown": values.gather(first),
        },
        schema_overrides={"gold": pl.String},
    ).with_columns(project=pl.lit("pairwise"), question=pl.lit("preference"), persona_id=pl.lit("mira"))
    return Invented(answers, pl.DataFrame({"record_id": ids, "value": values.gather(true)}))


def everything(directory: Path, people: list[Person], records: int, seed: int = 0) -> None:
    """A pulled directory with all projects."""
    random = np.random.default_rng(seed)
    made = preferences(people, records, seed=seed, gold=0.05, locales=("en-GB", "de-DE", "pt-BR"))
    base = made.answers
    n = base.height

    def others(name: str, values: list[str | None], **more: object) -> pl.DataFrame:
        blank = {"gold": pl.lit(None, dtype=pl.String), "first_shown": pl.lit(None, dtype=pl.String)}
        return base.with_columns(
            question=pl.lit(name), value=pl.Series(values, dtype=pl.String), **(blank | more)
        ).filter(pl.col("value").is_not_null())

    shared = random.random(records)[np.repeat(np.arange(records), 3)]
    strengths = np.where(base["value"] == "tie", 0, np.clip(np.round(3 * shared + random.normal(0, 0.6, n)), 1, 3))
    labels = ["in character", "livelier", "more natural"]
    ticked = [sorted(random.choice(labels, int(random.integers(0, 3)), replace=False)) for _ in range(n)]
    parts = [
        base,
        others("strength", [str(int(strength)) for strength in strengths]),
        others("reasons", [json.dumps(those) for those in ticked]),
        others("comment", [None if chance > 0.1 else "SECRET of a user" for chance in random.random(n)]),
    ]
    yes = np.where(shared + random.normal(0, 0.1, n) < 0.7, "yes", "no").tolist()
    parts.append(others("in_character", yes, project=pl.lit("violation")))
    graded = np.clip(np.round(3 * shared + random.normal(0, 0.3, n)), 0, 3)
    parts.append(others("severity", [str(int(grade)) for grade in graded], project=pl.lit("violation")))
    wanted = np.array(["asked for", "helpful", "unwanted"])[np.clip((3 * shared).astype(int), 0, 2)]
    parts.append(others("wanted", wanted.tolist(), project=pl.lit("image")))
    decided = np.array(["keep", "remove", "unsure"])[(3 * random.random(n)).astype(int)]
    parts.append(others("decision", decided.tolist(), project=pl.lit("grey")))
    parts.append(others("harms", np.where(decided == "remove", '["abuse"]', "[]").tolist(), project=pl.lit("grey")))
    order = ["project", "record_id", "turn_id", "persona_id", "locale", "question", "value", "annotator"]
    answers = pl.concat(parts, how="diagonal").select(*order, *COLUMNS[-4:])
    directory.mkdir(parents=True, exist_ok=True)
    answers.write_parquet(directory / "answers.parquet")
    base.select(
        "turn_id",
        "annotator",
        task_id="record_id",
        policy_a=pl.when(pl.col("record_id").str.slice(-1) < "8").then(pl.lit("parent")).otherwise(pl.lit("best")),
        policy_b=pl.when(pl.col("record_id").str.slice(-1) < "8").then(pl.lit("best")).otherwise(pl.lit("parent")),
        preference="value",
        response_a=pl.lit("SECRET " * 30),
        response_b=pl.lit("SECRET " * 20),
    ).write_parquet(directory / "comparisons.parquet")
