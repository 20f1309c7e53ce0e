"""The explorer's answers: what a choice of quotas keeps, which of them bind, what each costs, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import polars as pl

from curation.quotas import solve
from schemas.curation_recipe import Band, Quotas, Weights

WHOLE = (0.0, 100.0)


class Price(NamedTuple):
    """A quota in force and what it costs; the fields are those of `curation.quotas.Plan.prices`.

    Attributes:
        quota: `persona`, `locale pt-BR`, `first turns`, `hard turns` or `total`.
        side: `min` (floor) or `max` (ceiling).
        asked: What is in force, 0 to 1; None for the total.
        share: What was held, with the margin for discards; None for the total.
        reached: Its share in what is kept; None for the total.
        price: What one more percentage point would let in, at the margin.
        gain: What one whole percentage point more does let in (for the total: 1 % more turns); None where not solved.
        cost: What would be let in without the quota; None where not solved.
    """

    quota: str
    side: str
    asked: float | None
    share: float | None
    reached: float | None
    price: float
    gain: float | None
    cost: float | None

    @property
    def binds(self) -> bool:
        """Whether the quota keeps any turn out."""
        return self.price > 1e-6

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
        gave_way: Sentences about soft quotas that gave way at their price.
        relaxed: The quotas in force; as asked where all of them hold.
        shares: `dimension` (`persona`, `locale`, `first turn`, `difficulty`), `value`, `supply`, `kept`.
    """

    total: int
    largest: str | None
    largest_share: float
    prices: tuple[Price, ...]
    relaxations: tuple[str, ...]
    gave_way: tuple[str, ...]
    relaxed: Quotas
    shares: pl.DataFrame


def answer(cells: pl.DataFrame, quotas: Quotas, costs: bool = True) -> Answer:
    """Solve for quotas and sum up.

    Args:
        cells: `persona_id`, `locale`, `first`, `hard`, `supply`.
        quotas: What is asked for.
        costs: Solve for what each quota costs, too; that takes longer.
    """
    plan = solve(cells.select("persona_id", "locale", "first", "hard", "supply"), quotas, costs)
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
    prices = (Price(*row) for row in plan.prices.iter_rows())
    return Answer(
        plan.total,
        people["value"][0] if plan.total else None,
        people["kept"][0] / plan.total if plan.total else 0.0,
        tuple(sorted(prices, key=lambda price: (-(price.cost or price.price), price.quota, price.side))),
        tuple(plan.relaxations),
        tuple(plan.gave_way),
        plan.relaxed,
        shares,
    )


def share_of(percent: float) -> float:
    """0 to 1 from per cent, without the binary dust: 7 gives 0.07."""
    return round(percent / 100, 12)


def percent_of(share: float) -> float:
    """Per cent from 0 to 1."""
    return round(share * 100, 10)


def band_of(pair: tuple[float, float]) -> Band:
    """A band from a pair in per cent."""
    return Band(min=share_of(pair[0]), max=share_of(pair[1]))


def make_quotas(
    *,
    total: int | None,
    persona: float,
    locales: Mapping[str, tuple[float, float]],
    first: tuple[float, float],
    hard: tuple[float, float],
    discards: float,
    weights: Mapping[str, float],
    soft: Mapping[str, float],
) -> Quotas:
    """Quotas from what stands on the page; shares in per cent.

    Floors that add up to more than 100 % are let through, unlike in a recipe: the page shows how they could hold.

    Args:
        total: Largest number of turns.
        persona: Cap of each persona.
        locales: Floor and ceiling by locale.
        first: Floor and ceiling of first turns.
        hard: Floor and ceiling of hard turns.
        discards: What people are expected to throw away.
        weights: What a turn counts for, by `first turns`, `hard turns` and `locale TAG`; those at 1 are left out.
        soft: Turns that a percentage point has to bring, by the same names; those at 0 never give way.
    """
    # A band without limits asks for nothing, and is left out of recipes.
    bands = {tag: band_of(pair) for tag, pair in sorted(locales.items()) if tuple(pair) != WHOLE}
    named = {*(f"locale {tag}" for tag in bands), "first turns", "hard turns"}
    return Quotas.model_construct(
        total=total,
        max_persona_share=share_of(persona),
        locales=bands,
        first_turns=band_of(first),
        hard_turns=band_of(hard),
        weights=Weights(
            locales={
                name.removeprefix("locale "): weight
                for name, weight in sorted(weights.items())
                if name.startswith("locale ") and weight != 1
            },
            first_turns=weights.get("first turns", 1.0),
            hard_turns=weights.get("hard turns", 1.0),
        ),
        soft={name: price for name, price in sorted(soft.items()) if price > 0 and name in named},
        expected_discards=share_of(discards),
    )


def floors_fit(quotas: Quotas) -> bool:
    """Whether the locales' floors leave room for one another."""
    return sum(band.min for band in quotas.locales.values()) <= 1


def shown(share: float) -> str:
    """A share that somebody set, as they wrote it."""
    return f"{share * 100:.4g} %"


def measured(share: float) -> str:
    """A share that came out, to a hundredth of a per cent where it is small."""
    return f"{share * 100:.2f} %" if share < 0.1 else f"{share * 100:.1f} %"


def cost_words(price: Price, unit: str = "turns") -> str:
    """What a quota that binds costs, as a sentence without its name.

    Args:
        price: The quota.
        unit: What costs are counted in.
    """
    if price.cost is None or price.gain is None:
        return "keeps turns out"
    words = f"costs {price.cost:,.0f} {unit}"
    if price.quota == "total":
        return f"{words}; 1 % more turns would let in {price.gain:,.0f} more"
    words += f"; one point {'less' if price.side == 'min' else 'more'} would let in {price.gain:,.0f} more"
    if price.asked is not None and price.share is not None and abs(price.asked - price.share) > 1e-9:
        words += f"; held at {measured(price.share)} to leave room for discards"
    return words
