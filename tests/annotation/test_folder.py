"""The folder backend and what annotators agree on."""

from __future__ import annotations

import json

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotation.agreement import agree
from annotation.folder import Folder
from schemas.judgements import AnnotationTask

PROMPT = [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]


def tasks(n=3):
    rows = [
        {
            "task_id": f"t{i}",
            "turn_id": f"{i:032x}",
            "persona_id": "p",
            "messages": PROMPT,
            "response_a": f"a{i}",
            "response_b": f"b{i}",
            "policy_a": "secret-one",
            "policy_b": "secret-two",
        }
        for i in range(n)
    ]
    return pl.DataFrame(rows, schema=AnnotationTask.create_empty().schema)


def answer(task, annotator, preference, strength=1):
    return {"task_id": task, "annotator": annotator, "preference": preference, "strength": strength}


def test_pushing_twice_is_the_same_as_once_and_policies_are_not_shown(tmp_path):
    folder = Folder(tmp_path / "f")
    assert folder.push(tasks()) == 3
    assert folder.push(tasks()) == 0
    assert folder.progress(2) == (0, 6)
    shown = (tmp_path / "f" / "tasks.jsonl").read_text()
    assert "secret" not in shown
    assert (tmp_path / "f").stat().st_mode & 0o077 == 0


def test_people_answer_with_lines_and_bad_lines_cost_themselves(tmp_path):
    folder = Folder(tmp_path / "f")
    folder.push(tasks())
    lines = [
        json.dumps(answer("t0", "ann", "a", 2)),
        json.dumps(answer("t0", "bob", "c")),
        "{broken",
        json.dumps(answer("t9", "bob", "a")),
        json.dumps({**answer("t1", "bob", "tie"), "note": "MARKED-TEXT"}),
        json.dumps(answer("t1", "bob", "b")),
        json.dumps(answer("t1", "bob", "a", 3)),
    ]
    (tmp_path / "f" / "answers" / "bob.jsonl").write_text("\n".join(lines))
    pulled = folder.pull().sort("task_id")
    # The last answer of an annotator to a task counts.
    assert pulled.select("task_id", "annotator", "preference", "strength").rows() == [
        ("t0", "ann", "a", 2),
        ("t1", "bob", "a", 3),
    ]
    assert [problem.split(":")[0] for problem in folder.problems] == [f"bob.jsonl, line {n}" for n in (2, 3, 4, 5)]
    assert "MARKED-TEXT" not in "".join(folder.problems)
    assert folder.progress(1) == (2, 3)


def test_an_answer_that_a_kill_tore_costs_itself(tmp_path):
    folder = Folder(tmp_path / "f")
    folder.push(tasks())
    folder.submit([answer("t0", "ann", "a"), answer("t1", "ann", "b")])
    file = tmp_path / "f" / "answers" / "submitted.jsonl"
    file.write_bytes(file.read_bytes()[:-9])
    folder.submit([answer("t1", "ann", "b"), answer("t2", "ann", "a")])
    assert sorted(folder.pull()["task_id"]) == ["t0", "t1", "t2"]
    assert [problem.split(":")[0] for problem in folder.problems] == ["submitted.jsonl, line 2"]


def votes(*said):
    """One task's comparisons: (preference, strength) by annotator."""
    folder_rows = []
    for number, (preference, strength) in enumerate(said):
        row = tasks(1).to_dicts()[0]
        folder_rows.append(
            {
                **row,
                "comparison_id": str(number),
                "preference": preference,
                "strength": strength,
                "reasons": [],
                "annotator": str(number),
                "seconds": 0.0,
                "timestamp": None,
            }
        )
    return pl.DataFrame(folder_rows, schema_overrides={"strength": pl.Int8})


def test_agreement_by_hand():
    # Two for b (strengths 2 and 1), one for a (1): b is chosen, 2 of 3, mean lean (2 + 1 - 1) / 3.
    agreed = agree(votes(("b", 2), ("a", 1), ("b", 1)), 0.6)
    row = agreed.preferences.row(0, named=True)
    assert row["chosen"] == [{"role": "assistant", "content": "b0"}]
    assert row["rejected"] == [{"role": "assistant", "content": "a0"}]
    assert row["agreement"] == pytest.approx(2 / 3)
    assert row["margin"] == pytest.approx(2 / 3)
    assert agreed.pairwise_agreement == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ([("a", 1), ("b", 1)], "tied"),
        ([("tie", 0)], "tied"),
        ([("a", 1), ("a", 1), ("b", 1), ("tie", 0), ("b", 1), ("a", 1)], "agreement below the recipe's"),
    ],
)
def test_what_is_not_agreed_on_is_dropped_with_the_reason(said, reason):
    agreed = agree(votes(*said), 0.6)
    assert agreed.preferences.is_empty()
    assert agreed.dropped["reason"].to_list() == [reason]


VOTE = st.sampled_from([("a", 1), ("a", 3), ("b", 1), ("b", 2), ("tie", 0)])


@settings(max_examples=50, deadline=None)
@given(st.lists(VOTE, min_size=1, max_size=7))
def test_swapping_sides_swaps_the_choice_and_nothing_else(said):
    flip = {"a": "b", "b": "a", "tie": "tie"}
    one, other = agree(votes(*said), 0.6), agree(votes(*[(flip[p], s) for p, s in said]), 0.6)
    assert one.preferences.height + one.dropped.height == 1
    assert one.preferences.height == other.preferences.height
    if one.preferences.height:
        assert one.preferences["chosen"].to_list() == other.preferences["rejected"].to_list()
        assert one.preferences["margin"].to_list() == pytest.approx(other.preferences["margin"].to_list())
