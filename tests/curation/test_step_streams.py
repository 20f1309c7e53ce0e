"""What the step commands read and write: rows of all kinds, files that are none, pipes that break; no models here."""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st
from tests_shell import run

from curation.steps import streams
from curation.steps.streams import Batch, together

MARKER = "zyxmarkerwvu"
TEXTS = [{"id": n, "text": f"a good morning to you, number {n}"} for n in range(4)]


def test_many_rejects_are_counted_not_listed() -> None:
    shell = run("language", stdin=b"x\n" * 500)
    assert shell.code == 1
    assert len(shell.err.splitlines()) == streams.SENTENCES + 2
    assert "and 480 more rejected" in shell.err


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"PAR1 and then nothing", "not a whole Parquet file"),
        (b"\xff\xfe{\x00}\x00", "is UTF-16; save it as UTF-8"),
        (b"PK\x03\x04...", "is a ZIP archive"),
        (gzip.compress(b'{"id": 1, "text": "hello there"}\n' * 999, mtime=0)[:60], "gzip stream is"),
    ],
)
def test_files_that_cannot_be_read_are_problems(tmp_path: Path, content: bytes, sentence: str) -> None:
    path, out = tmp_path / "in", tmp_path / "out"
    path.write_bytes(content)
    for words, stdin in (([path], b""), ([], content)):
        shell = run("language", *words, "--out", out, stdin=stdin)
        assert shell.code == 2
        assert sentence in shell.err
    assert sorted(os.listdir(tmp_path)) == ["in"]  # no half of an output, no draft


def test_a_table_that_is_damaged_in_the_middle_is_a_problem_without_noise(tmp_path: Path) -> None:
    path, out = tmp_path / "in.parquet", tmp_path / "out.parquet"
    texts = [f"a good morning to you, number {n}" for n in range(4000)]
    pl.DataFrame({"id": range(4000), "text": texts}).write_parquet(path, row_group_size=1000)
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2 : len(raw) // 2 + 500] = bytes(500)
    path.write_bytes(raw)
    command = [sys.executable, "-m", "curation", "language", str(path), "--out", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert re.fullmatch(r".*in\.parquet: damaged after row \d+; write the file again\.\n", done.stderr)
    assert not out.exists()


def test_other_wrong_input_gets_a_sentence(tmp_path: Path) -> None:
    for words, sentence in (
        (["language", tmp_path / "gone.jsonl"], "no such file"),
        (["language", tmp_path], "a directory"),
        (["language", "--recipe", tmp_path / "gone.yaml"], "no such file"),
        (["language", "--out", tmp_path / "no" / "dir"], "its directory is not there"),
        (["language", "--rejects", tmp_path / "no" / "dir"], "cannot be written"),
        (["language", "--from", "parquet"], "not a whole Parquet file"),
    ):
        shell = run(*words, stdin=TEXTS)
        assert shell.code == 2, words
        assert sentence in shell.err
    twice = io.BytesIO()
    pq.write_table(pa.table([pa.array(["a"]), pa.array(["b"])], names=["text", "text"]), twice)
    assert "two columns are called 'text'" in run("language", stdin=twice.getvalue()).err


def test_no_option_destroys_the_input(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_bytes(b'{"id": 1, "text": "a lovely day in the garden with you"}\n')
    before = path.read_bytes()
    for words in (["language", path, "--rejects", path], ["quotas", path, "--prices", path]):
        shell = run(*words)
        assert shell.code == 2
        assert "give another path" in shell.err
        assert path.read_bytes() == before
    assert run("language", path, "--out", path).code == 0  # in its own place, once it is whole
    assert json.loads(path.read_bytes())["language"] == "en"


def test_a_row_that_a_step_fails_on_costs_one_row(monkeypatch: pytest.MonkeyPatch) -> None:
    from curation import language

    detect = language.detect

    def fails(texts: Sequence[str]) -> Any:
        if any(MARKER in text for text in texts):
            raise ZeroDivisionError(MARKER)
        return detect(texts)

    monkeypatch.setattr(language, "detect", fails)
    rows = [{"id": n, "text": MARKER if n == 7 else f"a good morning to you, number {n}"} for n in range(20)]
    shell = run("language", stdin=rows)
    assert shell.code == 1
    assert [row["id"] for row in shell.rows] == [n for n in range(20) if n != 7]
    assert "line 8: the step failed on it with ZeroDivisionError." in shell.err
    assert MARKER not in shell.err
    shell = run("language", stdin=[{"id": n, "text": MARKER} for n in range(9)])
    assert shell.code == 2
    assert "so the step is at fault" in shell.err


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


line = st.one_of(
    st.binary(max_size=30).filter(lambda raw: b"\n" not in raw),
    st.dictionaries(st.sampled_from(["id", "text", "messages", "response", "other", ""]), values, max_size=4).map(
        lambda row: json.dumps(row).encode()
    ),
    st.text(max_size=40).map(lambda text: json.dumps({"id": 5, "text": text, "kept": [text]}).encode()),
)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(line, max_size=12))
def test_nothing_is_lost_and_nothing_else_is_touched(lines: list[bytes]) -> None:
    there = [raw for raw in lines if raw.strip()]
    shell = run("language", stdin=b"\n".join(lines))
    if shell.code == 2:  # the first bytes were those of another kind of file
        return
    written = shell.rows
    rejected = len(there) - len(written)
    assert f"{len(there)} read = {len(written)} written + {rejected} rejected" in shell.err
    assert shell.code == (1 if rejected else 0)
    left = [json.loads(raw) for raw in there if _is_object(raw)]
    for row in written:
        row = {key: value for key, value in row.items() if key not in ("language", "language_confidence")}
        assert row in left


def _is_object(raw: bytes) -> bool:
    try:
        return isinstance(json.loads(raw.removeprefix(b"\xef\xbb\xbf")), dict)
    except ValueError:
        return False


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.integers(0, 3), max_size=40), st.integers(1, 5))
def test_batches_divide_no_run_of_one_conversation(keys: list[int], rows: int) -> None:
    places = [str(n) for n in range(len(keys))]
    cuts = [slice(at, at + rows) for at in range(0, len(keys), rows)]
    batches = [Batch(places[cut], [{"k": k} for k in keys[cut]], [""] * len(keys[cut]), keys[cut]) for cut in cuts]
    made = list(together(iter(batches), lambda row: row["k"], most=1000))
    assert [k for batch in made for k in batch.stored] == keys
    assert [place for batch in made for place in batch.places] == places
    assert all(a.stored[-1] != b.stored[0] for a, b in pairwise(made))
    long = list(together(iter(batches), lambda row: 0, most=rows))
    assert [k for batch in long for k in batch.stored] == keys
    assert all(len(batch.places) <= 2 * rows for batch in long)


def test_stopping_leaves_nothing_half_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from curation import language

    def stop(texts: Sequence[str]) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(language, "detect", stop)
    shell = run("language", "--out", tmp_path / "out.jsonl", stdin=TEXTS)
    assert (shell.code, shell.out) == (130, b"")
    assert not os.listdir(tmp_path)


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    row = {"id": 1, "text": "a good morning to you", "more": "x" * 4000}
    (tmp_path / "logs.jsonl").write_bytes(b"".join(json.dumps(row).encode() + b"\n" for _ in range(2000)))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m curation language logs.jsonl | head -n 1; exit ${{PIPESTATUS[0]}}"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 128 + signal.SIGPIPE
    assert json.loads(done.stdout)["language"] == "en"
    assert not done.stderr


def test_commands_load_nothing_until_they_run() -> None:
    heavy = {"polars", "pyarrow", "pydantic", "torch", "numpy", "rich"}
    code = f"import sys, curation.steps; print(sorted({heavy!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"
