"""Quotas: shares hold exactly, nothing larger would hold, and what cannot hold is said in words."""

from __future__ import annotations

import itertools
from fractions import Fraction

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.quotas import Plan, cap, solve
from schemas.curation_recipe import Band, Quotas
from schemas.problems import Problem

COLUMNS = {"persona_id": pl.String, "locale": pl.String, "first": pl.Boolean, "hard": pl.String, "supply": pl.Int64}
SHARES = (0.0, 0.1, 0.25, 0.3, 0.3333, 0.5, 0.75, 1.0)


def make(*rows: tuple[str, str, bool, str, int]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=COLUMNS, orient="row")


def crowd(personas: int, each: int, locale: str = "en-US", prefix: str = "p") -> pl.DataFrame:
    return make(*[(f"{prefix}{i:03d}", locale, False, "unknown", each) for i in range(personas)])


def counted(cells: pl.DataFrame, quotas: Quotas) -> list[tuple[str, Fraction, Fraction, list[list[int]]]]:
    """Name, floor, ceiling and the cells that count, read off the settings without the code under test."""
    rows = cells.rows(named=True)
    personas = [[i for i, row in enumerate(rows) if row["persona_id"] == name] for name in cells["persona_id"].unique()]
    found = [("persona", Fraction(0), Fraction(str(quotas.max_persona_share)), personas)]
    bands = [(f"locale {name}", band, [r["locale"] == name for r in rows]) for name, band in quotas.locales.items()]
    bands.append(("first turns", quotas.first_turns, [r["first"] for r in rows]))
    if any(r["hard"] != "unknown" for r in rows):
        bands.append(("hard turns", quotas.hard_turns, [r["hard"] == "hard" for r in rows]))
    for name, band, member in bands:
        group = [i for i, counts in enumerate(member) if counts]
        found.append((name, Fraction(str(band.min)), Fraction(str(band.max)), [group]))
    return found


def holds(take: list[int], quotas: list[tuple[str, Fraction, Fraction, list[list[int]]]]) -> bool:
    total = sum(take)
    return all(
        low * total <= sum(take[i] for i in group) <= high * total
        for _, low, high, groups in quotas
        for group in groups
    )


@st.composite
def bands(draw: st.DrawFn) -> Band:
    low, high = sorted((draw(st.sampled_from(SHARES)), draw(st.sampled_from(SHARES))))
    return Band(min=low, max=high)


@st.composite
def settings_of_quotas(draw: st.DrawFn) -> Quotas:
    locales = {"en-US": draw(bands())}
    other = draw(bands())
    if locales["en-US"].min + other.min <= 1 and draw(st.booleans()):
        locales["pt-BR"] = other
    return Quotas(
        total=draw(st.none() | st.integers(1, 12)),
        max_persona_share=draw(st.sampled_from((0.2, 0.25, 0.34, 0.5, 1.0))),
        locales=draw(st.sampled_from(({}, locales))),
        first_turns=draw(st.just(Band()) | bands()),
        hard_turns=draw(st.just(Band()) | bands()),
    )


def some_cells(most: int, supply: int) -> st.SearchStrategy[pl.DataFrame]:
    key = st.tuples(
        st.sampled_from("abcdef"),
        st.sampled_from(("en-US", "pt-BR")),
        st.booleans(),
        st.sampled_from(("hard", "other", "unknown")),
    )
    cells = st.dictionaries(key, st.integers(0, supply), min_size=1, max_size=most)
    return cells.map(lambda found: make(*[(*names, count) for names, count in found.items()]))


@settings(max_examples=150, deadline=None, derandomize=True)
@given(some_cells(6, 3), settings_of_quotas())
def test_nothing_larger_holds(cells: pl.DataFrame, quotas: Quotas) -> None:
    plan = solve(cells, quotas)
    ceiling = quotas.total or 10**9
    wanted = counted(cells, quotas)
    choices = itertools.product(*[range(supply + 1) for supply in cells["supply"]])
    best = max(sum(take) for take in choices if sum(take) <= ceiling and holds(list(take), wanted))
    assert (plan.total > 0) == (cells["supply"].sum() > 0)
    assert bool(plan.relaxations) == (best == 0 and cells["supply"].sum() > 0)
    if best:
        assert (plan.total, plan.gap) == (best, 0)


def relaxed(wanted: list[tuple[str, Fraction, Fraction, list[list[int]]]], plan: Plan) -> list:
    """The shares that were in force, each no further than where it was except where a sentence says so."""
    said = {sentence.split(":")[0] for sentence in plan.relaxations}
    force = {
        (name, side): Fraction(str(share))
        for name, side, share in plan.prices.select("quota", "side", "share").rows()
        if share is not None
    }
    moved = [
        (name, force.get((name, "min"), low), force.get((name, "max"), high), groups)
        for name, low, high, groups in wanted
    ]
    assert {a[0] for a, b in zip(wanted, moved, strict=True) if a[1:3] != b[1:3]} == said
    return moved


@settings(max_examples=100, deadline=None, derandomize=True)
@given(some_cells(20, 400), settings_of_quotas())
def test_every_share_holds_exactly(cells: pl.DataFrame, quotas: Quotas) -> None:
    plan = solve(cells, quotas)
    take = plan.cells["take"].to_list()
    assert plan.cells.select(cells.columns).equals(cells)
    assert all(0 <= taken <= supply for taken, supply in zip(take, cells["supply"], strict=True))
    assert plan.total == sum(take) <= min(quotas.total or 10**9, plan.bound + 1e-6)
    assert holds(take, relaxed(counted(cells, quotas), plan))
    assert plan.cells.select((pl.col("reason").is_null() == (pl.col("take") == pl.col("supply"))).all()).item()


@settings(max_examples=30, deadline=None, derandomize=True)
@given(some_cells(20, 400), settings_of_quotas(), st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(cells: pl.DataFrame, quotas: Quotas, random: object) -> None:
    order = list(range(cells.height))
    random.shuffle(order)  # type: ignore[attr-defined]
    keys = cells.columns
    assert solve(cells[order], quotas).cells.sort(keys).equals(solve(cells, quotas).cells.sort(keys))


def test_personas_that_merge_still_hold_the_cap() -> None:
    # A heavy head and a long tail: the tail merges, the head binds, and capping the input would not be enough.
    cells = make(*[(f"p{i:04d}", "en-US", i % 2 == 0, "unknown", 20_000 // (i + 1)) for i in range(2000)])
    plan = solve(cells, Quotas())
    assert plan.gap == 0
    assert plan.cells["take"].max() * 100 <= 3 * plan.total
    assert cells["supply"].clip(upper_bound=cells["supply"].sum() * 3 // 100).max() * 100 > 3 * plan.total


def test_personas_that_bind_only_once_a_locale_holds_the_total_down() -> None:
    # Under the closed form all fit below the cap and merge; with de-DE at a tenth the total falls, and en-US binds.
    cells = pl.concat([crowd(25, 100), crowd(50, 1, "pt-BR", "q"), crowd(40, 100, "de-DE", "r")])
    plan = solve(cells, Quotas(locales={"de-DE": Band(max=0.1)}))
    assert plan.prices.filter(quota="persona")["cost"].item() == pytest.approx(2550 / 0.9 - 50 / 0.15)
    assert plan.prices.filter(quota="persona")["price"].item() > 0
    assert plan.gap == 0


def test_a_total_that_only_fractions_reach_is_passed_over_by_one() -> None:
    rows = [("a", "en-US", False, "hard", 2), ("b", "pt-BR", False, "hard", 2), ("d", "en-US", False, "hard", 3)]
    cells = make(*rows, ("d", "pt-BR", True, "other", 3), ("e", "pt-BR", True, "other", 2))
    quotas = Quotas(
        max_persona_share=0.2,
        locales={"en-US": Band(min=0.3)},
        first_turns=Band(min=0.6),
        hard_turns=Band(min=0.5, max=0.6),
    )
    plan = solve(cells, quotas)
    wanted = relaxed(counted(cells, quotas), plan)
    choices = itertools.product(*[range(supply + 1) for supply in cells["supply"]])
    assert (plan.total, plan.gap) == (max(sum(take) for take in choices if holds(list(take), wanted)), 0)


def test_a_smaller_total_is_spread_over_personas() -> None:
    plan = solve(crowd(100, 50), Quotas(total=200))
    assert plan.cells["take"].to_list() == [2] * 100
    assert plan.cells["reason"].unique().to_list() == ["quota: total"]


def test_prices_say_what_a_quota_costs() -> None:
    cells = pl.concat([crowd(60, 100), crowd(20, 5, "pt-BR", "q")])  # 6,000 and 100 turns
    quotas = Quotas(locales={"pt-BR": Band(min=0.1)})
    plan = solve(cells, quotas)
    assert plan.total == 1000
    price = plan.prices.filter(pl.col("quota") == "locale pt-BR").row(0, named=True)
    assert price["side"] == "min"
    assert price["share"] == 0.1
    assert price["cost"] == pytest.approx(5100)  # all 6,100 without the floor
    assert price["price"] == pytest.approx(100, rel=1e-3)  # d(100 / share) at 10 %, a point
    lower = solve(cells, Quotas(locales={"pt-BR": Band(min=0.099)}))
    assert lower.bound - plan.bound == pytest.approx(price["price"] / 10, rel=0.1)
    assert plan.prices.filter(pl.col("quota") == "persona")["cost"].item() == 0
    assert plan.cells.filter(locale="en-US")["reason"].unique().to_list() == ["quota: locale pt-BR below 10 %"]


def test_the_price_of_the_persona_cap() -> None:
    cells = pl.concat([crowd(50, 100), crowd(1, 10_000, prefix="big")])
    plan = solve(cells, Quotas())
    assert plan.total == 5154  # 5,000 and 3 % of the whole
    assert plan.prices["cost"].item() == pytest.approx(15_000 - 5_000 / 0.97)
    assert plan.prices["price"].item() == pytest.approx(5_000 / 0.96 - 5_000 / 0.97, rel=0.03)


@pytest.mark.parametrize(
    ("cells", "quotas", "sentence"),
    [
        (
            crowd(50, 10),
            Quotas(locales={"pt-BR": Band(min=0.1)}),
            "locale pt-BR: floor 10 % cannot hold with 0 turns of 0 personas; relaxed to 0 %",
        ),
        (crowd(10, 10), Quotas(), "persona: ceiling 3 % cannot hold with 100 turns of 10 personas; relaxed to 10 %"),
        (
            crowd(40, 1),
            Quotas(total=20),
            "persona: ceiling 3 % cannot hold with 40 turns of 40 personas; relaxed to 5 %",
        ),
        (
            pl.concat([crowd(50, 100), crowd(3, 100, "pt-BR", "q")]),
            Quotas(locales={"pt-BR": Band(min=0.1)}),
            "locale pt-BR: floor 10 % cannot hold with 300 turns of 3 personas; relaxed to 8.94 %",
        ),
    ],
)
def test_what_cannot_hold_is_relaxed_in_words(cells: pl.DataFrame, quotas: Quotas, sentence: str) -> None:
    plan = solve(cells, quotas)
    assert plan.relaxations == [sentence]
    assert plan.total >= 0.4 * min(quotas.total or 10**9, cells["supply"].sum())


def test_nothing_in_nothing_out() -> None:
    plan = solve(crowd(0, 0), Quotas(locales={"pt-BR": Band(min=0.1)}))
    assert (plan.total, plan.gap, plan.relaxations) == (0, 0, [])


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    st.lists(st.integers(1, 12), min_size=1, max_size=12),
    st.sampled_from((0.03, 0.1, 0.2, 0.3333, 0.5, 1.0)),
    st.none() | st.integers(1, 40),
)
def test_cap_is_exact_and_largest(supply: list[int], share: float, total: int | None) -> None:
    ids = pl.DataFrame(
        [(f"{p}-{i}", f"p{p}") for p, count in enumerate(supply) for i in range(count)],
        schema=["turn_id", "persona_id"],
        orient="row",
    )
    exact = Fraction(str(share))
    sizes = range(1, min(sum(supply), total or sum(supply)) + 1)
    best = max((n for n in sizes if sum(min(count, int(exact * n)) for count in supply) >= n), default=0)
    if not best:
        with pytest.raises(Problem, match="cannot hold"):
            cap(ids, share, 20, "export", total)
        return
    kept = cap(ids, share, 20, "export", total)
    counts = ids.filter(pl.col("turn_id").is_in(kept.implode())).group_by("persona_id").len()["len"]
    assert len(kept) == counts.sum() == best
    assert all(count <= exact * best for count in counts)
    assert cap(ids.reverse(), share, 20, "export", total).equals(kept)
    given = dict(ids.filter(pl.col("turn_id").is_in(kept.implode())).group_by("persona_id").len().rows())
    assert all(given.get(f"p{p}", 0) in (count, counts.max(), counts.max() - 1) for p, count in enumerate(supply))


def test_cap_after_annotators_discarded_some() -> None:
    plan = solve(crowd(34, 100), Quotas())
    ids = pl.DataFrame(
        {"turn_id": [f"{i:05d}" for i in range(3400)], "persona_id": [f"p{i % 34:02d}" for i in range(3400)]}
    )
    assert plan.total == 3400
    left = ids.filter(pl.int_range(pl.len()) % 9 != 0)
    counts = left.filter(pl.col("turn_id").is_in(cap(left, 0.03, 20, "export").implode())).group_by("persona_id").len()
    assert counts["len"].max() * 100 <= 3 * counts["len"].sum()
