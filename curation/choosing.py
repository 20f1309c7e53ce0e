"""The steps that see all turns at once: clusters, duplicates, quotas. Ids, a few columns and
last messages with their replies are in memory; vectors lie on disk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import polars as pl

from curation import clusters, duplicates, select, titles
from curation.outcomes import Outcomes
from curation.quotas import Plan
from schemas.curation_recipe import Curation
from schemas.problems import Problem
from schemas.stage import Advance

KINDS = {"exact": "exact duplicate", "embedding": "near-duplicate", "minhash": "near-duplicate of a long text"}
STEPS = ("cluster", "near-duplicates", "quotas")


class Chosen(NamedTuple):
    """What stays in the end.

    Attributes:
        rows: A row for each turn that came this far, in order of `turn_id`: `turn_id`, `bucket`, `row_key`,
            `persona_id`, `cluster_id`, `difficulty`, `hard`, `duplicate_of`, `stage` and `reason` (null where it is
            chosen).
        plan: What the quotas came to.
        titles: Title of each cluster.
        counts: `in`, `kept` and `dropped` by step.
    """

    rows: pl.DataFrame
    plan: Plan
    titles: dict[int, str]
    counts: dict[str, Counter[str]]


def choose(judged: Outcomes, settings: Curation, seed: int, advance: Advance) -> Chosen:
    """Cluster, drop what says the same thing, and fill the quotas.

    Args:
        judged: What the row-level steps let through.
        settings: The recipe's section.
        seed: The recipe's seed.
        advance: Told which step it is.
    """
    turns, count = judged.rows, judged.rows.height
    advance(count, count, "clusters")
    centres = clusters.fit(judged.both, settings.clusters.count, seed)
    turns = turns.with_columns(cluster_id=pl.Series(clusters.assign(judged.both, centres), dtype=pl.Int32))
    turns = turns.join(_difficulty(settings), on="turn_id", how="left", maintain_order="left")
    advance(count, count, "duplicates")
    alike = duplicates.find(turns, judged.user, judged.reply, settings.near_duplicates, seed)
    named = titles.titles(_texts(turns))
    left = turns.drop("user", "reply").join(alike, on="turn_id", how="anti", maintain_order="left")
    advance(count, count, "quotas")
    choice = select.choose(left, settings.quotas, seed)
    chosen = pl.DataFrame({"turn_id": choice.chosen, "hard": choice.hard})
    bands = pl.concat([chosen, choice.dropped.select("turn_id", "hard")])
    gone = pl.concat(
        [
            alike.select("turn_id", stage=pl.lit("near-duplicates"), reason=pl.col("kind").replace_strict(KINDS)),
            choice.dropped.select("turn_id", stage=pl.lit("quotas"), reason="reason"),
        ]
    )
    rows = (
        turns.select("turn_id", "bucket", "row_key", "persona_id", "cluster_id", "difficulty")
        .join(alike.select("turn_id", "duplicate_of"), on="turn_id", how="left", maintain_order="left")
        .join(gone, on="turn_id", how="left", maintain_order="left")
        .join(bands, on="turn_id", how="left", maintain_order="left")
    )
    counts = {
        "cluster": Counter({"in": count, "kept": count}),
        "near-duplicates": Counter({"in": count, "kept": left.height, "dropped": alike.height}),
        "quotas": Counter({"in": left.height, "kept": len(choice.chosen), "dropped": choice.dropped.height}),
    }
    return Chosen(rows, choice.plan, named, counts)


def _difficulty(settings: Curation) -> pl.DataFrame:
    """`turn_id` and `difficulty` of the turns for which the recipe's file tells it."""
    schema = {"turn_id": pl.String, "difficulty": pl.Float64}
    if settings.difficulty is None:
        return pl.DataFrame(schema=schema)
    path = Path(settings.difficulty)
    try:
        found = pl.read_parquet(path, columns=list(schema)).cast(schema)  # type: ignore[arg-type]
    except (pl.exceptions.PolarsError, OSError) as error:
        raise Problem(
            f"curation.difficulty: {path}: expected Parquet with turn_id (text) and difficulty (a number); it is none "
            f"({type(error).__name__})."
        ) from None
    if found["turn_id"].is_duplicated().any() or (found["difficulty"] < 0).any():
        raise Problem(f"curation.difficulty: {path}: expected each turn once, and no difficulty below 0.")
    return found.with_columns(pl.col("difficulty").fill_nan(None))


def _texts(turns: pl.DataFrame) -> Iterator[tuple[pl.Series, pl.Series, pl.Series]]:
    """What was said in each turn, a bucket at a time, so that a conversation is whole in one batch."""
    for bucket in turns["bucket"].unique(maintain_order=True):
        part = turns.filter(pl.col("bucket") == bucket)
        said = part.select(pl.concat_str("user", "reply", separator="\n")).to_series()
        yield part["cluster_id"], part["conversation_id"], said
