"""What is answered on the real server comes out as it was answered, whole or not at all."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import threading
import uuid
from datetime import UTC, datetime, timedelta

import annotation_material as material
import polars as pl
import pytest
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st
from tests_server import Server

from annotation import datasets, pages, projects, responses
from annotation.__main__ import main
from annotation.api import Api
from annotation.argilla import Argilla
from annotation.folder import Folder
from annotation.once_more import ask_again
from annotation.projects import pairwise, violation
from annotation.projects.stages import of_turns, source
from annotation.pull import pull
from annotation.push import Settings, origin_of, push
from annotation.seal import Seal
from annotation.state import State
from schemas.judgements import AnnotationTask, Comparison
from schemas.problems import Problem
from schemas.stage import open_stage
from training import rehearsal

MARK = "MARKED-TEXT"
WHEN = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def api(server: Server) -> Api:
    return Api(server.url, server.api_key)


@pytest.fixture
def round_() -> str:
    return f"r{uuid.uuid4().hex[:8]}"


@pytest.fixture
def annotators(api, round_):
    """Two annotators who read everything there is when they are first asked for; removed afterwards."""
    made = {}

    def account(name):
        if name not in made:
            user = {"username": f"{name}-{round_}", "first_name": "x", "role": "annotator", "password": "x" * 12}
            made[name] = api.post("users", user)
        for space in api.get("me/workspaces")["items"]:
            members = {user["id"] for user in api.get(f"workspaces/{space['id']}/users")["items"]}
            if made[name]["id"] not in members:
                api.post(f"workspaces/{space['id']}/users", {"user_id": made[name]["id"]})
        return Api(api.url, made[name]["api_key"])

    yield account
    there = {user["id"] for user in api.get("users")["items"]}
    for user in made.values():
        if user["id"] in there:
            api.delete(f"users/{user['id']}")


def on_server(api, project, round_):
    """Records by external id."""
    places = datasets.list_datasets(api, project, round_)
    return {record["external_id"]: record for place in places for page in pages.pages(api, place.id) for record in page}


def respond(account, record, values, status="submitted"):
    item = {"record_id": record["id"], "status": status, "values": {k: {"value": v} for k, v in values.items()}}
    (told,) = account.post("me/responses/bulk", {"items": [item]})["items"]
    assert told["error"] is None


def ranks(first, second, listed=("reply_1", "reply_2")):
    rank = {"reply_1": first, "reply_2": second}
    return [{"value": name, "rank": rank[name]} for name in listed]


def pushed_tasks(api, round_, home, rows, votes=2):
    made = source(pairwise.with_context(AnnotationTask.validate(rows).lazy()), {}, ["swapped"])
    push(api, pairwise.PROJECT, made, State(home, "pairwise", round_), Settings(round_, votes))


# What a text may hold and a table can: everything but lone surrogates.
TEXTS = st.one_of(
    st.text(max_size=30),
    st.sampled_from(["\x00", "a\x00b", "<img src=x onerror=alert(1)>", "\r\n", "\ufeff\u202e", "e\u0301", "null", " "]),
)
RANKED = st.tuples(st.integers(1, 2), st.integers(1, 2), st.permutations(["reply_1", "reply_2"]))


@settings(max_examples=4, deadline=None)
@given(st.data())
def test_nothing_is_lost_or_changed_on_the_way(server, tmp_path_factory, data):
    api, round_, tmp_path = Api(server.url, server.api_key), f"h{uuid.uuid4().hex[:8]}", tmp_path_factory.mktemp("h")
    n = data.draw(st.integers(1, 8))
    rows = [
        {
            "task_id": f"task-{number}",
            "turn_id": f"{number:032x}",
            "persona_id": "p",
            "messages": [
                {"role": "system", "content": data.draw(TEXTS)},
                {"role": "user", "content": data.draw(TEXTS)},
            ],
            "response_a": data.draw(TEXTS),
            "response_b": data.draw(TEXTS) + ("é" * 1_000_000 if number == 3 else ""),
            "policy_a": data.draw(st.sampled_from(["old", "new"])),
            "policy_b": "new",
        }
        for number in range(n)
    ]
    table = pl.DataFrame(rows, schema=AnnotationTask.create_empty().schema)
    pushed_tasks(api, round_, tmp_path, table)
    said = {}
    for name, record in on_server(api, pairwise.PROJECT, round_).items():
        first, second, listed = data.draw(RANKED)
        comment = data.draw(TEXTS.filter(bool))
        values = {"preference": ranks(first, second, listed), "comment": comment, "strength": "2"}
        respond(api, record, values)
        shown = origin_of(record, Seal(tmp_path))["first_shown"]
        better = "a" if (first < second) == (shown == "a") else "b"
        said[name] = ("tie" if first == second else better, comment)
    pull(api, pairwise.PROJECT, tmp_path / "out", State(tmp_path, "pairwise", round_), round_)
    pulled = Comparison.validate(pl.read_parquet(tmp_path / "out" / "comparisons.parquet")).sort("task_id")
    same = ["task_id", "turn_id", "persona_id", "messages", "response_a", "response_b", "policy_a", "policy_b"]
    assert pulled.select(same).equals(table.sort("task_id").select(same))
    answers = pl.read_parquet(tmp_path / "out" / "answers.parquet")
    questions = ("preference", "comment")
    by_question = {q: dict(answers.filter(question=q).select("record_id", "value").iter_rows()) for q in questions}
    assert {name: (by_question["preference"][name], by_question["comment"][name]) for name in said} == said
    assert dict(pulled.select("task_id", "preference").iter_rows()) == by_question["preference"]


def test_drafts_and_discards_are_counted_and_not_taken(api, annotators, round_, tmp_path):
    pushed_tasks(api, round_, tmp_path, material.tasks(6))
    found = list(on_server(api, pairwise.PROJECT, round_).values())
    anna, ben = annotators("anna"), annotators("ben")
    respond(anna, found[0], {"preference": ranks(1, 2), "strength": "3", "reasons": ["livelier", "in character"]})
    respond(anna, found[1], {"preference": ranks(1, 2)}, "draft")
    respond(ben, found[0], {}, "discarded")
    state = State(tmp_path, "pairwise", round_)
    manifest = pull(api, pairwise.PROJECT, tmp_path / "out", state, round_)
    assert (manifest.rows.in_, manifest.rows.kept) == (1, 1)
    assert (manifest.figures["drafts"], manifest.figures["discarded"], manifest.figures["records"]) == (1, 1, 6)
    row = pl.read_parquet(tmp_path / "out" / "comparisons.parquet").row(0, named=True)
    assert (row["annotator"], row["strength"], row["reasons"]) == (f"anna-{round_}", 3, ["in character", "livelier"])
    assert row["seconds"] is None  # a first answer
    assert row["preference"] == origin_of(found[0], state.seal)["first_shown"]
    answers = pl.read_parquet(tmp_path / "out" / "answers.parquet")
    assert answers["first_shown"].to_list() == [row["preference"]] * 3
    # The same answers, the same bytes; and a changed answer changes them.
    before = (tmp_path / "out" / "comparisons.parquet").read_bytes()
    pull(api, pairwise.PROJECT, tmp_path / "out", state, round_)
    assert (tmp_path / "out" / "comparisons.parquet").read_bytes() == before
    respond(anna, found[0], {"preference": ranks(1, 1)})
    pull(api, pairwise.PROJECT, tmp_path / "out", state, round_)
    row = pl.read_parquet(tmp_path / "out" / "comparisons.parquet").row(0, named=True)
    assert (row["preference"], row["strength"]) == ("tie", 0)
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "out").glob("*.parquet")} == {0o600}
    # Killed between the two moves that put a pull in its place, the old one is still there.
    (tmp_path / "out").rename(tmp_path / ".out.old")
    pull(api, pairwise.PROJECT, tmp_path / "out", state, round_)
    assert not (tmp_path / ".out.old").exists()


def test_comparisons_become_preferences_where_they_agree(api, annotators, round_, tmp_path):
    pushed_tasks(api, round_, tmp_path, material.tasks(3))
    one, two, three = on_server(api, pairwise.PROJECT, round_).values()
    anna, ben = annotators("anna"), annotators("ben")
    for account in (anna, ben):
        respond(account, one, {"preference": ranks(1, 2), "strength": "3"})
        respond(account, two, {"preference": ranks(1, 2) if account is anna else ranks(2, 1)})
    respond(anna, three, {"preference": ranks(1, 1)})
    manifest = pull(api, pairwise.PROJECT, tmp_path / "out", State(tmp_path, "pairwise", round_), round_)
    assert (manifest.rows.kept, manifest.figures["preferences"]) == (5, 1)
    assert manifest.figures["not_agreed"] == {"tied": 2}
    assert manifest.figures["largest_persona_share"] == 1.0
    (preferred,) = pl.read_parquet(tmp_path / "out" / "preferences.parquet").to_dicts()
    assert preferred["chosen"][0]["content"] == one["fields"]["reply_1"]
    assert (preferred["margin"], preferred["agreement"], preferred["annotators"]) == (3.0, 1.0, 2)


def test_violations_images_and_safety_come_out_by_their_schemas(api, annotators, round_, tmp_path):
    rows = material.curated(tmp_path / "curate", 8)
    anna, ben = annotators("anna"), annotators("ben")
    said = {
        "violation": [
            {"in_character": "no", "violations": ["trait 1", "wrong voice"], "severity": "3", "rewrite": "Better."},
            {"in_character": "yes"},
        ],
        "image": [{"wanted": "asked for", "prompt_good": "yes"}, {"wanted": "unwanted", "prompt_good": "no image"}],
        "grey": [{"decision": "remove", "harms": ["abuse"]}, {"decision": "keep"}],
    }
    tables = {}
    for name, answers in said.items():
        project, state = projects.find(name), State(tmp_path, name, round_)
        push(api, project, project.load(tmp_path / "curate"), state, Settings(round_))
        turn, record = next(iter(sorted(on_server(api, project, round_).items())))
        for account, values in zip((annotators("anna"), annotators("ben")), answers, strict=True):
            respond(account, record, values)
        pull(api, project, tmp_path / name, state, round_)
        (file,) = set((tmp_path / name).glob("*.parquet")) - {tmp_path / name / "answers.parquet"}
        tables[name] = (turn, pl.read_parquet(file).sort("annotator"))
    anna.close(), ben.close()
    turn, rewrites = tables["violation"]
    reply = rows.filter(turn_id=turn)["response"].item()
    assert rewrites["turn_id"].to_list() == [turn, turn]
    assert rewrites.select("violations", "severity", "rewrite").rows() == [
        (["trait 1", "wrong voice"], 3, "Better."),
        ([], 0, reply),
    ]
    assert rewrites["messages"].to_list() == [rows.filter(turn_id=turn)["messages"].item().to_list()] * 2
    assert tables["image"][1].select("wanted", "prompt_good", "agreed").rows() == [
        ("asked for", True, False),
        ("unwanted", None, False),
    ]
    assert tables["grey"][1].select("decision", "harms", "label", "score", "side").rows() == [
        ("remove", ["abuse"], "harmful_request", 0.55, "user"),
        ("keep", [], "harmful_request", 0.55, "user"),
    ]


def test_traits_come_back_by_name(api, round_, tmp_path):
    from schemas.personas import Persona

    rows = material.turns(1)
    character = Persona(persona_id=rows["persona_id"][0], name="P", locale="en-US", system_prompt="s", traits=("kind",))
    state = State(tmp_path, "violation", round_)
    made = source(of_turns(rows.lazy()), {})
    push(api, violation.PROJECT, made, state, Settings(round_, personas={character.persona_id: character}))
    (record,) = on_server(api, violation.PROJECT, round_).values()
    assert record["fields"]["traits"] == "P\n1. kind"
    respond(api, record, {"in_character": "no", "violations": ["trait 1"]})
    pull(api, violation.PROJECT, tmp_path / "out", state, round_)
    assert pl.read_parquet(tmp_path / "out" / "rewrites.parquet")["violations"].to_list() == [["kind"]]


def test_gold_is_measured_and_never_learnt_from(api, round_, tmp_path):
    rows = material.tasks(4)
    pushed_tasks(api, round_, tmp_path, rows)
    state = State(tmp_path, "pairwise", round_)
    golden = rows["task_id"][0]
    state.keep_gold(pl.DataFrame({"record_id": [golden], "expected": ["tie"]}))
    for record in on_server(api, pairwise.PROJECT, round_).values():
        respond(api, record, {"preference": ranks(1, 2)})
    manifest = pull(api, pairwise.PROJECT, tmp_path / "out", state, round_)
    assert manifest.figures["dropped"] == {"gold": 1}
    assert golden not in pl.read_parquet(tmp_path / "out" / "comparisons.parquet")["task_id"].to_list()
    answers = pl.read_parquet(tmp_path / "out" / "answers.parquet")
    assert answers.filter(pl.col("gold").is_not_null()).select("record_id", "question", "gold").rows() == [
        (golden, "preference", "tie")
    ]


def test_a_removed_annotator_s_answers_are_taken_over(api, annotators, round_, tmp_path):
    pushed_tasks(api, round_, tmp_path, material.tasks(4))
    anna, ben = annotators("anna"), annotators("ben")
    for record in on_server(api, pairwise.PROJECT, round_).values():
        for account in (anna, ben):
            respond(account, record, {"preference": ranks(2, 1)})
    state = State(tmp_path, "pairwise", round_)
    pull(api, pairwise.PROJECT, tmp_path / "out", state, round_)
    before = (tmp_path / "out" / "comparisons.parquet").read_bytes()
    api.delete(f"users/{ben.get('me')['id']}")
    for _ in range(2):
        manifest = pull(api, pairwise.PROJECT, tmp_path / "out", state, round_)
        assert (manifest.rows.in_, manifest.rows.kept) == (8, 8)
        assert f"4 responses of ben-{round_}" in manifest.figures["problems"][0]
        assert (tmp_path / "out" / "comparisons.parquet").read_bytes() == before


def test_a_full_disk_is_told_and_changes_nothing(api, round_, tmp_path):
    pushed_tasks(api, round_, tmp_path / "home", material.tasks(2))
    words = [sys.executable, "-m", "annotation", "pull", "--project", "pairwise", "--round", round_, "--out"]
    environment = {
        **os.environ,
        "ARGILLA_API_URL": api.url,
        "ARGILLA_API_KEY": api.get("me")["api_key"],
        "FLYWHEEL_ANNOTATION_HOME": str(tmp_path / "home"),
    }
    for room, code in ((-1, 0), (64, 2)):  # bytes a file may have

        def little(room=room):
            resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))

        done = subprocess.run(
            [*words, str(tmp_path / "out")],
            cwd=ROOT,
            env=environment,
            preexec_fn=little,
            capture_output=True,
            text=True,
        )
        assert done.returncode == code, done.stderr
        assert (tmp_path / "out" / "manifest.json").exists()
    assert "out: File too large. Make room" in done.stderr
    assert "Traceback" not in done.stderr


class Lossy(Api):
    """A server that gives less than it counts."""

    def get(self, path, params=None):
        answer = super().get(path, params)
        if path.endswith("/records") and params.get("include") == "responses":
            self.lose(answer["items"])
        return answer


class WithoutResponses(Lossy):
    def lose(self, items):
        for item in items:
            item["responses"] = []


class WithoutRecords(Lossy):
    def lose(self, items):
        del items[:1]


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        (WithoutResponses, "counts 1 submitted responses and gave 0"),
        (WithoutRecords, "counts 3 records and gave 2"),
    ],
)
def test_an_incomplete_export_fails_loudly(kind, sentence, server, api, round_, tmp_path):
    rows = material.tasks(20).filter(
        pl.col("turn_id").is_in(material.turns(20).filter(locale="en-US")["turn_id"].implode())
    )
    pushed_tasks(api, round_, tmp_path, rows.head(3))
    respond(api, next(iter(on_server(api, pairwise.PROJECT, round_).values())), {"preference": ranks(1, 2)})
    state = State(tmp_path, "pairwise", round_)
    with pytest.raises(Problem, match=sentence):
        pull(kind(server.url, server.api_key), pairwise.PROJECT, tmp_path / "out", state, round_)
    assert not (tmp_path / "out").exists()


def test_a_pull_while_people_answer_is_whole(api, round_, tmp_path):
    pushed_tasks(api, round_, tmp_path, material.tasks(30), votes=1)
    state, waiting = State(tmp_path, "pairwise", round_), list(on_server(api, pairwise.PROJECT, round_).values())

    def answer():
        for record in waiting:
            respond(api, record, {"preference": ranks(1, 2)})

    thread = threading.Thread(target=answer)
    thread.start()
    seen = [0]
    while thread.is_alive():
        seen.append(pull(api, pairwise.PROJECT, tmp_path / "out", state, round_).rows.kept)
    thread.join()
    assert seen == sorted(seen)
    assert pull(api, pairwise.PROJECT, tmp_path / "out", state, round_).rows.kept == 30


def test_what_is_in_the_way_is_told(api, round_, tmp_path, server, capsys, monkeypatch):
    monkeypatch.setenv("ARGILLA_API_URL", server.url)
    monkeypatch.setenv("ARGILLA_API_KEY", server.api_key)
    monkeypatch.setenv("FLYWHEEL_ANNOTATION_HOME", str(tmp_path / "home"))
    with open_stage(tmp_path / "other", "curate", settings={}, inputs={}, seed=0) as stage:
        stage.finish()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter").write_text("x")
    for out, sentence in (
        ("other", "holds curate of other work"),
        ("full", "something else"),
        ("full/letter", "is a file"),
    ):
        assert main(["pull", "--project", "grey", "--round", round_, "--out", str(tmp_path / out)]) == 2
        assert sentence in capsys.readouterr().err
    assert main(["pull", "--project", "grey", "--round", round_, "--out", str(tmp_path / "new")]) == 2
    assert f"nothing of project grey, round {round_}, is there" in capsys.readouterr().err


def test_one_more_vote_is_asked_of_those_who_have_not_given_one(api, annotators, round_, tmp_path):
    pushed_tasks(api, round_, tmp_path, material.tasks(4), votes=1)
    anna, ben = annotators("anna"), annotators("ben")
    found = on_server(api, pairwise.PROJECT, round_)
    done, open_ = sorted(found)[:2], sorted(found)[2]
    for name in done:
        respond(anna, found[name], {"preference": ranks(1, 2), "strength": "1"})
    asked = ask_again(api, pairwise.PROJECT, [*done, open_, "unknown"], round_)
    assert (asked.asked, asked.waiting, asked.unknown, asked.refused) == (2, 1, ["unknown"], [])
    assert ask_again(api, pairwise.PROJECT, done, round_).waiting == 2
    annotators("anna"), annotators("ben")
    pending = {
        "filters": {
            "and": [{"type": "terms", "scope": {"entity": "response", "property": "status"}, "values": ["pending"]}]
        }
    }
    extra = [place for place in datasets.list_datasets(api, pairwise.PROJECT, round_) if place.extra]
    for account, waits in ((anna, 0), (ben, 2)):
        totals = [account.post(f"me/datasets/{place.id}/records/search", pending)["total"] for place in extra]
        assert sum(totals) == waits
    for place in extra:
        for page in pages.pages(api, place.id):
            for record in page:
                respond(ben, record, {"preference": ranks(2, 1), "strength": "2"})
    manifest = pull(api, pairwise.PROJECT, tmp_path / "out", State(tmp_path, "pairwise", round_), round_)
    assert (manifest.rows.kept, manifest.figures["discarded"]) == (4, 0)
    votes = pl.read_parquet(tmp_path / "out" / "comparisons.parquet").group_by("task_id").len()
    assert dict(votes.iter_rows()) == dict.fromkeys(done, 2)
    assert ask_again(api, pairwise.PROJECT, done, round_).asked == 2  # and a third, in a dataset of its own


def test_a_rehearsal_through_the_server_says_what_one_in_a_folder_says(api, round_, tmp_path):
    rows = material.tasks(8)
    argilla, folder = Argilla(api, round_, 2, home=tmp_path), Folder(tmp_path / "folder")
    for backend in (argilla, folder):
        assert backend.push(rows) == 8
        assert backend.push(rows) == 0
        assert backend.progress(2) == (0, 16)
        rehearsal.annotate(backend, 2, seed=3)
        assert backend.progress(2) == (16, 16)
    assert argilla.tasks().equals(folder.tasks())
    not_ours = ["seconds", "timestamp"]
    assert argilla.pull().drop(not_ours).equals(folder.pull().drop(not_ours))
    with pytest.raises(Problem, match="only simulated annotators"):
        argilla.submit(
            [{"task_id": rows["task_id"][0], "annotator": "anna", "preference": "a", "strength": 1, "reasons": []}]
        )


def test_seconds_are_from_one_answer_to_the_next():
    rows = [{"seconds": None} for _ in range(4)]
    later = [0.0, 12.5, 12.5 + 601.0, 700.0]
    moments = [("anna", WHEN + timedelta(seconds=at), row) for at, row in zip(later, rows, strict=True)]
    moments.append(("ben", WHEN + timedelta(seconds=5), None))
    responses.time_between(moments[::-1])
    assert [row["seconds"] for row in rows] == [None, 12.5, None, 86.5]


def test_names_of_simulated_annotators():
    for annotator in ("anna", "simulated:1"):
        assert responses.annotator_name(responses.account_name(annotator)) == annotator
    assert responses.account_name("simulated:1") == "simulated-1"


def test_nothing_of_a_message_is_said(api, round_, tmp_path, server, capfd, monkeypatch):
    monkeypatch.setenv("ARGILLA_API_URL", server.url)
    monkeypatch.setenv("ARGILLA_API_KEY", server.api_key)
    monkeypatch.setenv("FLYWHEEL_ANNOTATION_HOME", str(tmp_path / "home"))
    rows = material.tasks(4).with_columns(response_a=pl.col("task_id") + MARK)
    material.sampled(tmp_path / "sample", rows)
    assert main(["push", "--turns", str(tmp_path / "sample"), "--project", "pairwise", "--round", round_]) == 0
    for record in on_server(api, pairwise.PROJECT, round_).values():
        respond(api, record, {"preference": ranks(1, 2), "comment": MARK})
    assert main(["pull", "--project", "pairwise", "--round", round_, "--out", str(tmp_path / "out")]) == 0
    said = capfd.readouterr()
    assert "4 submitted responses to 4 records, by 1 annotators" in said.out
    assert MARK not in said.out + said.err
    assert MARK not in json.dumps(json.loads((tmp_path / "out" / "manifest.json").read_bytes()))
