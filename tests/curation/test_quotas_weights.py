"""Weights, soft quotas, the margin for discards, prices: against brute force, and by solving again."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from test_quotas import counted, crowd, holds, make, settings_of_quotas, some_cells  # type: ignore[import-not-found]

from curation.quotas import Plan, solve
from schemas.curation_recipe import Band, Quotas, Weights

WEIGHTS = (0.25, 0.5, 1.0, 1.7, 3.0)


def weights() -> st.SearchStrategy[Weights]:
    one = st.sampled_from(WEIGHTS)
    return st.builds(lambda *w: Weights(locales={"pt-BR": w[0]}, first_turns=w[1], hard_turns=w[2]), one, one, one)


def worth(cells: pl.DataFrame, take: list[int], weights: Weights) -> float:
    return sum(
        taken
        * weights.locales.get(row["locale"], 1.0)
        * (weights.first_turns if row["first"] else 1.0)
        * (weights.hard_turns if row["hard"] == "hard" else 1.0)
        for taken, row in zip(take, cells.rows(named=True), strict=True)
    )


@settings(max_examples=50, deadline=None, derandomize=True)
@given(some_cells(5, 3), settings_of_quotas(), weights())
def test_nothing_that_holds_counts_for_more(cells: pl.DataFrame, quotas: Quotas, weights: Weights) -> None:
    plan = solve(cells, quotas.model_copy(update={"weights": weights}), costs=False)
    wanted, ceiling = counted(cells, quotas), quotas.total or 10**9
    choices = itertools.product(*[range(supply + 1) for supply in cells["supply"]])
    good = [list(take) for take in choices if sum(take) <= ceiling and holds(list(take), wanted)]
    best = max(worth(cells, take, weights) for take in good)
    if best:
        assert plan.relaxations == []
        assert plan.value == pytest.approx(best)
        assert plan.value == pytest.approx(worth(cells, plan.cells["take"].to_list(), weights))
        assert plan.bound >= best - 1e-6


def test_a_heavier_locale_fills_the_total_first() -> None:
    cells = pl.concat([crowd(50, 10), crowd(50, 10, "pt-BR", "q")])
    plan = solve(cells, Quotas(total=600, weights=Weights(locales={"pt-BR": 2.0})))
    assert dict(plan.cells.group_by("locale").agg(pl.col("take").sum()).rows()) == {"pt-BR": 500, "en-US": 100}
    assert (plan.total, plan.value, plan.gap) == (600, 1100.0, 0)
    # The 100 others are spread as evenly as they are without weights.
    assert set(plan.cells.filter(locale="en-US")["take"]) == {2}
    price = plan.prices.filter(quota="total").row(0, named=True)
    assert (price["price"], price["gain"], price["cost"]) == (1.0, 6.0, 400.0)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(some_cells(12, 60), settings_of_quotas(), weights())
def test_never_worse_than_a_turn_a_cell(cells: pl.DataFrame, quotas: Quotas, weights: Weights) -> None:
    quotas = quotas.model_copy(update={"weights": weights, "total": None})
    plan = solve(cells, quotas, costs=False)
    assert plan.value <= plan.bound + 1e-6
    assert plan.bound - plan.value <= cells.height * max(WEIGHTS) ** 3


@settings(max_examples=40, deadline=None, derandomize=True)
@given(some_cells(8, 40), settings_of_quotas(), st.integers(0, 7), st.integers(1, 30))
def test_more_supply_never_lowers_the_total(cells: pl.DataFrame, quotas: Quotas, which: int, more: int) -> None:
    plan = solve(cells, quotas, costs=False)
    if plan.relaxations or not plan.total:
        return  # other quotas are in force: those that hold with more turns are the stricter ones
    row = pl.int_range(pl.len()) == which % cells.height
    again = solve(cells.with_columns(supply=pl.col("supply") + pl.when(row).then(more).otherwise(0)), quotas, False)
    assert again.relaxations == []
    assert again.total >= plan.total


# --- prices


@settings(max_examples=25, deadline=None, derandomize=True)
@given(some_cells(12, 4000), settings_of_quotas())
def test_prices_predict_what_moving_a_quota_does(cells: pl.DataFrame, quotas: Quotas) -> None:
    quotas = quotas.model_copy(update={"total": None})
    plan = solve(cells, quotas)
    if plan.relaxations or plan.total < 2000:
        return
    step = 0.0002  # two hundredths of a percentage point
    for row in plan.prices.iter_rows(named=True):
        asked = Fraction(str(row["asked"]))
        if not 0.05 < asked < 0.95:
            continue
        looser, tighter = (moved(quotas, row, asked, sign * step) for sign in (1, -1))
        if looser is None or tighter is None:
            continue
        gain, loss = solve(cells, looser, False).bound - plan.bound, plan.bound - solve(cells, tighter, False).bound
        # A point where the price jumps has two; the dual value is one of them or between. Whole turns blur it.
        blur = 4 + 0.05 * abs(row["price"]) * step * 100
        assert gain <= row["price"] * step * 100 + blur
        assert loss >= row["price"] * step * 100 - blur


def moved(quotas: Quotas, row: dict, asked: Fraction, by: float) -> Quotas | None:
    """The settings with one share looser (positive) or tighter."""
    share = float(asked) + (by if row["side"] == "max" else -by)
    share = round(share, 6)
    if row["quota"] == "persona":
        return quotas.model_copy(update={"max_persona_share": share})
    name = row["quota"].removeprefix("locale ").replace(" ", "_")
    band = quotas.locales[name] if name in quotas.locales else getattr(quotas, name)
    new = band.model_copy(update={row["side"]: share})
    if new.min > new.max:
        return None
    if name in quotas.locales:
        return quotas.model_copy(update={"locales": {**quotas.locales, name: new}})
    return quotas.model_copy(update={name: new})


def test_gain_and_cost_are_what_solving_again_says() -> None:
    cells = pl.concat([crowd(60, 100), crowd(20, 5, "pt-BR", "q")])
    plan = solve(cells, Quotas(locales={"pt-BR": Band(min=0.1)}))
    floor = plan.prices.filter(quota="locale pt-BR").row(0, named=True)
    assert floor["gain"] == pytest.approx(100 / 0.09 - 1000)
    assert floor["cost"] == pytest.approx(5100)
    assert floor["reached"] == pytest.approx(0.1)
    quick = solve(cells, Quotas(locales={"pt-BR": Band(min=0.1)}), costs=False).prices
    assert quick.filter(quota="locale pt-BR").select("gain", "cost").row(0) == (None, None)
    assert quick["price"].equals(plan.prices["price"])


# --- soft quotas

SOFT = pl.concat([crowd(60, 100), crowd(20, 5, "pt-BR", "q")])  # 6,000 en-US, 100 pt-BR


def test_a_soft_floor_gives_way_where_that_pays() -> None:
    band = {"pt-BR": Band(min=0.1)}
    # All of it: 8.36 points for 5,100 turns, 610 a point.
    dear = solve(SOFT, Quotas(locales=band, soft={"locale pt-BR": 700}))
    cheap = solve(SOFT, Quotas(locales=band, soft={"locale pt-BR": 500}))
    assert (dear.total, dear.gave_way) == (1000, [])
    assert cheap.total == 6100
    assert cheap.gave_way == [
        "locale pt-BR: floor 10 % gave way to 1.63 %: 8.37 points at 500 turns each, which lets in 5,100 more turns"
    ]
    assert cheap.relaxations == []
    assert cheap.relaxed.locales["pt-BR"].min == 0.0163
    assert cheap.relaxed.soft == {}


def test_a_soft_floor_that_nothing_can_meet_gives_way_instead_of_being_relaxed() -> None:
    plan = solve(crowd(50, 10), Quotas(locales={"pt-BR": Band(min=0.1)}, soft={"locale pt-BR": 5}))
    assert (plan.total, plan.relaxations) == (500, [])
    assert "gave way to 0 %" in plan.gave_way[0]


@settings(max_examples=25, deadline=None, derandomize=True)
@given(some_cells(10, 300), settings_of_quotas(), st.sampled_from((0.5, 3.0, 10.0, 40.0)))
def test_giving_way_is_worth_its_price(cells: pl.DataFrame, quotas: Quotas, price: float) -> None:
    names = ["first turns", "hard turns", *(f"locale {name}" for name in quotas.locales)]
    soft = quotas.model_copy(update={"soft": dict.fromkeys(names, price), "total": None})
    plan, hard = solve(cells, soft, False), solve(cells, soft.model_copy(update={"soft": {}}), False)
    points = sum(abs(new - old) for old, new in shares(soft, plan)) * 100
    if hard.relaxations:
        return
    assert plan.bound - price * points >= hard.bound - 1 - 0.01 * price * len(names)
    assert bool(plan.gave_way) == (points > 0)
    if points:
        again = solve(cells, plan.relaxed.model_copy(update={"soft": {}}), False)
        assert again.cells["take"].equals(plan.cells["take"])


def shares(quotas: Quotas, plan: Plan) -> list[tuple[float, float]]:
    """Each share as asked and as it was in force."""
    pairs = [(quotas.first_turns, plan.relaxed.first_turns), (quotas.hard_turns, plan.relaxed.hard_turns)]
    pairs += [(band, plan.relaxed.locales[name]) for name, band in quotas.locales.items()]
    return [(getattr(old, side), getattr(new, side)) for old, new in pairs for side in ("min", "max")]


def test_soft_names_only_bands_that_are_there() -> None:
    with pytest.raises(ValidationError, match="'locale pt-BR' is none of the bands here; expected one of first turns"):
        Quotas(soft={"locale pt-BR": 5})
    with pytest.raises(ValidationError, match="greater than 0"):
        Quotas(soft={"first turns": 0})
    with pytest.raises(ValidationError, match="not a BCP-47 locale"):
        Weights(locales={"pt_BR": 2})


# --- relaxed settings


@settings(max_examples=25, deadline=None, derandomize=True)
@given(some_cells(8, 30), settings_of_quotas())
def test_under_the_relaxed_settings_nothing_is_relaxed(cells: pl.DataFrame, quotas: Quotas) -> None:
    plan = solve(cells, quotas, costs=False)
    again = solve(cells, plan.relaxed, costs=False)
    assert again.relaxations == []
    assert again.cells["take"].equals(plan.cells["take"])
    assert (plan.relaxed == quotas) == (plan.relaxations == [])


# --- expected discards


@settings(max_examples=40, deadline=None, derandomize=True)
@given(some_cells(12, 60), settings_of_quotas(), st.sampled_from((0.1, 0.25, 0.5)), st.integers(0, 2**32 - 1))
def test_shares_hold_whatever_people_discard(cells: pl.DataFrame, quotas: Quotas, share: float, seed: int) -> None:
    plan = solve(cells, quotas.model_copy(update={"expected_discards": share}), costs=False)
    wanted = counted(cells, plan.relaxed)
    take = np.array(plan.cells["take"])
    random = np.random.default_rng(seed)
    for name, low, high, groups in wanted:
        for group in groups:
            inside = np.zeros(len(take), dtype=bool)
            inside[group] = True
            # The worst for this quota: as much as is allowed of its own turns alone, or of the others alone.
            for side in (inside, ~inside):
                left = take.copy()
                gone = int(Fraction(str(share)) * int(take[side].sum()))
                rows = random.permutation(np.repeat(np.flatnonzero(side), take[side]))[:gone]
                left -= np.bincount(rows, minlength=len(take))
                assert holds(left.tolist(), [(name, low, high, [group])])


def test_the_margin_by_hand() -> None:
    # Of 100 personas, 2.65 %: 3 % x 0.88 / (1 - 0.03 x 0.12). The total stays.
    cells = pl.concat([make(("big", "en-US", False, "unknown", 1000)), crowd(100, 50)])
    plan = solve(cells, Quotas(total=4000, expected_discards=0.12))
    row = plan.prices.filter(quota="persona").row(0, named=True)
    assert (row["asked"], row["share"]) == (0.03, pytest.approx(0.0264 / 0.9964))
    assert plan.total == 4000
    plan = solve(cells, Quotas(expected_discards=0.12))
    assert plan.cells["take"].max() == int(Fraction(264, 9964) * plan.total) == 136
    kept = (
        solve(
            pl.concat([crowd(60, 100), crowd(60, 100, "pt-BR", "q")]),
            Quotas(locales={"pt-BR": Band(min=0.5)}, expected_discards=0.2),
        )
        .cells.filter(locale="pt-BR")["take"]
        .sum()
    )
    assert kept == 6000
