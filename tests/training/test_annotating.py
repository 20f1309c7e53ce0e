"""The annotate stage on the real Argilla: people who answer in their own time, rehearsals, kills.

The sample stage is made by hand and no model is loaded; the rest is the cycle's own command line, in processes of its
own.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import polars as pl
import pytest
import yaml
from conftest import OFFLINE, ROOT
from tests_server import annotation

from annotation.api import Api
from annotation.folder import Folder
from annotation.projects.pairwise import FIRST, SECOND
from annotation.server.home import Home, running
from schemas.judgements import AnnotationTask
from schemas.personas import read_personas
from schemas.stage import open_stage, read_manifest
from training import rehearsal

TASKS, VOTES = 12, 2
LOCALES = ("de-DE", "en-GB", "en-US")
ALONE = ROOT / "tests" / "training" / "annotate_alone.py"


def tasks():
    """Twelve pairs in three locales; one reply of each ends in a question, which simulated annotators like."""
    turns = pl.read_parquet(ROOT / "examples" / "traffic.parquet").unique("turn_id").sort("turn_id")
    turns = turns.filter(pl.col("response") != "", pl.col("locale").is_in(LOCALES))
    turns = turns.group_by("locale", maintain_order=True).head(TASKS // len(LOCALES)).sort("turn_id")
    first = pl.int_range(pl.len()) % 2 == 0
    other = pl.col("response").str.slice(0, 20) + " … and what do you make of it?"
    made = turns.with_columns(
        task_id=pl.format("task-{}", pl.int_range(pl.len())),
        response_a=pl.when(first).then("response").otherwise(other),
        response_b=pl.when(first).then(other).otherwise("response"),
        policy_a=pl.lit("parent"),
        policy_b=pl.lit("parent"),
    )
    return AnnotationTask.validate(made.select(AnnotationTask.column_names())), made.select("turn_id", "locale")


def begin(directory, **settings):
    """A generation whose sample stage is done, and its recipe."""
    made, prompts = tasks()
    generation = directory / "runs" / "line" / "generation-001"
    with open_stage(generation / "sample", "sample", settings={}, inputs={}, seed=0) as stage:
        made.write_parquet(stage.directory / "tasks.parquet")
        prompts.write_parquet(stage.directory / "prompts.parquet")
        stage.finish()
    begun = {"number": 1, "parent": "parent", "recipe": "line"}
    (generation / "generation.json").write_text(json.dumps(begun))
    examples = ROOT / "examples"
    recipe = {
        "name": "line",
        "run_dir": str(directory / "runs"),
        "curation": {"input": str(examples / "traffic.parquet"), "personas": str(examples / "personas.yaml")},
        "annotation": {"tool": "argilla", "votes": VOTES, **settings},
    }
    path = directory / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe))
    return path, generation


def start(recipe, home):
    """Begin to resume; `home` is where people's server would be."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("ARGILLA_", "FLYWHEEL_"))}
    clean |= {
        "FLYWHEEL_ANNOTATION_HOME": str(home),
        "PYTHONPATH": f"{OFFLINE}{os.pathsep}{ROOT}",
        "PYTHONWARNINGS": "error",
        "COLUMNS": "200",
    }
    command = [sys.executable, str(ALONE), "resume", str(recipe)]
    return subprocess.Popen(command, cwd=ROOT, env=clean, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def resume(recipe, home):
    process = start(recipe, home)
    output, _ = process.communicate(timeout=300)
    return process.returncode, output


def answer(server, name, leave=0):
    """Answer as an annotator's browser does: the reply that is longer is better, but for the last `leave` records."""
    owner = Api(server.url, server.api_key)
    key = next(user["api_key"] for user in owner.get("users")["items"] if user["username"] == name)
    account = Api(server.url, key)
    pending = [
        item["record"]
        for dataset in account.get("me/datasets")["items"]
        if "-line-001-" in dataset["name"]
        for item in account.post(f"me/datasets/{dataset['id']}/records/search", {}, {"response_status": "pending"})[
            "items"
        ]
    ]
    items = []
    for record in pending[: len(pending) - leave]:
        better = max((FIRST, SECOND), key=lambda field: len(record["fields"][field]))
        ranks = [{"value": field, "rank": 1 if field == better else 2} for field in (SECOND, FIRST)]
        values = {"preference": {"value": ranks}, "strength": {"value": "2"}}
        items.append({"record_id": record["id"], "status": "submitted", "values": values})
    taken = account.post("me/responses/bulk", {"items": items})["items"]
    assert all(item["error"] is None for item in taken)
    return len(items)


def records(server):
    """Ids of all records in the round, as the server counts them."""
    owner = Api(server.url, server.api_key)
    return sorted(
        record["id"]
        for dataset in owner.get("me/datasets")["items"]
        if "-line-001-" in dataset["name"]
        for record in owner.get(f"datasets/{dataset['id']}/records", {"limit": 100})["items"]
    )


def test_people_are_waited_for_with_counts_and_taken_up_when_enough_are_in(tmp_path, server):
    recipe, generation = begin(tmp_path, enough=0.9)
    code, output = resume(recipe, server.home)
    assert code == 3
    assert f"waiting for annotators: 0 of 24 submitted (22 are enough). They sign in at {server.url}." in output
    assert [f"{locale}: nobody reads it yet" in output for locale in LOCALES] == [True] * 3
    pushed = records(server)
    assert len(pushed) == TASKS
    for name in ("cycle-ann", "cycle-bob"):
        reads = [word for locale in LOCALES for word in ("--locale", locale)]
        added = annotation("users", "add", name, *reads, home=server.home)
        assert added.returncode == 0, added.stderr
    assert answer(server, "cycle-ann") == TASKS
    code, output = resume(recipe, server.home)
    assert (code, "waiting for annotators: 12 of 24 submitted" in output) == (3, True)
    assert "nobody reads it" not in output
    assert answer(server, "cycle-bob", leave=2 - len(LOCALES) + 1) + TASKS >= 22
    code, output = resume(recipe, server.home)
    assert code == 0, output
    assert records(server) == pushed
    figures = read_manifest(generation / "annotate").figures
    assert figures["annotators"] == ["cycle-ann", "cycle-bob"]
    assert (figures["simulated"], figures["embedded"]) == (False, ["Argilla server on SQLite"])
    comparisons = pl.read_parquet(generation / "annotate" / "comparisons.parquet")
    longer = pl.when(pl.col("response_a").str.len_chars() >= pl.col("response_b").str.len_chars())
    assert comparisons.filter(pl.col("preference") != longer.then(pl.lit("a")).otherwise(pl.lit("b"))).is_empty()
    assert comparisons["strength"].unique().to_list() == [2]


def test_a_changed_number_of_votes_is_told_before_anything_is_pushed(tmp_path, server):
    recipe, _ = begin(tmp_path, votes=5)
    assert resume(recipe, server.home)[0] == 3
    before = records(server)
    recipe.write_text(recipe.read_text().replace("votes: 5", "votes: 4"))
    code, output = resume(recipe, server.home)
    assert code == 2
    assert "5 votes a task were asked for when this was pushed, and 4 are now" in output
    assert records(server) == before


def test_where_no_server_runs_the_command_that_starts_one_is_named(tmp_path):
    recipe, _ = begin(tmp_path)
    code, output = resume(recipe, tmp_path / "nothing")
    assert code == 2
    assert "start it with `python -m annotation serve`" in output
    assert not (tmp_path / "nothing").exists()
