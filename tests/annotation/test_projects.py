"""Projects without a server: what is shown first, what is shown, and how answers are read."""

from __future__ import annotations

import html
import json
import tempfile
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotation import projects
from annotation.projects import image, pairwise, showing, violation
from annotation.push import ORIGIN, record
from annotation.seal import Seal
from schemas.judgements import PROJECTS
from schemas.personas import Persona
from schemas.problems import Problem

NOTHING = pl.DataFrame(schema={"record_id": pl.String, "first_shown": pl.String})


def plan(policies, locales=("de-DE", "en-GB")):
    """A record for each pair of policies, named by place."""
    rows = [
        {
            "record_id": f"record-{number}",
            "locale": locales[number % len(locales)],
            "policy": " / ".join(sorted(pair)),
            "votes": 3,
            "swapped": pair[0] > pair[1],
        }
        for number, pair in enumerate(policies)
    ]
    schema = {
        "record_id": pl.String,
        "locale": pl.String,
        "policy": pl.String,
        "votes": pl.Int32,
        "swapped": pl.Boolean,
    }
    return pl.DataFrame(rows, schema=schema)


def first_by_name(rows, sides):
    """Whether the policy that sorts first is shown first, by record."""
    return rows.join(sides, on="record_id", maintain_order="left").with_columns(
        named=(pl.col("first_shown") == "a") != pl.col("swapped")
    )


def lean(named):
    """How many more stand first by name than last."""
    return int(named.sum() * 2 - named.len())


PAIRS = st.lists(st.sampled_from([("new", "old"), ("old", "new"), ("old", "old"), ("other", "old")]), max_size=60)


@given(PAIRS, st.randoms(use_true_random=False))
def test_sides_are_balanced_for_each_pair_and_locale_whatever_the_order(pairs, random):
    rows = plan(pairs)
    shown = first_by_name(rows, pairwise.sides(rows, NOTHING))
    for _, group in shown.group_by("policy"):
        assert abs(lean(group["named"])) <= 1
    for _, group in shown.group_by("policy", "locale"):
        assert abs(lean(group["named"])) <= 1
    order = list(range(rows.height))
    random.shuffle(order)
    shuffled = rows[order] if order else rows
    assert pairwise.sides(shuffled, NOTHING).sort("record_id").equals(pairwise.sides(rows, NOTHING).sort("record_id"))


@given(PAIRS, st.data())
def test_records_that_are_there_keep_their_sides_and_a_later_push_evens_out(pairs, data):
    rows = plan(pairs)
    early = rows.head(data.draw(st.integers(0, rows.height)))
    there = pairwise.sides(early, NOTHING)
    sides = pairwise.sides(rows, there)
    kept = sides.join(there, on="record_id", suffix="_before")
    assert kept["first_shown"].equals(kept["first_shown_before"])
    for _, group in first_by_name(rows, sides).group_by("policy"):
        assert abs(lean(group["named"])) <= 1


@given(PAIRS, st.data())
def test_a_push_that_was_cut_off_goes_on_with_the_same_sides(pairs, data):
    rows = plan(pairs)
    whole = pairwise.sides(rows, NOTHING)
    some = whole.filter(
        pl.Series(data.draw(st.lists(st.booleans(), min_size=rows.height, max_size=rows.height)), dtype=bool)
    )
    assert pairwise.sides(rows, some).sort("record_id").equals(whole.sort("record_id"))


def test_sides_are_not_the_same_for_all():
    rows = plan([("new", "old")] * 40)
    named = first_by_name(rows, pairwise.sides(rows, NOTHING)).sort("record_id")["named"]
    assert lean(named) == 0
    assert named.head(20).n_unique() == 2


ROLE = st.sampled_from(["system", "user", "assistant", "tool"])
TEXT = st.one_of(st.text(), st.sampled_from(["", "\x00", "<script>alert(1)</script>", "a" * 20_001, "é" * 45_000]))
MESSAGES = st.lists(st.fixed_dictionaries({"role": ROLE, "content": TEXT}), min_size=1, max_size=6)


@given(MESSAGES)
def test_messages_come_back_from_what_is_shown_or_beside_it(messages):
    fields = showing.common_fields({"messages": messages}, None)
    assert (showing.unshown(messages, fields) or showing.read_back(fields)) == messages
    for shown in fields["conversation"]:
        assert 1 <= len(shown["content"]) <= 20_000


def test_what_fits_does_not_travel_twice():
    messages = [{"role": "system", "content": "s"}, {"role": "user", "content": "<b>u</b>"}]
    assert showing.unshown(messages, showing.common_fields({"messages": messages}, None)) is None


def test_a_long_chat_shows_its_end():
    messages = [{"role": "system", "content": "s"}] + [{"role": "user", "content": str(n)} for n in range(600)]
    shown = showing.conversation(messages)
    assert (len(shown), shown[-1]["content"]) == (500, "599")


@pytest.mark.parametrize(
    ("ranks", "first_shown", "preference"),
    [
        ((1, 2), "a", "a"),
        ((2, 1), "a", "b"),
        ((1, 2), "b", "b"),
        ((2, 1), "b", "a"),
        ((1, 1), "a", "tie"),
        ((2, 2), "b", "tie"),
    ],
)
@pytest.mark.parametrize("listed", [(0, 1), (1, 0)])
def test_ranks_are_read_by_rank_and_not_by_place(ranks, first_shown, preference, listed):
    options = [{"value": "reply_1", "rank": ranks[0]}, {"value": "reply_2", "rank": ranks[1]}]
    values = {"preference": [options[place] for place in listed], "strength": "3"}
    read = pairwise.answer(values, {"first_shown": first_shown})
    assert read == {
        "preference": preference,
        "strength": "0" if preference == "tie" else "3",
        "reasons": "[]",
    }


def test_a_preference_without_strength_is_a_slight_one():
    options = [{"value": "reply_1", "rank": 1}, {"value": "reply_2", "rank": 2}]
    assert pairwise.answer({"preference": options}, {"first_shown": "a"})["strength"] == "1"


def test_a_judge_s_order_is_suggested_by_bradley_and_terry():
    row = {"score_a": 1.0, "score_b": 0.0, "first_shown": "b", "judge": "pointwise"}
    given = pairwise.suggest(row)["preference"]
    assert given["value"] == [{"value": "reply_1", "rank": 2}, {"value": "reply_2", "rank": 1}]
    assert given["score"] == pytest.approx([0.2689, 0.7311], abs=1e-4)  # 1 / (1 + e)
    assert pairwise.suggest({**row, "score_b": 1.0})["preference"]["value"] == [
        {"value": "reply_1", "rank": 1},
        {"value": "reply_2", "rank": 1},
    ]
    assert pairwise.suggest({**row, "score_b": None}) == {}


def test_numbered_traits_become_the_traits():
    values = {"in_character": "no", "violations": ["trait 2", "wrong voice", "trait 7"]}
    read = violation.answer(values, {"traits": ["kind", "never swears"]})
    assert json.loads(read["violations"]) == ["never swears", "trait 7", "wrong voice"]
    assert read["severity"] == "1"
    read = violation.answer({**values, "in_character": "yes", "severity": "3"}, {})
    assert (read["violations"], read["severity"]) == ("[]", "0")


def test_a_tool_call_is_readable_and_carries_its_image():
    call = [{"function": {"name": "draw_image", "arguments": '{"prompt": "a cat", "url": "https://h.example/x.png"}'}}]
    assert image.readable(json.dumps(call)) == ("name: draw_image\nprompt: a cat\nurl: https://h.example/x.png")
    pixel = "data:image/png;base64,iVBORw0KGgo="
    row = {"messages": [{"role": "user", "content": "u"}], "response": "r", "tool_calls": json.dumps({"image": pixel})}
    shown = image.show(row, None)
    assert (shown["image"], shown["call"]) == (pixel, "image: (the image)")
    assert "image" not in image.show({**row, "tool_calls": json.dumps(call)}, None)
    assert image.readable("{not json") == "{not json"


def test_reviewers_agree_or_not():
    rows = [
        ("t1", "x", "unwanted"),
        ("t1", "y", "unwanted"),
        ("t2", "x", "helpful"),
        ("t2", "y", "unwanted"),
        ("t3", "x", "helpful"),
    ]
    made = image.outputs(
        [{"turn_id": t, "annotator": a, "values": {"wanted": w, "prompt_good": "no image"}} for t, a, w in rows]
    ).tables["image_reviews.parquet"]
    assert dict(made.select("turn_id", "agreed").unique().iter_rows()) == {"t1": True, "t2": False, "t3": None}
    assert made["prompt_good"].null_count() == 5


@pytest.mark.parametrize("name", PROJECTS)
def test_guidelines_are_there_and_carry_their_version(name):
    project = projects.find(name)
    assert len(project.guidelines) <= 10_000  # as many as Argilla takes
    assert project.guidelines.rstrip().endswith("of these guidelines.")
    assert len(project.version) == 12
    asked = {item["name"] for item in project.questions}
    assert project.key in asked
    worded = project._replace(questions=tuple({**q, "title": "?"} for q in project.questions))
    assert worded.version == project.version
    assert project._replace(questions=project.questions[:-1]).version != project.version


def test_no_markdown_where_messages_stand():
    for name in PROJECTS:
        for field in projects.find(name).fields:
            assert field["settings"].get("use_markdown", False) is False


def test_unknown_project():
    with pytest.raises(Problem, match="did you mean pairwise"):
        projects.find("pairwsie")


@settings(max_examples=20)
@given(st.sampled_from(["a", "b"]))
def test_what_annotators_are_given_names_no_policy(first):
    row = {
        "record_id": "r", "turn_id": "t", "persona_id": "p", "locale": "de-DE", "cluster_id": 3, "difficulty": 0.5,
        "first_turn": True, "policy": "old / new", "policy_a": "old", "policy_b": "new", "first_shown": first,
        "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}],
        "response_a": "one", "response_b": "two",
    }  # fmt: skip
    project = projects.find("pairwise")
    character = Persona(persona_id="p", name="P", locale="de-DE", system_prompt="s", traits=("kind",))
    with tempfile.TemporaryDirectory() as home:
        made = record(project, row, character, {}, Seal(Path(home)))
        sealed = made["metadata"].pop(ORIGIN)
        assert Seal(Path(home)).open(sealed)["first_shown"] == first
    assert isinstance(sealed, str)
    hidden = {item["name"] for item in project.metadata if not item["visible_for_annotators"]}
    seen = {**made["fields"], **{name: value for name, value in made["metadata"].items() if name not in hidden}}
    assert "old" not in json.dumps(seen)
    assert "new" not in json.dumps(seen)
    assert seen["first_turn"] == "yes"
    assert seen["traits"] == "P\n1. kind"
    assert (made["fields"]["reply_1"] == "one") == (first == "a")


@given(TEXT)
def test_what_is_shown_as_text_is_read_back_as_written(text):
    fields = {"reply": text, "conversation": [{"role": "user", "content": text}]}
    shown = showing.as_shown(fields)
    assert "<" not in shown["reply"] + shown["conversation"][0]["content"]
    assert showing.as_written(shown) == fields


@given(st.lists(st.sampled_from(["&", "l", "t", ";", "amp", "<", "#"]), max_size=12).map("".join))
def test_references_in_messages_stay_references(text):
    assert showing.as_written(showing.as_shown({"reply": text})) == {"reply": text}


@given(st.lists(st.sampled_from(["&", "lt", ";", "amp", "copy", "<", "/b>", "#38", " "]), max_size=12).map("".join))
def test_a_browser_reads_what_was_written(text):
    assert html.unescape(showing.as_shown({"reply": text})["reply"]) == text


def test_the_pieces_of_a_long_message_fit_as_they_are_shown():
    messages = [{"role": "system", "content": "s"}, {"role": "user", "content": "&a" * 15_000}]
    fields = showing.common_fields({"messages": messages}, None)
    shown = showing.as_shown(fields)["conversation"]
    assert max(len(message["content"]) for message in shown) <= 20_000
    assert "".join(message["content"] for message in fields["conversation"]) == messages[1]["content"]
    assert showing.unshown(messages, fields) == messages


@pytest.mark.parametrize("name", ["June", "Captain Barnaby Flint", "user", " ", "assistant"])
def test_the_characters_name_stands_in_the_chat_and_is_read_back_as_its_role(name):
    character = Persona(persona_id="p", name=name, locale="en-GB", system_prompt="s")
    messages = [{"role": role, "content": "said"} for role in ("system", "user", "assistant", "tool", "user")]
    fields = showing.common_fields({"messages": messages}, character)
    roles = [message["role"] for message in fields["conversation"]]
    assert roles == ["user", name[:20].strip() or "assistant", "tool", "user"]
    assert (showing.unshown(messages, fields) or showing.read_back(fields)) == messages
