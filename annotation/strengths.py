"""How policies fare against each other in people's comparisons: Bradley-Terry with ties and with an effect of order.

Davidson (1970) allows ties, Davidson and Beaver (1977) a bonus for the reply that is shown first. With utilities `s_i`
for each policy, `t` for ties and `f` for the first place, one comparison is a multinomial logit: first wins, second
wins and tie have log-odds `s_i + f`, `s_j` and `t + (s_i + s_j) / 2`. Votes on one turn hang together, so intervals are
bootstraps over turns. Turns with equal counts are kept once, with how often they occur, and all resamples are fitted
together.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from annotation.answers import codes

SPREAD = 3.0  # standard deviation of the normal prior on each parameter, in log-odds: weak, and keeps them finite


class Strengths(NamedTuple):
    """How policies fare against each other.

    Attributes:
        policies: `policy`, `answers`, `won`, `tied`, `lost`, `strength` in log-odds against the average of the
            policies, `low` and `high`; sorted by name. The interval is null with one record.
        first: Log-odds that being shown first adds, with its interval, as (value, low, high); None where no order is
            known.
    """

    policies: pl.DataFrame
    first: tuple[float, float, float] | None


def strengths(comparisons: pl.DataFrame, *, resamples: int = 1000, seed: int = 0) -> Strengths:
    """Strengths of policies with ties and order (Davidson and Beaver 1977), bootstrapped over turns.

    Args:
        comparisons: `turn_id`, `policy_a`, `policy_b`, `preference` (`a`, `b`, `tie`) and `first_shown` (`a`, `b` or
            null).
        resamples: Of the bootstrap.
        seed: Of the bootstrap.
    """
    swapped = pl.col("first_shown").eq_missing(pl.lit("b"))
    won_by_one = pl.col("preference") == pl.when(swapped).then(pl.lit("b")).otherwise(pl.lit("a"))
    seen = comparisons.select(
        "turn_id",
        one=pl.when(swapped).then("policy_b").otherwise("policy_a"),
        other=pl.when(swapped).then("policy_a").otherwise("policy_b"),
        ordered=pl.col("first_shown").is_not_null(),
        outcome=pl.when(pl.col("preference") == "tie").then(2).when(won_by_one).then(0).otherwise(1),
    )
    names = pl.concat([seen["one"], seen["other"]]).unique().sort()
    kinds = seen.select("one", "other", "ordered", "outcome").unique().sort("*").with_row_index("kind")
    cells = kinds.select("one", "other", "ordered").unique().sort("*").with_row_index("cell")
    each = (
        seen.join(kinds, on=["one", "other", "ordered", "outcome"])
        .group_by("turn_id", "kind")
        .len()
        .sort("turn_id", "kind")
        .group_by("turn_id")
        .agg("kind", "len")
        .group_by("kind", "len")
        .len("times")
        .sort("kind", "len")
    )
    rows = np.zeros((each.height, kinds.height))
    flat = each.with_row_index("row").explode("kind", "len")
    rows[flat["row"], flat["kind"]] = flat["len"]
    times = each["times"].to_numpy().astype(np.int64)
    draws = np.random.default_rng(seed).multinomial(times.sum(), times / times.sum(), resamples)
    counted = np.concatenate([times[None], draws]) @ rows
    place = kinds.join(cells, on=["one", "other", "ordered"], maintain_order="left")
    counts = np.zeros((len(counted), cells.height, 3))
    counts[:, place["cell"], place["outcome"]] = counted

    design = np.zeros((cells.height, 3, len(names) + 2))  # by cell and outcome: strengths, ties, order
    row = np.arange(cells.height)
    for side, outcome in (("one", 0), ("other", 1)):
        at = codes(cells[side], names)
        design[row, outcome, at] += 1.0
        design[row, 2, at] += 0.5
    design[:, 2, -2] = 1.0
    design[:, 0, -1] = cells["ordered"].to_numpy()
    fitted = _multinomial_logit(counts, design)
    low, high = np.quantile(fitted[1:], [0.025, 0.975], axis=0) if times.sum() > 1 else (fitted[0] * np.nan,) * 2
    table = (
        pl.concat(
            [
                seen.select(policy=side, won=pl.col("outcome") == w, tied=pl.col("outcome") == 2)
                for side, w in (("one", 0), ("other", 1))
            ]
        )
        .group_by("policy")
        .agg(answers=pl.len(), won=pl.col("won").sum(), tied=pl.col("tied").sum())
        .sort("policy")
        .with_columns(lost=pl.col("answers") - pl.col("won") - pl.col("tied"))
    )
    p = len(names)
    table = table.with_columns(
        strength=pl.Series(fitted[0, :p]), low=pl.Series(low[:p]), high=pl.Series(high[:p])
    ).with_columns(pl.col("low", "high").fill_nan(None))
    ordered = bool(cells["ordered"].any()) and times.sum() > 1
    return Strengths(table, (float(fitted[0, -1]), float(low[-1]), float(high[-1])) if ordered else None)


def _multinomial_logit(counts: NDArray[np.float64], design: NDArray[np.float64]) -> NDArray[np.float64]:
    """Maximum a posteriori of a multinomial logit by Newton's method, for many weightings at once.

    Args:
        counts: Shape [fits, cells, outcomes].
        design: Utility of each outcome is `design @ parameters`, shape [cells, outcomes, parameters].

    Returns:
        Parameters, shape [fits, parameters].
    """
    n = counts.sum(axis=2)
    fitted = np.zeros((len(counts), design.shape[2]))
    for _ in range(50):
        utility = np.einsum("cop,fp->fco", design, fitted)
        chance = np.exp(utility - utility.max(axis=2, keepdims=True))
        chance /= chance.sum(axis=2, keepdims=True)
        slope = np.einsum("fco,cop->fp", counts - n[:, :, None] * chance, design) - fitted / SPREAD**2
        mean = np.einsum("fco,cop->fcp", chance, design)
        weighted = n[:, :, None] * chance
        bend = np.einsum("fco,cop,coq->fpq", weighted, design, design, optimize=True)
        bend -= np.einsum("fc,fcp,fcq->fpq", n, mean, mean, optimize=True)
        step = np.linalg.solve(bend + np.eye(fitted.shape[1]) / SPREAD**2, slope[..., None])[..., 0]
        fitted += np.clip(step, -2, 2)
        if np.abs(step).max() < 1e-9:
            break
    return fitted
