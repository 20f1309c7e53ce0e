"""The linear programme under `quotas`: cells as numbers, an upper bound on what can be kept, the price of each quota.

The total is a variable: what is maximised is what the kept turns count for, subject to shares of their number. A
persona whose whole supply fits under the cap at a total that is proven to be out of reach cannot bind. Such personas
merge: leaving out a constraint only raises the bound, and where the result contradicts the merge it is solved again.
Solved by HiGHS (Huangfu and Hall, 2018), as it comes with scipy. `rounding` makes whole turns of it, `relaxation` says
what gives way where not all can hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import ceil, floor
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import scipy  # its submodules load on first use

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


class Quota(NamedTuple):
    """A share of what is kept.

    Attributes:
        name: What it is called in the recipe and in sentences.
        side: `min` or `max`.
        asked: The share as the recipe has it, or as it was loosened.
        member: Which profiles count; None that each persona counts by itself.
        discards: Share of any group of turns that may be thrown away before the quota has to hold.
    """

    name: str
    side: str
    asked: Fraction
    member: npt.NDArray[np.bool_] | None
    discards: Fraction = Fraction(0)

    @property
    def share(self) -> Fraction:
        """The share in force: what was asked, with the margin for discards.

        Of n turns, k count for the quota, and at most a share d of them and of the others is thrown away. A ceiling M
        is worst off when only others go: k / (k + (1 - d)(n - k)) <= M, that is k / n <= M (1 - d) / (1 - M d). A
        floor m is worst off when only its own go, which is the ceiling 1 - m of the others:
        k / n >= m / (1 - d (1 - m)).
        """
        asked, gone = self.asked, self.discards
        return asked * (1 - gone) / (1 - asked * gone) if self.side == "max" else asked / (1 - gone * (1 - asked))

    @property
    def steepness(self) -> float:
        """How far the share in force moves when what is asked does (the derivative)."""
        asked, gone = float(self.asked), float(self.discards)
        outside = asked if self.side == "max" else 1 - asked
        return (1 - gone) / (1 - outside * gone) ** 2

    def limit(self, total: int) -> int:
        """The share in force in whole turns at a given total."""
        return floor(self.share * total) if self.side == "max" else ceil(self.share * total)

    def loosened(self, share: Fraction) -> Quota:
        """The quota with this share in force, what is asked rounded outwards to 0.01 % so that words can say it."""
        gone, share = self.discards, min(max(share, Fraction(0)), Fraction(1))
        if self.side == "max":
            asked = Fraction(ceil(share / (1 - gone + share * gone) * 10_000), 10_000)
            return self._replace(asked=max(self.asked, asked))
        return self._replace(
            asked=min(self.asked, Fraction(floor(share * (1 - gone) / (1 - share * gone) * 10_000), 10_000))
        )


class Cells(NamedTuple):
    """Cells as numbers.

    Attributes:
        persona: Number of the persona; -1 for those that were merged.
        profile: Number of the locale, first turn and difficulty.
        supply: Turns.
        weight: What one of the turns counts for; the same for all of a profile.
        into: Which of these cells each given one went into.
    """

    persona: Ints
    profile: Ints
    supply: Ints
    weight: Floats
    into: Ints


class Optimum(NamedTuple):
    """What the linear programme found.

    Attributes:
        value: Most that the kept turns can count for.
        total: How many turns that takes.
        prices: For each quota, what one more turn of slack would add to the value.
        total_price: The same for the ceiling of the total.
        slack: For each quota, turns by which it gave way at a charge.
    """

    value: float
    total: float
    prices: Floats
    total_price: float
    slack: Floats


def exact(share: float) -> Fraction:
    """The decimal number that was written, not the binary one nearest to it."""
    return Fraction(str(share))


def percent(share: Fraction) -> str:
    """A share as people write it."""
    return f"{float(share) * 100:.4g} %"


def slack(value: float) -> float:
    """How far a solver's value may lie below the true one."""
    return 1e-6 + 1e-8 * value


def by_persona(data: Cells, values: Ints) -> Ints:
    """Sums of a value of the cells, by persona."""
    return np.bincount(data.persona, weights=values).astype(np.int64)  # exact below 2**53


def persona_share(quotas: Sequence[Quota]) -> Fraction:
    """The cap on personas in force, 1 where there is none."""
    return next((quota.share for quota in quotas if quota.member is None), Fraction(1))


def fill(supply: Ints, share: Fraction, total: int) -> int:
    """Largest total, up to the given one, that personas of these supplies (sorted) can fill under their cap.

    What they can fill grows with the total, so that going down from above ends at the largest total that is filled.
    """
    before = np.concatenate(([0], np.cumsum(supply)))
    while True:
        most = floor(share * total)
        under = int(np.searchsorted(supply, most))
        filled = int(before[under]) + (len(supply) - under) * most
        if filled >= total:
            return total
        total = filled


def merge(data: Cells, free: npt.NDArray[np.bool_]) -> Cells:
    """Cells of personas that cannot bind, put together by profile; they stand as persona -1."""
    persona = np.where(free[data.persona], -1, data.persona)
    profiles = int(data.profile.max(initial=0)) + 1
    keys, first, into = np.unique(persona * profiles + data.profile, return_index=True, return_inverse=True)
    supply = np.bincount(into, weights=data.supply, minlength=len(keys)).astype(np.int64)
    return Cells(keys // profiles, keys % profiles, supply, data.weight[first], into)


def constraints(cells: Cells, quotas: Sequence[Quota]) -> tuple[scipy.sparse.csr_array, Ints]:
    """Which cells count for which quota: a 0/1 matrix, a row for each constraint, and the quota of each row."""
    blocks, owner = [scipy.sparse.csr_array((0, len(cells.supply)))], []
    for number, quota in enumerate(quotas):
        if quota.member is None:
            columns = np.flatnonzero(cells.persona >= 0)
            people, row = np.unique(cells.persona[columns], return_inverse=True)
            height = len(people)
        else:
            columns = np.flatnonzero(quota.member[cells.profile])
            row, height = np.zeros(len(columns), dtype=np.int64), 1
        shape = (height, len(cells.supply))
        blocks.append(scipy.sparse.csr_array((np.ones(len(columns)), (row, columns)), shape=shape))
        owner += [number] * height
    return scipy.sparse.vstack(blocks, format="csr"), np.array(owner, dtype=np.int64)


def upper_bound(
    data: Cells,
    quotas: Sequence[Quota],
    ceiling: int,
    *,
    at: int | None = None,
    least: int = 0,
    charge: Floats | None = None,
) -> Optimum:
    """The linear programme: an upper bound on what can be kept.

    Args:
        data: All cells.
        quotas: Shares to hold.
        ceiling: The total is no higher.
        at: Take ceilings as the whole numbers they are at this total, which no total below it exceeds.
        least: The total is no lower.
        charge: For each quota, what a turn by which it gives way costs; infinite: it does not.

    Returns:
        The optimum; its value is minus infinity where `least` is out of reach.
    """
    supply, share = by_persona(data, data.supply), persona_share(quotas)
    nothing = np.zeros(len(quotas))
    if not ceiling:
        return Optimum(0.0, 0.0, nothing, 0.0, nothing)
    gives = np.flatnonzero(np.isfinite(np.full(len(quotas), np.inf) if charge is None else charge))
    reach = fill(np.sort(supply), share, ceiling)
    while True:
        # 0.8: keeping some personas apart that need not be costs little and saves solving again.
        threshold = 0.8 * float(share) * reach if at is None else floor(share * at)
        free = (supply <= threshold) | (share == 1)
        cells = merge(data, free)
        rows, owner = constraints(cells, quotas)
        sign, shares = signs(quotas)[owner], _shares(quotas)[owner]
        limits = np.zeros(len(owner))
        if at is not None:
            limits = np.where(sign > 0, np.array([float(quota.limit(at)) for quota in quotas])[owner], 0.0)
            shares = np.where(sign > 0, 0.0, shares)
        count = len(cells.supply)
        ways = grace(-np.ones(len(owner)), owner, len(quotas))[:, gives]
        signed = scipy.sparse.diags_array(sign) @ scipy.sparse.hstack((rows, -shares[:, None]), format="csr")
        # Columns: turns of each cell, the total, turns by which each soft quota gives way.
        solved = scipy.optimize.linprog(
            np.concatenate((-cells.weight, [0.0], [] if charge is None else charge[gives])),
            A_ub=scipy.sparse.hstack((signed, ways), format="csr"),
            b_ub=limits,
            A_eq=scipy.sparse.csr_array(np.concatenate((np.ones(count), [-1.0], np.zeros(len(gives))))[None, :]),
            b_eq=[0.0],
            bounds=np.column_stack(
                (
                    np.concatenate((np.zeros(count), [least], np.zeros(len(gives)))),
                    np.concatenate((cells.supply, [ceiling if at is None else at], np.full(len(gives), np.inf))),
                )
            ),
            method="highs",
        )
        if solved.status == 2 and least:
            return Optimum(-np.inf, 0.0, nothing, 0.0, nothing)
        if solved.status != 0:
            raise AssertionError(f"HiGHS: {solved.message}")
        total = max(0.0, float(solved.x[count]))
        if at is not None or share == 1 or supply[free].max(initial=0) <= float(share) * total:
            prices = np.bincount(owner, weights=-solved.ineqlin.marginals, minlength=len(quotas)).astype(np.float64)
            gave = nothing.copy()
            gave[gives] = solved.x[count + 1 :]
            value = max(0.0, float(cells.weight @ solved.x[:count]))
            return Optimum(value, total, prices, -float(solved.upper.marginals[count]), gave)
        reach = floor(total)


def kept_by(data: Cells, quota: Quota, take: Ints) -> Ints:
    """Turns that count for a quota: one number, or one for each persona."""
    return by_persona(data, take) if quota.member is None else take[quota.member[data.profile]].sum(keepdims=True)


def holds(data: Cells, quotas: Sequence[Quota], take: Ints) -> bool:
    """Whether every share holds, in whole numbers."""
    total = int(take.sum())
    sides = {"max": np.less_equal, "min": np.greater_equal}
    return all(bool(np.all(sides[q.side](kept_by(data, q, take), q.limit(total)))) for q in quotas)


def grace(values: Floats, owner: Ints, count: int) -> scipy.sparse.csr_array:
    """A column for each quota, in the rows that are its own."""
    return scipy.sparse.csr_array((values, (np.arange(len(owner)), owner)), shape=(len(owner), count))


def signs(quotas: Sequence[Quota]) -> Floats:
    """1 for ceilings, -1 for floors."""
    return np.array([1.0 if quota.side == "max" else -1.0 for quota in quotas])


def _shares(quotas: Sequence[Quota]) -> Floats:
    return np.array([float(quota.share) for quota in quotas])
