"""From split votes on the real server to one more, and back into what is pulled and reported."""

from __future__ import annotations

from pathlib import Path

import polars as pl
from annotation_material import tasks
from tests_server import Server, annotation

from annotation import datasets
from annotation.api import Api
from annotation.argilla import Argilla
from annotation.pages import pages
from annotation.projects import pairwise

ROUND = "one-more"
SIMULATED = [f"simulated:{number}" for number in range(1, 4)]


def answer(task: str, annotator: str, preference: str) -> dict[str, object]:
    return {"task_id": task, "annotator": annotator, "preference": preference, "strength": 2, "reasons": []}


def told(home: Path, *words: object, code: int = 0) -> str:
    """What a command prints."""
    done = annotation(*words, home=home)
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


def test_split_records_get_one_more_vote(server: Server, tmp_path: Path) -> None:
    api = Api(server.url, server.api_key)
    tool = Argilla(api, ROUND, 2, home=server.home)
    rows = tasks(12)
    assert tool.push(rows) == 12
    ids = sorted(rows["task_id"])
    split, agreed = ids[:3], ids[3:]
    tool.submit(
        [answer(task, who, side) for task in split for who, side in zip(SIMULATED[:2], "ab", strict=True)]
        + [answer(task, who, "a") for task in agreed for who in SIMULATED[:2]]
    )
    pulled = tmp_path / "pulled"

    def pull() -> pl.DataFrame:
        told(server.home, "pull", "--project", "pairwise", "--round", ROUND, "--out", pulled)
        return pl.read_parquet(pulled / "comparisons.parquet")

    def vote(more: int) -> str:
        return told(server.home, "vote", "--pulled", pulled, "--project", "pairwise", "--more", more)

    assert pull().height == 24
    assert "2 records wait for one more vote" in vote(2), "within the budget"
    assert "1 records wait for one more vote; of 2 that deserve one, votes were due already" in vote(3), "not twice"
    (extra,) = (place for place in datasets.list_datasets(api, pairwise.PROJECT, ROUND) if place.extra)
    assert {record["external_id"] for page in pages(api, extra.id) for record in page} == set(split)

    tool.submit([answer(task, SIMULATED[2], "b") for task in split])
    votes = pull().filter(pl.col("task_id").is_in(split)).sort("task_id", "annotator")
    assert votes["preference"].to_list() == ["a", "b", "b"] * 3, "the vote joins those before it"
    assert votes["annotator"].to_list() == SIMULATED * 3
    said = told(server.home, "report", "--pulled", pulled)
    assert "says nothing about people" in " ".join(said.split())
    assert "simulated:3" in (pulled / "report.html").read_text(encoding="utf-8")
    api.close()


def test_what_cannot_be_asked_is_a_sentence(tmp_path: Path) -> None:
    words = ["vote", "--pulled", tmp_path, "--project", "pairwise", "--more"]
    assert "--more 0: expected a whole number from 1 on." in told(tmp_path, *words, 0, code=2)
    assert "holds no answers.parquet" in told(tmp_path, *words, 5, code=2)
