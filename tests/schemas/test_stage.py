"""A stage is done when its manifest is there, for the work it was done for, and loses no row."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.problems import Problem
from schemas.stage import MANIFEST, Rows, open_stage, read_manifest


def make(directory, *, settings=None, seed=1, text="made", inputs=None):
    with open_stage(directory, "s", settings=settings or {"a": 1}, inputs=inputs or {}, seed=seed) as stage:
        if not stage.done:
            (stage.directory / "out.txt").write_text(text)
            (stage.work / "half.txt").write_text("half")
            stage.finish(Rows(in_=3, kept=2, dropped=1), {"figure": 1})
        return stage


@given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 50), st.integers(0, 200))
def test_rows_are_conserved_or_refused(kept, dropped, quarantined, came_in):
    if came_in == kept + dropped + quarantined:
        Rows(in_=came_in, kept=kept, dropped=dropped, quarantined=quarantined)
    else:
        with pytest.raises(ValueError, match="rows are lost"):
            Rows(in_=came_in, kept=kept, dropped=dropped, quarantined=quarantined)


def test_a_finished_stage_is_taken_up_and_not_made_again(tmp_path):
    make(tmp_path / "s")
    again = make(tmp_path / "s", text="other")
    assert again.done
    assert (tmp_path / "s" / "out.txt").read_text() == "made"
    assert set(read_manifest(tmp_path / "s").outputs) == {"out.txt"}
    assert not (tmp_path / "s" / "work").exists()


@pytest.mark.parametrize("change", [{"settings": {"a": 2}}, {"seed": 2}, {"inputs": {"x": "new"}}])
def test_a_stage_finished_for_other_work_is_refused_with_what_changed(tmp_path, change):
    make(tmp_path / "s")
    with pytest.raises(Problem, match="finished for other work"):
        make(tmp_path / "s", **change)


def test_what_a_cut_off_attempt_left_is_removed_but_its_work_is_kept(tmp_path):
    directory = tmp_path / "s"
    with open_stage(directory, "s", settings={"a": 1}, inputs={}, seed=1) as stage:
        (stage.directory / "half-written.txt").write_text("x")
        (stage.work / "shard").write_text("x")
    with open_stage(directory, "s", settings={"a": 1}, inputs={}, seed=1) as stage:
        assert not (directory / "half-written.txt").exists()
        assert (stage.work / "shard").exists()
    with open_stage(directory, "s", settings={"a": 2}, inputs={}, seed=1) as stage:
        assert not (stage.work / "shard").exists()


def test_a_manifest_that_is_not_ours_gets_a_sentence(tmp_path):
    (tmp_path / MANIFEST).write_text("{}")
    with pytest.raises(Problem, match="not a manifest of ours"):
        read_manifest(tmp_path)


@pytest.mark.parametrize("inside", ["logs.jsonl", "pictures/one.png"])
def test_a_directory_with_other_things_is_left_alone(tmp_path, inside):
    (tmp_path / inside).parent.mkdir(exist_ok=True)
    (tmp_path / inside).write_text("dear to somebody")
    with pytest.raises(Problem, match="something else"):
        make(tmp_path)
    assert (tmp_path / inside).read_text() == "dear to somebody"


def test_a_directory_is_one_process_s_at_a_time(tmp_path):
    with open_stage(tmp_path / "s", "s", settings={"a": 1}, inputs={}, seed=1) as stage:
        (stage.work / "shard").write_text("x")
        with pytest.raises(Problem, match="another process works here"):
            make(tmp_path / "s")
        assert (stage.work / "shard").exists()
    assert make(tmp_path / "s").done


def test_a_file_in_the_place_of_a_directory_gets_a_sentence(tmp_path):
    (tmp_path / "s").write_text("x")
    with pytest.raises(Problem, match="is a file"):
        make(tmp_path / "s")
