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
import scipy

from curation.programme import (
    Cells,
    Floats,
    Quota,
    by_persona,
    constraints,
    grace,
    merge,
    percent,
    persona_share,
    signs,
    upper_bound,
)
from curation.rounding import WHOLE


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
    never = _hopeless(data, quotas)
    others = [quota for quota, hopeless in zip(quotas, never, strict=True) if not hopeless]
    size = max(1, floor(upper_bound(data, others, ceiling).total / 2 if never.any() else total))

    cells = merge(data, by_persona(data, data.supply) <= floor(persona_share(quotas) * size))
    rows, owner = constraints(cells, quotas)
    limits = np.array([float(quota.limit(size)) for quota in quotas])[owner]
    is_max = signs(quotas)[owner] > 0
    count = len(cells.supply)
    everything = np.repeat([1.0, 0.0], [count, len(quotas)])[None, :]
    solved = scipy.optimize.milp(
        # Quotas that could hold have to, unless whole numbers forbid it.
        np.concatenate((np.zeros(count), _dear(quotas) * np.where(never | ~never.any(), 1, 1000))),
        constraints=[
            scipy.optimize.LinearConstraint(
                scipy.sparse.hstack((rows, -grace(signs(quotas)[owner], owner, len(quotas))), format="csr"),
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
        new = quota
        if value > 1e-6:
            turns = quota.limit(size) + _outwards(quota) * int(np.ceil(value - 1e-6))
            new = quota.loosened(Fraction(turns, size))
        loosened.append(new)
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
    rows, owner = constraints(data, quotas)
    sign, count = signs(quotas)[owner], len(data.supply)
    solved = scipy.optimize.linprog(
        np.concatenate((np.zeros(count), _dear(quotas))),
        A_ub=scipy.sparse.hstack(
            (scipy.sparse.diags_array(sign) @ rows, -grace(np.ones(len(owner)), owner, len(quotas))), format="csr"
        ),
        b_ub=sign * np.array([float(quota.share) for quota in quotas])[owner],
        A_eq=scipy.sparse.csr_array(np.repeat([1.0, 0.0], [count, len(quotas)])[None, :]),
        b_eq=[1.0],
        bounds=np.column_stack((np.zeros(count + len(quotas)), np.append(data.supply > 0, np.ones(len(quotas))))),
        method="highs",
    )
    return np.asarray(solved.x[count:] > 1e-9)


def _dear(quotas: Sequence[Quota]) -> Floats:
    return np.array([1000.0 if quota.member is None else 1.0 for quota in quotas])
