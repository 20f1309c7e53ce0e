"""What is true of a record when annotators differ: the model of Dawid and Skene (1979).

Each record has a true value; each annotator gives value `k` where `j` is true with a probability of their own. Both are
estimated together by expectation-maximisation. Here with a prior on each annotator's answers, as if they had answered a
few questions already, mostly rightly: without one, whoever answered five records is taken to be infallible or useless,
and posteriors go to 0 or 1. Records whose value is known (gold) are held at it.

The model takes annotators to err independently of each other. Where a record misleads everyone, it is too sure.
"""

from __future__ import annotations

from functools import reduce
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from annotation.answers import codes

PRIOR_RIGHT, PRIOR_WRONG = 4.0, 2.0  # answers of the prior: for each true value, right and wrong ones
ROUNDS = 200
STILL = 1e-4  # largest change of any posterior at which estimation ends


class Consensus(NamedTuple):
    """What the answers to one question say together.

    Attributes:
        records: Record ids, sorted, length R.
        annotators: Names, sorted, length A.
        values: The question's values, sorted, length V.
        posterior: Probability of each value for each record, shape [R, V].
        errors: Probability that an annotator gives a value where one is true, shape [A, true V, given V].
        prior: Share of each true value, shape [V].
        votes: Answers to each record, shape [R].
        rounds: Rounds of estimation it took.
    """

    records: pl.Series
    annotators: pl.Series
    values: pl.Series
    posterior: NDArray[np.float64]
    errors: NDArray[np.float64]
    prior: NDArray[np.float64]
    votes: NDArray[np.int64]
    rounds: int


def dawid_skene(votes: pl.DataFrame, *, right: float = PRIOR_RIGHT, wrong: float = PRIOR_WRONG) -> Consensus:
    """Posterior of each record's true value (Dawid and Skene 1979, maximum a posteriori).

    Args:
        votes: `record_id`, `annotator`, `value`, `gold` (the value known to be true, or null); one row an annotator and
            record, all of one question.
        right, wrong: What the prior counts as answered before, for each annotator and true value: so many right, so
            many wrong, spread over the other values. With 0 and 0 it is maximum likelihood.
    """
    from scipy.sparse import csr_array

    every = pl.concat([votes["value"], votes["gold"].drop_nulls()])
    records, annotators, values = (series.unique().sort() for series in (votes["record_id"], votes["annotator"], every))
    record, annotator, value = (
        codes(votes[name], known)
        for name, known in (("record_id", records), ("annotator", annotators), ("value", values))
    )
    r, a, v = len(records), len(annotators), len(values)
    given = csr_array((np.ones(len(votes)), (record, annotator * v + value)), shape=(r, a * v))
    turned = given.T.tocsr()
    known = votes.select("record_id", "gold").drop_nulls().unique()
    at, truth = codes(known["record_id"], records), codes(known["gold"], values)

    before = np.full((v, v), wrong / max(1, v - 1))
    np.fill_diagonal(before, right)
    posterior = np.zeros((r, v))
    np.add.at(posterior, (record, value), 1.0)  # at first, shares of the votes
    posterior /= (posterior @ np.ones(v))[:, None]
    posterior[at] = np.eye(v)[truth]
    rounds = 0
    for rounds in range(1, ROUNDS + 1):  # noqa: B007
        counts = (turned @ posterior).reshape(a, v, v).transpose(0, 2, 1) + before + 1e-10
        errors = counts / counts.sum(axis=2, keepdims=True)
        prior = (posterior.sum(axis=0) + 1) / (r + v)
        logs = np.log(errors).transpose(0, 2, 1).reshape(a * v, v)
        after = given @ logs + np.log(prior)
        after = np.exp(after - reduce(np.maximum, after.T)[:, None])
        after /= (after @ np.ones(v))[:, None]
        after[at] = np.eye(v)[truth]
        moved = np.abs(after - posterior).max()
        posterior = after
        if moved < STILL:
            break
    return Consensus(records, annotators, values, posterior, errors, prior, np.bincount(record, minlength=r), rounds)


def entropy(posterior: NDArray[np.float64]) -> NDArray[np.float64]:
    """Entropy in bits along the last axis; 0 where one value is certain."""
    return -np.sum(posterior * np.log2(np.maximum(posterior, 1e-300)), axis=-1)
