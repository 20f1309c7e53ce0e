"""The steps that see all turns at once: clusters, duplicates, quotas. Ids, a few columns and vectors are in memory."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import polars as pl

from curation import clusters, near_duplicates, select
from curation.outcomes import Outcomes
from curation.quotas import Plan
from schemas.recipe import Curation
from schemas.stage import Advance

STEPS = ("cluster", "near-duplicates", "quotas")


class Chosen(NamedTuple):
    """What stays in the end.

    Attributes:
        rows: A row for each turn that came this far, in order of `turn_id`: `turn_id`, `bucket`, `row_key`,
            `persona_id`, `cluster_id`, `difficulty`, `duplicate_of`, `stage` and `reason` (null where it is chosen).
        plan: What the quotas came to.
        clusters: How many.
        counts: `in`, `kept` and `dropped` by step.
    """

    rows: pl.DataFrame
    plan: Plan
    clusters: int
    counts: dict[str, Counter[str]]


def choose(judged: Outcomes, settings: Curation, seed: int, advance: Advance) -> Chosen:
    """Cluster, drop what says the same thing, and fill the quotas.

    Args:
        judged: What the row-level steps let through.
        settings: The recipe's section.
        seed: The recipe's seed.
        advance: Told which step it is.
    """
    turns, vectors, count = judged.rows, judged.vectors, judged.rows.height
    advance(count, count, "clusters")
    centres = clusters.fit(vectors, settings.clusters.count, seed)
    turns = turns.with_columns(
        cluster_id=pl.Series(clusters.assign(vectors, centres), dtype=pl.Int32),
        difficulty=pl.lit(None, dtype=pl.Float64),  # measured later, over replies of the current policy
    )
    advance(count, count, "near-duplicates")
    alike = near_duplicates.find(
        turns["turn_id"], vectors, turns["cluster_id"].to_numpy(), settings.near_duplicates.similarity, seed
    )
    left = turns.join(alike, on="turn_id", how="anti", maintain_order="left")
    advance(count, count, "quotas")
    choice = select.choose(left, settings.quotas, seed)
    gone = pl.concat(
        [
            alike.select("turn_id", stage=pl.lit("near-duplicates"), reason=pl.lit("near-duplicate")),
            choice.dropped.select("turn_id", stage=pl.lit("quotas"), reason="reason"),
        ]
    )
    rows = (
        turns.select("turn_id", "bucket", "row_key", "persona_id", "cluster_id", "difficulty")
        .join(alike.select("turn_id", "duplicate_of"), on="turn_id", how="left", maintain_order="left")
        .join(gone, on="turn_id", how="left", maintain_order="left")
    )
    counts = {
        "cluster": Counter({"in": count, "kept": count}),
        "near-duplicates": Counter({"in": count, "kept": left.height, "dropped": alike.height}),
        "quotas": Counter({"in": left.height, "kept": len(choice.chosen), "dropped": choice.dropped.height}),
    }
    return Chosen(rows, choice.plan, len(centres), counts)
