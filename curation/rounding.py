"""Whole turns under the programme's bound.

At a given total every share is a whole number. With all turns counting the same, the total goes down from the bound
until whole numbers fit; a relaxation at that total says how far down at least, so that no total that could fit is
skipped. With weights the best total need not be the largest: totals are tried on both sides of the programme's own,
until no further one can gain anything, which is so at last because the programme's value is a concave function of the
total.

At a given total an integer programme over profiles, with the same cuts as the linear one, says how many turns of each
are kept; a network of whole capacities has whole flows, so that personas can always give just these. Of all choices
the one is taken whose profiles are nearest to an even spread over personas, each in the proportions of its own traffic,
and it is spread over personas as evenly as its profiles allow; otherwise a solver is free to fill 34 personas and leave
out the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, floor
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy

from curation.programme import (
    APART,
    Cells,
    Floats,
    Ints,
    Optimum,
    Quota,
    above,
    by_persona,
    by_profile,
    can_give,
    fill,
    first_cuts,
    graph,
    holds,
    persona_share,
    slack,
    split_off,
    too_much,
    upper_bound,
)

ENOUGH = 1e-4  # share of the bound below which a gain is not worth another total
TRIES = 64  # totals tried on each side with weights


def whole(data: Cells, quotas: Sequence[Quota], best: Optimum, ceiling: int) -> tuple[Ints, float]:
    """Turns by cell that count for most in whole numbers, and the bound, tightened where the search proves it."""
    used = data.weight[data.offered > 0]
    if not len(used) or np.all(used == used[0]):
        each = float(used[0]) if len(used) else 1.0
        total, profiles = _largest(data, quotas, best.value / each)
        bound = total * each
    else:
        total, profiles, bound = _heaviest(data, quotas, best, ceiling)
    if profiles is None:
        return np.zeros(len(data.supply), dtype=np.int64), bound
    even = _even(data, total)
    if holds(data, quotas, even) and data.weight @ by_profile(data, even) >= data.weight @ profiles - 1e-9:
        return even, bound
    alike = [data.weight == each for each in np.unique(data.weight)]
    keep = [(inside, int(profiles[inside].sum())) for inside in alike] if len(alike) > 1 else []
    near = at_total(data, quotas, total, aim=by_profile(data, even), keep=keep)
    return _spread(data, quotas, even, profiles if near is None else near[0]), bound


def _largest(data: Cells, quotas: Sequence[Quota], bound: float) -> tuple[int, Ints | None]:
    """The largest total that whole numbers reach, and turns by profile."""
    supply, share = data.have[::-1], persona_share(quotas)
    total = floor(bound + slack(bound))
    while total > 0:
        reach = fill(supply, share, total)
        if reach == total and not _bands_fit(quotas, total):
            reach = total - 1
        if reach < total:
            total = reach
            continue
        even = _even(data, total)
        if holds(data, quotas, even):
            return total, by_profile(data, even)
        linear = upper_bound(data, quotas, total, at=total).total
        if (reach := floor(linear + slack(linear))) < total:
            total = reach
            continue
        if found := at_total(data, quotas, total):
            return total, found[0]
        total -= 1
    return 0, None


def _heaviest(data: Cells, quotas: Sequence[Quota], best: Optimum, ceiling: int) -> tuple[int, Ints | None, float]:
    """The total that counts for most in whole numbers, turns by profile, and the bound."""
    supply, share = data.have[::-1], persona_share(quotas)
    start = floor(best.total + slack(best.total))
    found, value, proven = None, 0.0, True
    for total, step in ((start, -1), (max(start + 1, ceil(1 / share)), 1)):
        for _ in range(TRIES):
            while (reach := fill(supply, share, total)) < total <= ceiling:
                total = reach if step < 0 else total + 1
            if not 0 < total <= ceiling:
                break
            most = upper_bound(data, quotas, total, least=total).value
            if most <= value + max(ENOUGH * best.value, 1e-6):
                proven &= most <= value + 1e-6
                break
            tried = at_total(data, quotas, total, weight=data.weight) if _bands_fit(quotas, total) else None
            if tried and (counts := float(data.weight @ tried[0])) > value + 1e-9:
                found, value = tried[0], counts
            after = total + step
            if not tried and (reach := floor(upper_bound(data, quotas, total, at=total).total + 1e-6)) < total - 1:
                # Far from whole: a persona's share of a turn is missing.
                after = reach if step < 0 else ceil((floor(share * total) + 1) / share)
                proven &= step < 0
            total = after
        else:
            proven = False
    return 0 if found is None else int(found.sum()), found, value if proven else best.value


def _bands_fit(quotas: Sequence[Quota], total: int) -> bool:
    """Whether there is a whole number between each floor and its ceiling."""
    floors = {quota.name: quota.limit(total) for quota in quotas if quota.side == "min"}
    return all(floors.get(quota.name, 0) <= quota.limit(total) for quota in quotas if quota.side == "max")


def at_total(
    data: Cells,
    quotas: Sequence[Quota],
    total: int,
    *,
    weight: Floats | None = None,
    aim: Ints | None = None,
    keep: Sequence[tuple[npt.NDArray[np.bool_], int]] = (),
    give: bool = False,
    dear: Floats | None = None,
) -> tuple[Ints, Ints] | None:
    """Turns by profile at a given total, in whole numbers that personas can give; None if there are none.

    Args:
        data: All cells.
        quotas: Shares to hold.
        total: Turns to take.
        weight: Make what they count for the most, one number a profile.
        aim: Come as near to these turns by profile as can be.
        keep: Take exactly that many turns of some profiles.
        give: Bands give way, by as few turns as can be.
        dear: What a turn by which each quota gives way costs.

    Returns:
        Turns by profile, and turns by which each quota gives way.
    """
    cap, profiles = floor(persona_share(quotas) * total), len(data.weight)
    bands = [(number, quota) for number, quota in enumerate(quotas) if quota.member is not None]
    # Columns: turns of each profile, how far they are above and below the aim, how far each quota gives way.
    width = 3 * profiles + len(quotas)

    def row(inside: npt.NDArray[np.bool_] | Floats, gives: dict[int, float] | None = None) -> Floats:
        line = np.zeros(width)
        line[:profiles] = inside
        for number, by in (gives or {}).items():
            line[3 * profiles + number] = by
        return line

    rows, low, high = [row(np.ones(profiles))], [float(total)], [float(total)]
    for number, quota in bands:
        assert quota.member is not None
        top = quota.side == "max"
        rows.append(row(quota.member, {number: -1.0 if top else 1.0}))
        low.append(-np.inf if top else quota.limit(total))
        high.append(quota.limit(total) if top else np.inf)
    for inside, count in keep:
        rows.append(row(inside))
        low.append(count)
        high.append(count)
    if aim is not None:
        apart = np.hstack((np.eye(profiles), -np.eye(profiles), np.eye(profiles), np.zeros((profiles, len(quotas)))))
        rows += list(apart)
        low += list(aim)
        high += list(aim)

    def cut(inside: npt.NDArray[np.bool_]) -> None:
        rows.append(row(inside))
        low.append(-np.inf)
        turns, capped = can_give(data, cap, inside)
        high.append(float(turns + capped * cap))

    people, columns = above(data, cap)
    if columns > APART:
        columns = 0
        for inside in first_cuts(data, quotas):
            cut(inside)
    away = 0.0 if aim is None else 1.0
    goal = np.concatenate(
        (
            np.zeros(profiles) if weight is None else -weight,
            np.full(2 * profiles, away),
            np.ones(len(quotas)) if dear is None else dear,
        )
    )
    most = np.concatenate(
        (
            data.offered,
            np.full(2 * profiles, 0 if aim is None else total),
            np.full(len(quotas), total if give else 0),
        )
    )
    while True:
        matrix: Any = np.array(rows)
        floors, ceilings = list(low), list(high)
        if columns:  # few personas reach the cap: what each gives of a profile is a column of its own
            from_cells, by_person, rest = split_off(data, people, columns)
            matrix = scipy.sparse.vstack(
                (
                    scipy.sparse.hstack((scipy.sparse.csr_array(matrix), scipy.sparse.csr_array((len(rows), columns)))),
                    scipy.sparse.hstack((scipy.sparse.eye_array(profiles, width), -from_cells)),
                    scipy.sparse.hstack((scipy.sparse.csr_array((people, width)), by_person)),
                ),
                format="csr",
            )
            floors += [-np.inf] * (profiles + people)
            ceilings += [*rest, *([float(cap)] * people)]
        solved = scipy.optimize.milp(
            np.append(goal, np.zeros(columns)),
            constraints=scipy.optimize.LinearConstraint(matrix, floors, ceilings),
            bounds=scipy.optimize.Bounds(0, np.append(most, data.supply[:columns])),
            # Whole turns by profile are enough: with whole capacities, flows to them can be whole.
            integrality=np.append(np.ones(width), np.zeros(columns)),
            options={"mip_rel_gap": 0.0 if weight is not None or give else 1e-3, "node_limit": 20_000},
        )
        if solved.x is None:
            return None
        found = np.round(solved.x).astype(np.int64)
        over = too_much(data, cap, found[:profiles])
        if not over:
            return found[:profiles], found[3 * profiles : width]
        data.sets.extend(over)
        for inside in over:
            cut(inside)


def _even(data: Cells, total: int) -> Ints:
    """Turns by cell with personas as even as their supply allows, each in the proportions of its own cells."""
    supply = data.have
    low, high = 0, int(supply.max(initial=0))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if np.minimum(supply, middle).sum() <= total else (low, middle - 1)
    level = np.minimum(supply, low)
    level[np.argsort(-supply, kind="stable")[: total - int(level.sum())]] += 1
    return apportion(data.supply, data.persona, level)


def apportion(weights: Ints, group: Ints, totals: Ints) -> Ints:
    """Split each group's total in proportion to weights, none above its weight (largest remainders)."""
    whole = np.maximum(np.bincount(group, weights=weights, minlength=len(totals)).astype(np.int64), 1)[group]
    split, rest = np.divmod(weights * totals[group], whole)
    missing = totals - np.bincount(group, weights=split, minlength=len(totals)).astype(np.int64)
    order = np.lexsort((-rest, group))
    start = np.searchsorted(group[order], group[order])
    split[order] += np.arange(len(order)) - start < missing[group[order]]
    return split


def _spread(data: Cells, quotas: Sequence[Quota], even: Ints, wanted: Ints) -> Ints:
    """Turns by cell that come to these turns by profile, spread over personas as evenly as they are."""
    cap = floor(persona_share(quotas) * int(wanted.sum()))
    level = by_persona(data, even)
    take = apportion(even, data.profile, np.minimum(wanted, by_profile(data, even)))
    # What is missing comes from personas below their even level first, then from those below the cap.
    for most in (level, np.full(len(data.have), cap)):
        for profile in np.flatnonzero(by_profile(data, take) < wanted):
            cells = np.flatnonzero(data.profile == profile)
            left = np.maximum(most - by_persona(data, take), 0)[data.persona[cells]]
            left = np.minimum(left, data.supply[cells] - take[cells])
            more = np.array([min(int(wanted[profile] - take[cells].sum()), int(left.sum()))])
            take[cells] += apportion(left, np.zeros(len(cells), dtype=np.int64), more)
    missing = wanted - by_profile(data, take)
    if missing.any():  # some have to give less of one profile to give more of another: paths in the network
        people, count = data.persona, len(wanted)
        source, sink = len(data.have) + count, len(data.have) + count + 1
        total = int(missing.sum())
        network = graph(
            (
                np.full(len(data.have), source),
                np.arange(len(data.have)),
                np.minimum(cap - by_persona(data, take), total),
            ),
            (people, len(data.have) + data.profile, np.minimum(data.supply - take, total)),
            (len(data.have) + data.profile, people, np.minimum(take, total)),
            (len(data.have) + np.arange(count), np.full(count, sink), missing),
        )
        flow = scipy.sparse.csgraph.maximum_flow(network, source, sink).flow
        take = take + np.asarray(flow[people, len(data.have) + data.profile]).ravel().astype(np.int64)
    return take
