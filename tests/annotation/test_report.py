from __future__ import annotations

import json
import random
import re
from pathlib import Path

import polars as pl
import pytest
from invented_answers import Person, everything, preferences

from annotation.__main__ import main
from annotation.answers import as_votes
from annotation.report import measure
from annotation.report_page import page
from schemas.judgements import Answer
from schemas.problems import Problem

PEOPLE = [Person("ann", 0.9), Person("ben", 0.8), Person("cem", 0.7), Person("dov", 0.6), Person("eva", side=0.9)]


@pytest.fixture(scope="module")
def pulled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("pulled")
    everything(directory, PEOPLE, 200)
    return directory


def answers(rows: list[tuple[str, str, str, str]], project: str = "pairwise") -> pl.DataFrame:
    """Answers by record, question, annotator and value."""
    table = pl.DataFrame(rows, schema=["record_id", "question", "annotator", "value"], orient="row")
    blank = preferences(PEOPLE, 1).answers.head(1).drop("record_id", "question", "annotator", "value", "project")
    return table.join(blank.with_columns(gold=None), how="cross").with_columns(
        pl.col("gold").cast(pl.String), project=pl.lit(project)
    )


def test_what_is_invented_fits_the_schema(pulled):
    Answer.validate(pl.read_parquet(pulled / "answers.parquet").select(Answer.column_names()))


def test_labels_become_questions_of_their_own():
    given = answers(
        [
            ("r", "reasons", "ann", '["livelier", "safer"]'),
            ("r", "reasons", "ben", "[]"),
            ("r", "comment", "ben", "a long story"),
        ]
    )
    read = as_votes(given)
    assert read.texts == 1
    assert read.votes.select("question", "annotator", "value").sort("*").rows() == [
        ("reasons: livelier", "ann", "yes"),
        ("reasons: livelier", "ben", "no"),
        ("reasons: safer", "ann", "yes"),
        ("reasons: safer", "ben", "no"),
    ]
    nothing = as_votes(answers([("r", "reasons", "ann", "[]")]))
    assert nothing.votes.is_empty()


def test_traits_of_characters_are_one_label():
    traits = [("r", "violations", "ann", '["SECRET trait", "wrong voice"]'), ("s", "violations", "ann", '["trait 3"]')]
    votes = as_votes(answers(traits, "violation")).votes
    assert votes.filter(value="yes").select("record_id", "question").rows() == [
        ("r", "violations: a trait"),
        ("r", "violations: wrong voice"),
        ("s", "violations: a trait"),
    ]


@pytest.mark.parametrize("last", ["a", "b"])
def test_the_last_answer_counts(last):
    other = {"a": "b", "b": "a"}[last]
    twice = answers([("r", "preference", "ann", other), ("r", "preference", "ann", last)]).with_columns(
        timestamp=pl.col("timestamp") + pl.duration(seconds=pl.int_range(pl.len()))
    )
    for table in (twice, twice.reverse()):
        read = as_votes(table)
        assert (read.votes["value"].to_list(), read.repeated) == ([last], 1)


@pytest.mark.parametrize(
    ("question", "value", "told"),
    [
        ("mood", "a", "project pairwise has no question mood"),
        ("preference", "A", "question preference of project pairwise has 1 values that are none of a, tie, b"),
        ("reasons", "livelier", "no JSON list"),
        ("reasons", '{"a": 1}', "no JSON list"),
    ],
)
def test_answers_to_other_questions_are_a_sentence(question, value, told):
    with pytest.raises(Problem, match=told):
        as_votes(answers([("r", question, "ann", value)]))


def test_files_that_cannot_be_read_are_a_sentence(tmp_path, pulled):
    def problem(write):
        write(tmp_path / "answers.parquet")
        with pytest.raises(Problem) as told:
            measure(tmp_path)
        (sentence,) = told.value.sentences
        return sentence

    table = pl.read_parquet(pulled / "answers.parquet")
    with pytest.raises(Problem, match=r"holds no answers\.parquet"):
        measure(tmp_path)
    assert "cannot be read" in problem(lambda path: path.write_bytes(b"PAR1 SECRET"))
    assert "column gold is missing" in problem(lambda path: table.drop("gold").write_parquet(path))
    assert "column seconds is String" in problem(
        lambda path: table.with_columns(pl.col("seconds").cast(pl.String)).write_parquet(path)
    )
    assert "no answers that can be compared yet" in problem(lambda path: table.clear().write_parquet(path))


def test_rows_and_files_in_any_order_tell_the_same(tmp_path, pulled):
    expected = measure(pulled)
    table = pl.read_parquet(pulled / "answers.parquet")
    rows = list(range(table.height))
    random.Random(0).shuffle(rows)
    for project in table["project"].unique():
        (tmp_path / project).mkdir()
        table[rows].filter(project=project).write_parquet(tmp_path / project / "answers.parquet")
    comparisons = pl.read_parquet(pulled / "comparisons.parquet")
    comparisons.reverse().write_parquet(tmp_path / "pairwise" / "comparisons.parquet")
    again = measure(tmp_path)
    assert again.as_json() == expected.as_json()
    assert again.consensus.equals(expected.consensus)


def test_what_it_tells(pulled):
    found = measure(pulled)
    assert found.overview["project"].to_list() == ["pairwise", "violation", "image", "grey"]
    assert found.overview.row(0, named=True) | {"gold": None} == {
        "project": "pairwise",
        "records": 200,
        "annotators": 5,
        "answers": 600,
        "gold": None,
        "simulated": False,
    }
    whole = found.agreement.filter(project="pairwise", question="preference")
    assert whole["locale"].to_list() == ["all", "de-DE", "en-GB", "pt-BR"]
    assert whole["records"][0] == whole["records"][1:].sum() == 200 - found.overview["gold"][0], "gold is left out"
    wanted = found.agreement.filter(project="image", question="wanted", locale="all")
    assert wanted["reading"].to_list() == ["reliable"], "they are invented to agree"
    reasons = found.agreement.filter(question="reasons: livelier", locale="all").row(0, named=True)
    assert reasons["low"] < 0 < reasons["high"], "they are invented at random"
    assert set(found.settled["question"]) == {
        "preference",
        "strength",
        "in_character",
        "severity",
        "wanted",
        "decision",
    }
    assert found.policies["policy"].to_list() == ["best", "parent"]
    assert found.policies["low"][0] < 0 < found.policies["high"][0]
    assert found.first[1] > 0, "one of five is drawn to the first"
    assert found.more.filter(project="image").is_empty()
    assert found.more.group_by("project").len()["len"].max() == 20


def test_it_holds_no_message(pulled, tmp_path, capsys):
    out = tmp_path / "sub" / "trust.html"
    assert main(["report", "--pulled", str(pulled), "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"eva [^.]*is drawn to the reply shown first", " ".join(printed.split()))
    assert main(["report", "--pulled", str(pulled), "--out", str(out), "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["overview"][0]["records"] == 200
    assert {path.name for path in out.parent.iterdir()} == {"trust.html", "consensus.parquet"}
    for path in out.parent.iterdir():
        assert path.stat().st_mode & 0o777 == 0o600
        assert b"SECRET" not in path.read_bytes()
    assert "SECRET" not in printed + json.dumps(figures)


def test_one_vote_alone(tmp_path):
    one = answers([("r", "preference", "ann", "a")])
    one.write_parquet(tmp_path / "answers.parquet")
    found = measure(tmp_path)
    assert found.agreement["reading"].to_list() == ["cannot be told"]
    assert "nothing to tell from" in page(found, "one")
    rehearsed = one.with_columns(annotator=pl.lit("simulated:1"))
    rehearsed.write_parquet(tmp_path / "answers.parquet")
    assert "Simulated annotators" in page(measure(tmp_path), "rehearsal")
