"""Quotas: the largest set of turns in which every share holds at once, what each quota costs, and what cannot hold.

Shares are of what is kept, not of what came in, and hold exactly, in whole turns: of `n` turns a persona may have
`floor(share * n)`, and a floor asks for `ceil(share * n)`. The programme runs over cells (persona x locale x first turn
x difficulty band), not over rows; `programme` has the mathematics.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, floor
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from curation.programme import Cells, Ints, Quota, exact, fill, holds, kept_by, largest, percent, relax, upper_bound
from schemas.problems import Problem
from schemas.recipe import Band, Quotas
from schemas.turns import hash_fraction

CELL = ("persona_id", "locale", "first", "hard")


class Plan(NamedTuple):
    """How many turns to take from each cell, and why not more.

    Attributes:
        cells: The cells as given, with `take` (turns) and `reason` (what keeps the rest out; null: all taken).
        total: Turns taken.
        bound: No choice of turns that meets the quotas in force is larger, proven.
        gap: `floor(bound) - total`; 0 means that the plan is optimal.
        prices: A row for each quota in force. `share` is what was in force, after relaxation; null for the total.
            `price` is how many more turns one more percentage point would let in, at the margin (for the total: one
            more turn). `cost` is how many more turns the linear programme keeps, solved again with this quota gone and
            the others in place.
        relaxations: A sentence for each quota that could not hold and was loosened.
    """

    cells: pl.DataFrame
    total: int
    bound: float
    gap: int
    prices: pl.DataFrame
    relaxations: list[str]


def solve(cells: pl.DataFrame, settings: Quotas) -> Plan:
    """Choose how many turns to take from each cell.

    Args:
        cells: `persona_id`, `locale`, `first` (bool), `hard` (`hard`, `other` or `unknown`), `supply` (turns); a
            row for each cell. The band for hard turns counts only where difficulty is known for some.
        settings: Shares of what is kept, and the largest total.

    Returns:
        The plan. The order of rows does not change it. Where no choice meets all quotas they are relaxed: those that
        can hold at no size at all, as little as keeps half of what the others allow; where only whole numbers stand in
        the way, whatever needs the fewest turns at the size of the bound. The cap on personas gives way last.
    """
    given = cells.with_row_index("_row").sort(*CELL, "supply", "_row")
    data, quotas = _read(given, settings)
    supply = int(data.supply.sum())
    ceiling = min(supply, settings.total or supply)
    relaxations: list[str] = []
    best = upper_bound(data, quotas, ceiling)
    take, bound = largest(data, quotas, best.value)
    if supply and not take.any():
        quotas, relaxations = relax(data, quotas, ceiling, best.value)
        best = upper_bound(data, quotas, ceiling)
        take, bound = largest(data, quotas, best.value)
    total = int(take.sum())
    _check(data, quotas, take)

    rows: list[tuple[str, str, float | None, float, float]] = []
    for number, quota in enumerate(quotas):
        others = [other for other in quotas if other is not quota]
        # A zero dual stays feasible without its row: such a quota costs nothing, and needs no solve to say so.
        costs = best.prices[number] > 1e-9
        cost = upper_bound(data, others, ceiling).value - best.value if costs else 0.0
        rows.append(
            (quota.name, quota.side, float(quota.share), best.prices[number] * best.value / 100, max(cost, 0.0))
        )
    if settings.total:
        free = upper_bound(data, quotas, supply).value if best.total_price > 1e-9 else best.value
        rows.append(("total", "max", None, best.total_price, max(free - best.value, 0.0)))
    columns = {"quota": pl.String, "side": pl.String, "share": pl.Float64, "price": pl.Float64, "cost": pl.Float64}
    reasons = pl.Series("reason", _reasons(data, quotas, take, settings.total), dtype=pl.String)
    planned = given.with_columns(pl.Series("take", take), reasons).sort("_row").drop("_row")
    gap = floor(bound + 1e-6) - total
    return Plan(planned, total, bound, gap, pl.DataFrame(rows, schema=columns, orient="row"), relaxations)


def cap(ids: pl.DataFrame, max_share: float, seed: int, purpose: str, total: int | None = None) -> pl.Series:
    """The largest subset in which no persona has more than its share, for use after people have discarded some.

    Args:
        ids: `turn_id`, `persona_id`; a row for each turn.
        max_share: Largest share of one persona in what is returned, 0 to 1.
        seed: The recipe's seed.
        purpose: What the choice is for; see `hash_fraction`.
        total: At most this many turns.

    Returns:
        `turn_id` of the turns to keep, sorted. Personas take turns, each giving its next in hash order, so that the
        spread is as even as the supply allows.

    Raises:
        Problem: There are turns, but too few personas for any choice to hold the share.
    """
    supply = np.sort(ids.group_by("persona_id").len()["len"].to_numpy().astype(np.int64))
    share = exact(max_share)
    kept = fill(supply, share, min(ids.height, ids.height if total is None else total))
    if ids.height and not kept:
        raise Problem(
            f"persona: {ids.height} turns of {len(supply)} personas cannot hold {percent(share)} a persona; "
            f"expected {ceil(1 / share)} personas or more. Give more personas, or raise max_persona_share."
        )
    return (
        ids.select("turn_id", "persona_id", fraction=hash_fraction(seed, purpose, ids["turn_id"]))
        .sort("fraction", "turn_id")
        .with_columns(place=pl.int_range(pl.len()).over("persona_id"))
        .sort("place", "fraction", "turn_id")
        .head(kept)["turn_id"]
        .sort()
    )


def _read(cells: pl.DataFrame, settings: Quotas) -> tuple[Cells, list[Quota]]:
    """Sorted cells as numbers, and the quotas that ask for anything."""
    locales = sorted({*cells["locale"].unique().to_list(), *settings.locales})
    locale = cells["locale"].cast(pl.Enum(locales)).to_physical().to_numpy().astype(np.int64)
    hard = (cells["hard"] == "hard").to_numpy().astype(np.int64)
    profile = locale * 4 + cells["first"].to_numpy().astype(np.int64) * 2 + hard
    persona = cells["persona_id"].rle_id().to_numpy().astype(np.int64)  # sorted, so that equal ones are neighbours
    data = Cells(persona, profile, cells["supply"].to_numpy().astype(np.int64), np.arange(cells.height))

    profiles = np.arange(len(locales) * 4)
    bands: list[tuple[str, Band, npt.NDArray[np.bool_]]] = [
        (f"locale {name}", band, profiles // 4 == locales.index(name))
        for name, band in sorted(settings.locales.items())
    ]
    bands.append(("first turns", settings.first_turns, profiles // 2 % 2 == 1))
    if (cells["hard"] != "unknown").any():
        bands.append(("hard turns", settings.hard_turns, profiles % 2 == 1))
    quotas = [Quota("persona", "max", exact(settings.max_persona_share), None)]
    for name, band, member in bands:
        quotas += [Quota(name, "min", exact(band.min), member)] if band.min > 0 else []
        quotas += [Quota(name, "max", exact(band.max), member)] if band.max < 1 else []
    return data, quotas


def _check(data: Cells, quotas: Sequence[Quota], take: Ints) -> None:
    if not (holds(data, quotas, take) and np.all(take >= 0) and np.all(take <= data.supply)):
        raise AssertionError("the plan breaks a share")


def _reasons(data: Cells, quotas: Sequence[Quota], take: Ints, total: int | None) -> list[str | None]:
    """What keeps the rest of each cell out: its persona, a ceiling it counts for, the total, or a floor of others."""
    kept = int(take.sum())
    reasons = np.full(len(take), None, dtype=object)
    left = take < data.supply

    def give(where: npt.NDArray[np.bool_], reason: str) -> None:
        reasons[left & where & (reasons == None)] = reason  # noqa: E711 - elementwise

    for quota in sorted(quotas, key=lambda quota: quota.member is not None):
        if quota.side == "max":
            full = kept_by(data, quota, take) >= quota.limit(kept)
            where = full[data.persona] if quota.member is None else quota.member[data.profile] & full
            give(where, f"quota: {quota.name} above {percent(quota.share)}")
    if kept == total:
        give(left, "quota: total")
    for quota in quotas:
        if quota.member is not None and quota.side == "min" and kept_by(data, quota, take)[0] <= quota.limit(kept):
            give(~quota.member[data.profile], f"quota: {quota.name} below {percent(quota.share)}")
    give(left, "quota: no larger total fits in whole turns")
    return list(reasons)
