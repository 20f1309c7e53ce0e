"""Choose turns: quotas say how many of each cell, difficulty and variety say which.

Nothing here depends on the order of rows: ties go by the hash of the turn.
"""

from __future__ import annotations

from typing import NamedTuple

import polars as pl

from curation.quotas import CELL, Plan, solve
from schemas.recipe import Quotas
from schemas.turns import hash_fraction


class Choice(NamedTuple):
    """What was chosen.

    Attributes:
        chosen: `turn_id` of the chosen turns, sorted.
        dropped: `turn_id` and `reason` of all others, sorted by `turn_id`.
        plan: How many turns of each cell, what each quota costs, what had to be relaxed.
    """

    chosen: pl.Series
    dropped: pl.DataFrame
    plan: Plan


def choose(turns: pl.DataFrame, settings: Quotas, seed: int) -> Choice:
    """Choose the largest set of turns that meets the quotas.

    A turn is hard if it is in the top third of its stratum (persona x locale x first turn or not) by difficulty, among
    those whose difficulty is known; thirds are rounded, and a turn alone in its stratum is not hard. Within a cell the
    clusters take turns, each giving its hardest first; turns of unknown difficulty come last.

    Args:
        turns: `turn_id`, `persona_id`, `locale`, `turn_index`, `difficulty` (null where unknown), `cluster_id`; a row
            for each turn.
        settings: The quotas.
        seed: The recipe's seed.
    """
    stratum = ("persona_id", "locale", "first")
    known = pl.col("difficulty").is_not_null()
    place = pl.int_range(1, pl.len() + 1)
    ranked = (
        turns.select(
            "turn_id",
            "persona_id",
            "locale",
            "cluster_id",
            pl.col("difficulty").fill_nan(None),
            first=pl.col("turn_index") == 0,
            fraction=hash_fraction(seed, "select", turns["turn_id"]),
        )
        .sort("difficulty", "fraction", "turn_id", descending=[True, False, False], nulls_last=True)
        .with_columns(
            hard=pl.when(~known)
            .then(pl.lit("unknown"))
            .when(place.over(stratum) * 3 <= known.sum().over(stratum) + 1)
            .then(pl.lit("hard"))
            .otherwise(pl.lit("other"))
        )
        .with_columns(round=place.over(*CELL, "cluster_id"))
        .sort("round", maintain_order=True)
        .with_columns(place=place.over(CELL))
    )
    plan = solve(ranked.group_by(CELL).agg(supply=pl.len()).sort(CELL), settings)
    judged = ranked.join(plan.cells.select(*CELL, "take", "reason"), on=CELL, how="left").sort("turn_id")
    taken = pl.col("place") <= pl.col("take")
    return Choice(
        judged.filter(taken)["turn_id"],
        judged.filter(~taken).select("turn_id", "reason"),
        plan,
    )
