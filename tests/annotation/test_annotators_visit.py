"""An annotator's visit: the real server, its real pages in headless Chromium, and what `pull` writes of it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx
import polars as pl
import pytest
from annotators_page import CHROMIUM, FLAGS, PATIENCE, WORD, Visit, stages, turns, visiting
from conftest import ROOT
from polars.testing import assert_frame_equal
from tests_server import Server, annotation

from annotation.__main__ import main
from annotation.projects import pairwise
from schemas.judgements import Answer, Comparison
from schemas.personas import read_personas

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.skipif(
    not CHROMIUM.exists() and not os.environ.get("CI"), reason="needs /usr/bin/chromium (Debian package chromium)"
)
REWRITE = 'Hush now. <i>Never</i> say "AI" & mean it, love.'
HOSTILE = (
    '<b id="bold">b</b> <img src="http://evil.example/i" onerror="window.ran=1"> <script>window.ran=2</script> '
    "![m](http://evil.example/m) [l](javascript:window.ran=3) <a href='javascript:window.ran=4'>a</a> "
    '<style>body{display:none}</style><iframe src="http://evil.example/f"></iframe><svg onload="window.ran=5"></svg> '
    "http://evil.example/plain &lt;p&gt; &amp;amp; &copy 1 < 2 <3 <think> & </p> {{ 7 * 7 }} *star* `code`"
)
PERSONAS = ROOT / "examples" / "personas.yaml"


class Work(NamedTuple):
    """What was pushed, and where an annotator finds it."""

    server: Server
    rows: pl.DataFrame
    tasks: pl.DataFrame
    directory: Path

    def password(self, name: str) -> str:
        return (self.server.home / "credentials" / "users" / name).read_text().strip()

    def push(self, stage: Path, project: str, *also: object) -> None:
        """In this process, to save the start of another."""
        words = ["push", "--home", self.server.home, "--turns", stage, "--project", project, "--personas", PERSONAS]
        with pytest.MonkeyPatch.context() as patch:
            for name in ("ARGILLA_API_URL", "ARGILLA_API_KEY"):
                patch.delenv(name, raising=False)
            assert main([str(word) for word in (*words, *also)]) == 0

    def command(self, *words: object) -> str:
        done = annotation(*words, home=self.server.home)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield found
        found.close()


@pytest.fixture(scope="module")
def work(fresh_server: Server, tmp_path_factory: pytest.TempPathFactory) -> Work:
    directory, rows = tmp_path_factory.mktemp("stages"), turns()
    stages(directory, rows)
    made = Work(fresh_server, rows, pl.read_parquet(directory / "sample" / "tasks.parquet"), directory)
    made.command("users", "add", "anna", "--locale", "en")
    for project in ("pairwise", "violation", "image", "grey"):
        also = ["--vectors", directory / "vectors.parquet"] if project == "violation" else []
        stage = directory / ("sample" if project == "pairwise" else "curate")
        made.push(stage, project, *also)
    return made


@pytest.fixture(scope="module")
def signed_in(browser: Browser, work: Work) -> Iterator[Visit]:
    with visiting(browser, work.server.url, "anna", work.password("anna")) as visit:
        yield visit


@pytest.fixture
def anna(signed_in: Visit) -> Iterator[Visit]:
    yield signed_in
    signed_in.look_back()


def pulled(work: Work, project: str, out: Path, table: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """A project's table and its answers, with their times looked at and taken off."""
    told = work.command("pull", "--project", project, "--out", out)
    assert re.search("1 drafts and 1 discarded" if project == "pairwise" else "0 drafts and 0 discarded", told)
    answers = pl.read_parquet(out / "answers.parquet")
    now = datetime.now(UTC)
    assert answers["timestamp"].is_between(now - timedelta(minutes=30), now).all()
    assert answers["seconds"].drop_nulls().is_between(0, 600).all()
    assert set(answers["project"]) == {project}
    return pl.read_parquet(out / table), answers.drop("timestamp", "seconds", "project")


def as_answers(rows: list[dict[str, Any]], work: Work, **same: str | None) -> pl.DataFrame:
    """Answers, from a row each of record, turn and values by question."""
    known = work.rows.select("turn_id", "persona_id", "locale")
    flat = [
        {"record_id": row["record_id"], "turn_id": row["turn_id"], "question": question, "value": value,
         "first_shown": row.get("first_shown"), "annotator": "anna", "gold": None, **same}
        for row in rows for question, value in row["values"].items()
    ]  # fmt: skip
    schema = {name: kind for name, kind in Answer.create_empty().schema.items() if name not in ("persona_id", "locale")}
    table = pl.DataFrame(flat, schema={name: schema[name] for name in flat[0]})
    return table.join(known, on="turn_id").sort("record_id", "turn_id", "annotator", "question")


def test_pairs_are_ranked_by_dragging(anna: Visit, work: Work, tmp_path: Path) -> None:
    """One way round, the other way round, a tie; one more is discarded and one is left as a draft."""
    anna.shot("datasets")
    anna.open("pairwise-3-votes")
    anna.total(work.rows.height)
    anna.shot("pairwise")
    done: list[dict[str, Any]] = []

    def shown() -> dict[str, Any]:
        replies = [anna.field("Reply 1").text_content(), anna.field("Reply 2").text_content()]
        [task] = [t for t in work.tasks.to_dicts() if {t["response_a"], t["response_b"]} == set(replies)]
        return {**task, "first_shown": "a" if task["response_a"] == replies[0] else "b"}

    def answer(slots: dict[str, int], strength: str | None, reasons: list[str], comment: str) -> dict[str, Any]:
        task = shown()
        anna.rank(slots)
        if strength:
            anna.choose("strength", strength)
        anna.choose("reasons", *(pairwise.REASONS[reason] for reason in reasons))
        if comment:
            anna.write("comment", comment)
        anna.shot(f"pairwise-answered-{len(done) + 1}", height=1300)
        anna.next("Reply 1")
        first = "a" if task["first_shown"] == "a" else "b"
        second = "b" if first == "a" else "a"
        preference = {(1, 2): first, (2, 1): second, (1, 1): "tie"}[slots["reply_1"], slots["reply_2"]]
        return {"task": task, "preference": preference, "reasons": sorted(reasons), "comment": comment}

    done += [answer({"reply_1": 1, "reply_2": 2}, "Clearly", ["livelier", "in character"], "Made me laugh <3 & more")]
    done += [answer({"reply_1": 2, "reply_2": 1}, "By far", ["safer"], "")]
    done += [answer({"reply_1": 1, "reply_2": 1}, None, [], "")]
    anna.next("Reply 1", "Discard")
    anna.rank({"reply_1": 1, "reply_2": 2})
    anna.finish("Save as draft")

    table, answers = pulled(work, "pairwise", tmp_path / "pulled", "comparisons.parquet")
    strengths = [2, 3, 0]
    expected = pl.DataFrame(
        [
            {
                **{name: given["task"][name] for name in Comparison.column_names() if name in given["task"]},
                "comparison_id": pairwise.comparison_id(given["task"]["task_id"], "anna"),
                "preference": given["preference"],
                "strength": strength,
                "reasons": given["reasons"],
                "annotator": "anna",
            }
            for given, strength in zip(done, strengths, strict=True)
        ],
        schema={name: kind for name, kind in table.schema.items() if name not in ("timestamp", "seconds")},
    )
    assert_frame_equal(table.drop("timestamp", "seconds"), expected.sort("comparison_id"))
    in_time = table.join(expected.select("task_id"), on="task_id").sort("timestamp")
    assert in_time["task_id"].to_list() == [given["task"]["task_id"] for given in done]
    assert in_time["seconds"].is_null().to_list() == [True, False, False]
    rows = [
        {
            "record_id": given["task"]["task_id"],
            "turn_id": given["task"]["turn_id"],
            "first_shown": given["task"]["first_shown"],
            "values": {
                "preference": given["preference"],
                "strength": str(strength),
                "reasons": json.dumps(given["reasons"]),
                **({"comment": given["comment"]} if given["comment"] else {}),
            },
        }
        for given, strength in zip(done, strengths, strict=True)
    ]
    assert_frame_equal(answers, as_answers(rows, work).select(answers.columns))


def test_a_violation_is_found_marked_and_rewritten(anna: Visit, work: Work, tmp_path: Path) -> None:
    """Filter by persona, sort by difficulty, search for a word, find similar ones; then answer."""
    from playwright.sync_api import expect

    page = anna.page
    anna.open("violation-2-votes")
    anna.total(work.rows.height)
    anna.shot("violation")

    reply = anna.field("The reply to judge")
    hardest, replies = work.rows.row(-1, named=True), work.rows["response"]

    anna.filter_by("Persona", "june")
    anna.total(work.rows.filter(persona_id="june").height)
    anna.shot("filtered")

    anna.open("violation-2-votes")
    anna.sort_by("Difficulty")
    expect(reply).to_have_text(replies[0], timeout=PATIENCE)
    anna.turn_round()
    expect(reply).to_have_text(replies[-1], timeout=PATIENCE)
    anna.shot("sorted")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Find similar").click()
    expect(reply).to_have_text(replies[-2], timeout=PATIENCE)  # the nearest vector
    anna.shot("similar")

    anna.open("violation-2-votes")
    anna.search(WORD)
    anna.total(1)
    expect(reply).to_have_text(hardest["response"])
    anna.shot("searched")
    expect(anna.box("rewrite")).to_have_text(hardest["response"])
    anna.choose("in_character", "No")
    anna.choose("violations", "Does not sound like the character", "Trait 2")
    anna.choose("severity", "Gravely: the illusion is gone")
    anna.write("rewrite", REWRITE)
    anna.shot("violation-answered", height=1300)
    anna.finish()
    anna.open("violation-2-votes")
    anna.total(work.rows.height - 1)
    anna.sort_by("Difficulty")
    expect(reply).to_have_text(replies[0], timeout=PATIENCE)
    anna.turn_round()
    expect(reply).to_have_text(replies[-2], timeout=PATIENCE)
    anna.choose("in_character", "Yes")
    anna.next("The reply to judge")

    table, answers = pulled(work, "violation", tmp_path / "pulled", "rewrites.parquet")
    fine = work.rows.row(-2, named=True)
    trait = read_personas(PERSONAS)[hardest["persona_id"]].traits[1]
    said = [
        (
            hardest,
            {"in_character": "no", "violations": sorted([trait, "wrong voice"]), "severity": 3, "rewrite": REWRITE},
        ),
        (fine, {"in_character": "yes", "violations": [], "severity": 0, "rewrite": fine["response"]}),
    ]
    expected = [
        {name: row[name] for name in ("turn_id", "persona_id", "messages", "response")} | given | {"annotator": "anna"}
        for row, given in said
    ]
    assert_frame_equal(table, pl.DataFrame(expected, schema=table.schema).sort("turn_id"))
    rows = [
        {
            "record_id": row["turn_id"],
            "turn_id": row["turn_id"],
            "values": given | {"violations": json.dumps(given["violations"]), "severity": str(given["severity"])},
        }
        for row, given in said
    ]
    assert_frame_equal(answers, as_answers(rows, work).select(answers.columns))


def test_an_image_and_a_doubtful_turn(anna: Visit, work: Work, tmp_path: Path) -> None:
    images = work.rows.filter(pl.col("tool_calls").is_not_null())
    anna.open("image-3-votes")
    anna.total(images.height)
    [turn] = images.filter(response=anna.field("The reply").text_content())["turn_id"]
    anna.choose("wanted", "Not asked for, but helpful")
    anna.choose("prompt_good", "No")
    anna.shot("image", height=1300)
    anna.next("The reply")
    table, answers = pulled(work, "image", tmp_path / "image", "image_reviews.parquet")
    expected = {"turn_id": turn, "annotator": "anna", "wanted": "helpful", "prompt_good": False, "agreed": None}
    assert_frame_equal(table, pl.DataFrame([expected], schema=table.schema))
    rows = [{"record_id": turn, "turn_id": turn, "values": {"wanted": "helpful", "prompt_good": "no"}}]
    assert_frame_equal(answers, as_answers(rows, work).select(answers.columns))

    anna.open("grey-2-votes")
    anna.total(work.rows.height)
    [turn] = work.rows.filter(response=anna.field("The reply").text_content())["turn_id"]
    anna.choose("decision", "Remove: harmful")
    anna.choose("harms", "Something else", "Insults, threats or hate against a person or a group")
    anna.shot("grey", height=1300)
    anna.next("The reply")
    table, answers = pulled(work, "grey", tmp_path / "grey", "safety_decisions.parquet")
    [row] = work.rows.filter(turn_id=turn).to_dicts()
    expected = {
        **{name: row[name] for name in ("turn_id", "persona_id", "locale")},
        "annotator": "anna", "label": "threat", "score": 0.5625, "side": "reply",
        "decision": "remove", "harms": ["abuse", "other"],
    }  # fmt: skip
    untimed = {name: kind for name, kind in table.schema.items() if name not in ("seconds", "timestamp")}
    assert_frame_equal(table.drop("seconds", "timestamp"), pl.DataFrame([expected], schema=untimed))
    values = {"decision": "remove", "harms": '["abuse", "other"]'}
    rows = [{"record_id": turn, "turn_id": turn, "values": values}]
    assert_frame_equal(answers, as_answers(rows, work).select(answers.columns))


def test_messages_are_shown_as_the_text_they_are(anna: Visit, work: Work, tmp_path: Path) -> None:
    """Markup in fields, rewrites, comments and metadata: no element, no script, no request; and pulled exactly."""
    from playwright.sync_api import expect

    said = [f"{who}: {HOSTILE}" for who in ("prompt", "user", "character", "user again")]
    messages = [
        {"role": role, "content": text}
        for role, text in zip(("system", "user", "assistant", "user"), said, strict=True)
    ]
    call = json.dumps([{"name": "draw_image", "arguments": json.dumps({"prompt": f"call: {HOSTILE}"})}])
    [plain] = work.rows.filter(persona_id="june").head(1).to_dicts()
    rows = pl.DataFrame(
        [plain | {"messages": messages, "response": f"reply: {HOSTILE}", "tool_calls": call, "persona_id": HOSTILE}],
        schema=work.rows.schema,
    )
    stages(tmp_path, rows)
    for project in ("violation", "image"):
        work.push(tmp_path / "curate", project, "--round", "hostile")
    anna.open("image-3-votes-hostile")
    assert anna.field("The image it asked for").text_content().endswith(f"call: {HOSTILE}")
    anna.open("violation-2-votes-hostile")
    assert anna.field("The character, as the model was told").text_content() == said[0]
    assert anna.page.locator(".chat__bubble > span").all_text_contents() == said[1:]
    assert anna.field("The reply to judge").text_content() == f"reply: {HOSTILE}"
    for locator in (anna.record, anna.box("rewrite")):
        assert locator.locator("b, i, img, a, script, iframe, form, svg[onload], style:not([scoped])").count() == 0
    anna.shot("hostile")
    anna.page.locator(".record-menu__header").first.click()
    anna.page.locator(".record-menu button", has_text="View metadata").click()
    expect(anna.page.get_by_text(HOSTILE, exact=True).first).to_be_visible()
    anna.page.mouse.click(5, 5)
    anna.page.locator("button.filter-button__button", has_text="Filters").click()
    anna.page.locator("button.filter-button__button", has_text="Metadata").click()
    anna.page.locator(".category__item", has_text="Persona").click()
    anna.page.locator(".labels-selector__item .checkbox__container").first.click()
    expect(anna.page.locator(".search-area__badge")).to_contain_text("javascript:")
    assert anna.page.locator("#bold").count() == 0
    anna.shot("hostile-persona")
    anna.open("violation-2-votes-hostile")
    anna.choose("in_character", "No")
    anna.write("comment", HOSTILE)
    anna.finish()
    assert anna.page.evaluate("window.ran") is None
    assert anna.page.locator("#bold").count() == 0
    work.command("pull", "--project", "violation", "--round", "hostile", "--out", tmp_path / "pulled")
    [row] = pl.read_parquet(tmp_path / "pulled" / "rewrites.parquet").to_dicts()
    assert (row["messages"], row["response"], row["rewrite"]) == (messages, f"reply: {HOSTILE}", f"reply: {HOSTILE}")
    answers = pl.read_parquet(tmp_path / "pulled" / "answers.parquet")
    assert answers.filter(question="comment")["value"].to_list() == [HOSTILE]


def test_nobody_is_told_who_wrote_what_or_what_is_expected(anna: Visit, work: Work, tmp_path: Path) -> None:
    """All that an annotator may ask the API, and all that the pages ask for them."""
    gold = work.tasks.head(2).with_columns(expected=pl.Series(["b", "tie"]))
    gold.write_parquet(tmp_path / "gold.parquet")
    work.push(work.directory / "sample", "pairwise", "--round", "mixed", "--gold", tmp_path / "gold.parquet")
    names = {*work.tasks["policy_a"], *work.tasks["policy_b"], *work.rows["model_version"]}
    secret = re.compile(
        "|".join(map(re.escape, [*names, "policy", "first_shown", '"origin"', "expected", "gold", "0.5625"]))
    )
    told: list[str] = []

    def ask(method: str, path: str, **given: Any) -> Any:
        answer = client.request(method, path, **given)
        assert answer.is_success, (path, answer.status_code)
        told.append(f"{path} {answer.text}")
        return answer.json()

    shapes = set()
    with httpx.Client(base_url=f"{work.server.url}/api/v1", timeout=60) as client:
        given = {"username": "anna", "password": work.password("anna")}
        client.headers["Authorization"] = f"Bearer {client.post('/token', data=given).json()['access_token']}"
        found = ask("GET", "/me/datasets")["items"]
        assert len(found) >= 5
        for dataset in found:
            path = f"/datasets/{dataset['id']}"
            for part in ("", "/fields", "/questions", "/vectors-settings", "/progress", "/users/progress"):
                ask("GET", path + part)
            ask("GET", f"{path}/records/search/suggestions/options")
            for known in ask("GET", f"/me{path}/metadata-properties")["items"]:
                ask("GET", f"/metadata-properties/{known['id']}/metrics")
            also = {"include": ["responses", "suggestions", "vectors"], "limit": 100}
            for item in ask("POST", f"/me{path}/records/search", params=also, json={})["items"]:
                record = ask("GET", f"/records/{item['record']['id']}")
                ask("GET", f"/records/{record['id']}/suggestions")
                shape = [sorted(record), sorted(record["fields"]), sorted(record["metadata"]), record["suggestions"]]
                shapes |= {json.dumps(shape)} if dataset["name"].endswith("-mixed") else set()
            for method, closed in (("GET", f"{path}/records"), ("POST", f"{path}/records/search")):
                assert client.request(method, closed, json={}).status_code == 403
        for closed in ("/users", f"/workspaces/{found[0]['workspace_id']}/users"):
            assert client.get(closed).status_code == 403
    assert len(shapes) == 1  # of gold as of the others

    def listen(route: Any) -> None:
        answer = route.fetch()
        told.append(f"{route.request.url} {answer.text()}")
        route.fulfill(response=answer)

    anna.page.route("**/api/**", listen)
    before = len(told)
    anna.open("pairwise-3-votes-mixed")
    anna.page.locator("button.filter-button__button", has_text="Filters").click()
    anna.page.locator("button.filter-button__button", has_text="Metadata").click()
    anna.page.locator(".category__item").first.wait_for()
    assert not secret.search(anna.page.locator("body").inner_text())
    anna.open("violation-2-votes")
    anna.page.get_by_role("button", name="Find similar").click()
    anna.page.get_by_text("Similar to").wait_for()
    anna.page.unroute("**/api/**")
    assert len(told) > before + 10
    assert {found for text in told for found in secret.findall(text)} == set()
