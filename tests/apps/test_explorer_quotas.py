"""Answers to sliders: what is kept, in words that hold; and quotas to per cent and back."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.explorer_quotas import WHOLE, Price, answer, cost_words, floors_fit, make_quotas, percent_of, share_of
from schemas.curation_recipe import Band, Quotas, Weights


def cells(**supply: int) -> pl.DataFrame:
    """A persona for each turn, so that no cap binds; locales by name, with `_` for `-`."""
    rows = [(f"{tag}-{i}", tag.replace("_", "-"), False, "unknown", 1) for tag, n in supply.items() for i in range(n)]
    schema = {"persona_id": pl.String, "locale": pl.String, "first": pl.Boolean, "hard": pl.String, "supply": pl.Int64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def asked(**changes: object) -> Quotas:
    base = {"total": None, "persona": 3.0, "locales": {}, "first": WHOLE, "hard": WHOLE, "discards": 0.0}
    return make_quotas(**{**base, "weights": {}, "soft": {}, **changes})  # type: ignore[arg-type]


def test_a_floor_is_priced_by_hand() -> None:
    # 20 of pt-BR at 25 % or more: at most 80 turns; at 24 %: 83; without the floor all 200.
    found = answer(cells(pt_BR=20, en_US=180), asked(locales={"pt-BR": (25.0, 100.0)}))
    assert found.total == 80
    [price] = [price for price in found.prices if price.binds]
    assert price.title == "pt-BR floor"
    assert price.cost == pytest.approx(120)
    assert price.gain == pytest.approx(20 / 0.24 - 80)
    assert cost_words(price) == "costs 120 turns; one point less would let in 3 more"


def test_floors_of_more_than_everything_are_answered_with_what_could_hold() -> None:
    wanted = asked(locales={"pt-BR": (70.0, 100.0), "en-US": (60.0, 100.0)})
    assert not floors_fit(wanted)
    found = answer(cells(pt_BR=100, en_US=100), wanted)
    assert found.relaxations
    assert floors_fit(found.relaxed)
    assert sum(band.min for band in found.relaxed.locales.values()) <= 1
    assert not answer(cells(pt_BR=100, en_US=100), found.relaxed).relaxations


def test_costs_can_wait() -> None:
    quick = answer(cells(pt_BR=20, en_US=180), asked(locales={"pt-BR": (25.0, 100.0)}), costs=False)
    assert quick.total == 80
    assert [cost_words(price) for price in quick.prices if price.binds] == ["keeps turns out"]


def test_words_of_the_total_the_cap_and_the_margin() -> None:
    total = Price("total", "max", None, None, None, 1.0, 30.0, 180.4)
    assert cost_words(total) == "costs 180 turns; 1 % more turns would let in 30 more"
    cap = Price("persona", "max", 0.03, 0.027, 0.027, 5.0, 12.0, 40.0)
    assert cost_words(cap, "weighted turns") == (
        "costs 40 weighted turns; one point more would let in 12 more; held at 2.70 % to leave room for discards"
    )


@given(st.integers(1, 100_000))
def test_per_cent_and_back(thousandths: int) -> None:
    share = thousandths / 100_000
    assert share_of(percent_of(share)) == share


def test_what_stands_at_its_default_is_left_out_of_recipes() -> None:
    quotas = asked(
        locales={"pt-BR": WHOLE, "en-US": (0.0, 30.0)},
        weights={"locale pt-BR": 1.0, "locale de-DE": 2.0, "first turns": 1.0},
        soft={"locale pt-BR": 100.0, "first turns": 0.0, "locale en-US": 50.0},
    )
    same = Quotas(
        locales={"en-US": Band(max=0.3)}, weights=Weights(locales={"de-DE": 2.0}), soft={"locale en-US": 50.0}
    )
    assert quotas == same
