"""Choosing turns: shares hold, hard and varied turns come first, and the order of rows changes nothing."""

from __future__ import annotations

import polars as pl

from curation.select import choose
from schemas.recipe import Band, Quotas
from schemas.turns import hash_fraction


def make(count: int = 3000, personas: int = 80) -> pl.DataFrame:
    ids = pl.Series("turn_id", [f"{i:032x}" for i in range(count)])
    draw = {
        name: hash_fraction(1, name, ids) for name in ("persona", "locale", "index", "difficulty", "known", "cluster")
    }
    return pl.DataFrame({"turn_id": ids, **draw}).select(
        "turn_id",
        persona_id=pl.format("p{}", (pl.col("persona") ** 3 * personas).cast(pl.Int32)),
        locale=pl.when(pl.col("locale") < 0.1).then(pl.lit("pt-BR")).otherwise(pl.lit("en-US")),
        turn_index=(pl.col("index") * 4).cast(pl.Int32),
        difficulty=pl.when(pl.col("known") < 0.8).then("difficulty"),
        cluster_id=(pl.col("cluster") * 20).cast(pl.Int32),
    )


QUOTAS = Quotas(
    total=800, locales={"pt-BR": Band(min=0.2)}, first_turns=Band(min=0.3, max=0.4), hard_turns=Band(min=0.4)
)


def test_shares_hold_and_every_turn_is_accounted_for() -> None:
    turns = make()
    choice = choose(turns, QUOTAS, 20)
    chosen = turns.filter(pl.col("turn_id").is_in(choice.chosen.implode()))
    assert chosen.height == choice.plan.total == len(choice.chosen) == 800
    assert chosen.group_by("persona_id").len()["len"].max() <= 24
    assert chosen.filter(locale="pt-BR").height >= 160
    assert 240 <= chosen.filter(turn_index=0).height <= 320
    assert sorted([*choice.chosen, *choice.dropped["turn_id"]]) == turns["turn_id"].sort().to_list()
    assert choice.dropped["reason"].null_count() == 0
    assert "quota: total" in choice.dropped["reason"].to_list()
    assert choice.plan.relaxations == []


def test_the_order_of_rows_does_not_matter() -> None:
    turns = make()
    choice, again = choose(turns, QUOTAS, 20), choose(turns.sample(fraction=1, shuffle=True, seed=3), QUOTAS, 20)
    assert again.chosen.equals(choice.chosen)
    assert again.dropped.equals(choice.dropped)
    assert not choose(turns, QUOTAS, 21).chosen.equals(choice.chosen)


def test_the_hard_third_is_ranked_within_its_stratum() -> None:
    # One persona is harder all over; a ranking over everything would let it alone fill the hard band.
    easy = [(f"a{i:02d}", f"p{i % 40}", "en-US", 1, 0.001 * i, 0) for i in range(240)]
    grave = [(f"z{i:02d}", "grave", "en-US", 1, 10.0 + i, 0) for i in range(240)]
    columns = ["turn_id", "persona_id", "locale", "turn_index", "difficulty", "cluster_id"]
    plan = choose(pl.DataFrame(easy + grave, schema=columns, orient="row"), Quotas(max_persona_share=1.0), 20).plan
    hard = plan.cells.filter(hard="hard").group_by("persona_id").agg(pl.col("supply").sum())
    assert dict(hard.rows()) == {"grave": 80} | {f"p{i}": 2 for i in range(40)}


def test_within_a_cell_clusters_take_turns_hardest_first() -> None:
    rows = [(f"{i:02d}", "p", "en-US", 1, 9.0 - i, 0 if i < 8 else 1) for i in range(9)]  # 9 turns, 3 of them hard
    rows += [(f"q{i}", "p", "en-US", 1, None, i % 3) for i in range(9)]
    columns = ["turn_id", "persona_id", "locale", "turn_index", "difficulty", "cluster_id"]
    turns = pl.DataFrame(rows, schema=columns, orient="row")
    cells = [("hard", ["00"]), ("other", ["03", "08"])]
    quotas = Quotas(total=6, max_persona_share=1.0, hard_turns=Band(min=0.16, max=0.17))
    choice = choose(turns, quotas, 20)
    takes = dict(choice.plan.cells.select("hard", "take").rows())
    assert takes["hard"] == 1
    for band, first in cells:
        assert set(first[: takes[band]]) <= set(choice.chosen)
    unknown = turns.filter(pl.col("turn_id").is_in(choice.chosen.implode()), pl.col("difficulty").is_null())
    assert unknown["cluster_id"].n_unique() == unknown.height == takes["unknown"]


def test_without_difficulty_the_band_for_hard_turns_does_not_count() -> None:
    turns = make().with_columns(difficulty=pl.lit(None, dtype=pl.Float64))
    plan = choose(turns, QUOTAS, 20).plan
    assert plan.relaxations == []
    assert plan.total == 800
    assert "hard turns" not in plan.prices["quota"].to_list()


def test_no_turns() -> None:
    choice = choose(make(100).clear(), QUOTAS, 20)
    assert len(choice.chosen) == choice.dropped.height == choice.plan.total == 0
