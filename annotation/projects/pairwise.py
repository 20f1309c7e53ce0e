"""Pairwise ranking: two replies to the same conversation, which is better, by how much and why.

Which reply stands first is drawn so that it says nothing of who wrote it: see `sides`.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from annotation.projects import showing
from annotation.projects.project import (
    COMMENT,
    COMMON_METADATA,
    Json,
    Outputs,
    Project,
    Source,
    any_of,
    chat_field,
    one_of,
    options,
    question,
    text_field,
)
from annotation.projects.stages import finished, scan, source
from annotation.projects.values import answers, frame, listed
from schemas.judgements import AnnotationTask, Comparison
from schemas.personas import Persona
from schemas.turns import hash_fraction

FIRST, SECOND = "reply_1", "reply_2"
REASONS = {
    "in character": "It stays in character",
    "takes up what was said": "It takes up what the user said",
    "livelier": "It is livelier",
    "more natural": "It reads more naturally",
    "better language": "Its language is better",
    "right length": "Its length is right",
    "safer": "It is safer",
    "more accurate": "It is more accurate",
}
STRENGTHS = {"1": "Slightly", "2": "Clearly", "3": "By far"}

UNKNOWN_LOCALE = "und"


def load(directory: Path) -> Source:
    """Tasks of a cycle's `sample` stage; what is known of their turns is taken from the stages beside it."""
    files = finished(directory, "tasks.parquet", "the `sample` stage of a cycle")
    tasks = scan(files, AnnotationTask.column_names())
    return source(with_context(tasks, context(directory)), {}, ["swapped"])


def context(directory: Path) -> pl.LazyFrame | None:
    """What is known of the turns of a `sample` stage: from its prompts, and from the cycle's `curate` stage."""
    prompts, curated = directory / "prompts.parquet", directory.parent / "curate" / "turns"
    if curated.is_dir() and (files := sorted(curated.glob("*.parquet"))):
        return scan(files, ["turn_id", "locale", "cluster_id", "difficulty", "turn_index"])
    return scan([prompts], ["turn_id", "locale"]) if prompts.is_file() else None


def with_context(tasks: pl.LazyFrame, turns: pl.LazyFrame | None = None) -> pl.LazyFrame:
    """Tasks as rows of this project.

    Args:
        tasks: `schemas.judgements.AnnotationTask`.
        turns: `turn_id` and what is known of the turns: `locale`, `cluster_id`, `difficulty`, `turn_index`.
    """
    joined = tasks if turns is None else tasks.join(turns, on="turn_id", how="left", maintain_order="left")
    known = joined.collect_schema().names()
    locale = pl.col("locale") if "locale" in known else pl.lit(None, dtype=pl.String)
    first = (pl.col("turn_index") == 0) if "turn_index" in known else pl.lit(None, dtype=pl.Boolean)
    lacking = {"cluster_id": pl.Int32, "difficulty": pl.Float64}
    return joined.select(
        "turn_id", "persona_id", "messages", "response_a", "response_b", "policy_a", "policy_b",
        record_id="task_id",
        swapped=pl.col("policy_a") > pl.col("policy_b"),
        locale=locale.fill_null(UNKNOWN_LOCALE),
        first_turn=first,
        policy=pl.min_horizontal("policy_a", "policy_b") + " / " + pl.max_horizontal("policy_a", "policy_b"),
        **{name: pl.col(name) if name in known else pl.lit(None, dtype=kind) for name, kind in lacking.items()},
    )  # fmt: skip


def sides(plan: pl.DataFrame, there: pl.DataFrame) -> pl.DataFrame:
    """Which reply is shown first, `a` or `b`, balanced for each pair of policies.

    In an order by hash, places alternate: over all records of a pair of policies, over those of one locale and number
    of votes, and over any stretch of that order, the counts differ by one at most. Nothing depends on the order of the
    input. Records that are on the server already keep their sides, and the new ones make up for what those leave
    unbalanced.

    Args:
        plan: `record_id`, `locale`, `policy`, `votes`, `swapped` (whether `a` is by the policy that sorts second).
        there: `record_id`, `first_shown` of records that were pushed before.

    Returns:
        `record_id`, `first_shown`.
    """
    lot = hash_fraction(0, "side shown first", plan["record_id"])
    start = hash_fraction(0, "side of the first", plan["policy"]) < 0.5
    ordered = plan.with_columns(lot=lot, start=start).sort("policy", "locale", "votes", "lot", "record_id")
    place = pl.int_range(pl.len()).over("policy")
    drawn = ordered.with_columns(named_first=(place % 2 == 0) == pl.col("start"))
    known = drawn.join(there, on="record_id", how="left", maintain_order="left")
    was = (pl.col("first_shown") == "a") != pl.col("swapped")
    # After a kill what is there is what is drawn, and drawing goes on as if nothing had been.
    if known.filter(pl.col("first_shown").is_not_null() & (was != pl.col("named_first"))).height:
        lean = (was.cast(pl.Int64) * 2 - 1).sum().over("policy")  # how many more have stood first by name
        new = pl.int_range(pl.len()).over("policy", pl.col("first_shown").is_null())
        behind = pl.when(lean > 0).then(new < lean).otherwise(new < -lean)
        evened = pl.when(behind).then(lean < 0).otherwise(((new - lean.abs()) % 2 == 0) == pl.col("start"))
        known = known.with_columns(named_first=pl.when(was.is_null()).then(evened).otherwise(was))
    side = pl.when(pl.col("named_first") != pl.col("swapped")).then(pl.lit("a")).otherwise(pl.lit("b"))
    return known.select("record_id", first_shown=side)


def show(row: Mapping[str, Any], character: Persona | None) -> Json:
    replies = [row["response_a"], row["response_b"]]
    first, second = replies if row["first_shown"] == "a" else replies[::-1]
    return {**showing.common_fields(row, character), FIRST: first, SECOND: second}


def suggest(row: Mapping[str, Any]) -> dict[str, Json]:
    """The judge's order, where both replies were scored: P(a beats b) by Bradley and Terry."""
    a, b = row.get("score_a"), row.get("score_b")
    if a is None or b is None or not math.isfinite(a - b):
        return {}
    first_is_better = (a > b) == (row["first_shown"] == "a")
    ranks = {FIRST: 1 if a == b or first_is_better else 2, SECOND: 1 if a == b or not first_is_better else 2}
    sure = 1 / (1 + math.exp(-min(abs(a - b), 700.0)))
    # One score an option, in the order of the options.
    scores = [sure if rank == 1 else 1 - sure for rank in ranks.values()]
    value = [{"value": name, "rank": rank} for name, rank in ranks.items()]
    return {"preference": {"value": value, "score": scores, "agent": row["judge"]}}


def answer(values: Mapping[str, Any], origin: Mapping[str, Any]) -> dict[str, str]:
    """Ranks to `a`, `b` or `tie`: by `rank`, whatever order the options are listed in."""
    given = answers(values, PROJECT.questions)
    ranks = {option["value"]: option["rank"] for option in values["preference"]}
    if ranks[FIRST] == ranks[SECOND]:
        given["preference"], given["strength"] = "tie", "0"
        return given
    first_is_better = ranks[FIRST] < ranks[SECOND]
    given["preference"] = "a" if first_is_better == (origin["first_shown"] == "a") else "b"
    given.setdefault("strength", "1")
    return given


def outputs(rows: list[Json]) -> Outputs:
    """Comparisons, each reply under the letter it had in its task."""
    table = []
    for row in rows:
        replies = [row["fields"][FIRST], row["fields"][SECOND]]
        a, b = replies if row["first_shown"] == "a" else replies[::-1]
        given = row["values"]
        table.append(
            {
                "comparison_id": comparison_id(row["record_id"], row["annotator"]),
                "task_id": row["record_id"],
                **{name: row[name] for name in ("turn_id", "persona_id", "messages", "policy_a", "policy_b")},
                "response_a": a,
                "response_b": b,
                "preference": given["preference"],
                "strength": int(given["strength"]),
                "reasons": listed(given["reasons"]),
                "annotator": row["annotator"],
                "seconds": row["seconds"],
                "timestamp": row["timestamp"],
            }
        )
    return Outputs({"comparisons.parquet": frame(table, Comparison).sort("comparison_id")}, {})


def comparison_id(task_id: str, annotator: str) -> str:
    """Content hash of a task and who answered it, the same whichever tool it was answered in."""
    return hashlib.sha256(f"{task_id}\x1f{annotator}".encode()).hexdigest()[:32]


PROJECT = Project(
    name="pairwise",
    votes=3,
    least_votes=1,
    key="preference",
    fields=(
        text_field("persona", "The character, as the model was told"),
        text_field("traits", "Its traits", required=False),
        chat_field("conversation", "The conversation"),
        text_field(FIRST, "Reply 1"),
        text_field(SECOND, "Reply 2"),
    ),
    questions=(
        question(
            "preference",
            "Which reply is better?",
            {"type": "ranking", "options": options({FIRST: "Reply 1", SECOND: "Reply 2"})},
            required=True,
            description="Put both in the same place if neither is better.",
        ),
        question("strength", "By how much?", one_of(STRENGTHS), required=False, description="Leave open for a tie."),
        question("reasons", "What makes it better?", any_of(REASONS), required=False),
        COMMENT,
    ),
    metadata=COMMON_METADATA,
    own=("first_shown", "policy_a", "policy_b"),
    load=load,
    rows=with_context,
    show=show,
    suggest=suggest,
    answer=answer,
    outputs=outputs,
)
