"""A rehearsal: simulated annotators and users, so that the loop can be turned where no people are. Never a result.

They share one hidden taste that no judge is shown: a reply should take up what the user said, ask or offer something,
speak to the user, stay in character and be of chat length. Each adds noise of its own, from a hash of who and what.
Everything they touch is marked: annotators are named `simulated:...`, releases list what was simulated.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np
import polars as pl

from annotation.backend import Backend
from rewards.style import style_marks
from schemas.release import Metric

NOISE = 0.25  # logistic scale of an annotator's own taste, in units of quality
TIE_BELOW = 0.25


def quality(messages: Sequence[Sequence[dict[str, str]]], responses: Sequence[str]) -> np.ndarray:
    """The hidden taste: one number a reply, about -3 to 4, no unit."""
    replies = pl.Series("response", list(responses), dtype=pl.String)
    asked = pl.Series("asked", [m[-1]["content"] for m in messages], dtype=pl.String)
    frame = pl.DataFrame([replies, asked]).with_columns(style_marks(replies))
    reply, words = pl.col("response"), pl.col("words").cast(pl.Float64)
    content = r"\p{L}{4,}"
    shared = (
        pl.col("asked").str.to_lowercase().str.extract_all(content).list.unique()
        .list.set_intersection(reply.str.to_lowercase().str.extract_all(content).list.unique())
        .list.len().clip(upper_bound=3)
    )  # fmt: skip
    scored = frame.select(
        quality=1.2 * reply.str.contains(r"\?")
        + 0.5 * reply.str.contains(r"(?i)\byou(?:r|'re)?\b")
        + 0.35 * shared
        + 0.4 * reply.str.contains(r"\*[^*\n]+\*|!")
        - 0.8 * (words < 5)
        - 0.05 * (words - 35).clip(lower_bound=0.0)
        - 0.6 * pl.col("list")
        - 0.8 * pl.col("preaching")
        - 1.6 * pl.col("broken_character")
        - 1.0 * pl.col("refusal")
    )
    return scored["quality"].to_numpy().astype(float)


def annotate(backend: Backend, votes: int, seed: int) -> None:
    """Answer every task that is missing votes, through the same protocol people's answers come by."""
    tasks = backend.tasks()
    done = set(backend.pull().select("task_id", "annotator").iter_rows())
    messages = tasks["messages"].to_list()
    gap = quality(messages, tasks["response_a"].to_list()) - quality(messages, tasks["response_b"].to_list())
    answers: list[dict[str, object]] = []
    for number in range(votes):
        annotator = f"simulated:{number + 1}"
        for task_id, difference in zip(tasks["task_id"], gap, strict=True):
            if (task_id, annotator) in done:
                continue
            felt = difference + NOISE * _logistic(f"{seed}\x1f{annotator}\x1f{task_id}")
            tie = abs(felt) < TIE_BELOW
            answers.append(
                {
                    "task_id": task_id,
                    "annotator": annotator,
                    "preference": "tie" if tie else "a" if felt > 0 else "b",
                    "strength": 0 if tie else int(min(3, 1 + abs(felt) // 1.0)),
                    "reasons": [],
                    "seconds": 0.0,
                    "timestamp": datetime(1970, 1, 1, tzinfo=UTC),
                }
            )
    backend.submit(answers)


def _logistic(label: str) -> float:
    u = (int.from_bytes(hashlib.blake2b(label.encode(), digest_size=8).digest(), "big") + 0.5) / 2**64
    return float(np.log(u / (1 - u)))


class ABResult(NamedTuple):
    """An A/B test, release less parent.

    Attributes:
        breadth: Difference in the share of users who went on after the first reply.
        depth: Difference in replies a user went on after, of five.
        users: Users in both arms.
        verdict: `better`, `worse` or `inconclusive`, by the interval of breadth.
    """

    breadth: Metric
    depth: Metric
    users: int
    verdict: str


TURNS = 5
Z95 = 1.959964


def ab_test(release: pl.DataFrame, parent: pl.DataFrame, prompts: pl.DataFrame, *, users: int, seed: int) -> ABResult:
    """Simulated users talk to release or parent, by lot, and go on or not as the hidden taste has it.

    Args:
        release, parent: `schemas.judgements.Candidate` for the same held-out prompts.
        prompts: `turn_id`, `messages`.
        users: How many users are invented.
        seed: Of everything.

    Returns:
        The result. Its intervals are over invented users, given these replies: a rehearsal of the arithmetic, not
        proof.
    """
    rng = np.random.default_rng(seed)
    arms = []
    for candidates in (release, parent):
        joined = candidates.sort("turn_id", "sample_index").join(prompts, on="turn_id", maintain_order="left")
        arms.append(quality(joined["messages"].to_list(), joined["response"].to_list()))
    arm = rng.permutation(users) % 2  # 0: release, 1: parent
    went_on = np.zeros((users, TURNS), dtype=bool)
    mood = rng.normal(0, 0.7, users)
    for which in (0, 1):
        mine = np.flatnonzero(arm == which)
        shown = arms[which][rng.integers(0, len(arms[which]), (len(mine), TURNS))]  # [users, turns]
        p = 1 / (1 + np.exp(-(0.8 * shown - 0.2 + mood[mine, None])))
        went_on[mine] = rng.random(p.shape) < p
    depth = np.cumprod(went_on, axis=1).sum(axis=1).astype(float)
    metrics = [
        _difference(name, values[arm == 0], values[arm == 1], unit)
        for name, values, unit in (
            ("breadth", went_on[:, 0].astype(float), "share of users who went on, release less parent"),
            ("depth", depth, f"replies gone on after, of {TURNS}, release less parent"),
        )
    ]
    low, high = metrics[0].low or 0.0, metrics[0].high or 0.0
    verdict = "better" if low > 0 else "worse" if high < 0 else "inconclusive"
    return ABResult(metrics[0], metrics[1], users, verdict)


def _difference(name: str, release: np.ndarray, parent: np.ndarray, unit: str) -> Metric:
    """Difference of two means with Welch's normal interval."""
    value = float(release.mean() - parent.mean())
    error = float(np.sqrt(release.var(ddof=1) / len(release) + parent.var(ddof=1) / len(parent)))
    n = len(release) + len(parent)
    return Metric(name=name, value=value, n=n, low=value - Z95 * error, high=value + Z95 * error, unit=unit)
