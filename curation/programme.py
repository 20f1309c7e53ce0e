"""The linear programme under `quotas`: cells as numbers, an upper bound on what can be kept, the price of each quota.

What is maximised is what the kept turns count for, subject to shares of their number, which is a variable. Bands ask
only how many turns of each profile (locale x first turn x difficulty) are kept, so the programme is over profiles.
Personas come in as cuts: of the profiles in a set S they can give no more than the sum of min(cap, supply in S), and by
the theorem of Gale (1957) and Hoffman (1960) turns can be had if and only if that is so for every S. The sets that
matter are few and found one by one, each by a minimum cut. The programme's solver is HiGHS (Huangfu and Hall, 2018)
and the cut's Dinic's (1970), both as they come with scipy. `rounding` makes whole turns of it, `relaxation`
says what gives way where not all can hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import ceil, floor
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import scipy  # its submodules load on first use

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

APART = 20_000
"""Cells of personas above the cap up to which each is a column of the programme; with more, personas are cuts."""


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
    """Cells as numbers: persona x profile, where a profile is a locale, first turn or not, hard or not.

    Attributes:
        persona: Number of the persona, ascending; those that have most come first.
        profile: Number of the profile, ascending within the persona; no two cells have both in common.
        supply: Turns.
        weight: What a turn of each profile counts for, one number a profile.
        have: Turns of each persona, descending, so that those above any cap stand at the start.
        offered: Turns of each profile.
        sets: Sets of profiles that were found to matter, kept from one programme for the next.
    """

    persona: Ints
    profile: Ints
    supply: Ints
    weight: Floats
    have: Ints
    offered: Ints
    sets: list[npt.NDArray[np.bool_]]


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
    return np.bincount(data.persona, weights=values, minlength=len(data.have)).astype(np.int64)  # exact below 2**53


def by_profile(data: Cells, values: Ints) -> Ints:
    """Sums of a value of the cells, by profile."""
    return np.bincount(data.profile, weights=values, minlength=len(data.weight)).astype(np.int64)


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


def cells_of(persona: Ints, profile: Ints, supply: Ints, weight: Floats) -> tuple[Cells, Ints]:
    """Cells from rows of persona, profile and supply, and which cell each row went into."""
    have = np.bincount(persona, weights=supply).astype(np.int64)
    order = np.argsort(-have, kind="stable")
    number = np.empty(len(order), dtype=np.int64)
    number[order] = np.arange(len(order))
    keys, into = np.unique(number[persona] * len(weight) + profile, return_inverse=True)
    summed = np.bincount(into, weights=supply, minlength=len(keys)).astype(np.int64)
    offered = np.bincount(profile, weights=supply, minlength=len(weight)).astype(np.int64)
    return Cells(keys // len(weight), keys % len(weight), summed, weight, have[order], offered, []), into


def above(data: Cells, cap: float) -> tuple[int, int]:
    """How many personas have more than the cap, and how many cells they have; both stand at the start."""
    people = int(np.searchsorted(-data.have, -cap))
    return people, int(np.searchsorted(data.persona, people))


def can_give(data: Cells, cap: float, inside: npt.NDArray[np.bool_]) -> tuple[int, int]:
    """What personas can give of some profiles: turns of those that stay under the cap, and how many reach it."""
    people, cells = above(data, cap)
    counts = np.flatnonzero(inside[data.profile[:cells]])
    has = np.bincount(data.persona[counts], weights=data.supply[counts], minlength=people)
    capped = has > cap
    return int(data.offered[inside].sum() - has[capped].sum()), int(capped.sum())


def split_off(data: Cells, people: int, cells: int) -> tuple[scipy.sparse.csr_array, scipy.sparse.csr_array, Ints]:
    """For the personas that stand first, with a column for each of their cells: sums by profile, sums by persona, and
    what all other personas have of each profile.
    """
    ones, column = np.ones(cells), np.arange(cells)
    by_profile = scipy.sparse.csr_array((ones, (data.profile[:cells], column)), shape=(len(data.weight), cells))
    by_person = scipy.sparse.csr_array((ones, (data.persona[:cells], column)), shape=(people, cells))
    taken = np.bincount(data.profile[:cells], weights=data.supply[:cells], minlength=len(data.weight))
    return by_profile, by_person, data.offered - taken.astype(np.int64)


def _in_proportion(data: Cells, cap: float) -> Floats:
    """Turns by profile where each persona gives up to the cap in the proportions of its own supply."""
    _, cells = above(data, cap)
    over = data.supply[:cells] * (1 - cap / data.have[data.persona[:cells]])
    return np.asarray(
        data.offered - np.bincount(data.profile[:cells], weights=over, minlength=len(data.offered)), float
    )


def too_much(data: Cells, cap: float, wanted: Floats | Ints) -> list[npt.NDArray[np.bool_]]:
    """The smallest and the largest set of profiles of which most more is wanted than can be had; none if all can.

    A minimum cut between personas and profiles. Personas whose whole supply fits under the cap cannot bind and merge.
    With whole numbers the answer is exact; otherwise to some billionths of what is wanted.

    Args:
        data: All cells.
        cap: Turns that a persona may have.
        wanted: Turns wanted of each profile.
    """
    count, cells = above(data, cap)
    persona, profile, supply = data.persona[:cells], data.profile[:cells], data.supply[:cells]
    free = data.offered - np.bincount(profile, weights=supply, minlength=len(wanted))
    demand = np.maximum(wanted - free, 0)
    scale = 1.0 if np.issubdtype(wanted.dtype, np.integer) else 2**30 / max(demand.sum(), 1.0)
    short = np.round(demand * scale).astype(np.int64)
    if not short.any():
        return []
    profiles = len(wanted)
    source, sink = count + profiles, count + profiles + 1
    most = np.minimum(np.array([cap * scale]), short.sum()).round()
    network = graph(
        (np.full(count, source), np.arange(count), np.broadcast_to(most, count)),
        (persona, count + profile, np.minimum(supply * scale, most).round()),
        (count + np.arange(profiles), np.full(profiles, sink), short),
    )
    flow = scipy.sparse.csgraph.maximum_flow(network, source, sink)
    if flow.flow_value >= short.sum():
        return []
    left = network - flow.flow
    left.data = np.maximum(left.data, 0)
    left.eliminate_zeros()
    found = []
    for start, way in ((source, left), (sink, left.T.tocsr())):
        reached = np.zeros(sink + 1, dtype=bool)
        reached[scipy.sparse.csgraph.breadth_first_order(way, start, return_predecessors=False)] = True
        found.append((reached[count:source] == (start == sink)) & (short > 0))
    return found if (found[0] != found[1]).any() else found[:1]


def graph(*edges: tuple[Ints, Ints, Floats | Ints]) -> scipy.sparse.csr_array:
    """A network of whole capacities; the last edge goes to the node with the highest number."""
    start, end, capacity = (np.concatenate(part) for part in zip(*edges, strict=True))
    nodes = int(end.max()) + 1
    return scipy.sparse.csr_array((capacity.astype(np.int32), (start, end)), shape=(nodes, nodes))


def first_cuts(data: Cells, quotas: Sequence[Quota]) -> list[npt.NDArray[np.bool_]]:
    """Sets of profiles that may matter: all, each band, each band's others, single ones, those found before."""
    full = np.ones(len(data.weight), dtype=bool)
    bands = {quota.name: quota.member for quota in quotas if quota.member is not None}.values()
    single = list(np.eye(len(full), dtype=bool)) if len(full) <= 16 else []
    sets = [full, *bands, *(~member for member in bands), *single, *data.sets]
    return list({inside.tobytes(): inside for inside in sets}.values())


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
        charge: For each quota, what a turn by which it gives way costs; infinite: it does not. Not for personas.

    Returns:
        The optimum; its value is minus infinity where `least` is out of reach.
    """
    share, profiles = persona_share(quotas), len(data.weight)
    nothing = np.zeros(len(quotas))
    if not ceiling:
        return Optimum(0.0, 0.0, nothing, 0.0, nothing)
    whole = None if at is None else floor(share * at)
    gives = np.flatnonzero(np.isfinite(np.full(len(quotas), np.inf) if charge is None else charge))
    bands: list[int] = []
    rows: list[Floats] = []
    limits: list[float] = []
    for number, quota in enumerate(quotas):
        if quota.member is None:
            continue
        bands.append(number)
        sign = 1.0 if quota.side == "max" else -1.0
        fixed = at is not None and sign > 0
        of_total = 0.0 if fixed else -sign * float(quota.share)
        rows.append(np.concatenate((sign * quota.member, [of_total], np.where(gives == number, -1.0, 0.0))))
        limits.append(float(quota.limit(at)) if fixed and at is not None else 0.0)
    counts: list[int] = []

    def cut(inside: npt.NDArray[np.bool_], total: float) -> None:
        """Personas give these profiles their whole supply or their share of the total, whichever is less here."""
        cap = float(share) * total if whole is None else float(whole)
        turns, capped = can_give(data, cap, inside)
        counts.append(capped)
        of_total = float(share) * capped if whole is None else 0.0
        rows.append(np.concatenate((inside, [-of_total], np.zeros(len(gives)))))
        limits.append(turns + (0.0 if whole is None else float(whole * capped)))

    total: float = fill(data.have[::-1], share, ceiling)
    # 0.8: keeping some personas apart that need not be costs little and saves solving again.
    people, columns = above(data, 0.8 * float(share) * total if whole is None else float(whole))
    explicit = share < 1 and columns <= APART
    if share < 1 and not explicit:
        for inside in first_cuts(data, quotas):
            cut(inside, max(total, least))
    costs = np.concatenate((-data.weight, [0.0], np.zeros(0) if charge is None else charge[gives]))
    low = np.concatenate((np.zeros(profiles), [least], np.zeros(len(gives))))
    high = np.concatenate((data.offered, [ceiling if at is None else at], np.full(len(gives), np.inf)))
    balance = np.concatenate((np.ones(profiles), [-1.0], np.zeros(len(gives))))[None, :]
    inner: Floats | None = None  # a point that personas can give
    while True:
        extra = columns if explicit else 0
        width = len(costs)
        matrix: list[Any] = [scipy.sparse.csr_array(np.reshape(rows, (len(rows), width)))] if rows else []
        right = list(limits)
        if explicit:
            from_cells, by_person, rest = split_off(data, people, columns)
            of_total = scipy.sparse.csr_array((people, width)).tolil()
            of_total[:, profiles] = -float(share) if whole is None else 0.0
            matrix = [
                scipy.sparse.hstack((*matrix, scipy.sparse.csr_array((len(rows), extra)))) if rows else None,
                scipy.sparse.hstack((scipy.sparse.eye_array(profiles, width), -from_cells)),
                scipy.sparse.hstack((of_total, by_person)),
            ]
            right += [*rest, *([0.0 if whole is None else float(whole)] * people)]
        stacked = [block for block in matrix if block is not None]
        solved = scipy.optimize.linprog(
            np.append(costs, np.zeros(extra)),
            A_ub=scipy.sparse.vstack(stacked, format="csr") if stacked else None,
            b_ub=right if stacked else None,
            A_eq=np.hstack((balance, np.zeros((1, extra)))),
            b_eq=[0.0],
            bounds=np.column_stack((np.append(low, np.zeros(extra)), np.append(high, data.supply[:extra]))),
            method="highs",
        )
        if solved.status == 2 and least:
            return Optimum(-np.inf, 0.0, nothing, 0.0, nothing)
        if solved.status != 0:
            raise AssertionError(f"HiGHS: {solved.message}")
        wanted, total = np.maximum(solved.x[:profiles], 0.0), max(0.0, float(solved.x[profiles]))
        cap = float(share) * total if whole is None else float(whole)
        if explicit and above(data, cap)[0] > people:  # more personas reach the cap than stood apart
            people, columns = above(data, 0.8 * cap if whole is None else cap)
            explicit = columns <= APART
            if explicit:
                continue
            for inside in first_cuts(data, quotas):
                cut(inside, total)
            continue
        if explicit:
            break
        inner = _in_proportion(data, cap) if inner is None else inner
        inner *= min(1.0, total / max(inner.sum(), 1e-9))
        point = np.concatenate((inner, solved.x[profiles:]))
        if (
            data.weight @ inner >= data.weight @ wanted - slack(total)
            and inner.sum() >= total - slack(total)
            and all(row @ point <= limit + slack(total) for row, limit in zip(rows, limits, strict=True))
        ):
            break  # as good, and can be had
        # Cuts are sought halfway to the inner point first, from where they go deeper (Ben-Ameur and Neto, 2007).
        over = [] if share == 1 else too_much(data, cap, (wanted + inner) / 2)
        if not over and share < 1:
            inner = (wanted + inner) / 2
            over = too_much(data, cap, wanted)
        if not over:
            break
        turns, capped = can_give(data, cap, over[0])
        if wanted[over[0]].sum() <= turns + capped * cap + slack(total):
            break
        data.sets.extend(over)
        for inside in over:
            cut(inside, total)
    prices, gave = nothing.copy(), nothing.copy()
    if rows or explicit:
        duals = -solved.ineqlin.marginals
        prices[bands] = duals[: len(bands)]
        each = np.ones(people) if explicit else np.array(counts, dtype=float)
        for number, quota in enumerate(quotas):
            if quota.member is None:
                prices[number] = duals[len(duals) - len(each) :] @ each
    gave[gives] = solved.x[profiles + 1 : len(costs)]
    return Optimum(float(data.weight @ wanted), total, prices, -float(solved.upper.marginals[profiles]), gave)


def kept_by(data: Cells, quota: Quota, take: Ints) -> Ints:
    """Turns that count for a quota: one number, or one for each persona."""
    return by_persona(data, take) if quota.member is None else take[quota.member[data.profile]].sum(keepdims=True)


def holds(data: Cells, quotas: Sequence[Quota], take: Ints) -> bool:
    """Whether every share holds, in whole numbers."""
    total = int(take.sum())
    sides = {"max": np.less_equal, "min": np.greater_equal}
    return all(bool(np.all(sides[q.side](kept_by(data, q, take), q.limit(total)))) for q in quotas)
