"""Difficulty of a prompt: how much the judge's scores vary over replies of the current policy.

The unbiased variance over K >= 4 replies, within one judge version, shrunk towards the mean variance of all prompts
because K is small, and ranked inside the prompt's stratum, so that it brings no persona or locale in by the back door.
Not the mean: means favour styles and lengths.
"""

from __future__ import annotations

import polars as pl


def difficulty(scored: pl.DataFrame, strata: pl.DataFrame) -> pl.DataFrame:
    """Difficulty of each prompt.

    With sampling variance 2 s^4 / (K - 1) of a variance s^2 and spread t^2 of true variances between prompts, the
    shrunk estimate is m + (s^2 - m) t^2 / (t^2 + 2 m^2 / (K - 1)), with m the mean variance (empirical Bayes).

    Args:
        scored: `schemas.judgements.ScoredCandidate` of one policy and one judge version.
        strata: `turn_id`, `stratum`.

    Returns:
        `turn_id`, `policy`, `judge`, `judge_version`, `k`, `variance` (unbiased), `difficulty` (shrunk), `rank`
        (0 to 1 inside the stratum, 1 the hardest).

    Raises:
        ValueError: Scores of several judge versions or policies, or a prompt with fewer than 4 replies.
    """
    if scored.select("judge_version", "policy").n_unique() > 1:
        raise ValueError("difficulty compares within one judge version and one policy")
    by_turn = scored.group_by("turn_id", maintain_order=True).agg(
        pl.col("policy", "judge", "judge_version").first(), k=pl.len(), variance=pl.col("score").var(ddof=1)
    )
    if by_turn.height and by_turn["k"].min() < 4:  # type: ignore[operator]
        raise ValueError("difficulty needs at least 4 replies a prompt")
    mean = pl.col("variance").mean()
    noise = 2 * mean**2 / (pl.col("k") - 1)
    spread = (pl.col("variance").var(ddof=1).fill_null(0.0) - noise).clip(lower_bound=0.0)
    weight = pl.when(spread + noise > 0).then(spread / (spread + noise)).otherwise(0.0)
    return (
        by_turn.with_columns(difficulty=mean + (pl.col("variance") - mean) * weight)
        .join(strata, on="turn_id", how="left")
        .sort("turn_id")
        .with_columns(
            # Variance decides where shrinkage has made everything equal.
            rank=(pl.struct("difficulty", "variance").rank("ordinal").over("stratum") - 0.5) / pl.len().over("stratum")
        )
        .drop("stratum")
    )
