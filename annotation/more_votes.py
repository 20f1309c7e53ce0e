"""Which records deserve one more vote: those of which another answer would tell most.

What one more answer tells is the mutual information between a record's true value and the answer of a typical
annotator: how many bits of doubt it takes away on average (Lindley 1956). It is largest where votes are split or tied,
and small both where all agree and where annotators are no better than chance, so that a budget is not spent on guesses.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from annotation.consensus import Consensus, entropy

MOST_VOTES = 7  # a record this many people could not settle will not be settled by one more
LEAST_GAIN = 0.05  # bits; less is not worth a person's time


def gain(found: Consensus) -> NDArray[np.float64]:
    """Bits of doubt that one more answer takes from each record on average, shape [records].

    Args:
        found: From `annotation.consensus.dawid_skene`.
    """
    typical = found.errors.mean(axis=0)  # [true, given]
    answer = found.posterior @ typical
    known = entropy(typical)  # doubt about the answer of one who knows the truth
    return np.maximum(0.0, entropy(answer) - found.posterior @ known)


def deserving(found: Consensus, gold: pl.Series, budget: int) -> pl.DataFrame:
    """The records that should be asked about again, most telling first.

    Args:
        found: Consensus on the key question of a project.
        gold: Records whose value is known; they are never asked again.
        budget: How many at most. Records that have `MOST_VOTES`, or of which less than `LEAST_GAIN` can be learnt,
            are not asked about whatever it is.

    Returns:
        `record_id`, `votes`, `value` (the likeliest), `probability`, `entropy` in bits and `gain` in bits. At equal
        gain the record with fewer votes comes first, then the smaller id.
    """
    return (
        told(found)
        .with_columns(gain=pl.Series(gain(found)))
        .filter(pl.col("gain") >= LEAST_GAIN, ~pl.col("record_id").is_in(gold.implode()), pl.col("votes") < MOST_VOTES)
        .sort(pl.col("gain").round(9), "votes", "record_id", descending=[True, False, False])
        .head(budget)
    )


def told(found: Consensus) -> pl.DataFrame:
    """What is held true of each record, and how surely: `record_id`, `votes`, `value`, `probability`, `entropy`."""
    best = found.posterior.argmax(axis=1)
    return pl.DataFrame(
        {
            "record_id": found.records,
            "votes": found.votes,
            "value": found.values.gather(best),
            "probability": found.posterior[np.arange(len(best)), best],
            "entropy": entropy(found.posterior),
        }
    )
