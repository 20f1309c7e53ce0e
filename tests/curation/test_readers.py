"""Readers: every record becomes turns, is dropped or is quarantined; what is broken costs itself and nothing else."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import polars as pl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from curation.readers import Batch, read, tables, text
from curation.readers.formats import FORMATS, NEUTRAL_PROMPT
from curation.readers.records import Record
from schemas.curation_recipe import Curation
from schemas.personas import Persona
from schemas.problems import Problem
from schemas.turns import Turn, turn_id

SECRET = "zanzibar"  # stands in messages and must never be seen in a sentence
MIRA = Persona(persona_id="mira", name="Mira", locale="pt-BR", system_prompt="You are Mira.")
CHAT = [
    {"role": "user", "content": f"hi {SECRET}"},
    {"role": "assistant", "content": "hello"},
    {"role": "user", "content": "more"},
    {"role": "assistant", "content": "yes"},
]
TURN: dict[str, Any] = {
    "conversation_id": "c1",
    "turn_index": 0,
    "timestamp": "2026-11-02T08:30:00Z",
    "user_key": "u1",
    "persona_id": "mira",
    "messages": [{"role": "system", "content": "You are Mira."}, {"role": "user", "content": SECRET}],
    "response": f"{SECRET}!",
}


def batches(path: Path, format: str = "messages", rows: int = 100, limit: int = 10_000) -> list[Batch]:
    found = list(read(path, format, personas={"mira": MIRA}, locale="en-US", max_line_bytes=limit, rows=rows))
    for batch in found:
        assert batch.records == batch.turns.height + batch.quarantined.height + batch.dropped.height
        assert batch.turns.schema == Turn.create_empty().schema
        sentences = [*batch.problems, *batch.quarantined["error"]]
        assert not [sentence for sentence in sentences if SECRET in sentence.lower()]
    return found


def one(path: Path, format: str = "messages", **options: int) -> Batch:
    (batch,) = batches(path, format, **options)
    return batch


def lines(path: Path, *rows: object) -> Path:
    raw = [row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows]
    path.write_bytes(b"\n".join(raw) + b"\n")
    return path


def problem(path: Path, format: str = "messages") -> str:
    with pytest.raises(Problem) as caught:
        batches(path, format)
    assert SECRET not in str(caught.value).lower()
    return str(caught.value)


# What formats mean


def test_every_format_of_the_recipe_has_a_reader() -> None:
    assert tuple(FORMATS) == get_args(Curation.model_fields["format"].annotation)


def test_conversation_gives_a_turn_for_each_reply(tmp_path: Path) -> None:
    turns = one(lines(tmp_path / "a.jsonl", {"messages": CHAT, "conversation_id": "c", "timestamp": 100})).turns
    assert turns["turn_index"].to_list() == [0, 1]
    assert turns["response"].to_list() == ["hello", "yes"]
    assert turns["continued"].to_list() == [True, None]
    assert turns["timestamp"].to_list() == [datetime(1970, 1, 1, 0, 1, 40 + n, tzinfo=UTC) for n in (0, 1)]
    assert turns["messages"].to_list()[1] == [{"role": "system", "content": NEUTRAL_PROMPT}, *CHAT[:3]]
    assert set(turns["persona_id"]) == {"neutral"}
    assert set(turns["locale"]) == {"en-US"}
    row = turns.to_dicts()[1]
    assert row["turn_id"] == turn_id("c", 1, "neutral", row["messages"], "yes")


def test_persona_lends_prompt_and_locale_and_a_prompt_of_the_log_stays(tmp_path: Path) -> None:
    own = [{"role": "system", "content": "Another day."}, *CHAT[:2]]
    batch = one(
        lines(
            tmp_path / "a.jsonl",
            {"messages": CHAT[:2], "persona_id": "mira"},
            {"messages": own, "persona_id": "mira", "locale": "fr"},
            {"messages": own},
            {"messages": CHAT[:2], "persona_id": "nobody"},
        )
    )
    prompts = [messages[0]["content"] for messages in batch.turns["messages"]]
    assert prompts == ["You are Mira.", "Another day.", "Another day.", NEUTRAL_PROMPT]
    assert batch.turns["locale"].to_list() == ["pt-BR", "fr", "en-US", "en-US"]
    assert batch.turns["persona_id"][2].startswith("prompt-")
    assert len(batch.problems) == 1
    assert "'nobody'" in batch.problems[0]


def test_messages_in_a_row_merge_greetings_are_history_and_tools_are_waited_out(tmp_path: Path) -> None:
    calls = [{"name": "image"}]
    chat = [
        {"role": "assistant", "content": "welcome"},
        {"role": "user", "content": "a"},
        {"role": "user", "content": "b"},
        {"role": "assistant", "content": None, "tool_calls": calls},
        {"role": "tool", "content": "done"},
        {"role": "assistant", "content": [{"type": "text", "text": "there"}], "thumb": -1},
        {"role": "assistant", "content": "you are"},
        {"role": "tool", "content": "again"},
        {"role": "assistant", "content": "no turn"},
        {"role": "user", "content": "c"},
        {"role": "assistant", "content": "", "tool_calls": calls},
        {"role": "user", "content": "d"},
        {"role": "assistant", "content": "e"},
    ]
    rows = one(lines(tmp_path / "a.jsonl", {"messages": chat})).turns.to_dicts()
    assert [(row["response"], row["thumb"]) for row in rows] == [("there\nyou are", -1), ("e", None)]
    assert [m["content"] for m in rows[0]["messages"]][1:] == ["welcome", "a\nb"]
    assert [m["content"] for m in rows[1]["messages"]][2:] == [
        "a\nb",
        "done",
        "there\nyou are",
        "again",
        "no turn",
        "c\nd",
    ]
    for index, row in enumerate(rows):
        content = (row["conversation_id"], index, "neutral", row["messages"], row["response"])
        assert row["turn_id"] == turn_id(*content)
    assert json.loads(rows[0]["tool_calls"]) == calls
    assert rows[1]["tool_calls"] is None


def test_turns_get_documented_defaults_from_jsonl_and_parquet(tmp_path: Path) -> None:
    bare = TURN | {"messages": TURN["messages"][1:]}
    lines(tmp_path / "a.jsonl", bare)
    pl.DataFrame([bare | {"timestamp": datetime(2026, 11, 2, 8, 30)}]).write_parquet(tmp_path / "b.parquet")
    turns = one(tmp_path, "turns").turns
    assert turns.height == 2
    assert turns[0].equals(turns[1])
    row = turns.to_dicts()[0]
    assert (row["surface"], row["source"], row["model_version"], row["locale"]) == (
        "unknown",
        "user",
        "unknown",
        "pt-BR",
    )
    assert row["tool_calls"] is row["continued"] is row["thumb"] is None
    assert row["messages"] == TURN["messages"]
    assert row["timestamp"] == datetime(2026, 11, 2, 8, 30, tzinfo=UTC)
    assert row["turn_id"] == turn_id("c1", 0, "mira", TURN["messages"], TURN["response"])


def test_turns_that_were_written_are_read_back_the_same(tmp_path: Path) -> None:
    first = one(lines(tmp_path / "a.jsonl", TURN | {"thumb": 1, "continued": False}), "turns").turns
    first.write_parquet(tmp_path / "b.parquet")
    assert one(tmp_path / "b.parquet", "turns").turns.equals(first)


@pytest.mark.parametrize("whole_list", [True, False])
def test_sharegpt_as_list_and_as_lines(tmp_path: Path, whole_list: bool) -> None:
    said = [{"from": "human", "value": 'a "], [{\\'}, {"from": "gpt", "value": "b"}]
    rows = [{"id": f"s{n}", "conversations": said} for n in range(3)]
    path = tmp_path / "a.json"
    path.write_text(json.dumps(rows, indent=1)) if whole_list else lines(path, *rows)
    turns = one(path, "sharegpt").turns
    assert turns["conversation_id"].to_list() == ["s0", "s1", "s2"]
    assert turns["messages"][0].to_list()[-1]["content"] == 'a "], [{\\'


def test_hh_rlhf_reads_the_chosen_dialogue(tmp_path: Path) -> None:
    row = {"chosen": "\n\nHuman: a\n\nb\n\nAssistant: c\n\nHuman: d\n\nAssistant: e", "rejected": "\n\nHuman: x"}
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(json.dumps(row).encode() + b"\n" + json.dumps({"chosen": SECRET}).encode()))
    batch = one(path, "hh-rlhf")
    assert batch.turns["response"].to_list() == ["c", "e"]
    assert batch.turns["messages"][0].to_list()[-1]["content"] == "a\n\nb"
    assert batch.quarantined["place"].to_list() == ["line 2"]


WILDCHAT = {"conversation_hash": "w", "model": "m", "timestamp": datetime(2023, 4, 9), "hashed_ip": "ip"}
WILDCHAT |= {"conversation": CHAT[:2], "language": "French", "toxic": False}
LMSYS = {"conversation_id": "l", "model": "m", "conversation": CHAT, "language": "Klingon", "turn": 2}


def test_wildchat_and_lmsys_from_parquet(tmp_path: Path) -> None:
    pl.DataFrame([WILDCHAT]).write_parquet(tmp_path / "w.parquet")
    pl.DataFrame([LMSYS]).write_parquet(tmp_path / "l.parquet")
    wild = one(tmp_path / "w.parquet", "wildchat").turns.to_dicts()[0]
    assert (wild["conversation_id"], wild["user_key"], wild["locale"]) == ("w", "ip", "fr")
    assert (wild["timestamp"].year, wild["model_version"], wild["continued"]) == (2023, "m", False)
    lmsys = one(tmp_path / "l.parquet", "lmsys").turns
    assert lmsys["continued"].to_list() == [True, False]
    assert set(lmsys["user_key"]) == {"l"}
    assert set(lmsys["locale"]) == {"en-US"}


def test_folder_that_datasets_saved(tmp_path: Path) -> None:
    import datasets

    datasets.disable_progress_bars()
    datasets.Dataset.from_list([LMSYS, LMSYS | {"conversation": []}]).save_to_disk(str(tmp_path / "saved"))
    batch = one(tmp_path / "saved", "lmsys")
    assert batch.turns.height == 2
    assert batch.dropped.height == 1


CSV = "user 1 personas,user 2 personas,Best Generated Conversation\n"
CSV_ROW = '"I bake.\nI knit.","I row.\nI am {n}.","User 1: a\nUser 2: b ""c""\n\n*User 1:* d\nUser 2: e\nf"\n'


def test_persona_chat(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(CSV + "".join(CSV_ROW.format(n=n) for n in range(3)))
    turns = one(path, "persona-chat").turns
    assert turns["response"].to_list() == ['b "c"', "e\nf"] * 3
    assert turns["persona_id"].n_unique() == 3
    assert turns["messages"][0].to_list()[0]["content"].endswith("- I row.\n- I am 0.")


# What is broken


NESTED = [None, 3, [1], {"role": "user"}, {"role": "king", "content": SECRET}, {"role": "user", "content": 1}]
BROKEN: dict[str, tuple[object, str]] = {
    "cut off": (b'{"messages": [{"role": "user", "content": "Zanzibar', "not valid JSON"),
    "Latin-1": (b'{"messages": "Zanzibar \xe9"}', "byte 24 is not UTF-8"),
    "NUL byte": (b'{"messages": "Zanzibar \0"}', "NUL"),
    "NUL escape": ({"messages": [{"role": "user", "content": SECRET + "\0"}]}, "NUL"),
    "surrogate": (b'{"messages": [{"role": "user", "content": "Zanzibar \\ud800"}]}', "surrogate"),
    "NaN": (b'{"messages": [], "timestamp": NaN}', "NaN is not JSON"),
    "key twice": (b'{"messages": [], "messages": ["Zanzibar"]}', "stands twice"),
    "no object": ([SECRET], "list where an object"),
    "deep": (b"[" * 3000 + b"]" * 3000, "nested too deeply"),
    "digits": (b'{"messages": ' + b"9" * 5000 + b"}", "digits"),
    "long": ({"messages": CHAT, "more": "Zanzibar" * 2000}, "above max_line_bytes (10,000)"),
    "no messages": (
        {"message": CHAT, SECRET + " " + SECRET: 1},
        "no key 'messages'; found message, 1 other; is 'message'",
    ),
    "text": ({"messages": SECRET}, "expected a list of messages, found str"),
    "time": ({"messages": CHAT, "timestamp": "Zanzibar"}, "timestamp: expected ISO 8601"),
    "milliseconds": ({"messages": CHAT, "timestamp": 1762072200000}, "seconds (not milliseconds)"),
    "infinite": (b'{"messages": [], "timestamp": 1e999}', "timestamp"),
    "image": ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "expected text, found list"),
    **{f"message {item!r:.20}": ({"messages": [item]}, "messages, message 1") for item in NESTED},
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_line_costs_itself(tmp_path: Path, name: str) -> None:
    row, sentence = BROKEN[name]
    path = lines(tmp_path / "a.jsonl", {"messages": CHAT}, row, {"messages": CHAT[:2]})
    batch = one(path)
    assert batch.turns.height == 3
    assert batch.quarantined.select("file", "place").rows() == [("a.jsonl", "line 2")]
    assert sentence in batch.quarantined["error"][0]
    assert batch.quarantined["raw"][0] == path.read_bytes().split(b"\n")[1]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("turn_index", wrong) for wrong in ("x", 2**40, True)),
        *(("thumb", wrong) for wrong in (1.5, 999)),
        *(("continued", 1), ("user_key", 7), ("response", None), ("messages", {}), ("timestamp", {})),
        *(("tool_calls", "x"), ("locale", [])),
    ],
)
def test_a_wrong_type_costs_its_row_and_names_the_field(tmp_path: Path, field: str, value: object) -> None:
    batch = one(lines(tmp_path / "a.jsonl", TURN, TURN | {field: value}), "turns")
    assert batch.turns.height == batch.quarantined.height == 1
    assert batch.quarantined["error"][0].startswith(field)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"response": "  "}, "response|check"),
        ({"locale": "english"}, "locale|regex"),
        ({"source": SECRET}, "source|check"),
        ({"thumb": 5}, "thumb|check"),
        ({"turn_id": "mine"}, "turn_id|regex"),
        ({"messages": [TURN["messages"][1], {"role": "assistant", "content": "x"}]}, "user_message_last"),
    ],
)
def test_a_turn_that_breaks_a_rule_names_it(tmp_path: Path, change: dict[str, Any], rule: str) -> None:
    batch = one(lines(tmp_path / "a.jsonl", TURN, TURN | change, TURN), "turns")
    assert batch.turns.height == 2
    assert batch.quarantined["place"].to_list() == ["line 2"]
    assert rule in batch.quarantined["error"][0]
    assert json.loads(batch.quarantined["raw"][0])["conversation_id"] == "c1"


def test_repeated_ids_pass_and_only_the_bad_one_among_them_fails(tmp_path: Path) -> None:
    same = TURN | {"turn_id": "0" * 32}
    batch = one(lines(tmp_path / "a.jsonl", same, same | {"locale": "english"}, same), "turns")
    assert batch.turns["turn_id"].to_list() == ["0" * 32] * 2
    assert batch.quarantined.height == 1


def test_no_reply_is_dropped_each_with_its_own_id(tmp_path: Path) -> None:
    mute = {"messages": CHAT[:1]}
    batch = one(lines(tmp_path / "a.jsonl", mute, mute, {"messages": []}, b"", {"messages": CHAT[1:2]}))
    assert batch.dropped.select("stage", "reason").unique().rows() == [("read", "no reply")]
    assert batch.dropped["turn_id"].n_unique() == 4
    assert batch.turns.is_empty()


def test_an_endless_line_is_not_held_beyond_the_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "KEPT_BYTES", 3 * text.CHUNK)
    path = lines(tmp_path / "a.jsonl", b"x" * (5 * text.CHUNK), {"messages": CHAT})
    batch = one(path)
    assert batch.turns.height == 2
    assert "5,242,881 bytes long" in batch.quarantined["error"][0]
    assert len(batch.quarantined["raw"][0]) == 3 * text.CHUNK


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_a_utf16_file_costs_itself(tmp_path: Path, encoding: str) -> None:
    raw = json.dumps({"messages": CHAT}).encode(encoding)
    (tmp_path / "a.jsonl").write_bytes(raw)
    assert "UTF-16" in problem(tmp_path)
    lines(tmp_path / "b.jsonl", {"messages": CHAT})
    batch = one(tmp_path)
    assert batch.turns.height == 2
    assert batch.problems == ["a.jsonl: the file is UTF-16; save it as UTF-8."]
    assert batch.quarantined.select("file", "place", "raw").rows() == [("a.jsonl", "whole file", raw)]


def test_a_byte_order_mark_and_windows_line_ends_are_fine(tmp_path: Path) -> None:
    row = json.dumps({"messages": CHAT}).encode()
    (tmp_path / "a.jsonl").write_bytes(b"\xef\xbb\xbf" + row + b"\r\n\r\n" + row)
    assert one(tmp_path).turns.height == 4


def test_a_truncated_gzip_keeps_what_came_before(tmp_path: Path) -> None:
    rows = [{"messages": CHAT, "conversation_id": str(random.Random(n).random())} for n in range(400)]
    raw = gzip.compress(b"\n".join(json.dumps(row).encode() for row in rows))[:-400]
    (tmp_path / "a.jsonl.gz").write_bytes(raw)
    found = batches(tmp_path, rows=10_000)
    assert found[0].turns.height > 2
    assert "cut off or damaged after line" in found[0].quarantined["error"][-1]
    assert found[0].quarantined["raw"][-1] == raw


def test_a_list_that_is_cut_off_costs_its_last_item(tmp_path: Path) -> None:
    item = {"conversations": [{"from": "human", "value": SECRET}, {"from": "gpt", "value": "b"}]}
    (tmp_path / "a.json").write_text(json.dumps([item, SECRET, item, item])[:-20])
    batch = one(tmp_path, "sharegpt")
    assert batch.turns.height == 2
    assert batch.quarantined["place"].to_list() == ["item 2", "item 4"]


def test_a_list_is_cut_the_same_at_any_chunk_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = [{"from": "human", "value": '\\"],[{\\\\"}' * 3}, {"from": "gpt", "value": "\\"}]
    (tmp_path / "a.json").write_text(json.dumps([{"conversations": said}] * 3))
    whole = one(tmp_path, "sharegpt").turns
    assert whole.height == 3
    for size in (1, 2, 3, 7):
        monkeypatch.setattr(text, "CHUNK", size)
        with (tmp_path / "a.json").open("rb") as stream:
            assert [json.loads(piece.raw)["conversations"] for piece in text._items(stream) if piece.raw] == [said] * 3


def parquet(path: Path, mute: int = -1) -> bytes:
    """30 turns in row groups of 10; the reply of one may be empty, which breaks a rule."""
    row = TURN | {"timestamp": datetime(2026, 11, 2, tzinfo=UTC)}
    rows = [row | {"conversation_id": f"c{n}", "response": "" if n == mute else "yes"} for n in range(30)]
    pl.DataFrame(rows).write_parquet(path, row_group_size=10)
    return path.read_bytes()


def test_a_truncated_parquet_file_costs_itself(tmp_path: Path) -> None:
    raw = parquet(tmp_path / "a.parquet")[:-100]
    (tmp_path / "a.parquet").write_bytes(raw)
    assert "a.parquet, whole file: not a whole Parquet file" in problem(tmp_path, "turns")
    parquet(tmp_path / "b.parquet")
    batch = one(tmp_path, "turns")
    assert batch.turns.height == 30
    assert batch.records == 31
    assert batch.quarantined.select("file", "place", "raw").rows() == [("a.parquet", "whole file", raw)]


def test_a_damaged_row_group_costs_itself(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    raw = bytearray(parquet(tmp_path / "a.parquet", mute=25))
    group = pq.ParquetFile(tmp_path / "a.parquet").metadata.row_group(1)
    start = group.column(0).dictionary_page_offset or group.column(0).data_page_offset
    raw[start : start + 60] = b"\xff" * 60
    (tmp_path / "a.parquet").write_bytes(raw)
    batch = one(tmp_path, "turns")
    assert batch.turns["conversation_id"].to_list() == [f"c{n}" for n in range(30) if not 10 <= n < 20 and n != 25]
    assert batch.quarantined["place"].to_list() == ["rows 11-20", "row 26"]
    assert batch.quarantined["raw"][0].startswith(b"\xff" * 60)


def test_text_that_is_not_utf8_in_parquet_costs_its_row(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    parquet(tmp_path / "a.parquet")
    table = pq.read_table(tmp_path / "a.parquet")
    wrong = pa.array([b"fine" if n != 7 else b"Zanzibar \xe9" for n in range(30)])
    wrong = pa.Array.from_buffers(pa.string(), 30, wrong.buffers())
    for column in ("response", "persona_id"):
        at = table.schema.get_field_index(column)
        pq.write_table(table.set_column(at, column, wrong), tmp_path / "a.parquet")
        batch = one(tmp_path, "turns")
        assert batch.turns.height == 29
        assert batch.quarantined["place"].to_list() == ["row 8"]
        assert b"\\xe9" in batch.quarantined["raw"][0]


def test_a_missing_column_names_it_those_found_and_the_nearest(tmp_path: Path) -> None:
    pl.DataFrame([TURN | {"timestamp": datetime(2026, 11, 2)}]).rename({"response": "responses"}).write_parquet(
        tmp_path / "a.parquet"
    )
    sentence = problem(tmp_path, "turns")
    assert "no column 'response'; found conversation_id, turn_index" in sentence
    assert "is 'responses' meant?" in sentence


def test_a_csv_without_header_does_not_tell_its_text(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f"{SECRET},b,c\n")
    assert "no column 'user 1 personas'; found 3 others" in problem(tmp_path, "persona-chat")


@pytest.mark.parametrize(
    "broken",
    [
        b'"I bake "a lot.\nI knit.","I row.","User 1: a, b, c\nUser 1: d, e, f\nUser 2: b"\n',
        b'"I bake.\nI knit.","I row.\nI am","User 1: a\nUser 2: b\n',
        b'"I bake.","I row.","User 1: a \xe9\nUser 2: b"\n',
        b'"I bake.","I row.","User 1: a\nUser 2: b",""\n',
        b'"I bake.","I row.","User 2 says b"\n',
        b'"I bake.","","User 1: a\nUser 2: b"\n',
        b'"I bake.","I row.","User 1: ' + b"long\n" * 4000 + b'User 2: b"\n',
    ],
)
def test_a_broken_csv_record_costs_itself(tmp_path: Path, broken: bytes) -> None:
    rows = [CSV_ROW.format(n=n).encode() for n in range(6)]
    (tmp_path / "a.csv").write_bytes(CSV.encode() + b"".join(rows[:3]) + broken + b"".join(rows[3:]))
    batch = one(tmp_path, "persona-chat")
    assert batch.turns.height == 12
    assert batch.quarantined["raw"].to_list() == [broken.removesuffix(b"\n")]


def test_files_and_paths_that_cannot_be_meant(tmp_path: Path) -> None:
    assert "no such file or directory" in problem(tmp_path / "gone")
    assert "the directory is empty" in problem(tmp_path)
    (tmp_path / "a.csv").write_text(CSV)
    assert "reads .parquet, .jsonl, .jsonl.gz, found .csv" in problem(tmp_path / "a.csv", "turns")
    assert "found only .csv" in problem(tmp_path, "turns")
    assert "did you mean 'sharegpt'" in problem(tmp_path, "share-gpt")
    (tmp_path / "a.csv").rename(tmp_path / "a.jsonl")
    assert "a.jsonl, line 1: not valid JSON" in problem(tmp_path, "turns")
    (tmp_path / "a.jsonl").write_bytes(b"")
    assert "a.jsonl: the file is empty" in problem(tmp_path)
    lines(tmp_path / "b.jsonl", {"messages": CHAT})
    assert one(tmp_path).problems == ["a.jsonl: the file is empty; it adds no turns."]


def test_a_name_that_the_hub_does_not_give_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    def offline(name: str, streaming: bool) -> None:
        assert (name, streaming) == ("someone/some-chats", True)
        raise ConnectionError("offline")

    monkeypatch.setattr(datasets, "load_dataset", offline)
    assert "ConnectionError" in problem(Path("someone/some-chats"), "wildchat")


# What always holds

RAW = st.one_of(
    st.sampled_from([json.dumps({"messages": CHAT}).encode(), json.dumps({"messages": CHAT[:1]}).encode()]),
    st.binary(max_size=40).map(lambda raw: b"\xff" + raw.replace(b"\n", b"").replace(b"\r", b"") + b"\xff"),
    st.recursive(
        st.none()
        | st.booleans()
        | st.floats()
        | st.text(max_size=5)
        | st.sampled_from(["user", "assistant", "system"]),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["role", "content"]), inner),
        max_leaves=12,
    ).map(lambda value: json.dumps({"messages": value}).encode()),
)


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(RAW, max_size=8), size=st.integers(2, 5))
@example(rows=[json.dumps({"messages": CHAT * 5}).encode()], size=3)
def test_nothing_is_lost_and_batches_do_not_matter(tmp_path: Path, rows: list[bytes], size: int) -> None:
    path = lines(tmp_path / "a.jsonl", json.dumps({"messages": CHAT}).encode(), *rows)
    small, whole = batches(path, rows=size), one(path, rows=10_000)
    assert all(batch.turns.height <= size for batch in small)
    for frames in ("turns", "quarantined", "dropped"):
        assert pl.concat([getattr(batch, frames) for batch in small]).equals(getattr(whole, frames))
    places = set(whole.quarantined["place"])
    assert whole.records >= len(rows) + 2
    assert len(places) <= len(rows)
    for place, raw in whole.quarantined.select("place", "raw").rows():
        assert place != "line 1"
        assert raw == rows[int(place.split()[1]) - 2] or b"turn_id" in raw


def test_long_histories_end_a_batch_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("curation.readers.BATCH_BYTES", 2000)
    found = batches(lines(tmp_path / "a.jsonl", {"messages": CHAT * 10}), rows=1000)
    assert len(found) > 3
    assert sum(batch.turns.height for batch in found) == 20


def test_tables_are_read_a_few_rows_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parquet(tmp_path / "a.parquet")
    sizes: list[int] = []
    rows_of = tables._batch_rows

    def watched(batch: Any, name: str, number: int) -> Iterator[Record]:
        sizes.append(len(batch))
        return rows_of(batch, name, number)

    monkeypatch.setattr(tables, "_batch_rows", watched)
    assert [batch.turns.height for batch in batches(tmp_path, "turns", rows=4)] == [4] * 7 + [2]
    assert max(sizes) == 4
