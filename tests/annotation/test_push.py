"""Push and pull against the real server: each record once, nothing lost, nothing changed, nothing said."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid

import annotation_material as material
import polars as pl
import pytest
from conftest import ROOT
from tests_server import Server

from annotation import datasets, gold, pages, projects
from annotation.__main__ import main
from annotation.api import Api
from annotation.projects import pairwise
from annotation.projects.project import Project
from annotation.projects.stages import limited, source
from annotation.push import Settings, origin_of, push
from annotation.seal import Seal
from annotation.state import State
from schemas.judgements import PROJECTS, AnnotationTask
from schemas.problems import Problem

MARK = "MARKED-TEXT"
ROUNDS = itertools.count()


@pytest.fixture
def round_() -> str:
    """A round that no other test has."""
    return f"r{os.getpid()}-{next(ROUNDS)}-{uuid.uuid4().hex[:4]}"


@pytest.fixture
def api(server: Server) -> Api:
    return Api(server.url, server.api_key)


@pytest.fixture
def there(monkeypatch, server: Server, tmp_path):
    """The environment of the command line: the test's server, and a home of its own."""
    monkeypatch.setenv("ARGILLA_API_URL", server.url)
    monkeypatch.setenv("ARGILLA_API_KEY", server.api_key)
    monkeypatch.setenv("FLYWHEEL_ANNOTATION_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def records(api, name, round_):
    """What is on the server, by external id."""
    found = datasets.list_datasets(api, projects.find(name), round_)
    every = [r for place in found for page in pages.pages(api, place.id, "responses,suggestions,vectors") for r in page]
    assert len({record["external_id"] for record in every}) == len(every)
    return {record["external_id"]: record for record in every}


def task_source(rows):
    return source(pairwise.with_context(AnnotationTask.validate(rows).lazy()), {}, ["swapped"])


@pytest.mark.parametrize("name", PROJECTS)
def test_a_stage_is_pushed_once(name, api, round_, tmp_path):
    material.curated(tmp_path / "curate", 24)
    material.sampled(tmp_path / "sample", material.tasks(24))
    project, state = projects.find(name), State(tmp_path / "home", name, round_)
    stage = tmp_path / ("sample" if name == "pairwise" else "curate")
    settings = Settings(round=round_, readers={})
    first = push(api, project, project.load(stage), state, settings)
    assert (first.new, first.there, first.refused) == (first.given, 0, [])
    before = records(api, name, round_)
    second = push(api, project, project.load(stage), state, settings)
    assert (second.new, second.there) == (0, first.given)
    assert records(api, name, round_) == before
    assert first.given + sum(first.left_out.values()) == (12 if name == "grey" else 24)
    one = next(iter(before.values()))
    assert one["metadata"]["locale"] == origin_of(one, state.seal)["locale"]
    found = datasets.list_datasets(api, project, round_)
    assert all(place.workspace == f"flywheel-{place.locale}" for place in found)


def test_sides_on_the_server_are_balanced(api, round_, tmp_path):
    rows = material.tasks(30)
    push(api, pairwise.PROJECT, task_source(rows), State(tmp_path, "pairwise", round_), Settings(round=round_))
    seal = Seal(tmp_path)
    made = [origin_of(record, seal) for record in records(api, "pairwise", round_).values()]
    first = [origin[f"policy_{origin['first_shown']}"] for origin in made]
    assert first.count("parent") == first.count("candidate") == 15


def test_one_bad_record_costs_one_record_and_is_kept(api, round_, tmp_path, there, capsys):
    rows = material.tasks(24)
    bad = rows["task_id"][7]
    # The server takes no role of more than 20 characters.
    wrong = [{"role": "s" * 30, "content": MARK}, {"role": "user", "content": MARK}]
    messages = pl.Series([wrong if i == bad else m for i, m in rows.select("task_id", "messages").iter_rows()])
    material.sampled(tmp_path / "sample", rows.with_columns(messages=messages))
    words = ["push", "--turns", str(tmp_path / "sample"), "--project", "pairwise", "--round", round_]
    assert main(words) == 1
    told = capsys.readouterr()
    assert "24 records given: 23 pushed, 0 were there, 1 refused" in told.out
    assert f"Refused: {bad}: a text is longer than the server takes." in told.out
    assert MARK not in told.out + told.err
    assert set(records(api, "pairwise", round_)) == set(rows["task_id"]) - {bad}
    file = there / "projects" / f"pairwise-{round_}" / "refused.jsonl"
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    (letter,) = map(json.loads, file.read_text().splitlines())
    assert letter["record"]["fields"]["conversation"][1] == {"role": "user", "content": MARK}
    assert main(words) == 1
    assert "0 pushed, 23 were there, 1 refused" in capsys.readouterr().out
    # A push of other rows leaves the letter; a push that mends the record takes it away.
    material.sampled(tmp_path / "other", rows.head(2))
    assert main(["push", "--turns", str(tmp_path / "other"), *words[3:]]) == 0
    assert file.exists()
    material.sampled(tmp_path / "mended", rows)
    assert main(["push", "--turns", str(tmp_path / "mended"), *words[3:], "--limit", "24"]) == 0
    assert "24 records given: 1 pushed, 23 were there" in capsys.readouterr().out
    assert not file.exists()


def test_killed_and_run_again_is_the_same_as_run_once(api, round_, tmp_path, there):
    rows = material.tasks(350)
    material.sampled(tmp_path / "sample", rows)
    words = ["push", "--turns", str(tmp_path / "sample"), "--project", "pairwise", "--round", round_]
    command = [sys.executable, "-m", "annotation", *words]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 120
    while not _count(api, round_):
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    some = _count(api, round_)
    assert main(words) == 0
    found = records(api, "pairwise", round_)
    assert set(found) == set(rows["task_id"])
    assert 0 < some < 350
    plan = task_source(rows).plan.join(pl.read_parquet(tmp_path / "sample" / "prompts.parquet"), on="turn_id")
    plan = plan.select("record_id", "policy", "swapped", locale="locale_right", votes=pl.lit(3))
    planned = pairwise.sides(plan, pl.DataFrame(schema={"record_id": pl.String, "first_shown": pl.String}))
    seal = Seal(there)
    assert {name: origin_of(record, seal)["first_shown"] for name, record in found.items()} == dict(planned.iter_rows())


def _count(api, round_):
    return sum(pages.count(api, place.id) for place in datasets.list_datasets(api, pairwise.PROJECT, round_))


def test_two_pushes_at_once_make_each_record_once(api, round_, tmp_path):
    rows = material.tasks(60)
    made, failed = [], []

    def go():
        try:
            made.append(
                push(api, pairwise.PROJECT, task_source(rows), State(tmp_path, "pairwise", round_), Settings(round_))
            )
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=go) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert not made[0].refused + made[1].refused
    assert set(records(api, "pairwise", round_)) == set(rows["task_id"])


def test_votes_by_record_vectors_traits_and_suggestions(api, round_, tmp_path, there):
    rows = material.tasks(12)
    material.sampled(tmp_path / "sample", rows)
    twice = rows["task_id"].head(5)
    pl.DataFrame({"record_id": twice, "votes": [5] * 5}).write_parquet(tmp_path / "overlap.parquet")
    vectors = pl.DataFrame({"turn_id": rows["turn_id"], "vector": [[float(n), 1.0] for n in range(12)]})
    vectors.write_parquet(tmp_path / "vectors.parquet")
    judged = pl.concat(
        rows.select(
            "turn_id", policy=f"policy_{side}", sample_index=pl.lit(0, pl.Int32), response=f"response_{side}",
            logprob=pl.lit(-1.0), judge=pl.lit("judge"), judge_version=pl.lit("1"), score=pl.lit(score),
        )
        for side, score in (("a", 2.0), ("b", 1.0))
    )  # fmt: skip
    judged.write_parquet(tmp_path / "judged.parquet")
    words = ["push", "--turns", tmp_path / "sample", "--project", "pairwise", "--round", round_, "--suggest"]
    words += [tmp_path / "judged.parquet", "--overlap", tmp_path / "overlap.parquet", "--vectors"]
    assert main([str(word) for word in [*words, tmp_path / "vectors.parquet"]]) == 0
    found = records(api, "pairwise", round_)
    assert sorted(record["vectors"]["meaning"][0] for record in found.values()) == list(map(float, range(12)))
    votes = {d.id: d.votes for d in datasets.list_datasets(api, pairwise.PROJECT, round_)}
    assert {name for name, record in found.items() if votes[record["dataset_id"]] == 5} == set(twice)
    for record in found.values():
        (given,) = record["suggestions"]
        ranks = {option["value"]: option["rank"] for option in given["value"]}
        assert (ranks["reply_1"] < ranks["reply_2"]) == (origin_of(record, Seal(there))["first_shown"] == "a")
        assert given["agent"] == "judge"


def test_gold_is_mixed_in_unmarked(api, round_, tmp_path, there):
    rows = material.tasks(16)
    material.sampled(tmp_path / "sample", rows.head(12))
    locales = material.turns(16).select("turn_id", "locale")
    known = rows.tail(4).with_columns(expected=pl.lit("a")).join(locales, on="turn_id")
    known.write_parquet(tmp_path / "gold.parquet")
    words = ["push", "--turns", str(tmp_path / "sample"), "--project", "pairwise", "--round", round_]
    assert main([*words, "--gold", str(tmp_path / "gold.parquet"), "--limit", "9"]) == 0
    found = records(api, "pairwise", round_)
    assert len(found) == 13
    assert set(rows["task_id"].tail(4)) < set(found) < set(rows["task_id"])
    assert "expected" not in json.dumps(found)
    assert len({tuple(sorted(record["metadata"])) for record in found.values()}) == 1
    assert len({tuple(sorted(origin_of(record, Seal(there)))) for record in found.values()}) == 1
    kept = State(there, "pairwise", round_).gold()
    assert dict(kept.iter_rows()) == dict.fromkeys(rows["task_id"].tail(4), "a")
    file = there / "projects" / f"pairwise-{round_}" / "gold.parquet"
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_row_of_the_stage_may_be_gold(tmp_path):
    rows = material.tasks(8)
    rows.tail(3).with_columns(expected=pl.lit("tie")).write_parquet(tmp_path / "gold.parquet")
    known = gold.read_gold(tmp_path / "gold.parquet", pairwise.PROJECT)
    for most in (8, 2):
        source = gold.mixed(limited(task_source(rows), most), known)
        wanted = set(source.plan["record_id"])
        read = [name for batch in source.batches() for name in batch["record_id"] if name in wanted]
        assert sorted(read) == sorted(wanted) == sorted(set(read))
        assert set(known["record_id"]) <= wanted


@pytest.mark.parametrize("lacking", ["locale", "difficulty", "turn_index"])
def test_gold_that_could_be_told_apart_is_refused(lacking, tmp_path):
    rows = material.tasks(8)
    context = pl.DataFrame(
        {
            "turn_id": rows["turn_id"],
            "locale": "en-GB",
            "cluster_id": 1,
            "difficulty": 0.5,
            "turn_index": 0,
        }
    )
    context = context.with_columns(pl.col("cluster_id", "turn_index").cast(pl.Int32))
    stage = source(pairwise.with_context(AnnotationTask.validate(rows.head(4)).lazy(), context.lazy()), {}, ["swapped"])
    known = rows.tail(4).with_columns(expected=pl.lit("a")).join(context, on="turn_id")
    known.write_parquet(tmp_path / "gold.parquet")
    assert gold.mixed(stage, gold.read_gold(tmp_path / "gold.parquet", pairwise.PROJECT)).plan.height == 8
    known.drop(lacking).write_parquet(tmp_path / "gold.parquet")
    with pytest.raises(Problem, match=f"rows lack `{lacking}`, .* could tell gold questions apart"):
        gold.mixed(stage, gold.read_gold(tmp_path / "gold.parquet", pairwise.PROJECT))


def test_gold_that_cannot_be_is_told(tmp_path):
    material.tasks(4).with_columns(expected=pl.lit("c")).write_parquet(tmp_path / "gold.parquet")
    with pytest.raises(Problem, match="row 1: what is expected is none of a, b, tie"):
        gold.read_gold(tmp_path / "gold.parquet", pairwise.PROJECT)
    material.tasks(4).write_parquet(tmp_path / "gold.parquet")
    with pytest.raises(Problem, match="lacks the column 'expected'"):
        gold.read_gold(tmp_path / "gold.parquet", pairwise.PROJECT)


def test_annotators_see_the_locales_they_read(api, round_, tmp_path):
    names = [f"{who}-{round_}" for who in ("anna", "ben")]
    for name in names:
        api.post("users", {"username": name, "first_name": "x", "role": "annotator", "password": "x" * 12})
    rows = material.curated(tmp_path / "curate", 60, ("en-US", "fr-FR"))
    project = projects.find("violation")
    readers = {names[0]: ["en"], names[1]: ["fr-FR"], "nobody": ["en"]}
    state = State(tmp_path, "violation", round_)
    pushed = push(api, project, project.load(tmp_path / "curate"), state, Settings(round_, readers=readers))
    assert "nobody: no annotator of this name is on the server." in pushed.sentences
    keys = {user["username"]: user["api_key"] for user in api.get("users")["items"]}
    for name, starts in ((names[0], "en"), (names[1], "fr-FR")):
        mine = Api(api.url, keys[name])
        spaces = {space["id"]: space["name"] for space in mine.get("me/workspaces")["items"]}
        locales = {spaces[d["workspace_id"]].removeprefix("flywheel-") for d in mine.get("me/datasets")["items"]}
        wanted = {locale for locale in rows["locale"].unique() if locale.startswith(starts)}
        assert {locale for locale in locales if locale in set(rows["locale"])} == wanted
    datasets.assign(api, {names[0]: ["fr"]}, rows["locale"])
    mine = {space["name"] for space in Api(api.url, keys[names[0]]).get("me/workspaces")["items"]}
    assert mine == {f"flywheel-{locale}" for locale in rows["locale"].unique() if locale.startswith("fr")}
    for user in api.get("users")["items"]:
        if user["username"] in names:
            api.delete(f"users/{user['id']}")


def test_changed_guidelines_reach_the_server_and_changed_questions_are_refused(api, round_, tmp_path, monkeypatch):
    project, state = projects.find("grey"), State(tmp_path, "grey", round_)
    material.curated(tmp_path / "curate", 8)
    push(api, project, project.load(tmp_path / "curate"), state, Settings(round_))
    monkeypatch.setattr(Project, "guidelines", property(lambda _: "Other guidelines."))
    push(api, project, project.load(tmp_path / "curate"), state, Settings(round_))
    (place, *_) = datasets.list_datasets(api, project, round_)
    assert api.get(f"datasets/{place.id}")["guidelines"] == "Other guidelines."
    renamed = tuple({**q, "name": "verdict"} if q["name"] == "decision" else q for q in project.questions)
    with pytest.raises(Problem, match="its question 'verdict' is not the project's"):
        push(api, project._replace(questions=renamed), project.load(tmp_path / "curate"), state, Settings(round_))
    assert len(records(api, "grey", round_)) == 4


def test_a_dataset_whose_making_was_cut_off_is_finished(api, round_, tmp_path):
    project = projects.find("image")
    calls = iter(range(100))
    post = api.post

    def cut_off(path, body):
        if next(calls) == 6:
            raise KeyboardInterrupt
        return post(path, body)

    api.post = cut_off
    with pytest.raises(KeyboardInterrupt):
        datasets.make_dataset(api, project, "de-DE", 3, round_)
    api.post = post
    made = datasets.make_dataset(api, project, "de-DE", 3, round_)
    assert datasets.list_datasets(api, project, round_) == [made]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--project", "pairwsie", "--turns", "."], "did you mean pairwise"),
        (["--project", "violation", "--turns", "nowhere"], "no such directory"),
        (["--project", "violation", "--turns", "empty"], "no manifest.json"),
        (["--project", "image", "--turns", "curate", "--votes", "2"], "3 are the least"),
        (["--project", "grey", "--turns", "curate", "--round", "A b"], "lower-case letters"),
        (["--project", "grey", "--turns", "curate", "--limit", "0"], "whole number from 1"),
        (["--project", "grey", "--turns", "curate", "--readers", "r"], "no such file"),
        (["--project", "grey", "--turns", "curate", "--suggest", "r"], "only project pairwise"),
        (["--project", "violation", "--turns", "curate", "--vectors", "curate/turns/part-00000.parquet"], "'vector'"),
    ],
)
def test_wrong_words_are_told_in_a_sentence(words, sentence, tmp_path, there, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    material.curated(tmp_path / "curate", 8)
    assert main(["push", *words]) == 2
    told = capsys.readouterr().err
    assert sentence in told
    assert "Traceback" not in told


def test_a_wrong_key_and_no_server_are_told(tmp_path, there, capsys, monkeypatch):
    material.curated(tmp_path / "curate", 8)
    words = ["push", "--turns", str(tmp_path / "curate"), "--project", "grey"]
    monkeypatch.setenv("ARGILLA_API_KEY", "expired")
    assert main(words) == 2
    assert "does not take the API key" in capsys.readouterr().err
    monkeypatch.setattr("annotation.api.FIRST_WAIT", 30.0)  # no patience
    monkeypatch.setenv("ARGILLA_API_URL", "http://127.0.0.1:1")
    assert main(words) == 2
    assert "no Argilla server answers there" in capsys.readouterr().err
