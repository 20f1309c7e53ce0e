"""What gives way: soft quotas at their price, and where the quotas cannot all hold, whatever is the least.

A soft quota is loosened as long as that pays: what is kept counts for more by at least the price of every percentage
point it gave. A relaxation is the last resort, when nothing at all could be chosen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import floor

import numpy as np
import numpy.typing as npt

from curation.programme import (
    Cells,
    Floats,
    Quota,
    cells_of,
    percent,
    persona_share,
    upper_bound,
)
from curation.rounding import at_total

PLENTY = 1_000_000  # turns that stand for as many as anyone could want


def give_way(data: Cells, quotas: list[Quota], soft: Mapping[str, float], ceiling: int) -> list[Quota]:
    """Loosen soft quotas where what that lets in counts for more than the points given cost.

    In the programme a soft quota has a slack in turns, charged at 100 * price / total each, which is the price of a
    percentage point; the total comes from the programme before, at first the one without soft quotas, and can only
    fall. Of all programmes on that way, and of giving nothing, the one is taken that is worth most after its charges.

    Args:
        data: All cells.
        quotas: Shares to hold.
        soft: Price by name: what one percentage point has to bring.
        ceiling: The total is no higher.

    Returns:
        The quotas, those that gave way with what is asked of them now, in steps of 0.01 %.
    """
    price = np.array([soft.get(quota.name, np.inf) for quota in quotas])
    firm = [quota for quota in quotas if quota.name not in soft]
    if len(firm) == len(quotas):
        return quotas
    best, most = quotas, upper_bound(data, quotas, ceiling).value
    free = upper_bound(data, firm, ceiling)
    total, before = free.total, np.inf
    while free.value > most + 1e-6 and 0 < total < before * (1 - 1e-9):
        found = upper_bound(data, quotas, ceiling, charge=100 * price / total)
        moved = [
            quota.loosened(quota.share + _outwards(quota) * Fraction(float(turns / max(found.total, 1e-9))))
            if turns > 1e-6
            else quota
            for quota, turns in zip(quotas, found.slack, strict=True)
        ]
        worth = upper_bound(data, moved, ceiling).value - _charges(quotas, moved, price)
        if worth > most + 1e-6:
            best, most = moved, worth
        total, before = found.total, total
    return best


def _outwards(quota: Quota) -> int:
    return 1 if quota.side == "max" else -1


def _charges(quotas: Sequence[Quota], moved: Sequence[Quota], price: Floats) -> float:
    return sum(
        float(abs(new.asked - old.asked)) * 100 * float(each)
        for old, new, each in zip(quotas, moved, price, strict=True)
        if new.asked != old.asked
    )


def relax(data: Cells, quotas: list[Quota], ceiling: int, total: float) -> tuple[list[Quota], list[str]]:
    """The smallest loosening with which the quotas hold, and a sentence for each quota loosened.

    Quotas that can hold at no size give way, as little as keeps half of the turns that the others allow. Where every
    quota could hold but for whole numbers, those give way that need the fewest turns, at the given total. The cap on
    personas gives way last: a thousand times as dear as a band.
    """
    supply, share = data.have, persona_share(quotas)
    never = _hopeless(data, quotas)
    others = [quota for quota, hopeless in zip(quotas, never, strict=True) if not hopeless]
    size = max(1, floor(upper_bound(data, others, ceiling).total / 2 if never.any() else total))
    cap = floor(share * size)
    if np.minimum(supply, cap).sum() < size:
        low, cap = cap, int(supply.max())
        while cap - low > 1:  # personas can give `size` under `cap`, and not under `low`
            middle = (low + cap) // 2
            low, cap = (low, middle) if np.minimum(supply, middle).sum() >= size else (middle, cap)
    loosened = [
        quota.loosened(Fraction(cap, size)) if quota.member is None and cap > quota.limit(size) else quota
        for quota in quotas
    ]
    dear = np.where(never | ~never.any(), 1.0, 1000.0)
    # Fractions first: they find the sets of profiles that matter, which is slow in whole numbers.
    upper_bound(data, loosened, size, least=size, charge=np.where([q.member is None for q in quotas], np.inf, dear))
    found = at_total(data, loosened, size, give=True, dear=dear)
    if found is None:
        raise AssertionError("nothing holds even when every band gives way")
    loosened = [
        quota.loosened(Fraction(quota.limit(size) + _outwards(quota) * int(turns), size)) if turns else quota
        for quota, turns in zip(loosened, found[1], strict=True)
    ]
    sentences = []
    for quota, new in zip(quotas, loosened, strict=True):
        if new.asked != quota.asked:
            counts = (data.supply > 0) & (True if quota.member is None else quota.member[data.profile])
            turns, personas = int(data.supply[counts].sum()), len(np.unique(data.persona[counts]))
            sentences.append(
                f"{quota.name}: {'floor' if quota.side == 'min' else 'ceiling'} {percent(quota.asked)} cannot hold "
                f"with {turns:,} turns of {personas:,} personas; relaxed to {percent(new.asked)}"
            )
    return loosened, sentences


def _hopeless(data: Cells, quotas: Sequence[Quota]) -> npt.NDArray[np.bool_]:
    """Which quotas give way where shares alone are asked for, as if every cell that has turns had plenty."""
    supply = np.where(data.supply > 0, PLENTY, 0)
    plenty, _ = cells_of(data.persona, data.profile, supply, np.ones(len(data.weight)))
    people = int((data.have > 0).sum())
    few = persona_share(quotas) * people < 1
    shares = [quota.loosened(Fraction(1, people)) if quota.member is None and few else quota for quota in quotas]
    charge = np.array([np.inf if quota.member is None else 1.0 for quota in quotas])
    gave = upper_bound(plenty, shares, PLENTY, least=PLENTY, charge=charge).slack
    return np.array([few if quota.member is None else turns > 1 for quota, turns in zip(quotas, gave, strict=True)])
