"""The tables for the explorer and the report: counts worked out by hand, nothing lost, no order of rows matters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from curation import explorer_files
from curation.explorer_files import CELLS, EXAMPLE, EXAMPLES, INDEX, SHARES, write_explorer_files
from schemas.personas import Persona

PERSONAS = {"p0": Persona(persona_id="p0", name="Mira", locale="en-US", system_prompt="You are Mira.")}


def row(number: int, **other: Any) -> dict[str, Any]:
    return {
        "turn_id": f"{number * 2654435761 % 2**64:032x}",
        "conversation_id": f"c{number}",
        "turn_index": 0,
        "persona_id": "p0",
        "locale": "en-US",
        "model_version": "chat-1",
        "language": "en",
        "cluster_id": 3,
        "hard": "unknown",
        "stage": None,
        "reason": None,
        "duplicate_of": None,
        **other,
    }


def frame(rows: Sequence[dict[str, Any]]) -> pl.LazyFrame:
    return pl.DataFrame(rows, schema=INDEX).lazy()


def no_texts(ids: Sequence[str]) -> pl.DataFrame:
    return pl.DataFrame(schema={"turn_id": pl.String, "said": pl.String, "response": pl.String})


EARLY = {"language": None, "cluster_id": None, "hard": None}
ROWS = [
    row(0),
    row(1, persona_id="p1", turn_index=4),
    row(2, stage="quotas", reason="quota: total", hard="hard"),
    row(3, stage="safety", reason="toxicity above 0.95", **EARLY),
    row(4, stage="validate", reason="repeated turn_id", duplicate_of=row(0)["turn_id"], **EARLY),
]


def test_shares_count_what_came_in_reached_the_quotas_and_was_chosen(tmp_path: Path) -> None:
    write_explorer_files(tmp_path, frame(ROWS), personas=PERSONAS, titles={3: "ships, fog"}, texts=no_texts, seed=20)
    shares = pl.read_parquet(tmp_path / "shares.parquet")
    assert shares.schema == pl.Schema(SHARES)
    assert shares.filter(dimension="persona").rows() == [
        ("persona", "p0", "Mira", 4, 2, 1),
        ("persona", "p1", "p1", 1, 1, 1),
    ]
    assert shares.filter(dimension="cluster").rows() == [
        ("cluster", "3", "ships, fog", 3, 3, 2),
        ("cluster", "", "gone before this was known", 2, 0, 0),
    ]
    assert shares.filter(dimension="first turn").rows() == [
        ("first turn", "first", "first turns", 4, 2, 1),
        ("first turn", "later", "later turns", 1, 1, 1),
    ]
    assert shares.filter(dimension="difficulty").select("value", "came_in", "chosen").rows() == [
        ("", 2, 0),
        ("unknown", 2, 2),
        ("hard", 1, 0),
    ]
    sums = shares.group_by("dimension").agg(pl.col("came_in", "reached_quotas", "chosen").sum())
    assert set(sums.drop("dimension").rows()) == {(5, 3, 2)}
    cells = pl.read_parquet(tmp_path / "cells.parquet")
    assert cells.schema == pl.Schema(CELLS)
    assert cells.rows() == [
        ("p0", "en-US", True, "hard", 1, 0),
        ("p0", "en-US", True, "unknown", 1, 1),
        ("p1", "en-US", False, "unknown", 1, 1),
    ]


def test_topics_without_a_title_go_by_their_number(tmp_path: Path) -> None:
    rows = [row(0), row(1, cluster_id=5), row(2, cluster_id=7)]
    write_explorer_files(tmp_path, frame(rows), personas={}, titles={3: "ships", 5: ""}, texts=no_texts, seed=20)
    labels = pl.read_parquet(tmp_path / "shares.parquet").filter(dimension="cluster")["label"].to_list()
    assert sorted(labels) == ["ships", "topic 5", "topic 7"]


def test_examples_are_scrubbed_texts_or_nothing_and_few() -> None:
    many = [row(n, stage="quotas", reason="quota: total") for n in range(100)]
    asked: list[str] = []

    def texts(ids: Sequence[str]) -> pl.DataFrame:
        asked.extend(ids)
        return pl.DataFrame({"turn_id": [ROWS[3]["turn_id"]], "said": ["hi <PERSON_aaaaaa>"], "response": ["no"]})

    made = explorer_files.examples(frame([*many, ROWS[0], ROWS[3], ROWS[4]]), texts, seed=20)
    assert made.schema == pl.Schema(EXAMPLE)
    assert made["turn_id"].to_list() == asked
    assert Counter(made["reason"].to_list()) == {"quota: total": 20, "toxicity above 0.95": 1, "repeated turn_id": 1}
    assert made.filter(stage="safety").select("said", "response").row(0) == ("hi <PERSON_aaaaaa>", "no")
    assert made.filter(stage="validate").select("said", "duplicate_of").row(0) == (None, ROWS[0]["turn_id"])
    other = explorer_files.examples(frame(many), no_texts, seed=21)["turn_id"].to_list()
    assert set(other) != set(made.filter(stage="quotas")["turn_id"].to_list())


def test_an_empty_run_has_empty_tables(tmp_path: Path) -> None:
    write_explorer_files(tmp_path, frame([]), personas={}, titles={}, texts=no_texts, seed=20)
    for name, schema in (("shares", SHARES), ("cells", CELLS), ("examples", EXAMPLE)):
        table = pl.read_parquet(tmp_path / f"{name}.parquet")
        assert table.is_empty()
        assert table.schema == pl.Schema(schema)


places = st.sampled_from([(None, None), ("quotas", "quota: total"), ("safety", "x above 0.9"), ("quotas", "other")])
some = st.lists(
    st.tuples(places, st.sampled_from(["p0", "p1", "p2"]), st.sampled_from(["en-US", "pt-BR"]), st.integers(0, 2)),
    max_size=80,
)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(some, st.randoms(use_true_random=False))
def test_counts_add_up_and_order_and_parts_change_nothing(told: list[Any], random: Any) -> None:
    rows = [
        row(n, stage=place[0], reason=place[1], persona_id=persona, locale=locale, turn_index=at)
        for n, (place, persona, locale, at) in enumerate(told)
    ]
    shuffled = random.sample(rows, len(rows))
    parts = pl.concat([frame(shuffled[: len(rows) // 3]), frame(shuffled[len(rows) // 3 :])])
    for table in (lambda f: explorer_files.shares(f, {}), explorer_files.cells):
        assert table(frame(rows)).equals(table(parts))
    examples = explorer_files.examples(frame(rows), no_texts, 20)
    assert examples.equals(explorer_files.examples(parts, no_texts, 20))
    assert examples.group_by("stage", "reason").len()["len"].max() in (None, *range(1, EXAMPLES + 1))
    chosen = sum(place[0] is None for place, *_ in told)
    reached = sum(place[0] in (None, "quotas") for place, *_ in told)
    sums = explorer_files.shares(frame(rows), {}).group_by("dimension").agg(pl.col(pl.Int64).sum()).drop("dimension")
    assert set(sums.rows()) == ({(len(rows), reached, chosen)} if rows else set())
    cells = explorer_files.cells(frame(rows))
    assert (cells["supply"].sum(), cells["taken"].sum()) == (reached, chosen)
