"""What stays readable, counted: by hand, from each format, and in sentences where a file is wrong."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from talk import Listed, conversation

from curation import finder, privacy_eval
from curation.__main__ import main
from curation.gold import Document, Span, read_gold
from curation.privacy_eval import Interval, measure, wilson
from schemas.problems import Problem

TEXT = "Anna lives in Rome, call 555 1234"


def test_wilson_by_hand() -> None:
    # 8 of 10: middle (0.8 + 0.192073) / 1.384146 = 0.716741, half 1.416010 * sqrt(0.016 + 0.009604) = 0.226578.
    assert wilson(8, 10) == pytest.approx((0.8, 0.490163, 0.943319, 10), abs=2e-6)
    # 0 of 10: from 0 to z2 / (n + z2) = 3.841459 / 13.841459.
    assert wilson(0, 10) == pytest.approx((0.0, 0.0, 0.277533, 10), abs=2e-6)
    assert wilson(10, 10) == pytest.approx((1.0, 0.722467, 1.0, 10), abs=2e-6)
    nothing = wilson(0, 0)
    assert math.isnan(nothing.share)
    assert nothing[1:] == (0.0, 1.0, 0)


def test_measured_by_hand() -> None:
    marked = (Span(0, 4, "PERSON"), Span(14, 18, "GPE"), Span(25, 33, "PHONE_NUMBER"))
    documents = [
        Document("one", "one", TEXT, marked),
        Document("two", "two", "Hi Bo", (Span(3, 5, "PERSON"),)),
        Document("three", "three", "Rome", (Span(0, 4, "GPE"),)),
    ]
    # Of the first: Ann, Rome and "call"; of the second Bo; of the third nothing.
    figures = measure(documents, [[(0, 3), (14, 18), (20, 24)], [(3, 5)], []])
    assert figures.leaking == ["one"]
    assert figures.messages == wilson(1, 2)  # the third holds nothing that counts
    assert figures.characters == wilson(1 + 7, 4 + 7 + 2)
    assert figures.found == {"GPE": wilson(1, 2), "PERSON": wilson(2, 2), "PHONE_NUMBER": wilson(0, 1)}
    assert figures.covered == {"GPE": wilson(1, 2), "PERSON": wilson(1, 2), "PHONE_NUMBER": wilson(0, 1)}
    assert figures.groups == {"people": wilson(2, 2), "contacts": wilson(0, 1), "all": wilson(2, 3)}
    assert figures.harmless_characters == pytest.approx(1000 * 4 / (5 + 2 + 4 + 2))
    assert figures.harmless_spans == pytest.approx(1000 / (33 + 5 + 4))
    only_towns = measure(documents, [[], [], []], counted=frozenset(["GPE"]))
    assert only_towns.messages == wilson(2, 2)


CONLL = "Anna\tB-person\nNowak\tI-person\nis\tO\nhere\tO\n\nBen\tB-person\nin\tO\nRome\tB-location\n"
CONLL_2003 = "-DOCSTART- -X- O O\n\nAnna NNP B-NP I-PER\nBen NNP B-NP B-PER\nis VB O O\n\n"
PRESIDIO = [{"full_text": TEXT, "spans": [{"entity_type": "PERSON", "start_position": 0, "end_position": 4}]}]


def test_conll_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.conll").write_text(CONLL)
    documents, _ = read_gold(tmp_path / "a.conll", "conll")
    assert [(d.id, d.text) for d in documents] == [("line 1", "Anna Nowak is here"), ("line 6", "Ben in Rome")]
    assert [d.spans for d in documents] == [(Span(0, 10, "PERSON"),), (Span(0, 3, "PERSON"), Span(7, 11, "LOCATION"))]
    (tmp_path / "b.conll").write_text(CONLL_2003)
    ((document,), _) = read_gold(tmp_path / "b.conll", "conll")
    assert document == Document("line 3", "line 3", "Anna Ben is", (Span(0, 4, "PER"), Span(5, 8, "PER")))


def sample(folder: Path) -> Path:
    turns = conversation("my name is maria", "hi maria", "bye", "bye maria")
    turns.write_parquet(folder / "talk.parquet")
    spans = [("c", 0, "user", 11, 16), ("c", 0, "assistant", 3, 8), ("c", 1, "assistant", 4, 9)]
    rows = pl.DataFrame(spans, schema=["conversation_id", "turn_index", "role", "start", "end"], orient="row")
    rows.with_columns(type=pl.lit("PERSON")).write_parquet(folder / "talk_gold.parquet")
    return folder / "talk.parquet"


@pytest.mark.parametrize("given", ["talk.parquet", "talk_gold.parquet"])
def test_turns_are_read(tmp_path: Path, given: str) -> None:
    sample(tmp_path)
    documents, turns = read_gold(tmp_path / given, "turns")
    assert turns is not None
    assert len(documents) == 4
    assert [d.text[s.start : s.end] for d in documents for s in d.spans] == ["maria"] * 3


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.json", b'[{"full_text": "secret"},\n\n', "a.json, line 3: not valid JSON"),
        ("a.json", b'{"full_text": "secret"}', "a.json, line 1: expected a list"),
        (
            "a.json",
            b'[{"full_text": "secret", "spans": []}, {"text": "secret"}]',
            "a.json, record 2: expected full_text",
        ),
        ("a.json", b"[]", "a.json: no texts"),
        ("a.json", b"\xff", "a.json: byte 0 is not UTF-8"),
        (
            "a.json",
            b'[{"full_text": "secret", "spans": [{"entity_type": "X", "start_position": 1, "end_position": 9}]}]',
            "record 1: expected .* within the text",
        ),
        ("a.conll", b"secret\tO\nsecret secret\n", "a.conll, line 2: expected a token and a tag"),
        ("a.conll", b"secret\tO\nsecret\tperson\n", "a.conll, line 2"),
        ("a.parquet", b"secret", "a.parquet: not a Parquet file"),
    ],
)
def test_a_wrong_file_gets_a_sentence(tmp_path: Path, name: str, content: bytes, told: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(Problem, match=told) as problem:
        read_gold(tmp_path / name, {"json": "presidio", "conll": "conll", "parquet": "turns"}[name.split(".")[1]])
    assert "secret" not in str(problem.value)


def test_turns_without_their_spans_get_a_sentence(tmp_path: Path) -> None:
    path = sample(tmp_path)
    (tmp_path / "talk_gold.parquet").unlink()
    with pytest.raises(Problem, match=r"talk_gold.parquet: no such file"):
        read_gold(path, "turns")
    pl.DataFrame({"turn_id": ["x"]}).write_parquet(tmp_path / "talk_gold.parquet")
    with pytest.raises(Problem, match="no column conversation_id"):
        read_gold(path, "turns")


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finder, "Finder", lambda settings: Listed(Ben=0.9))


@pytest.mark.usefixtures("listed")
def test_the_command_tells_figures_and_no_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.conll").write_text(CONLL)
    assert main(["privacy-eval", str(tmp_path / "a.conll"), "--json", str(tmp_path / "out.json"), "--show-ids"]) == 0
    shown = "".join(capsys.readouterr())
    assert "line 1" in shown
    assert "line 6" not in shown
    assert not any(word in shown for word in ("Anna", "Nowak", "Ben"))
    figures = json.loads((tmp_path / "out.json").read_text())
    assert figures["ours"]["messages"] == wilson(1, 2)._asdict()
    assert figures["ours"]["found"]["PERSON"] == wilson(1, 2)._asdict()
    assert figures["ours"]["leaking"] == ["line 1"]


@pytest.mark.usefixtures("listed")
def test_conversations_are_seen_whole(tmp_path: Path) -> None:
    assert main(["privacy-eval", str(sample(tmp_path)), "--json", str(tmp_path / "out.json")]) == 0
    figures = json.loads((tmp_path / "out.json").read_text())
    assert Interval(**figures["ours"]["messages"]) == wilson(0, 3)


@pytest.mark.usefixtures("listed")
@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--format", "connl"], "did you mean conll?"),
        (["--types", "FOO"], "--types FOO: nothing is marked so; marked are LOCATION, PERSON."),
    ],
)
def test_a_wrong_option_gets_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], told: str
) -> None:
    (tmp_path / "a.conll").write_text(CONLL)
    assert main(["privacy-eval", str(tmp_path / "a.conll"), *options]) == 2
    assert told in capsys.readouterr().err


@pytest.mark.usefixtures("listed")
def test_presidio_stands_beside_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Hit:
        start, end = 0, 4

    class Batch:
        class analyzer_engine:
            supported_languages = ("en",)

        def analyze_iterator(self, texts: Any, language: str, batch_size: int) -> Any:
            return ([Hit] for _ in texts)

    monkeypatch.setattr(privacy_eval, "as_it_comes", lambda model: Batch())
    (tmp_path / "a.json").write_text(json.dumps(PRESIDIO))
    out = tmp_path / "out.json"
    assert main(["privacy-eval", str(tmp_path / "a.json"), "--baseline", "--json", str(out)]) == 0
    figures = json.loads(out.read_text())
    assert figures["presidio"]["messages"] == wilson(0, 1)._asdict()
    assert figures["ours"]["messages"] == wilson(1, 1)._asdict()
