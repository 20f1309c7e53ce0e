"""The step commands as a shell sees them: answers added, nothing else touched, nothing lost, sentences for rubbish."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import ROOT
from tests_shell import run

from curation import embed, finder
from schemas.curation_recipe import Embedding, Scrub

MARKER = "zyxmarkerwvu"


@pytest.fixture(scope="module", autouse=True)
def loaded_once() -> Any:
    """The real models, loaded once."""
    find, vectors = finder.Finder(Scrub()), embed.load(Embedding(batch_size=8), "float32")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(finder, "Finder", lambda settings: find)
        patch.setattr(embed, "load", lambda settings, precision: vectors)
        yield


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    path.touch(0o600)
    path.write_bytes(b"k" * 32)
    return path


TEXTS = [
    {"id": 1, "text": "hi, my name is Maria Keller", "conversation_id": "c", "more": {"a": [1, 2.5, None, "ü"]}},
    {"id": 2, "text": "maria here again, mail maria.keller@example.org", "conversation_id": "c"},
    {"id": 3, "text": "hi, my name is Maria Keller"},
    {"id": 4, "text": "the weather is lovely by the sea today"},
]


def test_scrub_replaces_and_says_where_what_stood(key: Path) -> None:
    shell = run("scrub", "--key", key, stdin=TEXTS)
    assert shell.code == 0
    assert shell.err == "scrub: 4 read = 4 written + 0 rejected.\n"
    first, second, third, fourth = shell.rows
    assert first["more"] == TEXTS[0]["more"]
    assert fourth == {**TEXTS[3], "spans": [], "pii": []}
    (span,) = first["spans"]
    assert span["type"] == "PERSON"
    assert TEXTS[0]["text"][span["start"] : span["end"]] == "Maria Keller"
    assert 0 < span["score"] <= 1
    assert span["recogniser"]
    person = first["text"].removeprefix("hi, my name is ")
    assert person.startswith("<PERSON_")
    assert second["text"].startswith(f"{person} here again, mail <EMAIL_ADDRESS_")
    assert second["pii"] == [{"type": "EMAIL_ADDRESS", "count": 1}, {"type": "PERSON", "count": 1}]
    assert "<PERSON_" in third["text"]
    assert person not in third["text"]  # its own conversation
    assert run("scrub", "--key", key, stdin=TEXTS).out == shell.out


def test_scrub_of_turns_masks_every_message_but_the_products_own(key: Path) -> None:
    turn = {
        "turn_id": "0" * 32,
        "messages": [
            {"role": "system", "content": "You are Bo."},
            {"role": "user", "content": "I'm Pedro Alvarez", "at": 7},
            {"role": "assistant", "content": "Hello Pedro, I'm Bo"},
            {"role": "user", "content": "call me on 415-555-0134"},
        ],
        "response": "I will, Pedro!",
        "tool_calls": '[{"to": "pedro.alvarez@example.org"}]',
        "user_key": "u1",
        "thumb": -1,
    }
    bare = {**turn, "turn_id": "1" * 32, "messages": turn["messages"][1:2], "tool_calls": None}  # type: ignore[index]
    whole, plain = run("scrub", "--key", key, stdin=[turn, bare]).rows
    said = json.dumps([whole, plain])
    for leaked in ("Pedro", "Alvarez", "555", "pedro", '"u1"'):
        assert leaked not in said, leaked
    assert whole["messages"][0] == turn["messages"][0]  # type: ignore[index]
    assert whole["messages"][1]["at"] == 7
    assert whole["thumb"] == -1
    assert [span["in"] for span in whole["spans"]] == ["user", "response"]
    assert len(plain["messages"]) == 1  # no prompt was there, none is now
    assert plain["tool_calls"] is None


def test_a_key_is_never_made_in_silence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shell = run("scrub", stdin=TEXTS[:1])
    made = tmp_path / "pseudonyms.key"
    assert "pseudonyms.key: a new key" in shell.err
    assert made.stat().st_mode & 0o777 == 0o600
    assert run("scrub", stdin=TEXTS[:1]).out == shell.out
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("name: x\ncuration: {scrub: {key_file: other.key}}")
    assert run("scrub", "--recipe", recipe, stdin=TEXTS[:1]).out != shell.out
    assert (tmp_path / "other.key").is_file()
    made.chmod(0o644)
    shell = run("scrub", stdin=TEXTS[:1])
    assert shell.code == 2
    assert "others can read this key" in shell.err


def test_safety_and_language_add_their_answers() -> None:
    rows = [{"id": 1, "text": "you stupid fuck, go and die"}, {"id": 2, "text": "a lovely day in the garden with you"}]
    shell = run("safety", stdin=[*rows, {"id": 3, "text": "ein schöner Tag im Garten mit dir", "locale": "de-DE"}])
    bad, good, _ = shell.rows
    assert bad["decision"] in ("review", "drop")
    assert good["decision"] == "keep"
    for row, told in zip(rows, shell.rows, strict=False):
        assert row.items() <= told.items()
        assert all(0 <= score["score"] <= 1 and score["label"] for score in told["safety"])
    worst = [max(score["score"] for score in row["safety"]) for row in (bad, good)]
    assert worst[0] > worst[1]
    shell = run("language", stdin=shell.out)
    assert shell.rows[2]["language"] == "de"
    assert 0.5 < shell.rows[2]["language_confidence"] <= 1
    assert [row["decision"] for row in shell.rows[:2]] == [bad["decision"], "keep"]


def test_a_turn_is_scored_like_the_worse_of_its_two_messages() -> None:
    bad, good = "you stupid fuck, go and die", "a lovely day in the garden with you"
    sides = [(bad, good), (good, bad), (good, good)]
    turns = [
        {"id": n, "messages": [{"role": "user", "content": user}], "response": reply}
        for n, (user, reply) in enumerate(sides)
    ]
    alone = [_scores(row) for row in run("safety", stdin=[{"id": 1, "text": bad}, {"id": 2, "text": good}]).rows]
    worse = {label: max(scores[label] for scores in alone) for label in alone[0]}
    assert [_scores(row) for row in run("safety", stdin=turns).rows] == [worse, worse, alone[1]]


def _scores(row: dict[str, Any]) -> dict[str, float]:
    return {score["label"]: score["score"] for score in row["safety"]}


def test_duplicates_and_topics_do_not_depend_on_order() -> None:
    same = "We walked along the old harbour and counted the fishing boats until the sun went down."
    rows = [{"id": n, "text": f"What do you know about the number {n * 37} and the history of it?"} for n in range(12)]
    rows += [{"id": "a", "text": same}, {"id": "b", "text": same}, {"id": "c", "text": same}]
    for step, keys in (("duplicates", {"group", "survives"}), ("cluster", {"cluster_id", "cluster_title"})):
        shell, other = run(step, stdin=rows), run(step, stdin=rows[::-1])
        assert shell.code == 0
        assert [row["id"] for row in shell.rows] == [row["id"] for row in rows]
        assert shell.rows == other.rows[::-1]
        assert all(keys <= set(row) for row in shell.rows)
        if step == "duplicates":
            groups = {row["id"]: row["group"] for row in shell.rows[12:]}
            assert len(set(groups.values())) == 1
            assert sum(row["survives"] for row in shell.rows[12:]) == 1
            assert all(row["survives"] == (row["group"] == str(row["id"])) for row in shell.rows)


def test_quotas_choose_and_say_what_they_cost(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("name: x\ncuration: {quotas: {max_persona_share: 0.5, total: 8}}")
    rows = [
        {"id": f"r{n}", "persona_id": "big" if n < 20 else f"p{n}", "locale": "en-US", "turn_index": n % 3, "x": n}
        for n in range(26)
    ]
    prices = tmp_path / "prices.json"
    shell = run("quotas", "--recipe", recipe, "--prices", prices, stdin=rows)
    assert shell.code == 0
    assert [row["x"] for row in shell.rows] == list(range(26))
    chosen = [row for row in shell.rows if row["chosen"]]
    assert len(chosen) == 8
    assert sum(row["persona_id"] == "big" for row in chosen) <= 4
    assert all((row["reason"] is None) == row["chosen"] for row in shell.rows)
    told = json.loads(prices.read_text())
    assert told["total"] == 8
    assert {row["quota"] for row in told["prices"]} >= {"persona"}
    assert "8 chosen" in shell.err
    ids = run("quotas", "--recipe", recipe, "--ids", stdin=rows[::-1]).out.decode().split()
    assert sorted(ids) == sorted(row["id"] for row in chosen)


def parquet(rows: list[dict[str, Any]], **types: pa.DataType) -> bytes:
    table = pa.Table.from_pylist(rows)
    for name, dtype in types.items():
        table = table.set_column(table.column_names.index(name), name, table[name].cast(dtype))
    out = io.BytesIO()
    pq.write_table(table, out)
    return out.getvalue()


def test_parquet_keeps_its_columns_and_types(tmp_path: Path, key: Path) -> None:
    rows = [{"n": n, "text": f"hello number {n}, I'm Maria Keller", "id": str(n)} for n in range(3)]
    rows.append({"n": 3, "text": None, "id": "3"})
    source, out, rejects = tmp_path / "a.parquet", tmp_path / "b.parquet", tmp_path / "rejects.jsonl"
    source.write_bytes(parquet(rows, n=pa.int16(), text=pa.large_string()))
    shell = run("scrub", source, "--key", key, "--out", out, "--rejects", rejects)
    assert shell.code == 1
    assert "a.parquet, row 4: no text" in shell.err
    assert "4 read = 3 written + 1 rejected" in shell.err
    assert json.loads(rejects.read_text()) == rows[3]
    table = pq.read_table(out)
    assert table.column_names == ["n", "text", "id", "spans", "pii"]
    assert table.schema.field("n").type == pa.int16()
    assert table.schema.field("text").type == pa.large_string()
    assert table["n"].to_pylist() == [0, 1, 2]
    assert "Maria" not in str(table["text"].to_pylist())
    again = run("safety", stdin=out.read_bytes())
    assert again.code == 0
    frame = pl.read_parquet(io.BytesIO(again.out))
    assert frame["decision"].to_list() == ["keep"] * 3
    assert run("language", stdin=parquet([{"id": "1", "text": "x"}])[:-9]).code == 2


def test_our_own_turns_go_through_and_stay_turns(tmp_path: Path, key: Path) -> None:
    sample = pl.read_parquet(ROOT / "examples" / "traffic.parquet").head(40)
    sample.write_parquet(tmp_path / "turns.parquet")
    out = tmp_path / "out.parquet"
    assert run("scrub", tmp_path / "turns.parquet", "--key", key, "--out", out).code == 0
    clean = pl.read_parquet(out)
    assert clean.columns == [*sample.columns, "spans", "pii"]
    same = [name for name in sample.columns if name not in ("messages", "response", "tool_calls", "user_key")]
    assert clean.select(same).equals(sample.select(same))
    assert clean.schema["messages"] == sample.schema["messages"]
    spans = clean.select("turn_id", "spans").explode("spans").drop_nulls().unnest("spans")
    assert clean["pii"].explode().struct.field("count").sum() == spans.height > 0


RUBBISH = [
    b"\x00\x01\x02\xff\xfe MARKED",
    b"{MARKED",
    b"[1, 2]",
    b'"MARKED"',
    b"{}",
    b'{"id": 1}',
    b'{"id": true, "text": "MARKED"}',
    b'{"id": 1.5, "text": "MARKED"}',
    b'{"text": "no id"}',
    b'{"id": 1, "text": ["MARKED"]}',
    b'{"id": 1, "text": "\\ud800"}',
    b'{"id": 1, "text": NaN}',
    b'{"id": 1, "text": "MARKED", "n": 1e999}',
    b'{"id": 1, "text": "MARKED", "id": 2}',
    b'{"id": 1, "messages": [], "response": "MARKED"}',
    b'{"id": 1, "messages": "hi", "response": "MARKED"}',
    b'{"id": 1, "messages": [{"role": "user"}], "response": "MARKED"}',
    b'{"id": 1, "messages": [{"role": "assistant", "content": "MARKED"}], "response": "MARKED"}',
    b'{"id": 1, "text": "' + b"MARKED" * 170_000 + b'"}',
    b'{"id": 1, "text": ' + b"[" * 5000 + b"]" * 5000 + b"}",
]


def test_rubbish_gets_sentences_and_is_kept(tmp_path: Path, key: Path) -> None:
    rejects = tmp_path / "rejects"
    good = b'{"id": "last", "text": "no newline at the end"}'
    marked = [line.replace(b"MARKED", MARKER.encode()) for line in RUBBISH]
    shell = run("scrub", "--key", key, "--rejects", rejects, stdin=b"\xef\xbb\xbf" + b"\n\n".join([*marked, good]))
    assert shell.code == 1
    assert [row["id"] for row in shell.rows] == ["last"]
    assert rejects.read_bytes() == b"\n".join(marked) + b"\n"
    assert rejects.stat().st_mode & 0o777 == 0o600
    assert f"{len(RUBBISH) + 1} read = 1 written + {len(RUBBISH)} rejected" in shell.err
    lines = shell.err.splitlines()
    assert len(lines) == len(RUBBISH) + 1
    assert all(f"line {2 * n + 1}: " in line for n, line in enumerate(lines[:-1]))
    assert MARKER not in shell.err
    assert "Traceback" not in shell.err


def test_empty_input_is_no_rows(tmp_path: Path) -> None:
    for step in ("scrub", "safety", "language", "duplicates", "cluster", "quotas"):
        more = ["--key", tmp_path / "key"] if step == "scrub" else []
        shell = run(step, *more)
        assert (shell.code, shell.out) == (0, b""), step
        assert "0 read = 0 written + 0 rejected" in shell.err
    table = pa.table({"id": pa.array([], pa.string()), "text": pa.array([], pa.string())})
    out = io.BytesIO()
    pq.write_table(table, out)
    shell = run("safety", stdin=out.getvalue())
    assert pq.read_table(io.BytesIO(shell.out)).column_names == ["id", "text", "safety", "decision"]


def test_repeated_ids_matter_where_rows_are_compared() -> None:
    rows = [{"id": 1, "text": "one good thing"}, {"id": "1", "text": "another good thing"}]
    shell = run("duplicates", stdin=rows)
    assert shell.code == 1
    assert "line 2: its id was there before" in shell.err
    assert run("language", stdin=rows).code == 0


def test_pipes_of_a_real_shell(tmp_path: Path) -> None:
    (tmp_path / "logs.jsonl").write_bytes(b"".join(json.dumps(row).encode() + b"\n" for row in TEXTS) + b"oops\n")
    step = f"{sys.executable} -m curation"
    chain = f"cat logs.jsonl | {step} scrub | {step} safety > out.jsonl"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {chain}"], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 1  # a line was rejected, by the first
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [row["id"] for row in rows] == [1, 2, 3, 4]
    assert all({"spans", "safety", "decision"} <= set(row) for row in rows)
    assert "standard input, line 5: not valid JSON" in done.stderr
    assert "scrub: 5 read = 4 written + 1 rejected." in done.stderr
    assert "safety: 4 read = 4 written + 0 rejected." in done.stderr
    assert "Maria" not in done.stderr
