"""Whole turns under the programme's bound.

At a given total every share is a whole number. With all turns counting the same, the total goes down from the bound
until whole numbers fit; a relaxation at that total says how far down at least, so that no total that could fit is
skipped. With weights the best total is not the largest: totals are tried on both sides of the programme's own, until no
further one can gain anything, which is so at last because the programme's value is a concave function of the total.

Of all choices of that size, and with weights of that value, the one is taken that stays nearest to an even spread over
personas, each in the proportions of its own traffic; otherwise a solver is free to fill 34 personas and leave out the
rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import ceil, floor

import numpy as np
import scipy

from curation.programme import (
    Cells,
    Floats,
    Ints,
    Optimum,
    Quota,
    by_persona,
    constraints,
    fill,
    holds,
    merge,
    persona_share,
    signs,
    slack,
    upper_bound,
)

WHOLE = 40_000  # numbers to find up to which a whole programme goes to the integer solver
ENOUGH = 1e-4  # share of the bound below which a gain is not worth another programme
TRIES = 64  # totals tried on each side with weights


def whole(data: Cells, quotas: Sequence[Quota], best: Optimum, ceiling: int) -> tuple[Ints, float]:
    """Turns by cell that count for most in whole numbers, and the bound, tightened where the search proves it."""
    if not len(data.weight) or np.all(data.weight == data.weight[0]):
        each = float(data.weight[0]) if len(data.weight) else 1.0
        take, bound = _largest(data, quotas, best.value / each)
        return take, bound * each
    return _heaviest(data, quotas, best, ceiling)


def _largest(data: Cells, quotas: Sequence[Quota], bound: float) -> tuple[Ints, float]:
    """Turns by cell for the largest total in whole numbers, and the bound, tightened where the search proves it."""
    supply, share = np.sort(by_persona(data, data.supply)), persona_share(quotas)
    total, proven = floor(bound + slack(bound)), True
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
        linear = upper_bound(data, quotas, total, at=total).total
        if (reach := floor(linear + slack(linear))) < total:
            total = reach
            continue
        take, certain = _nearest(data, quotas, total, even)
        if take is not None:
            return take, float(total) if proven else bound
        total -= 1 if certain else max(1, total // 10_000)
        proven &= certain
    return np.zeros(len(data.supply), dtype=np.int64), 0.0 if proven else bound


def _heaviest(data: Cells, quotas: Sequence[Quota], best: Optimum, ceiling: int) -> tuple[Ints, float]:
    """The same where turns count differently."""
    supply, share = np.sort(by_persona(data, data.supply)), persona_share(quotas)
    start = floor(best.total + slack(best.total))
    value, proven, take = 0.0, True, np.zeros(len(data.supply), dtype=np.int64)
    for total, step in ((start, -1), (max(start + 1, ceil(1 / share)), 1)):
        for _ in range(TRIES):
            if not 0 < total <= ceiling:
                break
            if (reach := fill(supply, share, total)) < total:
                total = reach if step < 0 else total + 1
                continue
            if upper_bound(data, quotas, total, least=total).value <= value + max(ENOUGH * best.value, 1e-6):
                break
            if _bands_fit(quotas, total):
                found, certain = _heaviest_at(data, quotas, total)
                proven &= certain
                if found is not None and (counts := float(data.weight @ found)) > value + 1e-9:
                    take, value = found, counts
            total += step
        else:
            proven = False
    if not take.any():
        return take, 0.0 if proven else best.value
    even = _even(data, int(take.sum()))
    if holds(data, quotas, even) and data.weight @ even >= value - 1e-9:
        return even, value if proven else best.value
    # As many turns of each weight, spread more evenly.
    profiles = int(data.profile.max()) + 1
    weight = np.zeros(profiles)
    weight[data.profile] = data.weight
    kept = [
        Quota("weight", "min", Fraction(int(take[data.weight == each].sum()), int(take.sum())), weight == each)
        for each in np.unique(data.weight)
    ]
    spread, _ = _nearest(data, [*quotas, *kept], int(take.sum()), even)
    take = take if spread is None else spread
    return take, value if proven else best.value


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


def _heaviest_at(data: Cells, quotas: Sequence[Quota], total: int) -> tuple[Ints | None, bool]:
    """Turns by cell that count for most at a given total; or None, and whether that is certain."""
    cells = merge(data, by_persona(data, data.supply) <= floor(persona_share(quotas) * total))
    parts, certain = _integers(cells, quotas, total, [(-cells.weight, cells.supply)], ENOUGH)
    if parts is None:
        return None, certain
    take = _apportion(data.supply, cells.into, parts[0])
    return (take, certain) if holds(data, quotas, take) else (None, False)


def _nearest(data: Cells, quotas: Sequence[Quota], total: int, even: Ints) -> tuple[Ints | None, bool]:
    """Turns by cell for a given total, nearest to the even spread; or None, and whether that is certain."""
    cells = merge(data, by_persona(data, data.supply) <= floor(persona_share(quotas) * total))
    aim = np.bincount(cells.into, weights=even, minlength=len(cells.supply)).astype(np.int64)
    # Each cell in two parts, up to the aim and above it; the fuller the first parts, the nearer.
    goals = [(-np.ones(len(aim)), aim), (np.zeros(len(aim)), cells.supply - aim)]
    parts, certain = _integers(cells, quotas, total, goals, np.inf)
    if parts is None:
        return None, certain
    merged = parts.sum(axis=0)
    within = np.minimum(merged, aim)
    take = _apportion(even, cells.into, within) + _apportion(data.supply - even, cells.into, merged - within)
    return (take, True) if holds(data, quotas, take) else (None, False)


def _integers(
    cells: Cells, quotas: Sequence[Quota], total: int, parts: list[tuple[Floats, Ints]], loss: float
) -> tuple[Ints | None, bool]:
    """Whole numbers at a given total; or None, and whether that is certain.

    Args:
        cells: Cells, merged.
        quotas: Shares to hold.
        total: Turns to take.
        parts: Costs and upper bounds of each part that a cell is split into.
        loss: Share of the least cost that may be lost where that saves work.

    Returns:
        Turns [parts, cells] of the least cost, and whether they, or that there are none, is proven.
    """
    rows, owner = constraints(cells, quotas)
    limits = np.array([quota.limit(total) for quota in quotas], dtype=float)[owner]
    is_max = signs(quotas)[owner] > 0
    every = scipy.sparse.hstack([rows] * len(parts), format="csr")
    goal = np.concatenate([costs for costs, _ in parts])
    conditions = [
        scipy.optimize.LinearConstraint(every, np.where(is_max, 0, limits), np.where(is_max, limits, np.inf)),
        scipy.optimize.LinearConstraint(scipy.sparse.csr_array(np.ones((1, len(goal)))), total, total),
    ]
    low, high = np.zeros(len(goal)), np.concatenate([most for _, most in parts]).astype(np.float64)
    options = {"mip_rel_gap": min(loss, 1e-3), "node_limit": 20_000}

    def attempt(low: Floats, high: Floats, whole: bool) -> scipy.optimize.OptimizeResult:
        bounds = scipy.optimize.Bounds(low, high)
        return scipy.optimize.milp(
            goal, constraints=conditions, bounds=bounds, integrality=np.full(len(goal), int(whole)), options=options
        )

    linear = attempt(low, high, whole=False)
    if linear.x is None:
        return None, bool(linear.status == 2)
    solved, rounded = linear, np.round(linear.x)
    settled = np.abs(linear.x - rounded) < 1e-6
    if not settled.all():  # few are not: only they go to the integer solver at first
        solved = attempt(np.where(settled, rounded, low), np.where(settled, rounded, high), whole=True)
        good = solved.x is not None and solved.fun - linear.fun <= loss * abs(linear.fun) + 1e-9
        if not good and len(goal) <= WHOLE:
            again = attempt(low, high, whole=True)
            if again.x is None and solved.x is None:
                return None, bool(again.status == 2)
            good = bool(again.status == 0)
            solved = again if again.x is not None else solved
        if solved.x is None:
            return None, False
        return np.round(solved.x).astype(np.int64).reshape(len(parts), -1), good
    return rounded.astype(np.int64).reshape(len(parts), -1), True
