"""The cycle as a model builder meets it: the command line, real stages, a tiny model, `kill -9`.

The recipe is the shipped quickstart with small numbers and a model by path. Everything runs in processes of its own,
with connections to the outside refused and warnings as errors.
"""

from __future__ import annotations

import json
import os
import random
import re
import signal
import sqlite3
import subprocess
import sys
import time

import polars as pl
import pytest
import yaml
from conftest import OFFLINE, ROOT

from schemas.stage import read_manifest
from training.report import STAGES_BEFORE_RELEASE

STAGES = [*STAGES_BEFORE_RELEASE, "release"]
MARKER = "zyxomma-marked-message"
# How often each stage is killed; the release of a version is preceded by a run with 3.
KILLS = int(os.environ.get("FLYWHEEL_KILLS", "1"))


def environment():
    return {
        **os.environ,
        "PYTHONPATH": str(OFFLINE),
        "PYTHONWARNINGS": "error",
        "HF_HUB_OFFLINE": "1",
        "COLUMNS": "200",
    }


def start(*arguments):
    command = [sys.executable, "-m", "training.cycle", *map(str, arguments)]
    return subprocess.Popen(
        command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def command(*arguments):
    process = start(*arguments)
    output, _ = process.communicate(timeout=500)
    return process.returncode, output


@pytest.fixture(scope="module")
def traffic(tmp_path_factory):
    """English turns of the bundled sample, one of them marked."""
    path = tmp_path_factory.mktemp("traffic") / "traffic.parquet"
    turns = pl.read_parquet(ROOT / "examples" / "traffic.parquet")
    english = turns.filter(pl.col("locale").str.starts_with("en")).sort("turn_id").head(1200)
    marked = english.with_columns(
        response=pl.when(pl.int_range(pl.len()) == 7).then(pl.lit(f"Oh, {MARKER}!")).otherwise("response")
    )
    marked.write_parquet(path)
    return path


def write_recipe(directory, traffic, model, key, **changes):
    recipe = yaml.safe_load((ROOT / "examples" / "quickstart.yaml").read_text())
    small = {"max_new_tokens": 8, "batch_size": 64}
    recipe |= {"run_dir": str(directory / "runs"), "precision": "float32"}
    recipe["policy"] |= {"model": model}
    recipe["curation"] |= {
        "input": str(traffic),
        "personas": str(ROOT / "examples" / "personas.yaml"),
        "scrub": {"key_file": str(key)},
        "shard_rows": 400,
        "workers": 1,  # the models load once
        "quotas": {},
    }
    recipe["sample"] |= {"prompts": 80, "held_out_share": 0.4, "decoding": small}
    recipe["score"] |= {"prompts": 60, "decoding": small}
    recipe["judge"] |= {"learning_rate": 1.0e-3, "save_steps": 2, "frozen_layers": 1}
    recipe["sft"] |= {"rows": 40, "learning_rate": 1.0e-3, "save_steps": 3}
    recipe["dpo"] |= {"pairs": 40, "learning_rate": 1.0e-3, "save_steps": 2}
    recipe["rl"] |= {"prompts": 40, "steps": 3, "save_steps": 1, "learning_rate": 1.0e-3, "decoding": small}
    recipe["evaluation"] |= {"prompts": 40, "decoding": small}
    for section, values in changes.items():
        recipe[section] |= values
    path = directory / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe))
    return path


def outcome(directory):
    """What must not depend on kills: the turns chosen, the figures, the verdict."""
    generation = directory / "runs" / "quickstart" / "generation-001"
    turns = pl.read_parquet(generation / "curate" / "turns" / "*.parquet")
    release = json.loads((generation / "release" / "release.json").read_text())
    return {
        "turns": turns["turn_id"].to_list(),
        "metrics": release["metrics"],
        "gates": release["gates"],
        "decision": release["decision"],
        "version": release["version"],
    }


@pytest.fixture(scope="module")
def whole(tmp_path_factory, traffic, tiny_model):
    """A generation that nothing interrupted."""
    directory = tmp_path_factory.mktemp("whole")
    recipe = write_recipe(directory, traffic, tiny_model, directory / "key")
    code, output = command("run", recipe)
    assert code == 0, output
    return directory, recipe, output


def test_it_ends_with_a_verdict_and_conserves_rows(whole):
    directory, _, output = whole
    generation = directory / "runs" / "quickstart" / "generation-001"
    for piece in ("Rows", "Judge", "Trainers", "Gates", "Where everything is", "win_rate_ceiling", "rehearsal"):
        assert piece in output
    for name in STAGES:
        manifest = read_manifest(generation / name)
        assert manifest is not None
        assert name in ("experiment", "release") or manifest.rows is not None
    curated = json.loads((generation / "curate" / "report.json").read_text())
    assert curated["rows"]["in"] == 1200
    assert curated["quotas"]["largest_persona_share"] <= 0.03
    for name in ("sft", "dpo", "rl"):
        assert read_manifest(generation / name).figures["largest_persona_share"] <= 0.03


def test_a_second_run_makes_nothing_again(whole):
    directory, recipe, _ = whole
    manifests = sorted(directory.rglob("manifest.json"))
    before = [(path, path.stat().st_mtime_ns) for path in manifests]
    code, output = command("run", recipe)
    assert code == 0
    assert "Where everything is" in output
    assert [(path, path.stat().st_mtime_ns) for path in manifests] == before
    with sqlite3.connect(directory / "runs" / "quickstart" / "ledger.sqlite") as ledger:
        assert ledger.execute("SELECT count(*) FROM releases").fetchone() == (1,)


def test_status_and_plan_say_where_it_is(whole):
    _, recipe, _ = whole
    code, output = command("status", recipe)
    assert code == 0
    assert output.count("done") == len(STAGES)
    code, output = command("plan", recipe)
    assert code == 0
    assert "measured" in output


def test_no_message_text_leaves_the_tables(whole):
    directory, _, output = whole
    assert MARKER not in output
    kept = 0
    for path in directory.rglob("*"):
        if not path.is_file() or path.name == "recipe.yaml":
            continue
        found = MARKER.encode() in path.read_bytes()
        if path.suffix in (".json", ".md", ".sqlite", ".lock", ".yaml"):
            assert not found, path
        kept += found
    curated = pl.read_parquet(directory / "runs/quickstart/generation-001/curate/turns/*.parquet")
    assert curated["response"].str.contains(MARKER).sum() == 1, "the marked turn was not chosen: the test says nothing"


def test_what_people_wrote_is_readable_by_its_owner_alone(whole):
    directory, _, _ = whole
    assert (directory / "runs" / "quickstart").stat().st_mode & 0o077 == 0


def test_kill_9_in_every_stage_changes_nothing(whole, tmp_path, traffic, tiny_model):
    """Each stage is killed at a random moment, then everything is resumed: same turns, same figures, same verdict."""
    original, _, _ = whole
    recipe = write_recipe(tmp_path, traffic, tiny_model, original / "key")
    generation = tmp_path / "runs" / "quickstart" / "generation-001"
    dice = random.Random(20)
    finished: dict[str, int] = {}
    killed = []
    for name in STAGES:
        for _ in range(KILLS):
            process = start("run", recipe)
            while process.poll() is None and not (generation / name).is_dir():
                time.sleep(0.01)
            time.sleep(dice.random() * 2.0)
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
            process.communicate()
            if read_manifest(generation / name) is None:
                killed.append(name)
            for done in STAGES:
                path = generation / done / "manifest.json"
                if path.is_file():
                    assert finished.setdefault(done, path.stat().st_mtime_ns) == path.stat().st_mtime_ns, done
    assert len(set(killed)) >= 6, f"only {killed} were caught in the middle"
    code, output = command("resume", recipe)
    assert code == 0, output
    assert outcome(tmp_path) == outcome(original)


def test_people_are_waited_for_and_taken_up(tmp_path, traffic, tiny_model, whole):
    original, _, _ = whole
    recipe = write_recipe(
        tmp_path, traffic, tiny_model, original / "key", annotation={"annotators": "people", "votes": 1}
    )
    code, output = command("run", recipe)
    assert code == 3
    assert re.search(r"waiting for annotators: 0 of \d+ submitted", output)
    folder = tmp_path / "runs" / "quickstart" / "generation-001" / "annotation"
    tasks = [json.loads(line) for line in (folder / "tasks.jsonl").read_text().splitlines()]
    answers = [
        json.dumps({"task_id": task["task_id"], "annotator": "ann", "preference": "a", "strength": 1}) for task in tasks
    ]
    (folder / "answers" / "ann.jsonl").write_text("\n".join(answers))
    process = start("resume", recipe)
    judge = folder.parent / "judge"
    while process.poll() is None and not judge.is_dir():
        time.sleep(0.05)
    process.kill()
    process.communicate()
    figures = read_manifest(folder.parent / "annotate").figures
    assert figures["annotators"] == ["ann"]
    assert figures["simulated"] is False


def test_mistakes_get_sentences_and_exit_code_2(tmp_path, traffic, tiny_model):
    code, output = command("run", tmp_path / "none.yaml")
    assert (code, "no such file" in output, "Traceback" in output) == (2, True, False)
    recipe = write_recipe(tmp_path, tmp_path / "gone.parquet", tiny_model, tmp_path / "key")
    code, output = command("validate", recipe)
    assert (code, "curation.input" in output) == (2, True)
    code, output = command("resume", write_recipe(tmp_path, traffic, tiny_model, tmp_path / "key"))
    assert (code, "use `run`" in output) == (2, True)


def test_a_changed_recipe_is_refused_where_it_was_finished(whole):
    directory, recipe, _ = whole
    changed = directory / "changed.yaml"
    changed.write_text(recipe.read_text().replace("min_agreement", "min_agreement").replace("votes: 3", "votes: 2"))
    code, output = command("run", changed)
    assert code == 2
    assert "finished for other work" in output
    assert "votes" in output
