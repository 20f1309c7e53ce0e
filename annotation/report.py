"""How far to trust what annotators said: everything that can be told from a pulled directory, measured once.

Agreement by project, question and locale; each annotator; what is held to be true of each record and how surely; how
policies fare; which records deserve another vote. `annotation.report_page` makes a page of it, the command
`python -m annotation report` prints it. There is no message text in it: replies are read for their lengths alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from annotation.alpha import Level, alpha
from annotation.annotators import annotators, drift, held_against
from annotation.answers import by_question, pulls, questions, read_votes
from annotation.consensus import Consensus, dawid_skene
from annotation.more_votes import deserving, told
from annotation.projects import find
from annotation.strengths import strengths
from schemas.judgements import PROJECTS
from schemas.problems import Problem

RELIABLE, TENTATIVE = 0.8, 0.667  # Krippendorff's own bounds
SURE, DOUBTFUL = 0.95, 0.75  # of the likeliest value
EVERYWHERE = "all"
COMPARISONS = "comparisons.parquet"


class Report(NamedTuple):
    """What was measured.

    Attributes:
        overview: `project`, `records`, `annotators`, `answers`, `gold` (gold records), `simulated` (whether any
            annotator is one of a rehearsal).
        agreement: `project`, `question`, `locale` (`all` for all together), `alpha`, `low`, `high`, `records`,
            `answers`, `reading` (a word on it); gold records are left out, since they were chosen to be clear.
        annotators: As `annotation.annotators.annotators` has it.
        drift: As `annotation.annotators.drift` has it.
        consensus: `project`, `question`, `record_id`, `votes`, `value` (the likeliest), `probability` (of it),
            `entropy` (bits), `values` and `posterior` (the probability of each).
        settled: `project`, `question`, `records`, `votes` (mean), `sure`, `doubtful` (records), `entropy` (mean, bits).
        policies: As `annotation.strengths.Strengths.policies` has it; empty without two policies to compare.
        first: Log-odds of the reply shown first, with interval; None where not known.
        more: `project` and what `annotation.more_votes.deserving` tells.
        repeated, texts: As in `annotation.answers.Votes`.
    """

    overview: pl.DataFrame
    agreement: pl.DataFrame
    annotators: pl.DataFrame
    drift: pl.DataFrame
    consensus: pl.DataFrame
    settled: pl.DataFrame
    policies: pl.DataFrame
    first: tuple[float, float, float] | None
    more: pl.DataFrame
    repeated: int
    texts: int

    def as_json(self) -> dict[str, Any]:
        """All but the records' own posteriors, as plain values; figures that are not known are None."""
        frames = ("overview", "agreement", "annotators", "drift", "settled", "policies", "more")
        rest = {"first": self.first, "repeated": self.repeated, "texts": self.texts}
        return {name: getattr(self, name).to_dicts() for name in frames} | rest


def measure(pulled: Path, *, more: int = 20) -> Report:
    """Measure what was pulled.

    Args:
        pulled: What `python -m annotation pull` wrote, or a directory of such.
        more: How many records to name for each project that deserve another vote.

    Raises:
        Problem: The answers are not there or not as expected, or there is none yet.
    """
    parts = pulls(pulled)
    read = read_votes(parts)
    votes = read.votes
    if votes.is_empty():
        raise Problem(f"{pulled}: holds no answers that can be compared yet; pull again when there are some.")
    held = held_against(votes)
    found = {
        (project, question): dawid_skene(group)
        for project, question, group in by_question(votes)
        if (project, question) in questions()  # a label's yes or no is nobody's answer to act on
    }
    consensus = _consensus(found)
    policies, first = _policies(parts, held)
    return Report(
        overview=_overview(votes),
        agreement=agreement(votes),
        annotators=annotators(held, _lengths(parts)),
        drift=drift(held),
        consensus=consensus,
        settled=_settled(consensus),
        policies=policies,
        first=first,
        more=_more(found, votes, more),
        repeated=read.repeated,
        texts=read.texts,
    )


def agreement(votes: pl.DataFrame) -> pl.DataFrame:
    """Krippendorff's alpha for each project, question and locale; see `Report.agreement`."""
    rows = []
    gold = votes.filter(pl.col("gold").is_not_null()).select("project", "record_id").unique()
    for project, question, group in by_question(votes.join(gold, on=["project", "record_id"], how="anti")):
        level, values = _scale(project, question, group)
        counts = group.group_by("locale", "record_id").agg(
            (pl.col("value") == value).sum().alias(f"value {place}") for place, value in enumerate(values)
        )
        locales = [str(locale) for locale in counts["locale"].unique().sort()]
        for locale in [EVERYWHERE, *locales] if len(locales) > 1 else locales:
            part = counts if locale == EVERYWHERE else counts.filter(locale=locale)
            figures = alpha(part.drop("locale", "record_id").to_numpy(), level)
            reading = _reading(figures.value, figures.low, figures.high)
            rows.append((project, question, locale, *figures, reading))
    names = ("alpha", "low", "high")
    schema = {
        **dict.fromkeys(("project", "question", "locale"), pl.String),
        **dict.fromkeys(names, pl.Float64),
        **dict.fromkeys(("records", "answers"), pl.Int64),
        "reading": pl.String,
    }
    return pl.DataFrame(rows, schema=schema, orient="row")


def _scale(project: str, question: str, votes: pl.DataFrame) -> tuple[Level, list[str]]:
    asked = questions().get((project, question))  # none for a label of its own
    if asked and asked.kind == "ordinal":
        return "ordinal", list(asked.values)
    return "nominal", sorted(votes["value"].unique())


def _reading(value: float | None, low: float | None, high: float | None) -> str:
    if value is None:
        return "cannot be told"
    if low is None or high is None:
        return "too few records"
    if low >= RELIABLE:
        return "reliable"
    if low >= TENTATIVE:
        return "tentative"
    return "not reliable" if high < TENTATIVE else "not sure yet"


def _overview(votes: pl.DataFrame) -> pl.DataFrame:
    return (
        votes.group_by("project")
        .agg(
            records=pl.col("record_id").n_unique(),
            annotators=pl.col("annotator").n_unique(),
            answers=pl.struct("record_id", "annotator").n_unique(),
            gold=pl.col("record_id").filter(pl.col("gold").is_not_null()).n_unique(),
            simulated=pl.col("annotator").str.starts_with("simulated:").any(),
        )
        .sort(pl.col("project").replace_strict({name: place for place, name in enumerate(PROJECTS)}))
    )


def _lengths(pulled: Sequence[Path]) -> pl.DataFrame:
    """Characters of the replies that annotators had to read: `project`, `record_id`, `characters`."""
    found = [pl.DataFrame(schema={"project": pl.String, "record_id": pl.String, "characters": pl.Int64})]
    for project, name, record, replies in (
        ("pairwise", COMPARISONS, "task_id", ["response_a", "response_b"]),
        ("violation", "rewrites.parquet", "turn_id", ["response"]),
    ):
        characters = pl.sum_horizontal(pl.col(replies).str.len_chars().cast(pl.Int64))
        for directory in pulled:
            if (directory / name).is_file():
                rows = pl.scan_parquet(directory / name)
                found.append(rows.select(project=pl.lit(project), record_id=record, characters=characters).collect())
    return pl.concat(found).unique(["project", "record_id"])


def _consensus(found: dict[tuple[str, str], Consensus]) -> pl.DataFrame:
    parts = [
        told(each)
        .with_columns(values=pl.lit(each.values.implode()).first(), posterior=pl.Series(each.posterior).arr.to_list())
        .select(pl.lit(project).alias("project"), pl.lit(question).alias("question"), pl.all())
        for (project, question), each in found.items()
    ]
    return pl.concat(parts)


def _settled(consensus: pl.DataFrame) -> pl.DataFrame:
    return consensus.group_by("project", "question", maintain_order=True).agg(
        records=pl.len(),
        votes=pl.col("votes").mean(),
        sure=(pl.col("probability") >= SURE).sum(),
        doubtful=(pl.col("probability") < DOUBTFUL).sum(),
        entropy=pl.col("entropy").mean(),
    )


def _policies(pulled: Sequence[Path], held: pl.DataFrame) -> tuple[pl.DataFrame, tuple[float, float, float] | None]:
    shown = held.filter(project="pairwise").select("annotator", "first_shown", task_id="record_id", preference="value")
    columns = ["task_id", "turn_id", "annotator", "policy_a", "policy_b", "preference"]
    files = [directory / COMPARISONS for directory in pulled if (directory / COMPARISONS).is_file()]
    same = ["task_id", "annotator", "preference"]  # of two answers in two pulls, the one that counts
    said = [pl.read_parquet(file, columns=columns).join(shown, on=same) for file in files]
    empty = pl.DataFrame(schema={"policy": pl.String})
    if not any(each.height for each in said):
        return empty, None
    found = strengths(pl.concat(said).unique(same))
    return (found.policies if found.policies.height > 1 else empty), found.first


def _more(found: dict[tuple[str, str], Consensus], votes: pl.DataFrame, budget: int) -> pl.DataFrame:
    gold = votes.filter(pl.col("gold").is_not_null())
    parts = [
        deserving(each, gold.filter(project=project)["record_id"].unique(), budget).select(
            pl.lit(project).alias("project"), pl.all()
        )
        for (project, question), each in found.items()
        if find(project).key == question
    ]
    return pl.concat(parts) if parts else pl.DataFrame(schema={"project": pl.String})
