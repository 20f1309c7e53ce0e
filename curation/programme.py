"""The programme under `quotas`: cells as numbers, an upper bound, whole numbers under it, the smallest relaxation.

1. A linear programme with the total as a variable bounds any choice of turns from above, and prices each quota.
2. At a given total every share is a whole number, so the total goes down from the bound until whole numbers fit. A
   relaxation at that total says how far down at least: it skips no total that could fit.
3. Of all choices of that size the one is taken that stays nearest to an even spread over personas, each in the
   proportions of its own traffic; otherwise a solver is free to fill 34 personas and leave out the rest.

A persona whose whole supply fits under the cap at a total that is proven to be out of reach cannot bind. Such personas
merge: leaving out a constraint only raises the bound, and where the result contradicts the merge it is solved again.
Solved by HiGHS (Huangfu and Hall, 2018), as it comes with scipy.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import ceil, floor
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import scipy  # its submodules load on first use

WHOLE = 20_000  # cells after merging up to which a whole programme goes to the integer solver

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


class Quota(NamedTuple):
    """A share of what is kept; `member` says which profiles count, None that each persona counts by itself."""

    name: str
    side: str
    share: Fraction
    member: npt.NDArray[np.bool_] | None

    def limit(self, total: int) -> int:
        """The share in whole turns at a given total."""
        return floor(self.share * total) if self.side == "max" else ceil(self.share * total)


class Cells(NamedTuple):
    """Cells as numbers; `into` says which of these cells each given one went into."""

    persona: Ints
    profile: Ints
    supply: Ints
    into: Ints


class Optimum(NamedTuple):
    """Largest total, and turns that one more turn of slack in each quota, or in the total, would let in."""

    value: float
    prices: Floats
    total_price: float


def exact(share: float) -> Fraction:
    """The decimal number that was written, not the binary one nearest to it."""
    return Fraction(str(share))


def percent(share: Fraction) -> str:
    """A share as people write it."""
    return f"{float(share) * 100:.4g} %"


def _slack(value: float) -> float:
    """How far a solver's value may lie below the true one."""
    return 1e-6 + 1e-8 * value


def by_persona(data: Cells, values: Ints) -> Ints:
    """Sums of a value of the cells, by persona."""
    return np.bincount(data.persona, weights=values).astype(np.int64)  # exact below 2**53


def persona_share(quotas: Sequence[Quota]) -> Fraction:
    """The cap on personas, 1 where there is none."""
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


def _merge(data: Cells, free: npt.NDArray[np.bool_]) -> Cells:
    """Cells of personas that cannot bind, put together by profile; they stand as persona -1."""
    persona = np.where(free[data.persona], -1, data.persona)
    profiles = int(data.profile.max(initial=0)) + 1
    keys, into = np.unique(persona * profiles + data.profile, return_inverse=True)
    supply = np.bincount(into, weights=data.supply, minlength=len(keys)).astype(np.int64)
    return Cells(keys // profiles, keys % profiles, supply, into)


def _rows(cells: Cells, quotas: Sequence[Quota]) -> tuple[scipy.sparse.csr_array, Ints]:
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


def upper_bound(data: Cells, quotas: Sequence[Quota], ceiling: int, at: int | None = None) -> Optimum:
    """The linear programme: an upper bound on the total.

    Args:
        data: All cells.
        quotas: Shares to hold.
        ceiling: The total is no higher.
        at: Take ceilings as the whole numbers they are at this total, which no total below it exceeds.
    """
    supply, share = by_persona(data, data.supply), persona_share(quotas)
    if not ceiling:
        return Optimum(0.0, np.zeros(len(quotas)), 0.0)
    reach = fill(np.sort(supply), share, ceiling)
    while True:
        # 0.8: keeping some personas apart that need not be costs little and saves solving again.
        threshold = 0.8 * float(share) * reach if at is None else floor(share * at)
        free = (supply <= threshold) | (share == 1)
        cells = _merge(data, free)
        rows, owner = _rows(cells, quotas)
        sign, shares = _signs(quotas)[owner], _shares(quotas)[owner]
        limits = np.zeros(len(owner))
        if at is not None:
            limits = np.where(sign > 0, np.array([float(quota.limit(at)) for quota in quotas])[owner], 0.0)
            shares = np.where(sign > 0, 0.0, shares)
        count = len(cells.supply)
        solved = scipy.optimize.linprog(
            np.concatenate((np.zeros(count), [-1.0])),
            A_ub=scipy.sparse.diags_array(sign) @ scipy.sparse.hstack((rows, -shares[:, None]), format="csr"),
            b_ub=limits,
            A_eq=scipy.sparse.csr_array(np.concatenate((np.ones(count), [-1.0]))[None, :]),
            b_eq=[0.0],
            bounds=np.column_stack((np.zeros(count + 1), np.append(cells.supply, ceiling if at is None else at))),
            method="highs",
        )
        if solved.status != 0:
            raise AssertionError(f"HiGHS: {solved.message}")
        value = max(0.0, -float(solved.fun))
        if at is not None or share == 1 or supply[free].max(initial=0) <= float(share) * value:
            prices = np.bincount(owner, weights=-solved.ineqlin.marginals, minlength=len(quotas)).astype(np.float64)
            return Optimum(value, prices, -float(solved.upper.marginals[-1]))
        reach = floor(value)


def largest(data: Cells, quotas: Sequence[Quota], bound: float) -> tuple[Ints, float]:
    """Turns by cell for the largest total in whole numbers, and the bound, tightened where the search proves it."""
    supply, share = np.sort(by_persona(data, data.supply)), persona_share(quotas)
    total, proven = floor(bound + _slack(bound)), True
    while total > 0:
        reach = fill(supply, share, total)
        if reach == total and not _bands_fit(quotas, total):
            reach = total - 1
        if reach < total:
            total = reach
            continue
        even = _even(data, total)
        if holds(data, quotas, even):
            return even, float(total) if proven else bound
        linear = upper_bound(data, quotas, total, at=total).value
        if (reach := floor(linear + _slack(linear))) < total:
            total = reach
            continue
        take, certain = _nearest(data, quotas, total, even)
        if take is not None:
            return take, float(total) if proven else bound
        total -= 1 if certain else max(1, total // 10_000)
        proven &= certain
    return np.zeros(len(data.supply), dtype=np.int64), 0.0 if proven else bound


def _bands_fit(quotas: Sequence[Quota], total: int) -> bool:
    """Whether there is a whole number between each floor and its ceiling."""
    floors = {quota.name: quota.limit(total) for quota in quotas if quota.side == "min"}
    return all(floors.get(quota.name, 0) <= quota.limit(total) for quota in quotas if quota.side == "max")


def _even(data: Cells, total: int) -> Ints:
    """Turns by cell with personas as even as their supply allows, each in the proportions of its own cells."""
    supply = by_persona(data, data.supply)
    low, high = 0, int(supply.max(initial=0))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if np.minimum(supply, middle).sum() <= total else (low, middle - 1)
    level = np.minimum(supply, low)
    level[np.argsort(-supply, kind="stable")[: total - int(level.sum())]] += 1
    return _apportion(data.supply, data.persona, level)


def _apportion(weights: Ints, group: Ints, totals: Ints) -> Ints:
    """Split each group's total in proportion to weights, none above its weight (largest remainders)."""
    whole = np.maximum(np.bincount(group, weights=weights, minlength=len(totals)).astype(np.int64), 1)[group]
    split, rest = np.divmod(weights * totals[group], whole)
    missing = totals - np.bincount(group, weights=split, minlength=len(totals)).astype(np.int64)
    order = np.lexsort((-rest, group))
    start = np.searchsorted(group[order], group[order])
    split[order] += np.arange(len(order)) - start < missing[group[order]]
    return split


def _nearest(data: Cells, quotas: Sequence[Quota], total: int, even: Ints) -> tuple[Ints | None, bool]:
    """Turns by cell for a given total, nearest to the even spread; or None, and whether that is certain."""
    free = by_persona(data, data.supply) <= floor(persona_share(quotas) * total)
    cells = _merge(data, free)
    rows, owner = _rows(cells, quotas)
    limits = np.array([quota.limit(total) for quota in quotas], dtype=float)[owner]
    is_max = _signs(quotas)[owner] > 0
    aim = np.bincount(cells.into, weights=even, minlength=len(cells.supply))
    # Each cell in two parts, up to the aim and above it; the fuller the first parts, the nearer.
    both = scipy.sparse.hstack((rows, rows), format="csr")
    everything = scipy.sparse.csr_array(np.ones((1, both.shape[1])))
    constraints = [
        scipy.optimize.LinearConstraint(both, np.where(is_max, 0, limits), np.where(is_max, limits, np.inf)),
        scipy.optimize.LinearConstraint(everything, total, total),
    ]
    goal = np.repeat([-1.0, 0.0], len(aim))
    low, high = np.zeros(2 * len(aim)), np.concatenate((aim, cells.supply - aim))
    options = {"mip_rel_gap": 1e-3, "node_limit": 20_000}

    def attempt(low: Floats, high: Floats, whole: bool) -> scipy.optimize.OptimizeResult:
        bounds = scipy.optimize.Bounds(low, high)
        return scipy.optimize.milp(
            goal, constraints=constraints, bounds=bounds, integrality=np.full(len(goal), int(whole)), options=options
        )

    solved = attempt(low, high, whole=False)
    if solved.x is None:
        return None, bool(solved.status == 2)
    rounded = np.round(solved.x)
    settled = np.abs(solved.x - rounded) < 1e-6
    if not settled.all():  # few are not: only they go to the integer solver at first
        solved = attempt(np.where(settled, rounded, low), np.where(settled, rounded, high), whole=True)
        if solved.x is None and len(aim) <= WHOLE:
            solved = attempt(low, high, whole=True)
            if solved.x is None:
                return None, bool(solved.status == 2)
        if solved.x is None:
            return None, False
    parts = np.round(solved.x).astype(np.int64).reshape(2, -1)
    merged = parts.sum(axis=0)
    within = np.minimum(merged, aim.astype(np.int64))
    take = _apportion(even, cells.into, within) + _apportion(data.supply - even, cells.into, merged - within)
    return (take, True) if holds(data, quotas, take) else (None, False)


def kept_by(data: Cells, quota: Quota, take: Ints) -> Ints:
    """Turns that count for a quota: one number, or one for each persona."""
    return by_persona(data, take) if quota.member is None else take[quota.member[data.profile]].sum(keepdims=True)


def holds(data: Cells, quotas: Sequence[Quota], take: Ints) -> bool:
    """Whether every share holds, in whole numbers."""
    total = int(take.sum())
    sides = {"max": np.less_equal, "min": np.greater_equal}
    return all(bool(np.all(sides[q.side](kept_by(data, q, take), q.limit(total)))) for q in quotas)


def relax(data: Cells, quotas: list[Quota], ceiling: int, bound: float) -> tuple[list[Quota], list[str]]:
    """The smallest loosening with which the quotas hold, and a sentence for each quota loosened.

    Quotas that can hold at no size give way, as little as keeps half of the turns that the others allow. Where every
    quota could hold but for whole numbers, those give way that need the fewest turns, at the size of the bound. The cap
    on personas gives way last: a thousand times as dear as a band.
    """
    never = _hopeless(data, quotas)
    others = [quota for quota, hopeless in zip(quotas, never, strict=True) if not hopeless]
    size = max(1, floor(upper_bound(data, others, ceiling).value / 2 if never.any() else bound))

    cells = _merge(data, by_persona(data, data.supply) <= floor(persona_share(quotas) * size))
    rows, owner = _rows(cells, quotas)
    limits = np.array([float(quota.limit(size)) for quota in quotas])[owner]
    is_max = _signs(quotas)[owner] > 0
    count = len(cells.supply)
    everything = np.repeat([1.0, 0.0], [count, len(quotas)])[None, :]
    solved = scipy.optimize.milp(
        # Quotas that could hold have to, unless whole numbers forbid it.
        np.concatenate((np.zeros(count), _dear(quotas) * np.where(never | ~never.any(), 1, 1000))),
        constraints=[
            scipy.optimize.LinearConstraint(
                scipy.sparse.hstack((rows, -_grace(_signs(quotas)[owner], owner, len(quotas))), format="csr"),
                np.where(is_max, -np.inf, limits),
                np.where(is_max, limits, np.inf),
            ),
            scipy.optimize.LinearConstraint(everything, size, size),
        ],
        bounds=scipy.optimize.Bounds(0, np.append(cells.supply, np.full(len(quotas), size))),
        integrality=np.full(count + len(quotas), int(count <= WHOLE)),
    )
    loosened, sentences = [], []
    for quota, value in zip(quotas, solved.x[count:], strict=True):
        grace, share = ceil(value - 1e-6), quota.share
        if grace and quota.side == "max":  # rounded outwards to 0.01 %, so that the words are what is in force
            share = min(Fraction(1), Fraction(ceil(Fraction(quota.limit(size) + grace, size) * 10_000), 10_000))
        elif grace:
            share = max(Fraction(0), Fraction(floor(Fraction(quota.limit(size) - grace, size) * 10_000), 10_000))
        loosened.append(quota._replace(share=share))
        if share != quota.share:
            counts = (data.supply > 0) & (True if quota.member is None else quota.member[data.profile])
            turns, personas = int(data.supply[counts].sum()), len(np.unique(data.persona[counts]))
            sentences.append(
                f"{quota.name}: {'floor' if quota.side == 'min' else 'ceiling'} {percent(quota.share)} cannot hold "
                f"with {turns:,} turns of {personas:,} personas; relaxed to {percent(share)}"
            )
    return loosened, sentences


def _hopeless(data: Cells, quotas: Sequence[Quota]) -> npt.NDArray[np.bool_]:
    """Which quotas give way where shares alone are asked for, as if every cell that has turns had plenty."""
    rows, owner = _rows(data, quotas)
    sign, count = _signs(quotas)[owner], len(data.supply)
    solved = scipy.optimize.linprog(
        np.concatenate((np.zeros(count), _dear(quotas))),
        A_ub=scipy.sparse.hstack(
            (scipy.sparse.diags_array(sign) @ rows, -_grace(np.ones(len(owner)), owner, len(quotas))), format="csr"
        ),
        b_ub=sign * _shares(quotas)[owner],
        A_eq=scipy.sparse.csr_array(np.repeat([1.0, 0.0], [count, len(quotas)])[None, :]),
        b_eq=[1.0],
        bounds=np.column_stack((np.zeros(count + len(quotas)), np.append(data.supply > 0, np.ones(len(quotas))))),
        method="highs",
    )
    return np.asarray(solved.x[count:] > 1e-9)


def _grace(values: Floats, owner: Ints, count: int) -> scipy.sparse.csr_array:
    """A column for each quota, in the rows that are its own."""
    return scipy.sparse.csr_array((values, (np.arange(len(owner)), owner)), shape=(len(owner), count))


def _signs(quotas: Sequence[Quota]) -> Floats:
    return np.array([1.0 if quota.side == "max" else -1.0 for quota in quotas])


def _shares(quotas: Sequence[Quota]) -> Floats:
    return np.array([float(quota.share) for quota in quotas])


def _dear(quotas: Sequence[Quota]) -> Floats:
    return np.array([1000.0 if quota.member is None else 1.0 for quota in quotas])
