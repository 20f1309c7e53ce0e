"""Odd rows, two thousand of them: none is lost, none stops the run, and none of their text is printed.

Every example is a file of lines that a broken exporter could have written, taken through the real pipeline with real
models: nulls, wrong types, halves of surrogate pairs, right-to-left text, control characters, messages of a megabyte.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_pipeline import MARKER, PERSONAS, loaded_once, report, turn  # noqa: F401

from curation import pipeline
from schemas.recipe import Recipe
from schemas.turns import CuratedTurn, Quarantined

ROWS, EXAMPLES = 260, 8  # 2,080 rows
RIGHT_TO_LEFT = "\u202eשלום עליכם\u202c مرحبا"
texts = st.one_of(
    st.text(max_size=40),
    st.text(alphabet=st.characters(min_codepoint=0, max_codepoint=0x1F), max_size=10),
    st.text(alphabet=st.characters(categories=["Cs", "Co", "Cf", "Mn"]), max_size=8),
    st.sampled_from(
        [
            "",
            " ",
            "\0",
            "\ud800",
            RIGHT_TO_LEFT,
            "a" * 5000,
            "👩‍👩‍👧‍👦" * 50,
            "<PERSON_000000>",
            "<",
            "%s {0} \\",
            "nan",
        ]
    ),
    st.sampled_from(
        [f"my name is {MARKER}", "call me on 0171 2345678 ok", "jo at gmail dot com", "4111 1111 1111 1111"]
    ),
)
junk = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.lists(st.integers(), max_size=2), st.just({}))
roles = st.sampled_from(["system", "user", "assistant", "tool", "User", "", "bot"])
messages = st.one_of(
    junk,
    texts,
    st.lists(st.one_of(junk, st.fixed_dictionaries({"role": roles | junk, "content": texts | junk})), max_size=4),
    texts.map(lambda text: [{"role": "system", "content": "You are Mira1."}, {"role": "user", "content": text}]),
)
FIELDS = ("conversation_id", "turn_index", "timestamp", "user_key", "persona_id", "locale", "source", "model_version")
changes = st.fixed_dictionaries(
    {},
    optional={
        "messages": messages,
        "response": texts | junk,
        "tool_calls": texts | junk | st.just('{"name": "draw_image", "to": "0171 2345678"}'),
        "thumb": junk,
        "continued": junk,
        "turn_id": texts | junk,
        **dict.fromkeys(FIELDS, texts | junk),
    },
)
lines = st.one_of(
    changes.map(lambda change: {"change": change}),
    changes.map(lambda change: {"change": change}),
    st.binary(max_size=60).map(lambda raw: {"raw": raw.replace(b"\n", b"").replace(b"\r", b"")}),
    st.sampled_from([b"{", b"null", b"[]", b'"', b"{}", b'{"messages": [', b"\xff\xfe", b"NaN"]).map(
        lambda raw: {"raw": raw}
    ),
)


def as_line(number: int, odd: dict[str, Any]) -> bytes:
    if "raw" in odd:
        return bytes(odd["raw"])
    row = turn(number, f"Tell me {number} things about {MARKER}.", f"I know {number * 7}.")
    row["timestamp"] = row["timestamp"].isoformat()
    return json.dumps({**row, **odd["change"]}, default=str).encode()


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)
@given(odd=st.lists(lines, min_size=ROWS, max_size=ROWS))
def test_odd_rows_lose_nothing_and_stop_nothing(odd: list[dict[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        written = [as_line(number, row) for number, row in enumerate(odd)]
        long = turn(ROWS, "go on, " * 130_000, "once upon a time " * 60_000)
        long["timestamp"] = long["timestamp"].isoformat()
        good = [as_line(ROWS + 1 + number, {"change": {}}) for number in range(4)]
        written += good if len(odd) == ROWS else [*good, json.dumps(long).encode()]
        (folder / "odd.jsonl").write_bytes(b"\n".join(written) + b"\n")
        told: list[str] = []
        recipe = Recipe.model_validate(
            {
                "name": "fuzz",
                "precision": "float32",
                "curation": {"workers": 1, "max_line_bytes": 4_000_000, "quotas": {"max_persona_share": 1.0}},
            }
        )
        manifest = pipeline.run(
            recipe,
            input=folder / "odd.jsonl",
            format="turns",
            out=folder / "out",
            personas=PERSONAS,
            advance=lambda done, total=None, note="": told.append(note),
        )
        rows = manifest.rows
        assert rows is not None
        assert rows.in_ == sum(bool(line.strip()) for line in written)
        kept = CuratedTurn.validate(pl.read_parquet(folder / "out" / "turns" / "*.parquet"))
        assert kept.height == rows.kept >= 1
        for path in (folder / "out" / "quarantine").glob("*.parquet"):
            frame = Quarantined.validate(pl.read_parquet(path))
            assert MARKER not in " ".join(frame["error"]) + " ".join(frame["place"])
        assert MARKER not in json.dumps(report(folder / "out")) + " ".join(told)


def test_nothing_of_them_was_printed_nor_of_a_message_of_a_megabyte(capfd: pytest.CaptureFixture[str]) -> None:
    test_odd_rows_lose_nothing_and_stop_nothing.hypothesis.inner_test(  # type: ignore[attr-defined]
        [{"raw": b"\xff" + MARKER.encode()}, {"change": {"response": None}}, {"change": {"messages": MARKER}}] * 3
    )
    printed = capfd.readouterr()
    assert MARKER not in printed.out + printed.err
