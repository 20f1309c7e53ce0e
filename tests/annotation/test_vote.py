"""Asked about again on the real server: from split votes to one more, and back into what is pulled."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from annotation_material import tasks
from conftest import ROOT

from annotation import datasets
from annotation.api import Api
from annotation.argilla import Argilla
from annotation.connection import connect
from annotation.pages import pages
from annotation.projects import pairwise

ROUND = "autumn"
SIMULATED = [f"simulated:{number}" for number in range(1, 5)]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The home of a server that runs."""
    directory = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("ARGILLA_API_URL", "ARGILLA_API_KEY"):
            patch.delenv(name, raising=False)
        told("serve", directory, "--port", "0", "--detach")
        yield directory
        told("stop", directory)


def told(command: str, home: Path, *words: str, code: int = 0) -> str:
    """What a command prints."""
    line = [sys.executable, "-m", "annotation", command, "--home", str(home), *words]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


def answer(task: str, annotator: str, preference: str) -> dict[str, object]:
    strength = 0 if preference == "tie" else 2
    now = datetime.now(UTC)
    return {
        "task_id": task,
        "annotator": annotator,
        "preference": preference,
        "strength": strength,
        "reasons": [],
        "seconds": 1.0,
        "timestamp": now,
    }


def waiting(api: Api, account: str, place: datasets.Dataset) -> set[str]:
    """Records that a user still has before them in a dataset, as their browser asks for them."""
    user = next(user for user in api.get("users")["items"] if user["username"] == account)
    mine = Api(api.url, user["api_key"])
    query = {"filters": {"type": "and", "and": [terms("response.status", ["pending"])]}}
    found = mine.post(f"me/datasets/{place.id}/records/search", query, {"limit": 100})
    mine.close()
    return {item["record"]["external_id"] for item in found["items"]}


def terms(name: str, values: list[str]) -> dict[str, object]:
    entity, property_ = name.split(".")
    return {"type": "terms", "scope": {"entity": entity, "property": property_}, "values": values}


def test_split_records_get_one_more_vote_from_somebody_else(home: Path, tmp_path: Path) -> None:
    api = connect(home)
    tool = Argilla(api, ROUND, 2, home=home)
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
        told("pull", home, "--project", "pairwise", "--round", ROUND, "--out", str(pulled))
        return pl.read_parquet(pulled / "comparisons.parquet")

    def vote(more: int) -> str:
        return told("vote", home, "--pulled", str(pulled), "--project", "pairwise", "--more", str(more))

    assert pull().height == 24
    assert "2 records wait for one more vote" in vote(2), "within the budget"
    assert "1 records wait for one more vote; of 2 that deserve one, votes were due already" in vote(3), "not twice"
    (extra,) = (place for place in datasets.list_datasets(api, pairwise.PROJECT, ROUND) if place.extra)
    copies = {record["external_id"] for page in pages(api, extra.id) for record in page}
    assert copies == set(split)

    tool.submit([answer(agreed[0], SIMULATED[2], "a")])  # makes the account of somebody who has answered none of them
    for account in ("simulated-1", "simulated-2"):
        assert waiting(api, account, extra) == set(), "who has answered is not asked again"
    assert waiting(api, "simulated-3", extra) == set(split)
    tool.submit([answer(task, SIMULATED[2], "b") for task in split])

    votes = pull().filter(pl.col("task_id").is_in(split)).sort("task_id", "annotator")
    assert votes.group_by("task_id").len()["len"].to_list() == [3, 3, 3], "the vote joins those before it"
    assert votes["preference"].to_list() == ["a", "b", "b"] * 3
    assert set(votes["annotator"]) == set(SIMULATED[:3])
    told("report", home, "--pulled", str(pulled))
    assert "simulated:3" in (pulled / "report.html").read_text(encoding="utf-8")
    api.close()


def test_what_cannot_be_asked_is_a_sentence(tmp_path: Path) -> None:
    words = ["--pulled", str(tmp_path), "--project", "pairwise"]
    assert "--more 0: expected a whole number from 1 on." in told("vote", tmp_path, *words, "--more", "0", code=2)
    assert "holds no answers.parquet" in told("vote", tmp_path, *words, "--more", "5", code=2)
