"""What annotators agree on: comparisons to preferences, and how far they agree at all."""

from __future__ import annotations

from typing import NamedTuple

import polars as pl

from schemas.judgements import Preference


class Agreed(NamedTuple):
    """Preferences, and what fell away.

    Attributes:
        preferences: `schemas.judgements.Preference`, one a task.
        dropped: `task_id`, `turn_id`, `reason`.
        pairwise_agreement: Share of pairs of annotators on one task that said the same; None with one vote a task.
    """

    preferences: pl.DataFrame
    dropped: pl.DataFrame
    pairwise_agreement: float | None


def agree(comparisons: pl.DataFrame, min_agreement: float) -> Agreed:
    """Fold the votes on each task into one preference, and keep the surest of each turn.

    Args:
        comparisons: `schemas.judgements.Comparison`.
        min_agreement: Least share of votes (ties half) for one side.
    """
    said = pl.col("preference")
    signed = pl.col("strength").cast(pl.Float64) * (said == "a").cast(pl.Float64).replace(0.0, -1.0)
    votes = (
        comparisons.sort("comparison_id")
        .group_by("task_id", maintain_order=True)
        .agg(
            pl.col("turn_id", "persona_id", "messages", "response_a", "response_b").first(),
            share_a=((said == "a").sum() + 0.5 * (said == "tie").sum()) / pl.len(),
            lean_a=signed.mean(),
            annotators=pl.len().cast(pl.Int32),
            simulated=pl.col("annotator").str.starts_with("simulated:").any(),
            same_pairs=sum(_pairs((said == option).sum()) for option in ("a", "b", "tie")),
            all_pairs=_pairs(pl.len()),
        )
    )
    is_a = pl.col("share_a") > 0.5
    folded = votes.with_columns(
        agreement=pl.max_horizontal("share_a", 1 - pl.col("share_a")),
        margin=pl.when(is_a).then(pl.col("lean_a")).otherwise(-pl.col("lean_a")).clip(0.0, 3.0),
        chosen=_reply(pl.when(is_a).then("response_a").otherwise("response_b")),
        rejected=_reply(pl.when(is_a).then("response_b").otherwise("response_a")),
    )
    tied, sure = pl.col("share_a") == 0.5, pl.col("agreement") >= min_agreement
    surest = (
        pl.struct(-pl.col("agreement"), -pl.col("annotators"), "task_id").rank("ordinal").over("turn_id", ~tied & sure)
    )
    folded = folded.with_columns(
        reason=pl.when(tied)
        .then(pl.lit("tied"))
        .when(~sure)
        .then(pl.lit("agreement below the recipe's"))
        .when(surest > 1)
        .then(pl.lit("another pair of the turn is surer"))
    )
    kept, dropped = folded.filter(pl.col("reason").is_null()), folded.filter(pl.col("reason").is_not_null())
    pairs = votes["all_pairs"].sum()
    return Agreed(
        Preference.validate(kept.rename({"messages": "prompt"}).select(Preference.column_names()).sort("turn_id")),
        dropped.select("task_id", "turn_id", "reason").sort("task_id"),
        float(votes["same_pairs"].sum()) / float(pairs) if pairs else None,
    )


def _pairs(count: pl.Expr) -> pl.Expr:
    n = count.cast(pl.Int64)
    return n * (n - 1) // 2


def _reply(text: pl.Expr) -> pl.Expr:
    return pl.concat_list(pl.struct(role=pl.lit("assistant"), content=text))
