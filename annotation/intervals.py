"""Intervals of shares, for whole columns at once: they hold at small n, where the textbook's `p +- 1.96 s` does not."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Z = 1.959963984540054  # two-sided 95 %


class Shares(NamedTuple):
    """Estimates with their 95 % intervals, float64 arrays of one shape; NaN where there is nothing to tell from.

    Attributes:
        value: Estimates.
        low, high: Ends of the intervals.
    """

    value: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def wilson(hits: ArrayLike, n: ArrayLike) -> Shares:
    """Shares with Wilson's score interval (Wilson 1927).

    Args:
        hits: Successes, counts from 0 to `n`.
        n: Trials; NaN comes out where it is 0.
    """
    hits, n = np.asarray(hits, dtype=float), np.asarray(n, dtype=float)
    n = np.where(n > 0, n, np.nan)
    share = hits / n
    middle = (share + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z * np.sqrt(share * (1 - share) / n + Z**2 / (4 * n**2)) / (1 + Z**2 / n)
    return Shares(share, np.where(hits == 0, 0 * n, middle - half), np.where(hits == n, n / n, middle + half))


def difference(later: Shares, earlier: Shares) -> Shares:
    """Difference of two independent shares (Newcombe 1998, method 10).

    Args:
        later, earlier: From `wilson`; the second is taken from the first.
    """
    value = later.value - earlier.value
    down = np.hypot(later.value - later.low, earlier.high - earlier.value)
    up = np.hypot(later.high - later.value, earlier.value - earlier.low)
    return Shares(value, value - down, value + up)


def mean_of_two(one: Shares, other: Shares) -> Shares:
    """Mean of two independent shares, from their intervals (Zou and Donner 2008), within 0 and 1.

    Args:
        one, other: From `wilson`.
    """
    value = (one.value + other.value) / 2
    down = np.hypot(one.value - one.low, other.value - other.low) / 2
    up = np.hypot(one.high - one.value, other.high - other.value) / 2
    return Shares(value, value - down, value + up)
