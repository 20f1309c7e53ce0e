"""Texts whose personal data people have marked, read for `python -m curation privacy-eval`.

Three formats: `presidio` (presidio-research's JSON: a list of `{full_text, spans: [{entity_type, start_position,
end_position}]}`), `conll` (a token and its tag a line, sentences divided by empty lines: WNUT-17's two columns with a
tab, CoNLL-2003's four with spaces), `turns` (a Parquet file of turns with `NAME_gold.parquet` beside it: one row a
span, `conversation_id`, `turn_index`, `role`, `start`, `end`, `type`, where `user` is the turn's last message).
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from schemas.problems import Problem

FORMATS = ("presidio", "conll", "turns")
GOLD = "_gold"


class Span(NamedTuple):
    """A marked stretch of a text: characters `start` to `end`, half open, and its type in capitals."""

    start: int
    end: int
    type: str


class Document(NamedTuple):
    """A text and what is marked in it.

    Attributes:
        id: Where it stands: `record 3`, `line 120`, `turn 5f0c... user`.
        conversation: Which conversation it belongs to; a text by itself is one of its own.
        text: The text.
        spans: What is marked, in order.
    """

    id: str
    conversation: str
    text: str
    spans: tuple[Span, ...]


def guess_format(path: Path) -> str:
    """The format that a file's name tells of."""
    return {".json": "presidio", ".parquet": "turns"}.get(path.suffix, "conll")


def read_gold(path: Path, format: str) -> tuple[list[Document], pl.DataFrame | None]:
    """Read marked texts.

    Args:
        path: A file.
        format: One of `FORMATS`.

    Returns:
        The texts; and, where they are turns, the frame of turns they stand in.

    Raises:
        Problem: The file is not what it should be; names the line, record or row.
    """
    if not path.is_file():
        raise Problem(f"{path}: no such file; give a file with marked personal data ({', '.join(FORMATS)}).")
    if format == "turns":
        return _turns(path)
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Problem(f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8.") from None
    documents = list(_presidio(path, text) if format == "presidio" else _conll(path, text))
    if not documents:
        raise Problem(f"{path}: no texts in it; expected the format {format}.")
    return documents, None


def _presidio(path: Path, text: str) -> Iterator[Document]:
    try:
        records = json.loads(text)
    except ValueError as error:
        line = getattr(error, "lineno", 1)
        raise Problem(f"{path}, line {line}: not valid JSON; expected presidio-research's list of records.") from None
    if not isinstance(records, list):
        raise Problem(f"{path}, line 1: expected a list of records, as presidio-research writes them.")
    for number, record in enumerate(records, 1):
        place = f"record {number}"
        try:
            yield Document(place, place, *_record(record))
        except (KeyError, TypeError, ValueError, AttributeError):
            raise Problem(
                f"{path}, {place}: expected full_text and spans with entity_type, start_position and end_position "
                "within the text."
            ) from None


def _record(record: Any) -> tuple[str, tuple[Span, ...]]:
    text = record["full_text"]
    spans = sorted(
        Span(int(s["start_position"]), int(s["end_position"]), s["entity_type"].upper()) for s in record["spans"]
    )
    if not isinstance(text, str) or any(not 0 <= s.start < s.end <= len(text) for s in spans):
        raise ValueError
    return text, tuple(spans)


_TAG = re.compile(r"O|[BIES]-(\S+)")


def _conll(path: Path, text: str) -> Iterator[Document]:
    """Sentences, their tokens joined by one space each."""
    tokens: list[str] = []
    tags: list[str] = []
    first = 1
    for number, line in enumerate([*text.split("\n"), ""], 1):
        if not line.strip() or line.startswith("-DOCSTART-"):
            if tokens:
                yield Document(f"line {first}", f"line {first}", " ".join(tokens), tuple(_spans(tokens, tags)))
            tokens, tags = [], []
            continue
        columns = line.rstrip("\r").split("\t") if "\t" in line else line.split()
        if len(columns) < 2 or not _TAG.fullmatch(columns[-1].strip()):
            raise Problem(
                f"{path}, line {number}: expected a token and a tag such as O, B-person or I-PER, or an empty line."
            )
        first = first if tokens else number
        tokens.append(columns[0])
        tags.append(columns[-1].strip())


def _spans(tokens: list[str], tags: list[str]) -> Iterator[Span]:
    """Runs of tags: B, S and a change of type begin one; I goes on, and begins one where none is open (CoNLL-2003)."""
    at, start, end, kind = 0, 0, 0, ""
    for token, tag in zip(tokens, tags, strict=True):
        new = "" if tag == "O" else tag[2:].upper()
        if kind and (new != kind or tag[0] in "BS"):
            yield Span(start, end, kind)
            kind = ""
        if new:
            start, end, kind = (start if kind else at), at + len(token), new
        at += len(token) + 1
    if kind:
        yield Span(start, end, kind)


_COLUMNS = ("conversation_id", "turn_index", "role", "start", "end", "type")


def _turns(path: Path) -> tuple[list[Document], pl.DataFrame]:
    """Every turn's last message and its reply."""
    if path.stem.endswith(GOLD):
        path = path.with_stem(path.stem.removesuffix(GOLD))
    turns = _parquet(path, ("turn_id", "conversation_id", "turn_index", "persona_id", "locale", "messages", "response"))
    beside = path.with_stem(path.stem + GOLD)
    marked: defaultdict[tuple[str, int, str], list[Span]] = defaultdict(list)
    for conversation, index, role, start, end, kind in _parquet(beside, _COLUMNS).select(_COLUMNS).iter_rows():
        marked[conversation, index, role].append(Span(start, end, str(kind).upper()))
    said = turns.select(
        "turn_id", "conversation_id", "turn_index", pl.col("messages").list.last().struct.field("content"), "response"
    )
    documents = []
    for turn, conversation, index, message, response in said.iter_rows():
        for role, text in (("user", message), ("assistant", response)):
            spans = tuple(sorted(marked.pop((conversation, index, role), [])))
            if any(not 0 <= s.start < s.end <= len(text) for s in spans):
                raise Problem(f"{beside}: a span of turn {turn} ends beyond its text; make both files anew.")
            documents.append(Document(f"turn {turn} {role}", conversation, text, spans))
    if marked:
        raise Problem(f"{beside}: {len(marked)} marked messages are not in {path.name}; make both files anew.")
    return documents, turns


def _parquet(path: Path, columns: tuple[str, ...]) -> pl.DataFrame:
    try:
        frame = pl.read_parquet(path)
    except FileNotFoundError:
        raise Problem(f"{path}: no such file; the format turns reads NAME.parquet and NAME{GOLD}.parquet.") from None
    except (pl.exceptions.PolarsError, OSError):
        raise Problem(f"{path}: not a Parquet file; expected turns or their marked spans.") from None
    if missing := [name for name in columns if name not in frame.columns]:
        raise Problem(f"{path}: no column {missing[0]}; expected {', '.join(columns)}.")
    return frame
