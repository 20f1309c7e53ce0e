"""How each annotator works: right on gold, with the others, drawn to the first reply, in haste, drifting.

Every figure has its n and a 95 % interval, since most annotators have answered too little for a bare number to mean
anything. They are for finding who needs a word or a clearer guideline, not for ranking people: rows stand in the order
of names, and a sentence is said of someone only where the whole interval lies beyond a bound.

An answer is held against *gold* where the right answer is known, else against *what most others said* of the same
record, the annotator left out; where the others are split evenly, it is not counted.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from annotation.answers import codes, key_question
from annotation.intervals import Shares, difference, mean_of_two, wilson

ENOUGH = 10  # answers, before anything is said of anybody
GOLD_BOUND = 0.7  # right on gold less often
SIDE_BOUND = 0.05  # away from one half, drawn to a side
HASTE_BOUND = 0.1  # of the records, answered faster than one can read
DRIFT_BOUND = 0.05  # agreement lost between the halves of the work
QUICKEST = 2.0  # seconds in which nobody judges anything
READING = 100.0  # characters a second: four times what adults read silently (Brysbaert 2019: 238 words a minute)
POINTS = 10  # of the line that shows drift


def held_against(votes: pl.DataFrame) -> pl.DataFrame:
    """Votes on key questions with what they are held against.

    Args:
        votes: `annotation.answers.Votes.votes`.

    Returns:
        The votes of key questions, each annotator's in time, with `others` (what most others said, null where they are
        split or there are none) and `right` (whether it is the gold value, or else what others said; null where neither
        is known).
    """
    key = votes.filter(key_question())
    parts = [_others(group) for _, group in key.group_by("project", maintain_order=True)]
    reference = pl.coalesce("gold", "others")
    held = pl.concat([*parts, _others(key.clear())]).with_columns(right=pl.col("value") == reference)
    return held.sort("project", "annotator", "timestamp", "record_id")


def _others(votes: pl.DataFrame) -> pl.DataFrame:
    """Adds `others` to the votes of one project."""
    if votes.is_empty():
        return votes.with_columns(others=pl.lit(None, dtype=pl.String))
    record = votes["record_id"].rank("dense").to_numpy().astype(np.int64) - 1
    values = votes["value"].unique().sort()
    value = codes(votes["value"], values)
    counts = np.zeros((record.max() + 1, len(values)), dtype=np.int32)
    np.add.at(counts, (record, value), 1)
    without = counts[record]
    without[np.arange(len(votes)), value] -= 1
    most = without.max(axis=1)
    alone = ((without == most[:, None]).sum(axis=1) == 1) & (most > 0)
    said = values.gather(without.argmax(axis=1))
    return votes.with_columns(others=pl.when(pl.lit(pl.Series(alone))).then(pl.lit(said)))


def annotators(held: pl.DataFrame, lengths: pl.DataFrame) -> pl.DataFrame:
    """One row a project and annotator.

    Args:
        held: From `held_against`.
        lengths: `project`, `record_id`, `characters` of what had to be read; records may be missing.

    Returns:
        `project`, `annotator`, `records`, and of each figure `X` the columns `X_n`, `X`, `X_low`, `X_high`:

        - `gold`: share right on gold;
        - `others`: share in line with what most others said, gold left out;
        - `first`: share of decided comparisons in which the reply shown first was preferred, with `first_p`, the
          two-sided exact binomial probability of a share so far from one half;
        - `balanced`: the mean of two such shares, where others prefer the first and where they prefer the second, so
          that it is one half for who has no side, even if the better reply happened to come first more often;
        - `haste`: share of records answered within `QUICKEST` seconds or faster than `READING` characters a second,
          with `seconds`, the median;
        - `drift`: share right in the later half of the work less that in the earlier;

        and `notes`, a list of what the intervals say beyond doubt.
    """
    decided = pl.col("first_shown").is_not_null() & (pl.col("value") != "tie")
    took_first = decided & (pl.col("value") == pl.col("first_shown"))
    like_first = decided & (pl.col("others") == pl.col("first_shown"))
    like_second = decided & (pl.col("others") != "tie") & (pl.col("others") != pl.col("first_shown"))
    gold, other = pl.col("gold").is_not_null(), pl.col("gold").is_null() & pl.col("others").is_not_null()
    told, each = pl.col("right").is_not_null(), ("project", "annotator")
    timed = held.join(lengths, on=["project", "record_id"], how="left", maintain_order="left").with_columns(
        least=pl.max_horizontal(pl.lit(QUICKEST), pl.col("characters").fill_null(0) / READING),
        later=told.cum_sum().over(each) > told.sum().over(each) // 2,
    )
    counts = (
        timed.group_by("project", "annotator")
        .agg(
            records=pl.len(),
            gold_n=gold.sum(),
            gold_k=(gold & pl.col("right")).sum(),
            others_n=other.sum(),
            others_k=(other & pl.col("right")).sum(),
            first_n=decided.sum(),
            first_k=took_first.sum(),
            same_n=like_first.sum(),
            same_k=(like_first & took_first).sum(),
            against_n=like_second.sum(),
            against_k=(like_second & took_first).sum(),
            haste_n=pl.col("seconds").count(),
            haste_k=(pl.col("seconds") < pl.col("least")).sum(),
            seconds=pl.col("seconds").median(),
            late_n=(told & pl.col("later")).sum(),
            late_k=(pl.col("later") & pl.col("right")).sum(),
            early_n=(told & ~pl.col("later")).sum(),
            early_k=(~pl.col("later") & pl.col("right")).sum(),
        )
        .sort("project", "annotator")
    )

    def share(name: str) -> Shares:
        return wilson(counts[f"{name}_k"].to_numpy(), counts[f"{name}_n"].to_numpy())

    def n(*names: str) -> NDArray[np.int64]:
        return counts.select(pl.sum_horizontal(f"{name}_n" for name in names).cast(pl.Int64)).to_series().to_numpy()

    figures = {
        "gold": (share("gold"), n("gold")),
        "others": (share("others"), n("others")),
        "first": (share("first"), n("first")),
        "balanced": (mean_of_two(share("same"), share("against")), n("same", "against")),
        "haste": (share("haste"), n("haste")),
        "drift": (difference(share("late"), share("early")), n("late", "early")),
    }
    columns: dict[str, Any] = {}
    for name, (shares, size) in figures.items():
        ends = zip(("", "_low", "_high"), shares, strict=True)
        columns |= {f"{name}_n": size, **{f"{name}{end}": numbers for end, numbers in ends}}
    table = pl.DataFrame(columns).with_columns(
        pl.col(pl.Float64).fill_nan(None),
        first_p=pl.Series(_both_sides(counts["first_k"].to_numpy(), n("first"))).fill_nan(None),
    )
    who = counts.select("project", "annotator", "records", "seconds")
    return pl.concat([who, table], how="horizontal").with_columns(notes=_notes())


def _both_sides(hits: NDArray[np.int64], n: NDArray[np.int64]) -> NDArray[np.float64]:
    """Probability of a count at least so far from the middle, for fair coins."""
    from scipy.stats import binom

    fewer = np.minimum(hits, n - hits)
    return np.where(n > 0, np.minimum(1.0, 2 * binom.cdf(fewer, n, 0.5)), np.nan)


def _notes() -> pl.Expr:
    """What is beyond doubt: there is enough to tell from, and the whole interval lies on the far side of a bound."""
    # A share beside one half may come of better replies on one side, or of others who are drawn to it; not both shares.
    first = pl.all_horizontal(pl.col("first_low", "balanced_low").fill_null(1.0) > 0.5 + SIDE_BOUND)
    second = pl.all_horizontal(pl.col("first_high", "balanced_high").fill_null(0.0) < 0.5 - SIDE_BOUND)
    notes = {
        "is often wrong on gold questions": (pl.col("gold_high") < GOLD_BOUND, "gold_n"),
        "is drawn to the reply shown first": (first, "first_n"),
        "is drawn to the reply shown second": (second, "first_n"),
        "answers faster than one can read": (pl.col("haste_low") > HASTE_BOUND, "haste_n"),
        "agrees less as time goes on": (pl.col("drift_high") < -DRIFT_BOUND, "drift_n"),
    }
    each = [pl.when(holds & (pl.col(n) >= ENOUGH)).then(pl.lit(note)) for note, (holds, n) in notes.items()]
    return pl.concat_list(each).list.drop_nulls()


def drift(held: pl.DataFrame) -> pl.DataFrame:
    """How right each annotator was, from the beginning of their work to its end.

    Args:
        held: From `held_against`.

    Returns:
        `project`, `annotator`, `point` (0 to at most `POINTS` - 1), `n`, `share`, `low`, `high`: equal parts of what
        they answered and what can be told right from wrong, in time, none with fewer than ten answers.
    """
    told = held.filter(pl.col("right").is_not_null())
    size = pl.len().over("project", "annotator")
    points = (size // 10).clip(1, POINTS)
    counts = (
        told.with_columns(point=pl.int_range(pl.len()).over("project", "annotator") * points // size)
        .group_by("project", "annotator", "point")
        .agg(n=pl.len(), k=pl.col("right").sum())
        .sort("project", "annotator", "point")
    )
    shares = wilson(counts["k"].to_numpy(), counts["n"].to_numpy())
    return counts.drop("k").with_columns(
        share=pl.Series(shares.value), low=pl.Series(shares.low), high=pl.Series(shares.high)
    )
