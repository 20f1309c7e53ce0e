"""The explorer's answers: what a choice of quotas keeps, which of them bind, what each costs, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import polars as pl

from curation.quotas import solve
from schemas.recipe import Band, Quotas

WHOLE = (0.0, 100.0)


class Price(NamedTuple):
    """A quota in force and what it costs.

    Attributes:
        quota: As `curation.quotas.Plan` names it: `persona`, `locale pt-BR`, `first turns`, `hard turns`, `total`.
        side: `min` (floor) or `max` (ceiling).
        share: What is in force, 0 to 1; None for the total.
        price: How many more turns one more percentage point would let in (for the total: one more turn).
        cost: How many more turns there would be without the quota.
    """

    quota: str
    side: str
    share: float | None
    price: float
    cost: float

    @property
    def binds(self) -> bool:
        """Whether the quota keeps any turn out."""
        return self.cost >= 0.5 or self.price > 1e-6

    @property
    def title(self) -> str:
        """What people call it."""
        if self.quota in ("persona", "total"):
            return {"persona": "persona cap", "total": "total"}[self.quota]
        name = self.quota.removeprefix("locale ")
        return f"{name} {'floor' if self.side == 'min' else 'ceiling'}"


class Answer(NamedTuple):
    """What a choice of quotas comes to.

    Attributes:
        total: Turns kept.
        largest: `persona_id` with most turns; None where nothing is kept.
        largest_share: Its share of what is kept.
        prices: Quotas in force, the dearest first.
        relaxations: Sentences about quotas that cannot hold.
        relaxed: The quotas in force, where some were relaxed; else as asked.
        shares: `dimension` (`persona`, `locale`, `first turn`, `difficulty`), `value`, `supply`, `kept`.
    """

    total: int
    largest: str | None
    largest_share: float
    prices: tuple[Price, ...]
    relaxations: tuple[str, ...]
    relaxed: Quotas
    shares: pl.DataFrame


def answer(cells: pl.DataFrame, quotas: Quotas) -> Answer:
    """Solve for quotas and sum up.

    Args:
        cells: `persona_id`, `locale`, `first`, `hard`, `supply`.
        quotas: What is asked for.
    """
    plan = solve(cells.select("persona_id", "locale", "first", "hard", "supply"), quotas)
    kept = plan.cells.with_columns(
        first=pl.when("first").then(pl.lit("first turn")).otherwise(pl.lit("later turn")), kept=pl.col("take")
    )
    dimensions = {"persona": "persona_id", "locale": "locale", "first turn": "first", "difficulty": "hard"}
    shares = pl.concat(
        [
            kept.group_by(value=pl.col(column))
            .agg(pl.col("supply", "kept").sum())
            .select(pl.lit(name).alias("dimension"), "value", "supply", "kept")
            .sort("kept", "value", descending=[True, False])
            for name, column in dimensions.items()
        ]
    )
    people = shares.filter(pl.col("dimension") == "persona")
    prices = sorted((Price(*row) for row in plan.prices.iter_rows()), key=lambda p: (-p.cost, p.quota, p.side))
    return Answer(
        plan.total,
        people["value"][0] if plan.total else None,
        people["kept"][0] / plan.total if plan.total else 0.0,
        tuple(prices),
        tuple(plan.relaxations),
        in_force(quotas, prices) if plan.relaxations else quotas,
        shares,
    )


def in_force(quotas: Quotas, prices: list[Price]) -> Quotas:
    """The quotas with each share as it was in force."""
    shares = {(price.quota, price.side): price.share for price in prices}

    def band(name: str, asked: Band) -> Band:
        low, high = shares.get((name, "min")), shares.get((name, "max"))
        return Band(min=asked.min if low is None else low, max=asked.max if high is None else high)

    return quotas.model_copy(
        update={
            "max_persona_share": shares[("persona", "max")],
            "locales": {tag: band(f"locale {tag}", asked) for tag, asked in quotas.locales.items()},
            "first_turns": band("first turns", quotas.first_turns),
            "hard_turns": band("hard turns", quotas.hard_turns),
        }
    )


def share_of(percent: float) -> float:
    """0 to 1 from per cent, without the binary dust: 7 gives 0.07."""
    return round(percent / 100, 6)


def percent_of(share: float) -> float:
    """Per cent from 0 to 1."""
    return round(share * 100, 4)


def band_of(pair: tuple[float, float]) -> Band:
    """A band from a pair in per cent."""
    return Band(min=share_of(pair[0]), max=share_of(pair[1]))


def make_quotas(
    *,
    base: Quotas,
    total: int | None,
    persona: float,
    locales: Mapping[str, tuple[float, float]],
    first: tuple[float, float],
    hard: tuple[float, float],
) -> Quotas:
    """Quotas from what stands on the page, in per cent.

    Floors that add up to more than 1 are let through, unlike in a recipe: the page shows how they could hold.
    """
    values = {
        **{name: getattr(base, name) for name in Quotas.model_fields},
        "total": total,
        "max_persona_share": share_of(persona),
        # A band without limits asks for nothing, and is left out of recipes.
        "locales": {tag: band_of(pair) for tag, pair in sorted(locales.items()) if tuple(pair) != WHOLE},
        "first_turns": band_of(first),
        "hard_turns": band_of(hard),
    }
    return Quotas.model_construct(**values)


def floors_fit(quotas: Quotas) -> bool:
    """Whether the locales' floors leave room for one another."""
    return sum(round(band.min * 1_000_000) for band in quotas.locales.values()) <= 1_000_000


def shown(share: float) -> str:
    """A share as the page writes it."""
    return f"{share * 100:.4g} %"


def cost_words(price: Price) -> str:
    """What a quota costs, as a sentence without its name."""
    if not price.binds:
        return "does not bind: moving it a little changes nothing"
    cost = f"costs {price.cost:,.0f} turns"
    if price.quota == "total":
        return f"{cost}: without it, that many more would fit"
    step = 0.1 if price.share is not None and price.share < 0.05 and price.side == "max" else 1.0
    more = price.price * step
    if more < 0.5:
        return cost
    amount = "one point" if step == 1 else "0.1 point"
    direction = "less" if price.side == "min" else "more"
    return f"{cost}; {amount} {direction} would let in about {more:,.0f} more"
