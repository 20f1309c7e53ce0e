"""Quotas: the largest set of turns in which every share holds at once, what each quota costs, and what cannot hold.

Shares are of what is kept, not of what came in, and hold exactly, in whole turns: of `n` turns a persona may have
`floor(share * n)`, and a floor asks for `ceil(share * n)`. The programme runs over cells (persona x locale x first turn
x difficulty band), not over rows; `programme` has the mathematics.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import ceil, floor
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from curation.programme import (
    Cells,
    Ints,
    Optimum,
    Quota,
    by_profile,
    cells_of,
    exact,
    fill,
    holds,
    kept_by,
    percent,
    upper_bound,
)
from curation.relaxation import give_way, relax
from curation.rounding import apportion, whole
from schemas.curation_recipe import Band, Quotas
from schemas.problems import Problem
from schemas.turns import hash_fraction

CELL = ("persona_id", "locale", "first", "hard")


class Plan(NamedTuple):
    """How many turns to take from each cell, and why not more.

    Attributes:
        cells: The cells as given, with `take` (turns) and `reason` (what keeps the rest out; null: all taken).
        total: Turns taken.
        value: What they count for; without weights the same as `total`.
        bound: No choice of turns that meets the quotas in force counts for more, proven.
        gap: `floor(bound - value)`; 0 means that the plan is optimal.
        prices: A row for each quota in force, see `solve`.
        relaxations: A sentence for each quota that could not hold and was loosened.
        gave_way: A sentence for each soft quota that was loosened at its price.
        relaxed: The settings with the shares that were in force: under them nothing is relaxed or gives way, and the
            plan is the same. The settings as given where all of them held.
    """

    cells: pl.DataFrame
    total: int
    value: float
    bound: float
    gap: int
    prices: pl.DataFrame
    relaxations: list[str]
    gave_way: list[str]
    relaxed: Quotas


def solve(cells: pl.DataFrame, settings: Quotas, costs: bool = True) -> Plan:
    """Choose how many turns to take from each cell, so that they count for most.

    Args:
        cells: `persona_id`, `locale`, `first` (bool), `hard` (`hard`, `other` or `unknown`), `supply` (turns); a
            row for each cell. The band for hard turns counts only where difficulty is known for some; turns whose
            difficulty is unknown are then not among the hard.
        settings: Shares of what is kept, weights, and the largest total.
        costs: Solve again for each quota that binds, for `gain` and `cost`; without, they are null where they need it.

    Returns:
        The plan. The order of rows does not change it. Soft quotas give way first, as far as that pays. Where no choice
        meets all quotas they are relaxed: those that can hold at no size at all, as little as keeps half of what the
        others allow; where only whole numbers stand in the way, whatever needs the fewest turns at the size of the
        bound. The cap on personas gives way last.

        `prices` has, for each quota in force: `quota` and `side` (`min` or `max`); `asked`, its share in the settings,
        or as it was loosened; `share`, what was held, with the margin for discards; `reached`, its share in the plan
        (of the largest persona); and in turns, or what they count for: `price`, what one more percentage point would
        let in at the margin (a dual value; for the total: one more turn); `gain`, what one whole percentage point more
        does let in (for the total: 1 % more turns), and `cost`, what is lost to it, both solved again with all others
        in place. A limit on the total is a row of its own, without shares.
    """
    given = cells.with_row_index("_row").sort(*CELL, "supply", "_row")
    data, into, asked = _read(given, settings)
    supply = int(data.supply.sum())
    ceiling = min(supply, settings.total or supply)
    quotas = give_way(data, asked, settings.soft, ceiling)
    gave = _gave_way(data, asked, quotas, settings, ceiling)
    relaxations: list[str] = []
    best = upper_bound(data, quotas, ceiling)
    take, bound = whole(data, quotas, best, ceiling)
    if supply and not take.any():
        quotas, relaxations = relax(data, quotas, ceiling, best.total)
        best = upper_bound(data, quotas, ceiling)
        take, bound = whole(data, quotas, best, ceiling)
    _check(data, quotas, take)
    rows = apportion(given["supply"].to_numpy().astype(np.int64), into, take)
    reasons = pl.Series("reason", _reasons(data, quotas, take, settings.total), dtype=pl.String)[into]
    reasons = reasons.set(pl.Series(rows == given["supply"].to_numpy()), None)
    value = float(data.weight @ by_profile(data, take))
    return Plan(
        cells=given.with_columns(pl.Series("take", rows), reasons).sort("_row").drop("_row"),
        total=int(take.sum()),
        value=value,
        bound=bound,
        gap=floor(bound - value + 1e-6),
        prices=_prices(data, quotas, best, take, settings.total, costs),
        relaxations=relaxations,
        gave_way=gave,
        relaxed=_in_force(settings, asked, quotas),
    )


def _prices(
    data: Cells, quotas: list[Quota], best: Optimum, take: Ints, total: int | None, costs: bool
) -> pl.DataFrame:
    """What `Plan.prices` holds."""
    supply, kept = int(data.supply.sum()), int(take.sum())
    ceiling = min(supply, total or supply)

    def change(quotas: Sequence[Quota], ceiling: int, binds: bool) -> float | None:
        # A zero dual stays feasible when its row is loosened: such a quota costs nothing, and needs no solve to say so.
        if not binds:
            return 0.0
        return max(0.0, upper_bound(data, quotas, ceiling).value - best.value) if costs else None

    rows: list[tuple[str, str, float | None, float | None, float | None, float, float | None, float | None]] = []
    for quota, price in zip(quotas, best.prices, strict=True):
        reached = int(kept_by(data, quota, take).max(initial=0)) / max(kept, 1)
        step = Fraction(1, 100) if quota.side == "max" else Fraction(-1, 100)
        point = quota._replace(asked=min(max(quota.asked + step, Fraction(0)), Fraction(1)))
        looser = [point if other is quota else other for other in quotas]
        without = [other for other in quotas if other is not quota]
        rows.append(
            (
                quota.name,
                quota.side,
                float(quota.asked),
                float(quota.share),
                reached,
                price * best.total / 100 * quota.steepness,
                change(looser, ceiling, price > 1e-9),
                change(without, ceiling, price > 1e-9),
            )
        )
    if total:
        binds = best.total_price > 1e-9
        more = change(quotas, min(supply, ceiling + ceil(ceiling / 100)), binds)
        rows.append(("total", "max", None, None, None, best.total_price, more, change(quotas, supply, binds)))
    numbers = ("asked", "share", "reached", "price", "gain", "cost")
    return pl.DataFrame(
        rows, schema={"quota": pl.String, "side": pl.String} | dict.fromkeys(numbers, pl.Float64), orient="row"
    )


def _gave_way(data: Cells, asked: list[Quota], quotas: list[Quota], settings: Quotas, ceiling: int) -> list[str]:
    """A sentence for each soft quota that gave way: how far, and what that lets in with the others where they are."""
    sentences = []
    value = None
    for number, (before, after) in enumerate(zip(asked, quotas, strict=True)):
        if before.asked == after.asked:
            continue
        value = upper_bound(data, quotas, ceiling).value if value is None else value
        held = [before if place == number else quota for place, quota in enumerate(quotas)]
        saved = value - upper_bound(data, held, ceiling).value
        points = abs(float(after.asked - before.asked)) * 100
        sentences.append(
            f"{before.name}: {'floor' if before.side == 'min' else 'ceiling'} {percent(before.asked)} gave way to "
            f"{percent(after.asked)}: {points:.4g} points at {settings.soft[before.name]:g} turns each, "
            f"which lets in {max(saved, 0.0):,.0f} more turns"
        )
    return sentences


def _in_force(settings: Quotas, asked: list[Quota], quotas: list[Quota]) -> Quotas:
    """The settings with the shares as they were loosened."""
    moved = {(new.name, new.side): new for old, new in zip(asked, quotas, strict=True) if new.asked != old.asked}
    if not moved:
        return settings

    def band(name: str, band: Band) -> dict[str, float]:
        sides = {side: moved.get((name, side)) for side in ("min", "max")}
        return {side: getattr(band, side) if new is None else float(new.asked) for side, new in sides.items()}

    persona = moved.get(("persona", "max"))
    return Quotas.model_validate(
        settings.model_dump()
        | {
            "max_persona_share": settings.max_persona_share if persona is None else float(persona.asked),
            "locales": {name: band(f"locale {name}", each) for name, each in settings.locales.items()},
            "first_turns": band("first turns", settings.first_turns),
            "hard_turns": band("hard turns", settings.hard_turns),
            "soft": {
                name: price for name, price in settings.soft.items() if not {(name, "min"), (name, "max")} & set(moved)
            },
        }
    )


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


def _read(cells: pl.DataFrame, settings: Quotas) -> tuple[Cells, Ints, list[Quota]]:
    """Sorted cells as numbers, which of them each row went into, and the quotas that ask for anything."""
    locales = sorted({*cells["locale"].unique().to_list(), *settings.locales})
    locale = cells["locale"].cast(pl.Enum(locales)).to_physical().to_numpy().astype(np.int64)
    hard = (cells["hard"] == "hard").to_numpy().astype(np.int64)
    profile = locale * 4 + cells["first"].to_numpy().astype(np.int64) * 2 + hard
    persona = cells["persona_id"].rle_id().to_numpy().astype(np.int64)  # sorted, so that equal ones are neighbours
    profiles = np.arange(len(locales) * 4)
    weights = settings.weights
    weight = np.array([weights.locales.get(name, 1.0) for name in locales])[profiles // 4]
    weight *= np.where(profiles // 2 % 2 == 1, weights.first_turns, 1.0)
    weight *= np.where(profiles % 2 == 1, weights.hard_turns, 1.0)
    supply = cells["supply"].to_numpy().astype(np.int64)
    data, into = cells_of(persona, profile, supply, weight)

    bands: list[tuple[str, Band, npt.NDArray[np.bool_]]] = [
        (f"locale {name}", band, profiles // 4 == locales.index(name))
        for name, band in sorted(settings.locales.items())
    ]
    bands.append(("first turns", settings.first_turns, profiles // 2 % 2 == 1))
    if (cells["hard"] != "unknown").any():
        bands.append(("hard turns", settings.hard_turns, profiles % 2 == 1))
    gone = exact(settings.expected_discards)
    quotas = [Quota("persona", "max", exact(settings.max_persona_share), None, gone)]
    for name, band, member in bands:
        quotas += [Quota(name, "min", exact(band.min), member, gone)] if band.min > 0 else []
        quotas += [Quota(name, "max", exact(band.max), member, gone)] if band.max < 1 else []
    return data, into, quotas


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
