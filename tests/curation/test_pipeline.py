"""The whole of curation: rows are conserved, nothing leaks, and order, shards, workers, a kill and a resume change
nothing; a store, a window and yesterday's run save work and change nothing either.
"""

from __future__ import annotations

import json
import logging
import random
import re
import stat
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from curation import embed, finder, pipeline, rowsteps, scrub
from curation import report as outputs
from schemas.curation_recipe import Embedding, Scrub
from schemas.personas import Persona
from schemas.problems import Problem
from schemas.recipe import Recipe
from schemas.stage import Manifest, Rows, no_progress
from schemas.turns import CuratedTurn, DroppedTurn, Quarantined, Turn, turn_id

MARKER = "zyxmarkerwvu"
# A word of its own for each turn, so that none repeats another.
THINGS = re.findall(
    r"\w+",
    """
    harbour tractor violin oven glacier chess lantern beehive orchard subway saddle comet kettle mosaic parrot volcano
    anchor ballet compass dragonfly escalator falcon granite hammock iceberg jigsaw kayak lighthouse mushroom nectar
    origami penguin quilt riddle scarecrow trumpet umbrella""",
)
PERSONAS = {
    f"p{n}": Persona(persona_id=f"p{n}", name=f"Mira{n}", locale="en-US", system_prompt=f"You are Mira{n}.")
    for n in range(4)
}


def turn(number: int, user: str, response: str, **other: Any) -> dict[str, Any]:
    persona = f"p{number % 4}"
    messages = [{"role": "system", "content": f"You are Mira{number % 4}."}, {"role": "user", "content": user}]
    conversation = f"c{number}"
    return {
        "turn_id": turn_id(conversation, 0, persona, messages, response),
        "conversation_id": conversation,
        "turn_index": 0,
        "timestamp": datetime(2026, 1, 1, tzinfo=UTC),
        "user_key": f"user{number % 9}",
        "persona_id": persona,
        "locale": "en-US",
        "surface": "app",
        "source": "user",
        "model_version": "m",
        "messages": messages,
        "response": response,
        "tool_calls": None,
        "continued": None,
        "thumb": None,
        **other,
    }


def sample() -> list[dict[str, Any]]:
    rows = [
        turn(
            n, f"What do you know of a {thing} and of the {other}?", f"The {other} came first, then a {thing} of glass."
        )
        for n, (thing, other) in enumerate(pairwise(THINGS))
    ]
    rows.append(turn(40, "what a day", "fuck you, you stupid shit"))
    rows.append(turn(41, "My name is Anna Kowalska, mail me at anna@example.org", "Done, Anna!"))
    rows += [turn(n, "Good morning to you, dear friend!", "Good morning, how did you sleep?") for n in range(42, 46)]
    rows += [{**rows[5], "thumb": 1}, {**rows[5], "thumb": -1}, rows[7]]
    return rows


@pytest.fixture(scope="module", autouse=True)
def loaded_once() -> Any:
    """The real models, loaded once: a run in these tests is a matter of a second."""
    find, vectors = finder.Finder(Scrub()), embed.load(Embedding(batch_size=8), "float32")
    rowsteps._finder.cache_clear()
    rowsteps._embedder.cache_clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(finder, "Finder", lambda settings: find)
        patch.setattr(embed, "load", lambda settings, precision: vectors)
        yield


def write(rows: list[dict[str, Any]], path: Path) -> Path:
    pl.DataFrame(rows, schema=Turn.create_empty().schema).write_parquet(path)
    return path


def curate(
    path: Path,
    out: Path,
    advance: Callable[..., None] = no_progress,
    seed: int = 20,
    previous: Path | None = None,
    **settings: Any,
) -> Manifest:
    quotas = {"max_persona_share": 0.3, "total": 24}
    recipe = Recipe.model_validate(
        {
            "name": "test",
            "seed": seed,
            "precision": "float32",
            "curation": {
                "shard_rows": 16,
                "workers": 1,
                "quotas": quotas,
                "near_duplicates": {"similarity": 1.0, "added": 0.0},
                **settings,
            },
        }
    )
    return pipeline.run(
        recipe, input=path, format="turns", out=out, personas=PERSONAS, advance=advance, previous=previous
    )


def turns(out: Path) -> pl.DataFrame:
    return pl.concat([pl.read_parquet(path) for path in sorted((out / "turns").iterdir())])


def report(out: Path) -> dict[str, Any]:
    return dict(json.loads((out / "report.json").read_bytes()))


def told(out: Path) -> dict[str, Any]:
    """The report without the recipe, which names places."""
    return {name: value for name, value in report(out).items() if name != "recipe"}


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory, loaded_once: None) -> Path:
    folder = tmp_path_factory.mktemp("first")
    curate(write(sample(), folder / "traffic.parquet"), folder / "out")
    return folder / "out"


def test_rows_are_conserved_and_outputs_keep_their_schemas(first: Path) -> None:
    told = report(first)
    chosen, dropped = turns(first), pl.read_parquet(first / "dropped" / "*.parquet")
    CuratedTurn.validate(chosen)
    DroppedTurn.validate(dropped)
    assert told["rows"] == {"in": 45, "kept": chosen.height, "dropped": dropped.height, "quarantined": 0}
    assert [stage["stage"] for stage in told["stages"]] == list(outputs.STEPS)
    for stage in told["stages"]:
        Rows.model_validate({key: value for key, value in stage.items() if key != "stage"})
    reasons = {(row["stage"], row["reason"]): row["count"] for row in told["dropped"]}
    assert reasons["validate", "repeated turn_id"] == 3
    assert reasons["safety", "abuse above 0.95"] == 1
    assert reasons["near-duplicates", "exact duplicate"] == 3
    assert told["pii"] == {"EMAIL_ADDRESS": 1, "PERSON": 2}
    assert told["quotas"]["total"] == chosen.height == 24
    assert told["quotas"]["largest_persona_share"] <= 0.3
    assert len(told["embedded"]) == 3
    assert not (first / "work").exists()


def test_every_row_that_came_in_is_somewhere_once(first: Path) -> None:
    kept, dropped = set(turns(first)["turn_id"]), pl.read_parquet(first / "dropped" / "*.parquet")
    ids = {row["turn_id"] for row in sample()}
    surplus = set(dropped.filter(stage="validate")["turn_id"])
    assert not surplus & ids
    assert kept | set(dropped["turn_id"]) == ids | surplus
    assert not kept & set(dropped["turn_id"])


@pytest.mark.parametrize(("shuffle", "shard_rows"), [(1, 16), (2, 7), (3, 100)])
def test_order_and_shards_change_nothing(first: Path, tmp_path: Path, shuffle: int, shard_rows: int) -> None:
    rows = sample()
    random.Random(shuffle).shuffle(rows)
    (tmp_path / "pseudonyms.key").write_bytes((first.parent / "pseudonyms.key").read_bytes())
    (tmp_path / "pseudonyms.key").chmod(0o600)
    curate(write(rows, tmp_path / "traffic.parquet"), tmp_path / "out", shard_rows=shard_rows)
    assert turns(tmp_path / "out").equals(turns(first))
    for name in ("dropped/part-00000.parquet", "turns/part-00000.parquet"):
        assert (tmp_path / "out" / name).read_bytes() == (first / name).read_bytes()
    assert told(tmp_path / "out") == told(first)


def test_another_key_changes_names_and_not_the_choice(first: Path, tmp_path: Path) -> None:
    curate(write(sample(), tmp_path / "traffic.parquet"), tmp_path / "out")
    assert turns(tmp_path / "out")["turn_id"].equals(turns(first)["turn_id"])
    assert not turns(tmp_path / "out")["user_key"].equals(turns(first)["user_key"])


def test_a_kill_costs_one_shard(first: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, out = write(sample(), tmp_path / "traffic.parquet"), tmp_path / "out"
    (tmp_path / "pseudonyms.key").write_bytes((first.parent / "pseudonyms.key").read_bytes())
    (tmp_path / "pseudonyms.key").chmod(0o600)
    seen: list[int] = []
    step = rowsteps._step

    def killed(plan: Any, store: Any, name: str, *rest: Any, **more: Any) -> pl.DataFrame:
        if len(seen) == 6:
            seen.append(0)
            raise KeyboardInterrupt  # in the second task, after two of its four steps
        made = step(plan, store, name, *rest, **more)
        seen.append(made.height)
        return made

    monkeypatch.setattr(rowsteps, "_step", killed)
    with pytest.raises(KeyboardInterrupt):
        curate(path, out)
    assert not (out / "manifest.json").exists()
    assert stat.S_IMODE((out / "work").stat().st_mode) == 0o700
    curate(path, out)
    assert len(seen) == 7 + 8  # three tasks of four steps: the first was done
    assert turns(out).equals(turns(first))
    assert told(out) == told(first)
    curate(path, out)
    assert len(seen) == 15  # done: nothing runs again


def test_a_poisoned_row_costs_that_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [*sample(), turn(50, f"this one is {MARKER}", "poison")]
    inner = scrub.scrub

    def poisoned(frame: pl.DataFrame, *rest: Any) -> pl.DataFrame:
        if any(MARKER in message["content"] for messages in frame["messages"] for message in messages):
            raise ValueError(f"cannot read {MARKER}")
        return inner(frame, *rest)

    monkeypatch.setattr(scrub, "scrub", poisoned)
    manifest = curate(write(rows, tmp_path / "traffic.parquet"), tmp_path / "out")
    assert manifest.rows is not None
    assert (manifest.rows.in_, manifest.rows.quarantined) == (46, 1)
    folder = tmp_path / "out" / "quarantine"
    quarantined = Quarantined.validate(pl.read_parquet(folder / "*.parquet"))
    assert quarantined["error"].to_list() == ["scrub failed on this turn with ValueError."]
    assert MARKER in json.loads(quarantined["raw"][0])["messages"][1]["content"]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def test_a_step_that_fails_on_everything_is_no_poison(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scrub, "scrub", lambda *_: 1 / 0)
    with pytest.raises(Problem, match="the step is at fault"):
        curate(write(sample(), tmp_path / "traffic.parquet"), tmp_path / "out")


def test_text_of_messages_is_nowhere_but_in_turns_examples_and_quarantine(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    told: list[str] = []
    rows = [*sample(), turn(50, f"kind words {MARKER}", f"{MARKER} indeed"), turn(51, f"{MARKER} poison", "yes")]
    rows += [turn(52, f"the {MARKER}", f"fuck you, you stupid {MARKER} shit")]
    path, out = write(rows, tmp_path / "traffic.parquet"), tmp_path / "out"
    inner = scrub._replace

    def poisoned(text: str, *rest: Any) -> Any:
        if "poison" in text:
            raise ValueError(text)
        return inner(text, *rest)

    monkeypatch.setattr(scrub, "_replace", poisoned)
    quotas = {"max_persona_share": 1.0}
    curate(path, out, lambda done, total=None, note="": told.append(note), quotas=quotas)
    assert (out / "manifest.json").exists()
    printed = capfd.readouterr()
    for text in (caplog.text, *told, printed.out, printed.err):
        assert MARKER not in text
    with_marker = {
        file.relative_to(out).parts[0]
        for file in out.rglob("*")
        if file.is_file()
        and ((file.suffix != ".parquet" and MARKER.encode() in file.read_bytes())
             or (file.suffix == ".parquet" and MARKER in str(pl.read_parquet(file).to_dicts())))
    }  # fmt: skip
    assert with_marker == {"turns", "quarantine", "examples.parquet"}


def test_a_finished_run_for_other_work_is_told(tmp_path: Path) -> None:
    path = write(sample(), tmp_path / "traffic.parquet")
    curate(path, tmp_path / "out")
    with pytest.raises(Problem, match="the seed changed since"):
        curate(path, tmp_path / "out", seed=21)
