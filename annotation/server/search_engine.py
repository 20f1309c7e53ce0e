"""A search engine for argilla-server on one SQLite file, in place of Elasticsearch.

Import this module in every process of the server that searches or indexes (web server, RQ worker, command line) and set
`ARGILLA_SEARCH_ENGINE=sqlite`. Nothing else is needed. The file is `search.db` in `ARGILLA_HOME_PATH`, or where
`ARGILLA_SEARCH_PATH` says. It holds a copy of the messages' words, so it is readable by its owner alone.

The file is a cache of Argilla's database. What keeps it right:

- The server tells the engine of every change after it is committed. Each call is one short transaction (WAL, 30 s of
  patience), so that a kill at any moment leaves a whole index that lacks the last change at worst.
- When two changes of a record arrive in the wrong order, the record is read from the database again.
- Before each answer the engine looks at the database for what is deleted without its being told: records, and users (whose
  responses go with them). It never returns a record that is gone.
- The first `ping` of a process (the server pings when it starts) compares every record, response, suggestion and vector
  with the database, and reads again what differs. The same by hand: `await rebuild_if_stale()`, or
  `python search_engine.py check | repair | rebuild` in the server's environment (exit status of `check`: 1 if they differ).

A dataset the database does not hold (yet, or in a transaction still open) is searched as it was indexed.

How text is found: words are cut and lowered here, in Python, much as Elasticsearch's standard analyzer does, and stored
separated by blanks in an FTS5 table for each dataset. Accents count. Scripts written without blanks and emoji are cut into
characters, and a run of them in a query is a phrase. Queries follow the grammar of Lucene's SimpleQueryParser.

Values to filter and sort by are rows of `cells`, clustered by column: metadata, suggestions and responses alike.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import hashlib
import json
import logging
import math
import os
import re
import sqlite3
import sys
import threading
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import sqlalchemy as sa
from argilla_server.database import database_url_sync
from argilla_server.enums import (
    DatasetStatus,
    MetadataPropertyType,
    QuestionType,
    ResponseStatusFilter,
    SimilarityOrder,
)
from argilla_server.models import (
    Dataset,
    MetadataProperty,
    Record,
    Response,
    Suggestion,
    User,
    Vector,
    VectorSettings,
)
from argilla_server.search_engine.base import (
    AndFilter,
    Filter,
    FloatMetadataMetrics,
    IntegerMetadataMetrics,
    MetadataFilterScope,
    MetadataMetrics,
    Order,
    RangeFilter,
    RecordFilterScope,
    ResponseFilterScope,
    SearchEngine,
    SearchResponseItem,
    SearchResponses,
    SuggestionFilterScope,
    TermsFilter,
    TermsMetrics,
    TextQuery,
)
from argilla_server.settings import settings
from sqlalchemy.orm import Session, selectinload

log = logging.getLogger(__name__)

VERSION = 1  # of the tables below; a file of another version is thrown away and filled again
TABLES = """
CREATE TABLE datasets (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id BLOB NOT NULL UNIQUE,
    fields TEXT NOT NULL,       -- JSON: field -> type, in the order of the columns of text_NUMBER
    metadata TEXT NOT NULL,     -- JSON: metadata property -> type
    questions TEXT NOT NULL     -- JSON: question -> type
);
CREATE TABLE records (
    doc INTEGER PRIMARY KEY AUTOINCREMENT, dataset INTEGER NOT NULL, id BLOB NOT NULL UNIQUE, external_id TEXT,
    status TEXT NOT NULL, inserted_at INTEGER NOT NULL, updated_at INTEGER NOT NULL,   -- microseconds since 1970, UTC
    lot INTEGER NOT NULL,       -- a number below PRIME drawn from the id, for each user's own order
    digest INTEGER NOT NULL
);
CREATE INDEX records_in_order ON records (dataset, inserted_at, id, status, lot);
CREATE INDEX records_by_status ON records (dataset, status);
CREATE TABLE responses (
    id BLOB PRIMARY KEY, dataset INTEGER NOT NULL, doc INTEGER NOT NULL, user BLOB NOT NULL, status TEXT NOT NULL,
    updated_at INTEGER NOT NULL
);
CREATE INDEX responses_by_doc ON responses (doc);
CREATE INDEX responses_by_user ON responses (dataset, user, status, doc);
CREATE TABLE columns (
    key INTEGER PRIMARY KEY, dataset INTEGER NOT NULL, scope TEXT NOT NULL, name TEXT NOT NULL,
    UNIQUE (dataset, scope, name)
);
CREATE TABLE cells (            -- one value each; a list is many
    key INTEGER NOT NULL, doc INTEGER NOT NULL, response BLOB NOT NULL, item INTEGER NOT NULL,
    user BLOB, text TEXT, number, PRIMARY KEY (key, doc, response, item)
) WITHOUT ROWID;
CREATE TABLE vectors (
    number INTEGER PRIMARY KEY AUTOINCREMENT, settings BLOB NOT NULL, doc INTEGER NOT NULL, value BLOB NOT NULL,
    UNIQUE (settings, doc)
);
CREATE INDEX vectors_by_doc ON vectors (doc);
CREATE TABLE parts (            -- digests of a record's responses, suggestions and vectors, to compare with the database
    doc INTEGER NOT NULL, part BLOB NOT NULL, digest INTEGER NOT NULL, PRIMARY KEY (doc, part)
) WITHOUT ROWID;
"""
PRIME = 2**31 - 1
MOST_TERMS = 2**14
CHUNK = 500  # records read from the database and written in one transaction when repairing


# --- The file ---------------------------------------------------------------------------------------------------------

_local = threading.local()


def path() -> Path:
    """Where the index lies."""
    return Path(os.environ.get("ARGILLA_SEARCH_PATH") or Path(settings.home_path) / "search.db")


def _connection() -> sqlite3.Connection:
    """This thread's connection; a new one after a fork, or where the file has been replaced."""
    where = path()
    with contextlib.suppress(FileNotFoundError):
        if getattr(_local, "of", None) == (os.getpid(), where, where.stat().st_ino):
            return _local.connection
    os.close(os.open(where, os.O_CREAT | os.O_RDWR, 0o600))
    try:
        connection = _open(where)
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError) and "locked" in str(error):
            raise
        log.warning("The search index cannot be read (%s): it is made again.", error)
        for suffix in ("", "-wal", "-shm"):
            Path(f"{where}{suffix}").unlink(missing_ok=True)
        os.close(os.open(where, os.O_CREAT | os.O_RDWR, 0o600))
        connection = _open(where)
    _local.connection, _local.of = connection, (os.getpid(), where, where.stat().st_ino)
    return connection


def _open(where: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(where, timeout=30, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA cache_size = -65536")
    connection.execute("PRAGMA temp_store = MEMORY")
    if connection.execute("PRAGMA user_version").fetchone()[0] != VERSION:
        with _transaction(connection):
            if connection.execute("PRAGMA user_version").fetchone()[0] not in (0, VERSION):
                raise sqlite3.DatabaseError("it is of another version")
            if not connection.execute("SELECT 1 FROM sqlite_master").fetchone():
                for statement in TABLES.split(";\n"):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {VERSION}")
    return connection


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """One transaction that holds the right to write from its start."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


# --- Words ------------------------------------------------------------------------------------------------------------

# Scripts whose words are not separated by blanks (Han, kana, Hangul, Thai, Lao, Burmese, Khmer), and emoji.
_ALONE = (
    "\u0e01-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u2190-\u21ff\u2300-\u23ff\u2600-\u27bf\u2b00-\u2bff"
    "\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u318f\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\uf900-\ufaff\uff66-\uff9f\U0001f000-\U0001faff\U00020000-\U0003ffff"
)
_MARKS = "".join(chr(c) for c in range(0x300, 0xFFFF) if unicodedata.category(chr(c))[0] == "M") + "\u200c\u200d"
_LETTERS = rf"[^\W_{_ALONE}]+(?:[{_MARKS}]+[^\W_{_ALONE}]*)*"
_WORD = re.compile(rf"{_LETTERS}(?:(?:'|(?<=\d)[.,](?=\d)){_LETTERS})*|[{_ALONE}]")
_CHARACTER = re.compile(f"[{_ALONE}]")

ANY = "*"  # a word in every record, so that a query may be "everything but"
BREAK = "¶"  # between the messages of a chat, so that no phrase reaches over


def words(text: str) -> list[str]:
    """The words of a text as they are indexed: lower case, characters of scripts without blanks alone."""
    return _WORD.findall(unicodedata.normalize("NFC", text).lower().replace("’", "'"))


def _runs(text: str) -> list[str]:
    """The words of a query; neighbours that were cut into characters stay together, separated by blanks."""
    runs: list[str] = []
    end = -1
    for match in _WORD.finditer(unicodedata.normalize("NFC", text).lower().replace("’", "'")):
        alone = _CHARACTER.match(match[0]) is not None
        if alone and match.start() == end:
            runs[-1] += " " + match[0]
        else:
            runs.append(match[0])
        end = match.end() if alone else -1
    return runs


def _strings(value: Any) -> Iterator[str]:
    """All text inside a JSON value; of a chat's messages, the contents."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            chat = isinstance(item, dict) and item.keys() == {"role", "content"}
            yield from _strings(item["content"] if chat else item)
    elif isinstance(value, dict):
        for name, item in value.items():
            yield str(name)
            yield from _strings(item)
    elif value is not None:
        yield str(value)


def _indexed_text(value: Any) -> str:
    return f" {BREAK} ".join(" ".join(words(text)) for text in _strings(value))


# --- The query language -----------------------------------------------------------------------------------------------


class SimpleQuery:
    """Elasticsearch's simple_query_string, AND by default, as an FTS5 expression.

    `+` and, `|` or, `-` not, `"..."` a phrase, `"..."~N` a phrase with up to N words in between, `word*` a beginning,
    `word~N` up to N letters off, `( )` precedence, `\\` takes the next character as it is. Operators bind from left to
    right; what makes no sense is ignored. The grammar is that of Lucene's SimpleQueryParser.

    Args:
        columns: Columns of the FTS5 table to search in.
        similar: Gives the indexed words within a number of edits of a word.
    """

    DEPTH = 20  # parentheses deeper than this are ignored: FTS5's parser has a stack of fixed size
    LEAVES = 1024

    def __init__(self, columns: Sequence[str], similar: Callable[[str, int], list[str]]) -> None:
        self.columns = "{" + " ".join(columns) + "}"
        self.similar = similar
        self.leaves = 0

    def parse(self, text: str) -> str | None:
        """The expression for MATCH, or None where the text holds nothing to search for (and nothing is found)."""
        return f'rest : "{ANY}"' if text.strip() == "*" else self._group(text, 0)

    def _group(self, text: str, depth: int) -> str | None:
        parts: list[str] = []
        joined = ""  # what joins the parts
        operator = ""
        negated = False
        at = 0
        while at < len(text):
            sign, found = text[at], None
            if sign == "-":
                negated = not negated
                at += 1
                continue
            if sign == "(" and depth < self.DEPTH and (end := _closing(text, at + 1)) >= 0:
                found = self._group(text[at + 1 : end], depth + 1)
                at = end + 1
                operator = operator if found else ""
            elif sign == '"' and (end := _unescaped(text, at + 1, '"')) >= 0:
                phrase, slop, at = text[at + 1 : end], 0, end + 1
                if text[at : at + 1] == "~":
                    slop, at = _number(text, at)
                found = self._phrase(_plain(phrase), slop)
                operator = operator if found else ""
            elif sign in "+|":
                if parts and not operator:
                    operator = "AND" if sign == "+" else "OR"
                at += 1
            elif sign in '()" \t\n\r':
                at += 1
            else:
                found, at = self._word(text, at)
                operator = operator if found else ""
            if found and self.leaves <= self.LEAVES:
                if negated:
                    found = f'(rest : "{ANY}" NOT {found})'
                if parts:
                    operator = operator or "AND"
                    if joined not in ("", operator):
                        parts = ["(" + f" {joined} ".join(parts) + ")"]
                    joined = operator
                parts.append(found)
                operator = ""
            negated = False
        return "(" + f" {joined} ".join(parts) + ")" if parts else None

    def _word(self, text: str, at: int) -> tuple[str | None, int]:
        """A word with what is said at its end, and where it ends."""
        start, prefix = at, False
        while at < len(text) and text[at] not in '"|+() \t\n\r':
            if text[at] == "~" and at > start:
                token = _plain(text[start:at])
                edits, at = _number(text, at)
                return self._any_of(token, min(edits, 2)), at
            prefix = text[at] == "*" and at > start
            at += 2 if text[at] == "\\" else 1
        at = min(at, len(text))
        return self._all_of(_plain(text[start : at - prefix]), prefix), at

    def _all_of(self, token: str, prefix: bool) -> str | None:
        runs = _runs(token)
        leaves = [self._leaf(f'"{run}"') for run in runs]
        if leaves and prefix:
            leaves[-1] += " *"
        return "(" + " AND ".join(leaves) + ")" if leaves else None

    def _any_of(self, token: str, edits: int) -> str | None:
        if not edits:
            return self._all_of(token, prefix=False)
        groups = []
        for word in words(token):
            close = self.similar(word, edits) or [word]
            groups.append("(" + " OR ".join(self._leaf(f'"{term}"') for term in close) + ")")
        return "(" + " AND ".join(groups) + ")" if groups else None

    def _phrase(self, text: str, slop: int) -> str | None:
        sequence = words(text)
        if not sequence:
            return None
        if slop and len(sequence) > 1:
            return self._leaf("NEAR(" + " ".join(f'"{word}"' for word in sequence) + f", {min(slop, 10**6)})")
        return self._leaf('"' + " ".join(sequence) + '"')

    def _leaf(self, phrase: str) -> str:
        self.leaves += 1
        return f"{self.columns} : {phrase}"


def _plain(text: str) -> str:
    """The text without the backslashes that took the meaning from other characters."""
    return re.sub(r"\\(.?)", r"\1", text, flags=re.S)


def _unescaped(text: str, start: int, sign: str) -> int:
    """Where the sign comes next with no backslash before it, or -1."""
    at = start
    while at < len(text) and text[at] != sign:
        at += 2 if text[at] == "\\" else 1
    return at if at < len(text) else -1


def _closing(text: str, start: int) -> int:
    """Where the parenthesis opened just before `start` closes, or -1."""
    at, open_ = start, 1
    while at < len(text):
        open_ += {"(": 1, ")": -1}.get(text[at], 0)
        if not open_:
            return at
        at += 2 if text[at] == "\\" else 1
    return -1


def _number(text: str, at: int) -> tuple[int, int]:
    """The number after a tilde (2 if none, 0 if it is none), and where it ends."""
    match = re.compile(r'~([^"|+() \t\n\r]*)').match(text, at)
    assert match
    digits = match[1]
    value = 2 if not digits else int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 10 else 0
    return value, match.end()


def _within(word: str, terms: Sequence[str], edits: int, most: int = 10) -> list[str]:
    """The terms nearest to a word by Levenshtein's distance, no more than `edits` away: one row at a time for all terms
    of a length, in numpy."""
    near: list[tuple[int, str]] = []
    letters = np.array([ord(letter) for letter in word])
    for length in range(max(1, len(word) - edits), len(word) + edits + 1):
        group = [term for term in terms if len(term) == length]
        if not group:
            continue
        codes = np.array(group).view(np.uint32).reshape(len(group), length)
        row = np.tile(np.arange(length + 1), (len(group), 1))
        for i, letter in enumerate(letters):
            above, row = row, np.empty_like(row)
            row[:, 0] = i + 1
            for j in range(length):
                swap = above[:, j] + (codes[:, j] != letter)
                row[:, j + 1] = np.minimum(np.minimum(above[:, j + 1], row[:, j]) + 1, swap)
        distance = row[:, -1]
        near += [(int(distance[i]), group[i]) for i in np.flatnonzero(distance <= edits)]
    return [term for _, term in sorted(near)[:most]]


# --- Values -----------------------------------------------------------------------------------------------------------


def _cells(value: Any) -> list[tuple[str | None, int | float | None]]:
    """A JSON value as text and as number, each once; a list gives many, an object none."""
    found: dict[tuple[str | None, int | float | None], None] = {}
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, list):
            found.update(dict.fromkeys(_cells(item)))
        elif isinstance(item, str):
            found[_text(item), _as_number(item)] = None
        elif isinstance(item, bool | int | float):
            found[json.dumps(item), _as_number(item)] = None
    return list(found)


def _text(value: Any) -> str:
    """A string SQLite can hold."""
    return str(value).encode("utf-8", "replace").decode("utf-8")


def _as_number(value: Any) -> int | float | None:
    if isinstance(value, str):
        if re.fullmatch(r"\s*[+-]?[0-9]{1,18}\s*", value):
            return int(value)
        with contextlib.suppress(ValueError):
            value = float(value) if "_" not in value else math.nan
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        value = float(value) if abs(value) < 10**300 else math.inf
    return value if isinstance(value, int | float) and math.isfinite(value) else None


def _microseconds(moment: datetime) -> int:
    """Microseconds since 1970; a moment without a zone is in UTC, as in Argilla's database."""
    since = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86400 + since.seconds) * 10**6 + since.microseconds


def _moment(value: Any, *, end: bool) -> int | None:
    """A bound of a date range in microseconds: ISO text or milliseconds. What the text leaves out of the time is the
    start of the day, hour, minute or second, or their end."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return int(value * 1000) if math.isfinite(value) and abs(value) < 10**15 else None
    text = str(value).strip()
    try:
        start = _microseconds(datetime.fromisoformat(text + "-01-01"[len(text) - 4 :] if len(text) in (4, 7) else text))
    except (ValueError, OverflowError):
        number = _as_number(text)
        return None if number is None else _moment(number, end=end)
    time = re.split("[Z+-]", text[11:].upper())[0]
    step = {0: 86400 * 10**6, 2: 3600 * 10**6, 5: 60 * 10**6, 8: 10**6}.get(len(time), 1)
    return start + step - 1 if end else start


COMPARED: dict[Any, tuple[str, ...]] = {
    Record: ("external_id", "inserted_at", "fields", "metadata_"),
    Response: ("user_id", "status", "values"),
    Suggestion: ("question_id", "type", "agent", "value", "score"),
    Vector: ("vector_settings_id", "updated_at"),
}


def _digest(kind: Any, thing: Any) -> int:
    """What the index keeps to tell whether it still agrees with the database: 48 bits, as SQLite adds many of them up.
    Objects and lists count as the JSON that Python writes."""
    values = [getattr(thing, name) for name in COMPARED[kind]]
    texts = [json.dumps(v) if isinstance(v, dict | list) else "null" if v is None else str(v) for v in values]
    content = "\x1f".join(texts)
    return int.from_bytes(hashlib.blake2b(content.encode("utf-8", "replace"), digest_size=6).digest(), "big")


# --- Datasets and their columns ---------------------------------------------------------------------------------------

SUGGESTION_KINDS = {"score": "number", "agent": "text", "type": "text"}
QUESTION_KINDS = {
    QuestionType.rating: "number",
    QuestionType.label_selection: "text",
    QuestionType.multi_label_selection: "text",
}  # the values of other questions are not indexed
METADATA_KINDS = {
    MetadataPropertyType.terms: "text",
    MetadataPropertyType.integer: "number",
    MetadataPropertyType.float: "number",
}


class _Index:
    """One dataset's part of the index, within a connection."""

    def __init__(self, connection: sqlite3.Connection, row: tuple[int, str, str, str]) -> None:
        self.connection = connection
        self.number = row[0]
        self.texts = f"text_{row[0]}"
        self.fields: dict[str, str] = json.loads(row[1])
        self.names = "".join(f"c{i}, " for i in range(len(self.fields)))
        self.metadata: dict[str, str] = json.loads(row[2])
        self.questions: dict[str, str] = json.loads(row[3])
        self.keys: dict[tuple[str, str], int] = {
            (scope, name): key
            for key, scope, name in connection.execute(
                "SELECT key, scope, name FROM columns WHERE dataset = ?", [self.number]
            )
        }

    @classmethod
    def find(cls, connection: sqlite3.Connection, dataset_id: UUID) -> _Index | None:
        row = connection.execute(
            "SELECT number, fields, metadata, questions FROM datasets WHERE id = ?", [dataset_id.bytes]
        ).fetchone()
        return cls(connection, row) if row else None

    @classmethod
    def create(cls, connection: sqlite3.Connection, dataset: Dataset) -> _Index:
        fields, metadata, questions = _shape(dataset)
        number = connection.execute(
            "INSERT INTO datasets (id, fields, metadata, questions) VALUES (?, ?, ?, ?)",
            [dataset.id.bytes, fields, metadata, questions],
        ).lastrowid
        names = "".join(f"c{i}, " for i in range(len(json.loads(fields))))
        connection.execute(
            f"CREATE VIRTUAL TABLE text_{number} USING fts5({names}rest, "
            """tokenize = "unicode61 remove_diacritics 0 categories 'L* M* N* P* S* C*'")"""
        )
        found = cls.find(connection, dataset.id)
        assert found
        return found

    def drop(self) -> None:
        docs = "(SELECT doc FROM records WHERE dataset = :number)"
        for statement in (
            f"DROP TABLE {self.texts}",
            "DELETE FROM cells WHERE key IN (SELECT key FROM columns WHERE dataset = :number)",
            "DELETE FROM columns WHERE dataset = :number",
            "DELETE FROM responses WHERE dataset = :number",
            f"DELETE FROM parts WHERE doc IN {docs}",
            f"DELETE FROM vectors WHERE doc IN {docs}",
            "DELETE FROM records WHERE dataset = :number",
            "DELETE FROM datasets WHERE number = :number",
        ):
            self.connection.execute(statement, {"number": self.number})

    def key(self, scope: str, name: str) -> int:
        if (scope, name) not in self.keys:
            self.keys[scope, name] = self.connection.execute(
                "INSERT INTO columns (dataset, scope, name) VALUES (?, ?, ?) RETURNING key",
                [self.number, scope, _text(name)],
            ).fetchone()[0]
        return self.keys[scope, name]

    def column(self, scope: Any) -> tuple[int, str] | None:
        """The key of what a scope names and whether it is text or a number; None where there is nothing of it."""
        if isinstance(scope, MetadataFilterScope):
            kind = METADATA_KINDS.get(self.metadata.get(scope.metadata_property))
            key = self.keys.get(("metadata", scope.metadata_property))
        elif isinstance(scope, SuggestionFilterScope):
            values = QUESTION_KINDS.get(self.questions.get(scope.question))
            kind = values if scope.property == "value" else SUGGESTION_KINDS.get(scope.property)
            key = self.keys.get((f"suggestion.{scope.property}", scope.question))
        elif isinstance(scope, ResponseFilterScope):
            kind = QUESTION_KINDS.get(self.questions.get(scope.question))
            key = self.keys.get(("response", scope.question))
        else:
            raise ValueError(f"Cannot process request for search scope {scope}")
        return (key, kind) if key and kind else None

    # Writing: always within a transaction.

    def write(self, record: Record) -> None:
        """Puts a record with all that hangs on it in the place of what was there."""
        self._clear(record.id)
        run = self.connection.execute
        doc = run(
            "INSERT INTO records (dataset, id, external_id, status, inserted_at, updated_at, lot, digest)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET external_id = excluded.external_id,"
            " status = excluded.status, inserted_at = excluded.inserted_at, updated_at = excluded.updated_at,"
            " digest = excluded.digest RETURNING doc",
            [
                self.number,
                record.id.bytes,
                None if record.external_id is None else _text(record.external_id),
                str(record.status),
                _microseconds(record.inserted_at),
                _microseconds(record.updated_at),
                record.id.int % PRIME,
                _digest(Record, record),
            ],
        ).fetchone()[0]
        texts = [
            "" if kind == "image" else _indexed_text(record.fields.get(name)) for name, kind in self.fields.items()
        ]
        others = _indexed_text([value for name, value in record.fields.items() if name not in self.fields])
        run(
            f"INSERT INTO {self.texts} (rowid, {self.names}rest) VALUES ({'?, ' * len(texts)}?, ?)",
            [doc, *texts, f"{ANY} {others}"],
        )
        for name, value in (record.metadata_ or {}).items():
            self._fill("metadata", name, doc, value)
        for suggestion in record.suggestions:
            self.write_suggestion(suggestion, doc)
        for response in record.responses:
            self.write_response(response, doc)
        for vector in record.vectors:
            run(
                "INSERT INTO vectors (settings, doc, value) VALUES (?, ?, ?)",
                [vector.vector_settings_id.bytes, doc, np.asarray(vector.value, dtype=np.float32).tobytes()],
            )
            self._part(doc, vector.vector_settings_id, _digest(Vector, vector))

    def write_suggestion(self, suggestion: Suggestion, doc: int) -> None:
        question = suggestion.question.name
        self.clear_suggestion(suggestion, doc)
        if self.questions.get(question) in QUESTION_KINDS:
            self._fill("suggestion.value", question, doc, suggestion.value)
        for name in SUGGESTION_KINDS:
            value = getattr(suggestion, name)
            self._fill(f"suggestion.{name}", question, doc, value)
        self._part(doc, suggestion.question_id, _digest(Suggestion, suggestion))

    def clear_suggestion(self, suggestion: Suggestion, doc: int) -> None:
        for name in ("value", *SUGGESTION_KINDS):
            key = self.key(f"suggestion.{name}", suggestion.question.name)
            self.connection.execute("DELETE FROM cells WHERE key = ? AND doc = ?", [key, doc])
        self.connection.execute("DELETE FROM parts WHERE doc = ? AND part = ?", [doc, suggestion.question_id.bytes])

    def write_response(self, response: Response, doc: int) -> None:
        self.clear_response(response.id.bytes, doc)
        self.connection.execute(
            "INSERT INTO responses (id, dataset, doc, user, status, updated_at) VALUES (?, ?, ?, ?, ?, ?)",
            [
                response.id.bytes,
                self.number,
                doc,
                response.user_id.bytes,
                str(response.status),
                _microseconds(response.updated_at),
            ],
        )
        for question, answer in (response.values or {}).items():
            if self.questions.get(question) in QUESTION_KINDS:
                self._fill("response", question, doc, answer.get("value"), response)
        self._part(doc, response.id, _digest(Response, response))

    def clear_response(self, response_id: bytes, doc: int) -> None:
        run = self.connection.execute
        run("DELETE FROM responses WHERE id = ?", [response_id])
        run("DELETE FROM parts WHERE doc = ? AND part = ?", [doc, response_id])
        for (scope, _), key in self.keys.items():
            if scope == "response":
                run("DELETE FROM cells WHERE key = ? AND doc = ? AND response = ?", [key, doc, response_id])

    def delete(self, record_ids: Iterable[UUID]) -> None:
        for record_id in record_ids:
            self._clear(record_id)
            self.connection.execute("DELETE FROM records WHERE id = ?", [record_id.bytes])

    def doc(self, record_id: UUID) -> int | None:
        row = self.connection.execute("SELECT doc FROM records WHERE id = ?", [record_id.bytes]).fetchone()
        return row[0] if row else None

    def _clear(self, record_id: UUID) -> None:
        """Takes away all of a record but its row."""
        doc = self.doc(record_id)
        if doc is None:
            return
        run = self.connection.execute
        run(f"DELETE FROM {self.texts} WHERE rowid = ?", [doc])
        for key in self.keys.values():
            run("DELETE FROM cells WHERE key = ? AND doc = ?", [key, doc])
        for table in ("responses", "parts", "vectors"):
            run(f"DELETE FROM {table} WHERE doc = ?", [doc])

    def _fill(self, scope: str, name: str, doc: int, value: Any, response: Response | None = None) -> None:
        key = self.key(scope, name)
        owner = (b"", None) if response is None else (response.id.bytes, response.user_id.bytes)
        self.connection.executemany(
            "INSERT INTO cells (key, doc, response, item, user, text, number) VALUES (?, ?, ?, ?, ?, ?, ?)",
            [(key, doc, owner[0], item, owner[1], *cell) for item, cell in enumerate(_cells(value))],
        )

    def _part(self, doc: int, part: UUID, digest: int) -> None:
        self.connection.execute("INSERT OR REPLACE INTO parts VALUES (?, ?, ?)", [doc, part.bytes, digest])


def _shape(dataset: Dataset) -> tuple[str, str, str]:
    """What the index must know of a dataset, as JSON: fields, metadata properties and questions with their types."""
    return (
        json.dumps({field.name: str(field.settings["type"]) for field in dataset.fields}),
        json.dumps({item.name: str(item.settings["type"]) for item in dataset.metadata_properties}),
        json.dumps({question.name: str(question.settings["type"]) for question in dataset.questions}),
    )


# --- Searching --------------------------------------------------------------------------------------------------------

Sql = tuple[str, list[Any]]
RECORD_COLUMNS = ("id", "external_id", "status", "inserted_at", "updated_at")


def _condition(index: _Index, filter: Filter) -> Sql:
    """A filter as a condition on `r`, the record."""
    if isinstance(filter, AndFilter):
        parts = [_condition(index, part) for part in filter.filters]
        return " AND ".join(f"({sql})" for sql, _ in parts) or "1", [value for _, values in parts for value in values]
    scope = filter.scope
    if isinstance(scope, RecordFilterScope):
        return _record_condition(filter)
    if isinstance(scope, ResponseFilterScope) and not scope.question:
        if scope.property != "status" or not isinstance(filter, TermsFilter):
            raise ValueError(f"Cannot process request for search scope {scope}")
        return _status_condition(index, filter)
    column = index.column(scope)
    if not column:
        return "0", []
    key, kind = column
    test, values = _test(kind, filter)
    user = scope.user if isinstance(scope, ResponseFilterScope) else None
    whose, who = (" AND user = ?", [user.id.bytes]) if user else ("", [])
    return f"r.doc IN (SELECT doc FROM cells WHERE key = ?{whose} AND {test})", [key, *who, *values]


def _test(kind: str, filter: Filter) -> Sql:
    """Whether a column of that kind holds one of the filter's terms or lies in its range. Terms and bounds may be text
    for numbers too; what cannot be read as a number is found nowhere."""
    read: Callable[[Any], Any] = _as_number if kind == "number" else _text
    if isinstance(filter, TermsFilter):
        terms = [term for term in map(read, filter.values) if term is not None]
        return f"{kind} IN ({', '.join('?' * len(terms))})", terms
    if not isinstance(filter, RangeFilter):
        raise ValueError(f"Cannot process request for filter {filter}")
    bounds = [(sign, read(bound)) for sign, bound in ((">=", filter.ge), ("<=", filter.le)) if bound is not None]
    if any(bound is None for _, bound in bounds):
        return "0", []
    return " AND ".join(f"{kind} {sign} ?" for sign, _ in bounds) or "1", [bound for _, bound in bounds]


def _record_condition(filter: Filter) -> Sql:
    name = filter.scope.property
    if name not in RECORD_COLUMNS:
        return "0", []
    if name in ("inserted_at", "updated_at"):
        ranges = (
            [(term, term) for term in filter.values] if isinstance(filter, TermsFilter) else [(filter.ge, filter.le)]
        )
        tests: list[str] = []
        moments: list[int | None] = []
        for start, end in ranges:
            bounds = [(">=", _moment(start, end=False))] if start is not None else []
            bounds += [("<=", _moment(end, end=True))] if end is not None else []
            tests.append(" AND ".join(f"r.{name} {sign} ?" for sign, _ in bounds) or "1")
            moments += [moment for _, moment in bounds]
        return " OR ".join(f"({test})" for test in tests) or "0", moments
    test, values = _test("text", filter)
    if name == "id":
        name = "lower(hex(r.id))"
        values = [value.replace("-", "").lower() for value in values]
    else:
        name = f"r.{name}"
    return test.replace("text ", f"{name} "), values


def _status_condition(index: _Index, filter: TermsFilter) -> Sql:
    """Records by the status of their responses; pending is where there is no response (of the user)."""
    user = filter.scope.user
    whose, who = (" AND user = ?", [user.id.bytes]) if user else ("", [])
    pending = ResponseStatusFilter.pending in filter.values
    statuses = [str(status) for status in filter.values if status != ResponseStatusFilter.pending]
    answered = f"SELECT doc FROM responses WHERE dataset = ?{whose}"
    base = [index.number, *who]
    parts: list[Sql] = []
    if pending:
        parts.append((f"r.doc NOT IN ({answered})", base))
    if statuses:
        parts.append((f"r.doc IN ({answered} AND status IN ({', '.join('?' * len(statuses))}))", [*base, *statuses]))
    if not parts:  # no status asked for: any response of the user, or any record
        return (f"r.doc IN ({answered})", base) if user else ("1", [])
    return " OR ".join(sql for sql, _ in parts), [value for _, values in parts for value in values]


def _sort_value(index: _Index, order: Order) -> Sql:
    """What to sort by, as an expression over `r`: of many values the least when ascending, the greatest when
    descending, and of many responses' numbers the mean."""
    scope, side = order.scope, "max" if str(order.order) == "desc" else "min"
    if isinstance(scope, RecordFilterScope):
        return (f"r.{scope.property}" if scope.property in RECORD_COLUMNS else "NULL"), []
    user = scope.user if isinstance(scope, ResponseFilterScope) else None
    whose, who = (" AND user = ?", [user.id.bytes]) if user else ("", [])
    if isinstance(scope, ResponseFilterScope) and not scope.question:
        if scope.property != "status":
            raise ValueError(f"Cannot process request for search scope {scope}")
        return f"(SELECT {side}(status) FROM responses WHERE doc = r.doc{whose})", who
    column = index.column(scope)
    if not column:
        return "NULL", []
    key, kind = column
    if isinstance(scope, ResponseFilterScope) and kind == "number":
        side = "avg"
    return f"(SELECT {side}({kind}) FROM cells WHERE key = ? AND doc = r.doc{whose})", [key, *who]


def _matching(index: _Index, query: TextQuery | str | None, filter: Filter | None) -> Sql:
    """The records that a query and a filter leave, as what follows FROM."""
    where, values = _condition(index, filter) if filter else ("1", [])
    if query is None:
        return f"records r WHERE r.dataset = ? AND ({where})", [index.number, *values]
    query = TextQuery(q=query) if isinstance(query, str) else query
    columns = [f"c{i}" for i in range(len(index.fields))] + ["rest"]
    if query.field:
        if query.field not in index.fields:
            raise ValueError(f"Field {query.field} not found in the dataset.")
        columns = [f"c{list(index.fields).index(query.field)}"]
    expression = SimpleQuery(columns, functools.partial(_similar, index)).parse(query.q)
    if expression is None:
        return "records r WHERE 0", []
    return (
        f"{index.texts} JOIN records r ON r.doc = {index.texts}.rowid WHERE {index.texts} MATCH ? AND ({where})",
        [expression, *values],
    )


def _similar(index: _Index, word: str, edits: int) -> list[str]:
    """Indexed words within that many edits of a word."""
    run = index.connection.execute
    run(f"CREATE VIRTUAL TABLE IF NOT EXISTS temp.words_{index.number} USING fts5vocab(main, {index.texts}, row)")
    terms = run(
        f"SELECT term FROM temp.words_{index.number} WHERE length(term) BETWEEN ? AND ?",
        [len(word) - edits, len(word) + edits],
    )
    return _within(word, [term for (term,) in terms], edits)


def _search(
    index: _Index,
    query: TextQuery | str | None,
    filter: Filter | None,
    sort: Sequence[Order],
    offset: int,
    limit: int,
    user_id: Any,
) -> SearchResponses:
    matching, values = _matching(index, query, filter)
    keys = [_sort_value(index, order) for order in sort]
    score = "1.0" if query is None else f"-bm25({index.texts})"
    if keys:
        score = "NULL"
    elif user_id:
        score += f" * {_luck(str(user_id))}"
    columns = "".join(f", {sql} AS s{i}" for i, (sql, _) in enumerate(keys))
    by = [f"s{i} {'DESC' if str(order.order) == 'desc' else 'ASC'} NULLS LAST" for i, order in enumerate(sort)]
    by = by or ["score DESC"] if query is not None or user_id else by
    rows = index.connection.execute(
        f"WITH hits AS MATERIALIZED (SELECT r.id AS id, r.inserted_at AS at, {score} AS score{columns} FROM {matching})"
        " SELECT NULL, count(*) FROM hits UNION ALL"
        f" SELECT * FROM (SELECT id, score FROM hits ORDER BY {', '.join([*by, 'at', 'id'])} LIMIT ? OFFSET ?)",
        [*[value for _, some in keys for value in some], *values, max(0, limit), min(max(0, offset), 2**60)],
    ).fetchall()
    items = [SearchResponseItem(record_id=UUID(bytes=id_), score=score) for id_, score in rows[1:]]
    return SearchResponses(items=items, total=rows[0][1])


def _luck(seed: str) -> str:
    """A number between 0 and 1 for each record, by its id and a seed: a line and then a square, modulo a prime."""
    a, b = (int.from_bytes(hashlib.sha256(f"{part} {seed}".encode()).digest()[:3], "big") + 1 for part in "ab")
    line = f"((r.lot * {a} + {b}) % {PRIME})"
    return f"(({line} * {line}) % {PRIME}) / {PRIME}.0"


# --- Similarity -------------------------------------------------------------------------------------------------------


class _Vectors:
    """The vectors of one kind in memory, as rows of length one; brought up to date from the file before each use."""

    KEPT = 8
    cache: dict[tuple[Any, bytes], _Vectors] = {}  # noqa: RUF012 - shared by the threads of a process on purpose

    def __init__(self, docs: np.ndarray, rows: np.ndarray, last: int) -> None:
        self.docs, self.rows, self.last = docs, rows, last

    @classmethod
    def read(cls, connection: sqlite3.Connection, kind: bytes, dimensions: int) -> _Vectors:
        key = (_local.of, kind)
        known = cls.cache.pop(key, None) or cls(np.empty(0, np.int64), np.empty((0, dimensions), np.float32), 0)
        for start in (known, cls(known.docs[:0], known.rows[:0], 0)):  # what is new, or all if something was deleted
            count, last = connection.execute(
                "SELECT count(*), coalesce(max(number), 0) FROM vectors WHERE settings = ?", [kind]
            ).fetchone()
            known = start if (count, last) == (len(start.docs), start.last) else start._with_new(connection, kind)
            if len(known.docs) == count:
                break
        cls.cache[key] = known
        while len(cls.cache) > cls.KEPT:
            cls.cache.pop(next(iter(cls.cache)), None)
        return known

    def _with_new(self, connection: sqlite3.Connection, kind: bytes) -> _Vectors:
        new = connection.execute(
            "SELECT number, doc, value FROM vectors WHERE settings = ? AND number > ? ORDER BY number",
            [kind, self.last],
        ).fetchall()
        size = self.rows.shape[1]
        new = [row for row in new if len(row[2]) == 4 * size]
        if not new:
            return self
        docs = np.array([doc for _, doc, _ in new], np.int64)
        rows = np.frombuffer(b"".join(value for _, _, value in new), np.float32).reshape(len(new), size)
        old = ~np.isin(self.docs, docs)
        return _Vectors(
            np.concatenate([self.docs[old], docs]), np.concatenate([self.rows[old], _unit(rows)]), new[-1][0]
        )


def _unit(vectors: np.ndarray) -> np.ndarray:
    """Rows of length one; what is zero stays so."""
    vectors = np.nan_to_num(vectors.astype(np.float32), posinf=0, neginf=0)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), np.float32(1e-30))


def _similarity(
    index: _Index,
    vector_settings: VectorSettings,
    value: Sequence[float],
    record_id: UUID | None,
    query: TextQuery | str | None,
    filter: Filter | None,
    count: int,
    threshold: float | None,
) -> SearchResponses:
    if len(value) != vector_settings.dimensions:
        raise ValueError(f"The vector has {len(value)} numbers where {vector_settings.dimensions} are expected.")
    vectors = _Vectors.read(index.connection, vector_settings.id.bytes, vector_settings.dimensions)
    matching, values = _matching(index, query, filter)
    allowed = [doc for (doc,) in index.connection.execute(f"SELECT r.doc FROM {matching}", values)]
    here = np.isin(vectors.docs, np.array(allowed, np.int64))
    if record_id:
        here &= vectors.docs != (index.doc(record_id) or 0)
    docs, scores = vectors.docs[here], (1 + vectors.rows @ _unit(np.array(value)))[here] / 2
    best = np.lexsort((docs, -scores))[: max(0, count)]
    ids = dict(
        index.connection.execute(
            f"SELECT doc, id FROM records WHERE doc IN ({', '.join('?' * len(best))})", docs[best].tolist()
        ).fetchall()
    )
    found = [(ids[doc], score) for doc, score in zip(docs[best].tolist(), scores[best].tolist(), strict=True)]
    items = [
        SearchResponseItem(record_id=UUID(bytes=id_), score=score)
        for id_, score in found
        if threshold is None or score >= threshold
    ]
    return SearchResponses(items=items, total=len(found))


# --- The database -----------------------------------------------------------------------------------------------------


@functools.cache
def _database() -> sa.Engine:
    """Argilla's database, to read from only. Connections are not kept: they must not outlive a fork."""
    url = database_url_sync()
    return sa.create_engine(url, poolclass=sa.NullPool, connect_args={"timeout": 5} if url.startswith("sqlite") else {})


def _is_held(db: Session, dataset_id: UUID) -> bool:
    """Whether the database knows the dataset as published. If not, there is nothing to compare with."""
    return db.scalar(sa.select(Dataset.id).filter_by(id=dataset_id, status=DatasetStatus.ready)) is not None


def _load(db: Session, record_ids: Sequence[UUID]) -> list[Record]:
    return list(
        db.scalars(
            sa.select(Record)
            .where(Record.id.in_(record_ids))
            .order_by(Record.inserted_at, Record.id)
            .options(
                selectinload(Record.responses),
                selectinload(Record.suggestions).selectinload(Suggestion.question),
                selectinload(Record.vectors),
            )
        )
    )


def _read_again(connection: sqlite3.Connection, record_ids: Sequence[UUID]) -> None:
    """Writes records as the database has them; within a transaction, so that nobody writes older states after."""
    with Session(_database()) as db:
        records = _load(db, record_ids)
        for dataset_id in {record.dataset_id for record in records}:
            if index := _Index.find(connection, dataset_id):
                _write(index, [record for record in records if record.dataset_id == dataset_id])


def _write(index: _Index, records: Iterable[Record]) -> None:
    """Writes records; one that cannot be written is left out and told of, by its id alone."""
    for record in records:
        index.connection.execute("SAVEPOINT record")
        try:
            index.write(record)
        except (ValueError, TypeError, AttributeError, OverflowError, sqlite3.IntegrityError) as error:
            index.connection.execute("ROLLBACK TO record")
            log.error("Record %s cannot be indexed: %s", record.id, type(error).__name__)
        index.connection.execute("RELEASE record")


def _forget_deleted(connection: sqlite3.Connection, dataset_id: UUID) -> None:
    """Takes out what the database has lost without the engine's being told: users' responses, and records.

    The index is read before the database: what is in the index was in the database before, so what is not there now has
    been deleted.
    """
    number = connection.execute("SELECT number FROM datasets WHERE id = ?", [dataset_id.bytes]).fetchone()
    if not number:
        return
    users = connection.execute(
        "WITH RECURSIVE each (user) AS (SELECT min(user) FROM responses WHERE dataset = :n UNION ALL"
        " SELECT (SELECT min(user) FROM responses WHERE dataset = :n AND user > each.user) FROM each WHERE user NOTNULL)"
        " SELECT user FROM each WHERE user NOTNULL",
        {"n": number[0]},
    ).fetchall()
    count = connection.execute("SELECT count(*) FROM records WHERE dataset = ?", number).fetchone()[0]
    with Session(_database()) as db:
        if not _is_held(db, dataset_id):
            return
        asked = {UUID(bytes=user) for (user,) in users}
        gone_users = asked - set(db.scalars(sa.select(User.id).where(User.id.in_(asked)))) if asked else set()
        fewer = count > (db.scalar(sa.select(sa.func.count(Record.id)).filter_by(dataset_id=dataset_id)) or 0)
    if gone_users:
        with _transaction(connection):
            if index := _Index.find(connection, dataset_id):
                for user in gone_users:
                    for response, doc in connection.execute(
                        "SELECT id, doc FROM responses WHERE dataset = ? AND user = ?", [index.number, user.bytes]
                    ).fetchall():
                        index.clear_response(response, doc)
    if fewer:
        ids = connection.execute("SELECT id FROM records WHERE dataset = ?", number).fetchall()
        with Session(_database()) as db:
            held = set(db.scalars(sa.select(Record.id).filter_by(dataset_id=dataset_id)))
        _delete(connection, dataset_id, [record_id for (id_,) in ids if (record_id := UUID(bytes=id_)) not in held])


def _gone(dataset_id: UUID, responses: SearchResponses) -> list[UUID]:
    """The records of an answer that the database does not hold any more."""
    ids = [item.record_id for item in responses.items]
    with Session(_database()) as db:
        if not ids or not _is_held(db, dataset_id):
            return []
        held = set(db.scalars(sa.select(Record.id).where(Record.id.in_(ids))))
    return [record_id for record_id in ids if record_id not in held]


def _delete(connection: sqlite3.Connection, dataset_id: UUID, record_ids: Iterable[UUID]) -> None:
    with _transaction(connection):
        if index := _Index.find(connection, dataset_id):
            index.delete(record_ids)


State = dict[str, tuple[int, str, int, int]]  # by a record's id in hexadecimal


def _state_of_index(index: _Index) -> State:
    rows = index.connection.execute(
        "SELECT lower(hex(r.id)), r.digest, r.status, r.updated_at, coalesce(sum(p.digest), 0)"
        " FROM records r LEFT JOIN parts p ON p.doc = r.doc WHERE r.dataset = ? GROUP BY r.doc",
        [index.number],
    )
    return {row[0]: row[1:] for row in rows}


def _state_of_database(db: Session, dataset_id: UUID, only: Sequence[str] = ()) -> State:
    """What `_state_of_index` would be if the index held what the database holds.

    Objects are taken as the text that is stored, which is faster; those of the records of `only` are parsed, as they may
    have been stored in another style than Python's.
    """

    def rows(kind: Any, of: Any, *more: Any) -> Iterable[Any]:
        columns = [getattr(kind, name) for name in COMPARED[kind]]
        if not only:
            objects = ("fields", "metadata_", "values")
            columns = [sa.cast(c, sa.Text).label(c.key) if c.key in objects else c for c in columns]
        query = sa.select(_hexadecimal(of).label("hex"), *columns, *more).where(Record.dataset_id == dataset_id)
        if only:
            query = query.where(Record.id.in_([UUID(id_) for id_ in only]))
        return db.execute(query if kind is Record else query.join(Record, Record.id == of))

    parts: dict[str, int] = {}
    for kind in (Response, Suggestion, Vector):
        for row in rows(kind, kind.record_id):
            parts[row.hex] = parts.get(row.hex, 0) + _digest(kind, row)
    return {
        row.hex: (_digest(Record, row), str(row.status), _microseconds(row.updated_at), parts.get(row.hex, 0))
        for row in rows(Record, Record.id, Record.status, Record.updated_at)
    }


def _hexadecimal(column: Any) -> Any:
    return sa.func.replace(sa.cast(column, sa.String), "-", "")


def _differences(connection: sqlite3.Connection, dataset_id: UUID) -> tuple[list[UUID], list[UUID]]:
    """Records to read again, and records to take out."""
    index = _Index.find(connection, dataset_id)
    indexed = _state_of_index(index) if index else {}
    with Session(_database()) as db:
        held = _state_of_database(db, dataset_id)
        other = [id_ for id_, state in held.items() if id_ in indexed and indexed[id_] != state]
        for start in range(0, len(other), CHUNK):
            held |= _state_of_database(db, dataset_id, other[start : start + CHUNK])
    return (
        [UUID(id_) for id_, state in held.items() if indexed.get(id_) != state],
        [UUID(id_) for id_ in indexed if id_ not in held],
    )


def _repair(dataset_id: UUID, *, anew: bool, write: bool) -> int:
    """Makes a dataset's part of the index agree with the database.

    Args:
        dataset_id: A published dataset.
        anew: Fill it again whatever it holds.
        write: False only counts.

    Returns:
        How many records differed.
    """
    connection = _connection()
    with Session(_database()) as db:
        options = (Dataset.fields, Dataset.metadata_properties, Dataset.questions)
        dataset = db.scalar(sa.select(Dataset).filter_by(id=dataset_id).options(*map(selectinload, options)))
        if dataset is None or not dataset.is_ready:
            return 0
        shape = _shape(dataset)
        if write:
            with _transaction(connection):
                index = _Index.find(connection, dataset_id)
                if index and (anew or (index.fields, index.questions) != (json.loads(shape[0]), json.loads(shape[2]))):
                    index.drop()
                    index = None
                if not index:
                    _Index.create(connection, dataset)
                connection.execute("UPDATE datasets SET metadata = ? WHERE id = ?", [shape[1], dataset_id.bytes])
    stale, gone = _differences(connection, dataset_id)
    if write:
        for start in range(0, len(stale), CHUNK):
            with _transaction(connection):
                _read_again(connection, stale[start : start + CHUNK])
        if gone:
            _delete(connection, dataset_id, gone)
    return len(stale) + len(gone)


def _repair_all(*, anew: bool = False, write: bool = True) -> dict[UUID, int]:
    with Session(_database()) as db:
        held = list(
            db.scalars(sa.select(Dataset.id).filter_by(status=DatasetStatus.ready).order_by(Dataset.inserted_at))
        )
    differing = {}
    for dataset_id in held:
        if count := _repair(dataset_id, anew=anew, write=write):
            log.info(
                "Search index of dataset %s: %d records %s.", dataset_id, count, "read again" if write else "differ"
            )
            differing[dataset_id] = count
    return differing


async def rebuild_if_stale() -> dict[UUID, int]:
    """Compares the index with the database and reads again what differs; safe while the server runs.

    Returns:
        Datasets that differed, with the number of records that were read again or taken out.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: The database cannot be read.
    """
    return await asyncio.to_thread(_repair_all)


# --- The engine -------------------------------------------------------------------------------------------------------


@SearchEngine.register("sqlite")
class SQLiteSearchEngine(SearchEngine):
    """The engine the server calls. It has no state of its own: connections belong to threads, the rest is in the file."""

    _checked_in = 0  # the process that has compared index and database

    @classmethod
    async def new_instance(cls) -> SQLiteSearchEngine:
        return cls()

    async def close(self) -> None:
        pass

    async def ping(self) -> bool:
        if SQLiteSearchEngine._checked_in != os.getpid():
            SQLiteSearchEngine._checked_in = os.getpid()
            try:
                await rebuild_if_stale()
            except sa.exc.SQLAlchemyError as error:
                log.warning("The search index could not be compared with the database: %s", type(error).__name__)
        return await asyncio.to_thread(lambda: _connection().execute("SELECT 1").fetchone() == (1,))

    async def info(self) -> dict:
        return {"name": "sqlite", "version": {"number": sqlite3.sqlite_version}}

    async def create_index(self, dataset: Dataset) -> None:
        await self._change(dataset, lambda index: None)

    async def delete_index(self, dataset: Dataset) -> None:
        def delete() -> None:
            with _transaction(_connection()) as connection:
                if index := _Index.find(connection, dataset.id):
                    index.drop()

        await asyncio.to_thread(delete)

    async def configure_metadata_property(self, dataset: Dataset, metadata_property: MetadataProperty) -> None:
        def configure(index: _Index) -> None:
            index.metadata[metadata_property.name] = str(metadata_property.settings["type"])
            index.connection.execute(
                "UPDATE datasets SET metadata = ? WHERE number = ?", [json.dumps(index.metadata), index.number]
            )

        await self._change(dataset, configure)

    async def index_records(self, dataset: Dataset, records: Iterable[Record]) -> None:
        records = list(records)

        def write(index: _Index) -> None:
            newer = []
            for record in records:
                row = index.connection.execute(
                    "SELECT updated_at FROM records WHERE id = ?", [record.id.bytes]
                ).fetchone()
                if row and row[0] > _microseconds(record.updated_at):
                    newer.append(record.id)
            _write(index, [record for record in records if record.id not in newer])
            if newer:
                _read_again(index.connection, newer)

        await self._change(dataset, write)

    async def partial_record_update(self, record: Record, **update: Any) -> None:
        def write(index: _Index, doc: int) -> bool:
            if update.keys() != {"status"}:
                index.write(record)
                return True
            return (
                index.connection.execute(
                    "UPDATE records SET status = ?, updated_at = ? WHERE doc = ? AND updated_at <= ?",
                    [str(update["status"]), moment := _microseconds(record.updated_at), doc, moment],
                ).rowcount
                == 1
            )

        await self._change_record(record.id, write)

    async def delete_records(self, dataset: Dataset, records: Iterable[Record]) -> None:
        record_ids = [record.id for record in records]
        await asyncio.to_thread(lambda: _delete(_connection(), dataset.id, record_ids))

    async def update_record_response(self, response: Response) -> None:
        def write(index: _Index, doc: int) -> bool:
            known = index.connection.execute(
                "SELECT updated_at FROM responses WHERE id = ?", [response.id.bytes]
            ).fetchone()
            if known and known[0] > _microseconds(response.updated_at):
                return False
            index.write_response(response, doc)
            return True

        await self._change_record(response.record_id, write)

    async def delete_record_response(self, response: Response) -> None:
        def clear(index: _Index, doc: int) -> bool:
            index.clear_response(response.id.bytes, doc)
            return True

        await self._change_record(response.record_id, clear)

    async def update_record_suggestion(self, suggestion: Suggestion) -> None:
        def write(index: _Index, doc: int) -> bool:
            index.write_suggestion(suggestion, doc)
            return True

        await self._change_record(suggestion.record_id, write)

    async def delete_record_suggestion(self, suggestion: Suggestion) -> None:
        def clear(index: _Index, doc: int) -> bool:
            index.clear_suggestion(suggestion, doc)
            return True

        await self._change_record(suggestion.record_id, clear)

    async def get_dataset_progress(self, dataset: Dataset) -> dict:
        return await self._progress(
            dataset, "SELECT status, count(*) FROM records WHERE dataset = ? GROUP BY status", []
        )

    async def get_dataset_user_progress(self, dataset: Dataset, user: User) -> dict:
        return await self._progress(
            dataset,
            "SELECT status, count(*) FROM responses WHERE dataset = ? AND user = ? GROUP BY status",
            [user.id.bytes],
        )

    async def search(
        self,
        dataset: Dataset,
        query: TextQuery | str | None = None,
        filter: Filter | None = None,
        sort: list[Order] | None = None,
        offset: int = 0,
        limit: int = 100,
        user_id: str | None = None,
    ) -> SearchResponses:
        return await self._answer(
            dataset.id, lambda index: _search(index, query, filter, sort or [], offset, limit, user_id)
        )

    async def similarity_search(
        self,
        dataset: Dataset,
        vector_settings: VectorSettings,
        value: list[float] | None = None,
        record: Record | None = None,
        query: TextQuery | str | None = None,
        filter: Filter | None = None,
        max_results: int = 100,
        order: SimilarityOrder = SimilarityOrder.most_similar,
        threshold: float | None = None,
    ) -> SearchResponses:
        if bool(value) == bool(record):
            raise ValueError("Must provide either vector value or record to compute the similarity search")
        numbers = value or record.vector_value_by_vector_settings(vector_settings)
        if not numbers:
            raise ValueError("Cannot find a vector value to apply with provided info")
        if order == SimilarityOrder.least_similar:
            numbers = [-number for number in numbers]
        record_id = record.id if record else None
        return await self._answer(
            dataset.id,
            lambda index: _similarity(
                index, vector_settings, numbers, record_id, query or None, filter, max_results, threshold
            ),
        )

    async def compute_metrics_for(self, metadata_property: MetadataProperty) -> MetadataMetrics:
        terms = metadata_property.type == MetadataPropertyType.terms

        def compute(connection: sqlite3.Connection) -> list[tuple[Any, Any]]:
            index = _Index.find(connection, metadata_property.dataset_id)
            key = index.keys.get(("metadata", metadata_property.name), 0) if index else 0
            if terms:
                sql = "SELECT text, count(*) FROM cells WHERE key = ? GROUP BY text ORDER BY 2 DESC, 1"
            else:
                sql = "SELECT min(number), max(number) FROM cells WHERE key = ?"
            return connection.execute(sql, [key]).fetchall()

        rows = await asyncio.to_thread(lambda: compute(_connection()))
        if terms:
            values = [TermsMetrics.TermCount(term=term, count=count) for term, count in rows]
            return TermsMetrics(total=sum(term.count for term in values), values=values[:MOST_TERMS])
        least, most = rows[0]
        if metadata_property.type == MetadataPropertyType.integer:
            return IntegerMetadataMetrics(
                min=None if least is None else int(least), max=None if most is None else int(most)
            )
        return FloatMetadataMetrics(
            min=None if least is None else float(np.float32(least)),
            max=None if most is None else float(np.float32(most)),
        )

    async def _change(self, dataset: Dataset, change: Callable[[_Index], None]) -> None:
        """Changes a dataset's part of the index in one transaction; makes it where there is none."""

        def run() -> None:
            with _transaction(_connection()) as connection:
                change(_Index.find(connection, dataset.id) or _Index.create(connection, dataset))

        await asyncio.to_thread(run)

    async def _change_record(self, record_id: UUID, change: Callable[[_Index, int], bool]) -> None:
        """Changes what hangs on one record. Where the record is not indexed, or the change says that what it knows is
        old, the record is read from the database."""

        def run() -> None:
            with _transaction(_connection()) as connection:
                found = connection.execute(
                    "SELECT d.id, r.doc FROM records r JOIN datasets d ON d.number = r.dataset WHERE r.id = ?",
                    [record_id.bytes],
                ).fetchone()
                index = _Index.find(connection, UUID(bytes=found[0])) if found else None
                if index is None or not change(index, found[1]):
                    _read_again(connection, [record_id])

        await asyncio.to_thread(run)

    async def _answer(self, dataset_id: UUID, ask: Callable[[_Index], SearchResponses]) -> SearchResponses:
        """Asks a dataset's index; asks again if the database has lost a record of the answer."""

        def run() -> SearchResponses:
            connection = _connection()
            if not connection.execute("SELECT 1 FROM datasets WHERE id = ?", [dataset_id.bytes]).fetchone():
                _look(lambda: _repair(dataset_id, anew=False, write=True))
            _look(lambda: _forget_deleted(connection, dataset_id))
            while True:
                index = _Index.find(connection, dataset_id)
                responses = ask(index) if index else SearchResponses(items=[], total=0)
                gone = _look(lambda: _gone(dataset_id, responses))
                if not gone:
                    return responses
                _delete(connection, dataset_id, gone)

        return await asyncio.to_thread(run)

    async def _progress(self, dataset: Dataset, sql: str, values: list[Any]) -> dict:
        if dataset.is_draft:
            return {}

        def run() -> dict:
            connection = _connection()
            _look(lambda: _forget_deleted(connection, dataset.id))
            index = _Index.find(connection, dataset.id)
            counts = dict(connection.execute(sql, [index.number, *values]).fetchall()) if index else {}
            return {"total": sum(counts.values()), **counts}

        return await asyncio.to_thread(run)


def _look(at: Callable[[], Any]) -> Any:
    """Looks at the database; where that fails, the index stands as it is."""
    try:
        return at()
    except sa.exc.SQLAlchemyError as error:
        log.warning("The database could not be read to compare: %s", type(error).__name__)
        return None


def main(arguments: Sequence[str]) -> int:
    """`check` counts the records that differ, `repair` reads them again, `rebuild` reads all again."""
    if list(arguments) not in (["check"], ["repair"], ["rebuild"]):
        print("Say what to do with the search index: check, repair or rebuild.", file=sys.stderr)
        return 2
    task = arguments[0]
    differing = _repair_all(anew=task == "rebuild", write=task != "check")
    for dataset_id, count in differing.items():
        print(f"dataset {dataset_id}: {count} records {'differ' if task == 'check' else 'read again'}")
    return int(task == "check" and bool(differing))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
