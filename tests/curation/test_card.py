"""The dataset card, and what `datasets` reads by it: the curated turns, all of them and nothing else."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from tests_curation_report import NASTY, report

from curation.card import write_card
from curation.explorer_files import SHARES
from schemas.turns import CuratedTurn

SHARE_ROWS = [
    ("persona", "p0", "Mira", 900, 800, 700),
    ("persona", "p1", "Bo", 5, 5, 0),
    ("locale", "nb-NO", "nb-NO", 905, 805, 700),
    ("language", "no", "no", 800, 700, 600),
    ("language", "en", "en", 105, 105, 99),
    ("language", "ga", "ga", 1, 1, 1),
    ("language", "und", "undetermined", 9, 9, 9),
]


def turn(number: int, **other: Any) -> dict[str, Any]:
    return {
        "turn_id": f"{number:032x}",
        "conversation_id": "c",
        "turn_index": number,
        "timestamp": datetime(2026, 1, 1, tzinfo=UTC),
        "user_key": "u",
        "persona_id": "p",
        "locale": "en-US",
        "surface": "app",
        "source": "user",
        "model_version": "m",
        "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "hi"}],
        "response": "hello",
        "tool_calls": None,
        "continued": None,
        "thumb": None,
        "pii": [],
        "safety": [{"label": "toxicity", "score": 0.1}],
        "cluster_id": 0,
        "difficulty": None,
        "language": "en",
        **other,
    }


def run_directory(directory: Path, parts: list[list[dict[str, Any]]], **other: Any) -> Path:
    """A run's directory with everything in it that `datasets` must not take for data."""
    (directory / "turns").mkdir()
    for number, rows in enumerate(parts):
        frame = CuratedTurn.validate(pl.DataFrame(rows, schema=CuratedTurn.create_empty().schema))
        frame.write_parquet(directory / "turns" / f"part-{number:05}.parquet")
    for folder in ("dropped", "quarantine"):
        (directory / folder).mkdir()
        pl.DataFrame({"turn_id": ["x"], "raw": [b"x"]}).write_parquet(directory / folder / "part-00000.parquet")
    pl.DataFrame(SHARE_ROWS, schema=SHARES, orient="row").write_parquet(directory / "shares.parquet")
    for name in ("cells", "examples"):
        pl.DataFrame({"said": ["x"]}).write_parquet(directory / f"{name}.parquet")
    (directory / "manifest.json").write_text("{}")
    (directory / "report.html").write_text("<p>")
    (directory / "report.json").write_text(json.dumps(report(**other)))
    write_card(directory)
    return directory


def head_and_text(directory: Path) -> tuple[dict[str, Any], str]:
    _, head, text = (directory / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    return yaml.safe_load(head), text


def test_the_card_says_what_it_is_and_what_nobody_should_rely_on(tmp_path: Path) -> None:
    head, text = head_and_text(run_directory(tmp_path, [[turn(0)]]))
    assert head["configs"] == [
        {"config_name": "default", "data_files": [{"split": "train", "path": "turns/*.parquet"}]}
    ]
    assert head["license"] == "other"
    assert head["language"] == ["en", "no"]
    assert head["size_categories"] == ["n<1K"]
    for said in (
        "600 turns of conversations",
        "1 persona, 1 locale, 2 languages",
        "| Quotas | chosen so that every share holds at once | 990 | 600 | 390 |",
        "names: spaCy en\\_core\\_web\\_md",
        "40 pieces of personal data",
        "PERSON 30, EMAIL\\_ADDRESS 10",
        "Not guaranteed: that everything personal was found",
        "7 were dropped as too toxic, and 21 of those that are here",
        "- Each persona at most 3 %",
        "The floor of ja-JP went from 9 % to 4 %.",
        "Seed: 20.",
    ):
        assert said in text, said
    fields = [line.split(" | ") for line in text.splitlines() if line.startswith("| ") and " | `" in line]
    assert [field[0][2:] for field in fields] == CuratedTurn.create_empty().columns
    assert all(len(field[2]) > 10 for field in fields)


def test_what_comes_from_outside_has_no_meaning_in_the_card(tmp_path: Path) -> None:
    told = {"embedded": [NASTY], "name": f"{NASTY}\n---\n# no", "pii": {NASTY: 1}}
    told["recipe"] = {"embedding": {"model": "/home/someone/secret/models/mine"}, "scrub": {"model": NASTY}}
    head, text = head_and_text(run_directory(tmp_path, [[turn(0)]], **told))
    assert head["license"] == "other"
    assert "<script" not in text.replace("\\<", "")
    assert "someone" not in text
    assert "embeddings: mine" in text


@pytest.fixture
def datasets(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Any:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))
    datasets.disable_progress_bars()
    return datasets


PARTS = [
    [turn(n) for n in range(3)],
    [turn(n, tool_calls="[]", thumb=-1, continued=True, pii=[{"type": "PERSON", "count": 2}]) for n in range(3, 5)],
    [turn(5, difficulty=0.5, safety=[])],
]


def test_datasets_reads_the_turns_and_nothing_else(tmp_path: Path, datasets: Any) -> None:
    directory = run_directory(tmp_path, PARTS)
    by_card = datasets.load_dataset(str(directory))
    assert list(by_card) == ["train"]
    by_files = datasets.load_dataset("parquet", data_files=str(directory / "turns" / "*.parquet"), split="train")
    for read in (by_card["train"], by_files):
        assert read.column_names == CuratedTurn.create_empty().columns
        assert read["turn_id"][:] == [turn(n)["turn_id"] for n in range(6)]
        assert read["tool_calls"][:] == [None] * 3 + ["[]"] * 2 + [None]
        assert read["thumb"][:] == [None] * 3 + [-1] * 2 + [None]
        assert read["difficulty"][:] == [None] * 5 + [0.5]
        assert read[3]["pii"] == [{"type": "PERSON", "count": 2}]
        assert read[0]["messages"][-1] == {"role": "user", "content": "hi"}


def test_datasets_knows_the_columns_of_an_empty_run(tmp_path: Path, datasets: Any) -> None:
    directory = str(run_directory(tmp_path, [[]]))
    read = datasets.load_dataset(directory, split="train", streaming=True)
    assert read.column_names == CuratedTurn.create_empty().columns
    assert not list(read)
    with pytest.raises(ValueError, match="no data"):  # what `datasets` says of any set without rows
        datasets.load_dataset(directory)
