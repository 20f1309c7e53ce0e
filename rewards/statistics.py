"""Figures about judges and releases, each with its interval: accuracy, calibration, win rate, differences.

Intervals are percentile bootstraps over independent units (prompts, users), never over replies of one prompt.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from schemas.release import Metric


class WinRate(NamedTuple):
    """How often a release's reply beats its parent's.

    Attributes:
        rate: Share of pairs won, ties half; mean over prompts.
        difference: Mean difference of scores, release less parent.
    """

    rate: Metric
    difference: Metric


def mean_interval(
    name: str, values: np.ndarray, *, seed: int, resamples: int = 2000, confidence: float = 0.95, unit: str = ""
) -> Metric:
    """Mean with a percentile bootstrap interval (Efron 1979).

    Args:
        name: Of the metric.
        values: One value for each independent unit, shape [n], n >= 1.
        seed: Of the resampling.
        resamples: How many.
        confidence: Level.
        unit: In words.
    """
    rng = np.random.default_rng(seed)
    n = len(values)
    means = np.array([values[rng.integers(0, n, n)].mean() for _ in range(resamples)])
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Metric(
        name=name, value=float(values.mean()), n=n, low=float(low), high=float(high), confidence=confidence, unit=unit
    )


def win_rate(release: np.ndarray, parent: np.ndarray, *, seed: int, resamples: int = 2000) -> WinRate:
    """Win rate of a release against its parent under one judge.

    Args:
        release: Scores, shape [prompts, replies].
        parent: Scores of the parent's replies to the same prompts, shape [prompts, replies].
        seed: Of the bootstrap.
        resamples: Of the bootstrap.

    Returns:
        Both figures; every reply of one is compared with every reply of the other, and averaged within the prompt.
    """
    pairs = release[:, :, None] - parent[:, None, :]  # [prompts, replies, replies]
    won = ((pairs > 0) + 0.5 * (pairs == 0)).mean(axis=(1, 2))
    return WinRate(
        mean_interval("win_rate", won, seed=seed, resamples=resamples, unit="share of pairs, ties half"),
        mean_interval(
            "score_difference", pairs.mean(axis=(1, 2)), seed=seed, resamples=resamples, unit="judge's score"
        ),
    )


def pair_accuracy(chosen: np.ndarray, rejected: np.ndarray, *, seed: int) -> Metric:
    """Share of held-out pairs that the judge orders as people did, ties half. Shapes [pairs]."""
    right = (chosen > rejected) + 0.5 * (chosen == rejected)
    return mean_interval("judge_accuracy", right, seed=seed, unit="share of held-out pairs")


def expected_calibration_error(chosen: np.ndarray, rejected: np.ndarray, bins: int = 5) -> float:
    """Mean gap between P(the higher-scored reply is the chosen one) and how often it is (Guo et al. 2017)."""
    gap = np.abs(chosen - rejected)
    claimed = 1 / (1 + np.exp(-gap))  # 0.5 to 1
    right = ((chosen > rejected) + 0.5 * (chosen == rejected)).astype(float)
    place = np.minimum(((claimed - 0.5) * 2 * bins).astype(int), bins - 1)
    error = 0.0
    for b in range(bins):
        inside = place == b
        if inside.any():
            error += inside.mean() * abs(claimed[inside].mean() - right[inside].mean())
    return float(error)


def explained_by(features: np.ndarray, scores: np.ndarray) -> float:
    """Share of the variance of scores that a linear fit on features explains (R squared, in sample).

    Args:
        features: Shape [replies, features], for example style marks.
        scores: Shape [replies].
    """
    if len(scores) < 2 or np.ptp(scores) == 0:
        return 0.0
    design = np.column_stack([np.ones(len(scores)), features])
    fitted = design @ np.linalg.lstsq(design, scores, rcond=None)[0]
    return float(1 - ((scores - fitted) ** 2).sum() / ((scores - scores.mean()) ** 2).sum())
