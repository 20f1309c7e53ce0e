"""Choosing turns: shares hold, hard and varied turns come first, and the order of rows changes nothing."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from curation.select import choose, choose_files, recheck
from schemas.curation_recipe import Band, Quotas
from schemas.problems import Problem
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


def written(turns: pl.DataFrame, to: Path, pieces: int) -> Path:
    to.mkdir()
    for number in range(pieces):
        turns[number::pieces].write_parquet(to / f"{number}.parquet")
    return to


@pytest.mark.parametrize(("pieces", "rows"), [(1, 10_000), (3, 700), (2, 1)])
def test_files_give_the_same_turns(tmp_path: Path, pieces: int, rows: int) -> None:
    turns = make()
    source = written(turns.sample(fraction=1, shuffle=True, seed=pieces), tmp_path / "in", pieces)
    choice = choose(turns, QUOTAS, 20)
    plan = choose_files(source, QUOTAS, 20, tmp_path / "out", rows=rows)
    chosen, dropped = (pl.read_parquet(tmp_path / "out" / f"{name}.parquet") for name in ("chosen", "dropped"))
    assert chosen.sort("turn_id").equals(pl.DataFrame({"turn_id": choice.chosen, "hard": choice.hard}))
    assert dropped.sort("turn_id").equals(choice.dropped)
    assert plan.cells.equals(choice.plan.cells)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out"]
    again = written(turns, tmp_path / "again", 5)
    choose_files(sorted(again.iterdir()), QUOTAS, 20, tmp_path / "out2", rows=rows)
    assert pl.read_parquet(tmp_path / "out2" / "chosen.parquet").equals(chosen)


def test_files_without_turns(tmp_path: Path) -> None:
    plan = choose_files(written(make(10).clear(), tmp_path / "in", 1), QUOTAS, 20, tmp_path / "out")
    assert plan.total == 0
    assert pl.read_parquet(tmp_path / "out" / "chosen.parquet").schema == {"turn_id": pl.String, "hard": pl.String}
    dropped = pl.read_parquet(tmp_path / "out" / "dropped.parquet").schema
    assert dropped == {"turn_id": pl.String, "reason": pl.String, "hard": pl.String}


def test_wrong_files_are_told_in_a_sentence(tmp_path: Path) -> None:
    turns = make(10)
    (tmp_path / "text.parquet").write_text("no")
    cases = {
        "no column locale; expected turn_id, persona_id": turns.drop("locale"),
        "column turn_index is String; expected Int64": turns.with_columns(pl.col("turn_index").cast(pl.String)),
        "persona_id: null in some turns": turns.with_columns(persona_id=pl.lit(None, dtype=pl.String)),
    }
    for number, (sentence, frame) in enumerate(cases.items()):
        with pytest.raises(Problem, match=sentence):
            choose(frame, QUOTAS, 20)
        with pytest.raises(Problem, match=sentence):
            choose_files(written(frame, tmp_path / str(number), 1), QUOTAS, 20, tmp_path / "out")
    with pytest.raises(Problem, match="cannot be read as Parquet"):
        choose_files(tmp_path / "text.parquet", QUOTAS, 20, tmp_path / "out")
    with pytest.raises(Problem, match="no Parquet files here"):
        choose_files(written(turns, tmp_path / "none", 0), QUOTAS, 20, tmp_path / "out")
    with pytest.raises(Problem, match="is there already"):
        choose_files(tmp_path / "0", QUOTAS, 20, tmp_path / "0")
    assert not (tmp_path / "out").exists()


def test_the_recheck_holds_every_share_again() -> None:
    turns = make()
    choice = choose(turns, QUOTAS, 20)
    kept = turns.join(pl.DataFrame({"turn_id": choice.chosen, "hard": choice.hard}), on="turn_id")
    # People throw away every fifth turn, and every second of the hard ones.
    lot = hash_fraction(3, "discard", kept["turn_id"])
    kept = kept.filter(lot > pl.when(pl.col("hard") == "hard").then(0.5).otherwise(0.2))
    assert kept.filter(hard="hard").height < 0.4 * kept.height
    again = recheck(kept, QUOTAS, 20)
    left = kept.filter(pl.col("turn_id").is_in(again.chosen.implode()))
    assert left.filter(hard="hard").height == kept.filter(hard="hard").height >= 0.4 * left.height
    assert left.group_by("persona_id").len()["len"].max() <= 0.03 * left.height
    assert left.filter(locale="pt-BR").height >= 0.2 * left.height
    assert 0.3 * left.height <= left.filter(turn_index=0).height <= 0.4 * left.height
    assert sorted([*again.chosen, *again.dropped["turn_id"]]) == kept["turn_id"].sort().to_list()
    assert recheck(kept.reverse(), QUOTAS, 20).chosen.equals(again.chosen)


def test_the_recheck_keeps_all_where_the_margin_was_enough() -> None:
    turns = make()
    settings = Quotas(total=800, locales={"pt-BR": Band(min=0.1)}, expected_discards=0.12)
    chosen = choose(turns, settings, 20).chosen
    kept = turns.filter(pl.col("turn_id").is_in(chosen.implode())).sort("turn_id")
    assert kept.height == 800
    # No more than 12 % of the personas', the locale's or the others' turns: every ninth of each.
    kept = kept.filter(pl.int_range(pl.len()).over("persona_id", "locale") % 9 != 8)
    assert kept.height < 800
    again = recheck(kept, settings, 20)
    assert (len(again.chosen), again.plan.gap) == (kept.height, 0)


def test_the_recheck_says_which_quota_cannot_hold() -> None:
    kept = make().with_columns(hard=pl.lit("other"))
    with pytest.raises(Problem, match="hard turns: floor 40 % cannot hold with 0 turns of 0 personas"):
        recheck(kept, QUOTAS, 20)
    with pytest.raises(Problem, match="no column hard; expected hard, other or unknown"):
        recheck(kept.drop("hard"), QUOTAS, 20)
    with pytest.raises(Problem, match="hard has 1 other values"):
        recheck(kept.with_columns(hard=pl.lit("very")), QUOTAS, 20)


def test_a_quota_spreads_what_is_missing_over_many_personas() -> None:
    # First turns are scarce among most personas: those that make up for it are many, not the first few.
    turns = make(6000, 200).with_columns(turn_index=pl.int_range(pl.len(), dtype=pl.Int32) % 5)
    choice = choose(turns, Quotas(total=1000, first_turns=Band(min=0.5)), 20)
    chosen = turns.filter(pl.col("turn_id").is_in(choice.chosen.implode()))
    assert chosen.filter(turn_index=0).height == 500
    assert chosen["persona_id"].n_unique() == turns["persona_id"].n_unique()
