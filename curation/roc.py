"""Area under the ROC curve with DeLong's interval.

References:
    DeLong, DeLong, Clarke-Pearson 1988; the computation by ranks is Sun and Xu 2014.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt


class Auc(NamedTuple):
    """How well scores separate two classes.

    Attributes:
        value: Chance that a positive scores above a negative, ties counting half.
        low: Lower end of the 95 % interval.
        high: Upper end.
        positives: How many.
        negatives: How many.
    """

    value: float
    low: float
    high: float
    positives: int
    negatives: int

    def __str__(self) -> str:
        counts = f"{self.positives} against {self.negatives}"
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f}; {counts})"


def auc(scores: npt.ArrayLike, positive: npt.ArrayLike) -> Auc:
    """AUC of scores, float [n], against labels, bool [n].

    Raises:
        ValueError: Fewer than two of a class.
    """
    from scipy.stats import rankdata

    scores, positive = np.asarray(scores, dtype=np.float64), np.asarray(positive, dtype=bool)
    above, below = scores[positive], scores[~positive]
    m, n = len(above), len(below)
    if min(m, n) < 2:
        raise ValueError(f"{m} positives and {n} negatives; an interval takes two of each")
    ranks = rankdata(np.concatenate([above, below]))
    # For each positive the share of negatives below it, and for each negative the share of positives above it.
    beaten = (ranks[:m] - rankdata(above)) / n
    beating = 1 - (ranks[m:] - rankdata(below)) / m
    value = float(beaten.mean())
    error = 1.959964 * float(np.sqrt(beaten.var(ddof=1) / m + beating.var(ddof=1) / n))
    return Auc(value, max(0.0, value - error), min(1.0, value + error), m, n)
