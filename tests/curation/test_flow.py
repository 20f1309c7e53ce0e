"""What saves work and may change nothing: workers, the store, the window, an earlier run."""

from __future__ import annotations

import os
import re
import shutil
import signal
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from test_pipeline import curate, loaded_once, report, sample, turn, turns, write  # noqa: F401

from curation import intake, rowsteps, workers
from curation.store import Store, step_name
from schemas.curation_recipe import Curation, Window
from schemas.personas import Persona
from schemas.problems import Problem
from schemas.recipe import Recipe
from schemas.stage import no_progress


def with_key(folder: Path) -> Path:
    """A directory whose placeholders are those of every other test's."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pseudonyms.key").write_bytes(bytes(range(32)))
    (folder / "pseudonyms.key").chmod(0o600)
    return folder


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, loaded_once: None) -> Path:  # noqa: F811
    folder = with_key(tmp_path_factory.mktemp("alone"))
    curate(write(sample(), folder / "traffic.parquet"), folder / "out")
    return folder / "out"


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Rows that each step really worked on."""
    seen: list[tuple[str, int]] = []
    inner = rowsteps._isolated

    def isolated(apply: Any, rows: pl.DataFrame, by: str) -> Any:
        seen.append((by, rows.height))
        yield from inner(apply, rows, by)

    monkeypatch.setattr(rowsteps, "_isolated", isolated)
    return seen


@pytest.mark.parametrize("count", [2, 4])
def test_workers_change_nothing(alone: Path, tmp_path: Path, count: int) -> None:
    with_key(tmp_path)
    precise = {"workers": count, "embedding": {"batch_size": 8}}
    curate(write(sample()[::-1], tmp_path / "traffic.parquet"), tmp_path / "out", **precise)
    assert turns(tmp_path / "out").equals(turns(alone))
    assert pl.read_parquet(tmp_path / "out" / "dropped" / "*.parquet").equals(
        pl.read_parquet(alone / "dropped" / "*.parquet")
    )


def _leave(task: int) -> int:
    if task == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return task


def test_a_worker_that_dies_is_told_in_a_sentence() -> None:
    with pytest.raises(Problem, match="A worker process was ended from outside"):
        list(workers.each(_leave, [1, 2, 3], 2))


def test_a_moved_threshold_works_on_no_row_again(alone: Path, counted: list[Any]) -> None:
    path, again = alone.parent / "traffic.parquet", alone.parent / "again"
    curate(path, again, quotas={"max_persona_share": 0.3, "total": 12}, safety={"review_above": 0.0001})
    assert counted == []
    assert turns(again).height == 12
    assert report(again)["safety"]["review_band"] > report(alone)["safety"]["review_band"]


def test_a_new_row_costs_its_conversation(alone: Path, counted: list[Any]) -> None:
    rows = sample()
    later = [*rows, turn(60, "And what of the harbour?", "Fog, and a bell."), {**rows[3], **_second(rows[3])}]
    curate(write(later, alone.parent / "more.parquet"), alone.parent / "more", quotas={"max_persona_share": 1.0})
    scrubbed = sum(height for by, height in counted if by == "conversation_id")
    assert scrubbed == 3  # the new conversation, and both turns of the one that grew


def _second(first: dict[str, Any]) -> dict[str, Any]:
    said = [
        *first["messages"],
        {"role": "assistant", "content": first["response"]},
        {"role": "user", "content": "More!"},
    ]
    return {"turn_id": "e" * 32, "turn_index": 1, "messages": said, "response": "There is no more to it."}


def test_the_store_is_its_owners_alone_and_holds_no_raw_text(alone: Path) -> None:
    store = alone.parent / "curation-store"
    assert stat.S_IMODE(store.stat().st_mode) == 0o700
    parts = list(store.rglob("*.parquet"))
    assert {stat.S_IMODE(path.stat().st_mode) for path in parts} == {0o600}
    assert not any("Kowalska" in str(pl.read_parquet(path).to_dicts()) for path in parts if "scrub-" in str(path))
    store.chmod(0o755)
    with pytest.raises(Problem, match="others can read this store"):
        Store(store)
    store.chmod(0o700)


def test_what_no_run_has_used_for_long_is_removed(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    rows = pl.DataFrame({"row_key": ["a", "b"], "language": ["en", "de"]})
    store.write(f"language-{0:016x}", rows, pl.Series([1, 2]))
    store.write(f"language-{1:016x}", rows, pl.Series([1, 2]))
    long_ago = datetime.now(UTC) - timedelta(days=40)
    os.utime(tmp_path / "store" / f"language-{0:016x}", (long_ago.timestamp(), long_ago.timestamp()))
    store.used([f"language-{1:016x}"])
    assert [path.name for path in (tmp_path / "store").iterdir()] == [f"language-{1:016x}"]
    found = store.read(f"language-{1:016x}", [1, 2], pl.Series("row_key", ["b", "c"]))
    assert found is not None
    assert found.rows() == [("b", "de")]


def test_a_step_is_named_by_settings_and_by_its_own_programs() -> None:
    assert step_name("scrub", "scrub", 1) != step_name("scrub", "scrub", 2)
    assert step_name("scrub", "scrub") == step_name("scrub", "scrub")
    assert step_name("x", "language").split("-")[1] != step_name("x", "embed").split("-")[1]


def test_fresh_traffic_beside_an_earlier_run_is_as_all_of_it_together(
    alone: Path,
    tmp_path: Path,
    counted: list[Any],
) -> None:
    folder, rows = with_key(tmp_path), sample()
    yesterday, today = rows[:30], rows[30:]
    curate(write(yesterday, folder / "yesterday.parquet"), folder / "first")
    counted.clear()
    curate(write(today, folder / "today.parquet"), folder / "second", previous=folder / "first")
    assert sum(height for by, height in counted if by == "conversation_id") <= len(today)
    assert turns(folder / "second").equals(turns(alone))
    together, told = report(alone), report(folder / "second")
    assert told["rows"] == together["rows"]
    assert {k: v for k, v in told.items() if k != "recipe"} == {k: v for k, v in together.items() if k != "recipe"}


def test_an_earlier_run_without_its_store_is_told(tmp_path: Path) -> None:
    folder, rows = with_key(tmp_path), sample()
    curate(write(rows[:9], folder / "yesterday.parquet"), folder / "first", quotas={"max_persona_share": 1.0})
    shutil.rmtree(folder / "curation-store")
    path = write(rows[9:], folder / "today.parquet")
    with pytest.raises(Problem, match="results of the earlier run are not there"):
        curate(path, folder / "second", previous=folder / "first")
    with pytest.raises(Problem, match="no finished curation run is there"):
        curate(path, folder / "third", previous=folder / "nothing")


def test_the_window_leaves_old_turns_and_other_models_out(tmp_path: Path) -> None:
    newest = datetime(2026, 2, 1, tzinfo=UTC)
    rows = [
        turn(n, f"Tell me {n} things about the sea, please.", f"I know {n * 7} stories.", timestamp=newest)
        for n in range(12)
    ]
    rows[0]["timestamp"] = newest - timedelta(days=8)
    rows[1]["model_version"] = "ancient"
    window = {"max_age_days": 7, "model_versions": ["m"]}
    path = write(rows, tmp_path / "traffic.parquet")
    curate(path, tmp_path / "out", window=window, quotas={"max_persona_share": 1.0})
    gone = {row["reason"]: row["count"] for row in report(tmp_path / "out")["dropped"] if row["stage"] == "window"}
    assert gone == {"older than 7 days": 1, "model version not in the window": 1}
    by_name = {stage["stage"]: stage for stage in report(tmp_path / "out")["stages"]}
    assert by_name["scrub"]["in"] == 10


def test_a_poisoned_turn_leaves_the_rest_of_its_conversation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from curation import scrub

    first = turn(1, "Hello there, I am looking for the harbour.", "Which one?")
    rows = [first, {**first, **_second(first)}, *sample()[10:20]]
    inner = scrub.scrub

    def poisoned(frame: pl.DataFrame, *rest: Any) -> pl.DataFrame:
        if "There is no more to it." in frame["response"].to_list():
            raise ValueError("text of the message")
        return inner(frame, *rest)

    monkeypatch.setattr(scrub, "scrub", poisoned)
    curate(write(rows, tmp_path / "traffic.parquet"), tmp_path / "out", quotas={"max_persona_share": 1.0})
    assert report(tmp_path / "out")["rows"]["quarantined"] == 1
    assert first["turn_id"] in turns(tmp_path / "out")["turn_id"].to_list()


def test_a_store_removes_nothing_that_is_not_its_own(tmp_path: Path) -> None:
    store = Store(tmp_path / "home")
    (tmp_path / "home" / "photographs").mkdir()
    (tmp_path / "home" / "photographs" / "one.jpg").write_bytes(b"dear to somebody")
    os.utime(tmp_path / "home" / "photographs", (0, 0))
    store.write(f"scrub-{0:016x}", pl.DataFrame({"row_key": ["a"]}), pl.Series([1]))
    draft = tmp_path / "home" / f"scrub-{0:016x}" / "01" / "killed.partial"
    draft.write_bytes(b"")
    os.utime(draft, (0, 0))
    store.used([])
    assert not draft.exists()
    assert store.keys(f"scrub-{0:016x}", 1).to_list() == ["a"]
    assert (tmp_path / "home" / "photographs" / "one.jpg").exists()


def test_two_runs_may_write_the_same_part_of_a_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, inner = Store(tmp_path / "store"), pl.DataFrame.write_parquet
    rows = pl.DataFrame({"row_key": ["a", "b"], "language": ["en", "de"]})
    first = os.getpid()

    def meanwhile(frame: pl.DataFrame, file: Any) -> None:
        inner(frame, file)
        if os.getpid() == first:  # another process writes the same part before this one is through
            monkeypatch.setattr(os, "getpid", lambda: first + 1)
            store.write("language", rows, pl.Series([1, 1]))
            monkeypatch.setattr(os, "getpid", lambda: first)

    monkeypatch.setattr(pl.DataFrame, "write_parquet", meanwhile)
    store.write("language", rows, pl.Series([1, 1]))
    assert store.keys("language", 1).sort().to_list() == ["a", "b"]
    assert not list(tmp_path.rglob("*.partial"))


def test_a_damaged_part_of_the_store_is_named(alone: Path, tmp_path: Path) -> None:
    shutil.copytree(alone.parent, tmp_path / "copy", dirs_exist_ok=True)
    part = max((tmp_path / "copy" / "curation-store").rglob("*.parquet"))
    part.write_bytes(part.read_bytes()[:100])
    path, out = tmp_path / "copy" / "traffic.parquet", tmp_path / "copy" / "mended"
    with pytest.raises(Problem, match=re.escape(f"{part}: this part of the store is damaged")):
        curate(path, out)
    part.unlink()
    curate(path, out)
    assert turns(out).equals(turns(alone))


def test_files_and_personas_count_by_what_they_hold(tmp_path: Path) -> None:
    yaml = tmp_path / "own.yaml"
    settings = Curation.model_validate({"scrub": {"recognisers": [str(yaml)]}})
    recipe = Recipe.model_validate({"name": "test"})
    seen = set()
    for text in ("one", "two"):
        yaml.write_text(text)
        seen.add(rowsteps.names(recipe, settings, "key", rowsteps.contents(settings))["language"])
    assert len(seen) == 2


def test_a_persona_s_names_count_for_its_whole_conversation(tmp_path: Path) -> None:
    first = turn(1, "Hello there, I am looking for the harbour.", "Which one?")
    rows = [first, {**first, **_second(first), "persona_id": "other"}]
    path = write(rows, tmp_path / "traffic.parquet")
    keys = []
    for name in ("Anna", "Berta"):
        other = Persona(persona_id="other", name=name, locale="en-US", system_prompt="You are kind.")
        read = intake.read(tmp_path / name, path, "turns", Curation(), {}, None, no_progress)
        found = [part for _, part in intake.conversations(read, intake.repeated(read), Window(), {"other": other})]
        keys.append(set(pl.concat(found)["row_key"]))
    assert not keys[0] & keys[1]


def test_another_key_is_other_work(alone: Path, tmp_path: Path) -> None:
    shutil.copytree(alone.parent, tmp_path / "copy", dirs_exist_ok=True)
    assert curate(tmp_path / "copy" / "traffic.parquet", tmp_path / "copy" / "out")
    (tmp_path / "copy" / "pseudonyms.key").write_bytes(bytes(32))
    with pytest.raises(Problem, match="input 'key' changed"):
        curate(tmp_path / "copy" / "traffic.parquet", tmp_path / "copy" / "out")


def test_many_poisoned_rows_do_not_stop_the_runs_after(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from curation import scrub

    rows = [*sample()[10:20], *(turn(n, f"Poison number {n} for the fish.", "No.") for n in range(50, 62))]
    inner = scrub.scrub

    def poisoned(frame: pl.DataFrame, *rest: Any) -> pl.DataFrame:
        if any("Poison" in message["content"] for messages in frame["messages"] for message in messages):
            raise ValueError("text of the message")
        return inner(frame, *rest)

    monkeypatch.setattr(scrub, "scrub", poisoned)
    path = write(rows, tmp_path / "traffic.parquet")
    for name, share in (("first", 1.0), ("second", 0.9)):  # only the poisoned ones are left to work on
        curate(path, tmp_path / name, quotas={"max_persona_share": share})
        assert report(tmp_path / name)["rows"]["quarantined"] == 12


@pytest.mark.parametrize("how", ["other version", "damaged"])
def test_an_earlier_run_that_cannot_be_read_is_told(alone: Path, tmp_path: Path, how: str) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(alone.parent, copy, dirs_exist_ok=True)
    part = next((copy / "out" / "rows").glob("*.parquet"))
    if how == "damaged":
        part.write_bytes(part.read_bytes()[:100])
    else:
        pl.read_parquet(part).drop("content").write_parquet(part)
    with pytest.raises(Problem, match="Curate all the logs together"):
        curate(copy / "traffic.parquet", copy / "unreadable", previous=copy / "out")


def test_a_turn_that_comes_again_every_day_is_dropped_every_day(tmp_path: Path) -> None:
    folder, rows = with_key(tmp_path), sample()[:6]
    curate(write([*rows, rows[0]], folder / "day0.parquet"), folder / "day0", quotas={"max_persona_share": 1.0})
    for day in (1, 2):
        path = write([rows[0], rows[1]], folder / f"day{day}.parquet")
        out, before = folder / f"day{day}", folder / f"day{day - 1}"
        curate(path, out, previous=before, quotas={"max_persona_share": 1.0})
    told = report(folder / "day2")
    assert told["rows"] == {"in": 11, "kept": 6, "dropped": 5, "quarantined": 0}
    assert pl.read_parquet(folder / "day2" / "dropped" / "*.parquet")["turn_id"].n_unique() == 5


def test_a_missing_difficulty_is_told_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(Problem, match=r"curation.difficulty: .*no such file"):
        curate(write(sample(), tmp_path / "traffic.parquet"), tmp_path / "out", difficulty=str(tmp_path / "none"))
    assert not (tmp_path / "out").exists()


def test_results_do_not_go_among_the_logs(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    write(sample(), tmp_path / "logs" / "traffic.parquet")
    with pytest.raises(Problem, match="would be read as logs"):
        curate(tmp_path / "logs", tmp_path / "logs" / "out")
    with pytest.raises(Problem, match="would be read as logs"):
        curate(tmp_path / "logs", tmp_path / "out", store=str(tmp_path / "logs" / "store"))
    assert [path.name for path in (tmp_path / "logs").iterdir()] == ["traffic.parquet"]
