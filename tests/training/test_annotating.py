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
from contextlib import closing, contextmanager

import polars as pl
import yaml
from conftest import OFFLINE, ROOT
from tests_server import annotation

from annotation.api import Api
from annotation.folder import Folder
from annotation.projects.pairwise import FIRST, SECOND
from annotation.server.home import Home, running
from schemas.judgements import AnnotationTask
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


def begin(directory, name, **settings):
    """A generation whose sample stage is done, and its recipe."""
    made, prompts = tasks()
    generation = directory / "runs" / name / "generation-001"
    with open_stage(generation / "sample", "sample", settings={}, inputs={}, seed=0) as stage:
        made.write_parquet(stage.directory / "tasks.parquet")
        prompts.write_parquet(stage.directory / "prompts.parquet")
        stage.finish()
    begun = {"number": 1, "parent": "parent", "recipe": name}
    (generation / "generation.json").write_text(json.dumps(begun))
    examples = ROOT / "examples"
    recipe = {
        "name": name,
        "run_dir": str(directory / "runs"),
        "curation": {"input": str(examples / "traffic.parquet"), "personas": str(examples / "personas.yaml")},
        "annotation": {"tool": "argilla", "votes": VOTES, **settings},
    }
    path = directory / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe))
    return path, generation


@contextmanager
def resuming(recipe, home):
    """The cycle, resumed; `home` is where people's server would be. It is killed where it has not ended by itself."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("ARGILLA_", "FLYWHEEL_"))}
    clean |= {
        "FLYWHEEL_ANNOTATION_HOME": str(home),
        "PYTHONPATH": f"{OFFLINE}{os.pathsep}{ROOT}",
        "PYTHONWARNINGS": "error",
        "COLUMNS": "200",
    }
    command = [sys.executable, str(ALONE), "resume", str(recipe)]
    process = subprocess.Popen(
        command, cwd=ROOT, env=clean, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def resume(recipe, home):
    with resuming(recipe, home) as process:
        output, _ = process.communicate(timeout=300)
    return process.returncode, output


def account(server, name="owner"):
    """Somebody's account on a server."""
    with closing(Api(server.url, server.api_key)) as owner:
        users = {user["username"]: user["api_key"] for user in owner.get("users")["items"]}
    return closing(Api(server.url, users[name]))


def datasets(api, round_):
    return [item["id"] for item in api.get("me/datasets")["items"] if f"-{round_}-001-" in item["name"]]


def records(server, round_):
    """Ids of all records in a round."""
    with account(server) as api:
        listed = [api.get(f"datasets/{dataset}/records", {"limit": 100})["items"] for dataset in datasets(api, round_)]
    return sorted(record["id"] for items in listed for record in items)


def answer(server, name, round_, most):
    """Answer the first records as an annotator's browser does: the longer reply is clearly better."""
    items = []
    with account(server, name) as api:
        found = [api.post(f"me/datasets/{dataset}/records/search", {})["items"] for dataset in datasets(api, round_)]
        shown = sorted((item["record"] for part in found for item in part), key=lambda record: record["external_id"])
        for record in shown[:most]:
            longer = max((FIRST, SECOND), key=lambda field: len(record["fields"][field]))
            ranks = [{"value": field, "rank": 1 if field == longer else 2} for field in (SECOND, FIRST)]
            values = {"preference": {"value": ranks}, "strength": {"value": "2"}}
            items.append({"record_id": record["id"], "status": "submitted", "values": values})
        taken = api.post("me/responses/bulk", {"items": items})["items"]
    assert [item["error"] for item in taken] == [None] * most


def test_people_are_waited_for_with_counts_and_taken_up_when_enough_are_in(tmp_path, server):
    recipe, generation = begin(tmp_path, "people", enough=0.9)
    code, output = resume(recipe, server.home)
    assert code == 3
    assert (
        f"waiting for annotators: 0 of 24 submitted (22 are enough). They sign in at {server.url} (round people-001-"
        in output
    )
    assert [f"{locale}: nobody reads it yet" in output for locale in LOCALES] == [True] * 3
    pushed = records(server, "people")
    assert len(pushed) == TASKS
    for name in ("cycle-ann", "cycle-bob", "cycle-cem"):
        reads = [word for locale in LOCALES for word in ("--locale", locale)]
        added = annotation("users", "add", name, *reads, home=server.home)
        assert added.returncode == 0, added.stderr
    answer(server, "cycle-ann", "people", TASKS)
    code, output = resume(recipe, server.home)
    assert (code, "waiting for annotators: 12 of 24 submitted" in output) == (3, True)
    assert "nobody reads it" not in output
    for name in ("cycle-bob", "cycle-cem"):  # the server counts 22 answers now; five are a third to their task
        answer(server, name, "people", 5)
    code, output = resume(recipe, server.home)
    assert (code, "waiting for annotators: 17 of 24 submitted" in output) == (3, True)
    answer(server, "cycle-bob", "people", TASKS - 2)
    code, output = resume(recipe, server.home)
    assert code == 0, output
    assert records(server, "people") == pushed
    figures = read_manifest(generation / "annotate").figures
    assert figures["annotators"] == ["cycle-ann", "cycle-bob", "cycle-cem"]
    assert (figures["simulated"], figures["embedded"]) == (False, ["Argilla server on SQLite"])
    comparisons = pl.read_parquet(generation / "annotate" / "comparisons.parquet")
    assert comparisons.height == TASKS + TASKS - 2 + 5
    longer = pl.when(pl.col("response_a").str.len_chars() >= pl.col("response_b").str.len_chars())
    assert comparisons.filter(pl.col("preference") != longer.then(pl.lit("a")).otherwise(pl.lit("b"))).is_empty()
    assert comparisons["strength"].unique().to_list() == [2]


def test_a_changed_number_of_votes_is_told_before_anything_is_pushed(tmp_path, server):
    recipe, _ = begin(tmp_path, "votes", votes=5)
    assert resume(recipe, server.home)[0] == 3
    before = records(server, "votes")
    recipe.write_text(recipe.read_text().replace("votes: 5", "votes: 4"))
    code, output = resume(recipe, server.home)
    assert code == 2
    assert "5 votes a task were asked for when this was pushed, and 4 are now" in output
    assert records(server, "votes") == before


def test_where_no_server_runs_the_command_that_starts_one_is_named(tmp_path):
    recipe, _ = begin(tmp_path, "nowhere")
    code, output = resume(recipe, tmp_path / "nothing")
    assert code == 2
    assert "start it with `python -m annotation serve`" in output
    assert not (tmp_path / "nothing").exists()


def until(condition, process):
    """Wait for something to be so; fail where the process ends before."""
    while not condition():
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.01)


def count(home, table):
    """Rows in a table of the server's database, which may not be there yet."""
    if not (home / "argilla.db").is_file():
        return 0
    with closing(sqlite3.connect(f"file:{home / 'argilla.db'}?mode=ro", uri=True)) as database:
        try:
            return database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        except sqlite3.OperationalError:
            return 0


def ended(home):
    """Wait until the last process of a home's server is gone."""
    gives_up = time.monotonic() + 120
    with open(home / "lock") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                assert time.monotonic() < gives_up, "the server outlives the cycle"
                time.sleep(0.05)


def test_a_rehearsal_on_its_own_server_loses_nothing_by_kills_and_says_what_it_says_in_a_folder(tmp_path):
    recipe, generation = begin(tmp_path, "rehearsal", annotators="simulated")
    home, people = generation / "annotation" / "server", tmp_path / "people"

    with resuming(recipe, people) as process:  # killed while it pushes, or just after
        until(lambda: count(home, "records"), process)
    ended(home)

    with resuming(recipe, people) as process:
        until(lambda: running(Home(home)), process)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=300)
    assert process.returncode == 130, output
    assert running(Home(home)) is None  # it was ended before the cycle was

    with resuming(recipe, people) as process:  # killed when the first annotator has answered
        until(lambda: count(home, "responses"), process)
    assert read_manifest(generation / "annotate") is None

    code, output = resume(recipe, people)  # at once, whatever is left of the server before
    assert code == 0, output
    assert running(Home(home)) is None
    assert not people.exists()
    figures = read_manifest(generation / "annotate").figures
    assert figures["annotators"] == ["simulated:1", "simulated:2"]
    assert (figures["simulated"], figures["embedded"]) == (True, ["Argilla server on SQLite"])
    assert figures["problems"] == []
    assert count(home, "records") == TASKS

    folder = Folder(tmp_path / "folder")
    folder.push(tasks()[0])
    rehearsal.annotate(folder, VOTES, seed=20)
    untimed = pl.exclude("seconds", "timestamp")
    expected = folder.pull().select(untimed)
    assert expected.height == TASKS * VOTES
    assert expected["preference"].n_unique() > 1
    assert pl.read_parquet(generation / "annotate" / "comparisons.parquet").select(untimed).equals(expected)


def test_a_rehearsals_server_that_cannot_start_says_why(tmp_path):
    recipe, generation = begin(tmp_path, "blocked", annotators="simulated")
    (generation / "annotation" / "server").mkdir(parents=True)
    (generation / "annotation" / "server" / "notes.txt").write_text("mine")
    code, output = resume(recipe, tmp_path / "people")
    assert code == 2
    assert "not empty, and not a home of an annotation server" in output
