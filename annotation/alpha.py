"""Krippendorff's alpha: how far annotators agree beyond chance, with bootstrap intervals over records.

After Krippendorff, "Computing Krippendorff's alpha-reliability" (2011). What was said of a record is a row of counts,
one a value. Equal rows are kept once, with how often they occur: three votes on three values make ten different ones,
however many records there are. Drawing records with replacement is then one multinomial draw over those rows, exactly,
and two thousand resamples of a million records take milliseconds.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

Level = Literal["nominal", "ordinal", "interval"]
RESAMPLES = 2000
CELLS = 4_000_000  # numbers that one block of resamples may hold


class Alpha(NamedTuple):
    """Agreement on one question.

    Attributes:
        value: 1 for perfect agreement, 0 for chance, below 0 for systematic disagreement. None where it is not defined:
            no record has two answers, or everyone gave the same value throughout, so that chance would agree as well.
        low, high: 95 % interval over records; None where `value` is, or with a single record.
        records: Records with at least two answers.
        answers: Their answers.
    """

    value: float | None
    low: float | None
    high: float | None
    records: int
    answers: int


def alpha(counts: ArrayLike, level: Level, *, numbers: ArrayLike | None = None, seed: int = 0) -> Alpha:
    """Krippendorff's alpha with a percentile bootstrap interval (Efron 1979) over records.

    Missing answers need no mark: a record with fewer answers has smaller counts. Where no two annotators of any record
    disagree, resampling cannot tell how sure that is. The lower end is then that of the exact interval for a share of
    which none was seen (Clopper and Pearson 1934), taking the records that may disagree to do so in full.

    Args:
        counts: How many annotators gave each value to each record, shape [records, values]. For `ordinal`, values stand
            in their order.
        level: `nominal`: values are equal or not. `ordinal`: they have an order. `interval`: they are numbers.
        numbers: The values as numbers, shape [values], for `interval`.
        seed: Of the resampling.
    """
    given = np.asarray(counts, dtype=np.int64)
    given = given[given.sum(axis=1) >= 2]
    rows, times = _distinct(given)
    records, answers = len(given), int(given.sum())
    if level == "interval":
        if numbers is None:
            raise ValueError("interval needs the values as numbers")
        numbers = np.asarray(numbers, dtype=float)
    if not records:
        return Alpha(None, None, None, 0, 0)
    used = rows.any(axis=0)
    rows, numbers = rows[:, used], None if numbers is None else np.asarray(numbers)[used]
    value = float(_alphas(rows, times[None], level, numbers)[0])
    if np.isnan(value):
        return Alpha(None, None, None, records, answers)
    if records == 1:
        return Alpha(value, None, None, records, answers)
    if value == 1.0:
        most = 1 - 0.025 ** (1 / records)
        return Alpha(1.0, max(-1.0, 1 - most / _chance(rows, times, level, numbers)), 1.0, records, answers)
    draws = _resampled(rows, times, level, numbers, seed)
    low, high = np.nanquantile(draws, [0.025, 0.975])
    return Alpha(value, float(low), float(high), records, answers)


def _distinct(counts: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Distinct rows in their order, and how often each occurs (as `numpy.unique` by row, but many times faster)."""
    names = [str(value) for value in range(counts.shape[1])]
    found = pl.DataFrame(counts, schema=names).group_by(names).len("times").sort(names)
    return found.select(names).to_numpy(), found["times"].to_numpy().astype(np.int64)


def _resampled(
    rows: NDArray[np.int64], times: NDArray[np.int64], level: Level, numbers: NDArray[np.float64] | None, seed: int
) -> NDArray[np.float64]:
    random = np.random.default_rng(seed)
    total, block = times.sum(), max(1, CELLS // len(rows))
    return np.concatenate(
        [
            _alphas(rows, random.multinomial(total, times / total, min(block, RESAMPLES - at)), level, numbers)
            for at in range(0, RESAMPLES, block)
        ]
    )


def _alphas(
    rows: NDArray[np.int64], times: NDArray[np.int64], level: Level, numbers: NDArray[np.float64] | None
) -> NDArray[np.float64]:
    """Alpha for each way of weighting the rows.

    Args:
        rows: Distinct rows of counts, shape [rows, values].
        times: How often each occurs, shape [resamples, rows].
        level: Of measurement.
        numbers: Shape [values], for `interval`.

    Returns:
        Shape [resamples]; NaN where all answers are the same.
    """
    given = (times @ rows).astype(float)  # n_c: answers with each value, [resamples, values]
    size = rows.sum(axis=1)
    pairs = rows[:, :, None] * rows[:, None, :] / (size - 1)[:, None, None]  # coincidences of unlike values, a row each
    together = (times @ pairs.reshape(len(rows), -1)).reshape(len(times), *pairs.shape[1:])
    apart = _distances(given, level, numbers)
    seen = (together * apart).sum(axis=(1, 2))
    chance = np.einsum("rc,rk,rck->r", given, given, apart)
    with np.errstate(invalid="ignore", divide="ignore"):
        return 1 - (given.sum(axis=1) - 1) * seen / chance


def _distances(given: NDArray[np.float64], level: Level, numbers: NDArray[np.float64] | None) -> NDArray[np.float64]:
    """Squared distances between values, shape [resamples, values, values], 0 on the diagonal."""
    values = given.shape[1]
    if level == "nominal":
        return np.broadcast_to(1.0 - np.eye(values), (len(given), values, values))
    if level == "ordinal":  # between two values lie those who gave one between them, and half of their own
        middle = np.cumsum(given, axis=1) - given / 2
        return (middle[:, :, None] - middle[:, None, :]) ** 2
    assert numbers is not None
    apart = (numbers[:, None] - numbers[None, :]) ** 2
    return np.broadcast_to(apart, (len(given), values, values))


def _chance(
    rows: NDArray[np.int64], times: NDArray[np.int64], level: Level, numbers: NDArray[np.float64] | None
) -> float:
    """Disagreement to expect by chance, as a share of the largest distance between two values that were given."""
    given = (times @ rows).astype(float)
    apart = _distances(given[None], level, numbers)[0]
    n = given.sum()
    return float(given @ apart @ given / (n * (n - 1)) / apart.max())
