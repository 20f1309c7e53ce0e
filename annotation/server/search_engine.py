"""A search engine for argilla-server on one SQLite file, in place of Elasticsearch.

Import this module in every process of the server that searches or indexes (web server, RQ worker, command line) and set
`ARGILLA_SEARCH_ENGINE=sqlite`. Nothing else is needed. The file is `search.db` in `ARGILLA_HOME_PATH`, or what
`ARGILLA_SEARCH_PATH` names. It holds the words of the messages, so it is readable by its owner alone.

The file is a cache of Argilla's database. What keeps it right:

- The server tells the engine of each change after it is committed. Each call is one short transaction (WAL, 30 s of
  patience), so a kill at any moment leaves a whole index that lacks the last change at worst.
- Two changes of a record that arrive in the wrong order: the record is read from the database.
- Before each answer the engine looks in the database for what was deleted without its being told: records, and users,
  whose responses go with them. No record that is gone is ever returned.
- The first `ping` of a process (the server pings when it starts) compares every record, response, suggestion and vector
  with the database and reads again what differs. The same by hand: `await rebuild_if_stale()`, or, in the server's
  environment, `python search_engine.py check | repair | rebuild` (`check` exits with 1 where something differs).

A dataset that the database does not hold (or holds in a transaction still open) is searched as it was indexed.

How text is found: words are cut and lowered here, much as Elasticsearch's standard analyzer does, and stored with
blanks between them in an FTS5 table for each dataset. Accents count. Scripts written without blanks and emoji are cut
into characters; a run of them in a query is a phrase. Queries follow the grammar of Lucene's SimpleQueryParser.

What one filters and sorts by are rows of `cells`, clustered by column: metadata, suggestions and responses alike.
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
from itertools import accumulate
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
from argilla_server.models import Dataset, MetadataProperty, Record, Response, Suggestion, User, Vector, VectorSettings
from argilla_server.search_engine import base
from argilla_server.settings import settings
from sqlalchemy.orm import Session, selectinload

log = logging.getLogger(__name__)

VERSION = 2  # of the tables; a file of another version is thrown away and filled again
TABLES = """
CREATE TABLE datasets (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id BLOB NOT NULL UNIQUE,
    version INTEGER NOT NULL DEFAULT 0,  -- goes up with each change of records, metadata or suggestions
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
CREATE INDEX records_in_order ON records (dataset, inserted_at, id, lot);
CREATE INDEX records_by_status ON records (dataset, status);
CREATE TABLE responses (
    id BLOB PRIMARY KEY, dataset INTEGER NOT NULL, doc INTEGER NOT NULL, user BLOB NOT NULL, status TEXT NOT NULL,
    updated_at INTEGER NOT NULL
);
CREATE INDEX responses_by_doc ON responses (doc);
CREATE INDEX responses_by_user ON responses (dataset, user, status, doc);
CREATE TABLE columns (
    key INTEGER PRIMARY KEY AUTOINCREMENT, dataset INTEGER NOT NULL, scope TEXT NOT NULL, name TEXT NOT NULL,
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
CREATE TABLE parts (            -- digests of a record's responses, suggestions and vectors
    doc INTEGER NOT NULL, part BLOB NOT NULL, digest INTEGER NOT NULL, PRIMARY KEY (doc, part)
) WITHOUT ROWID;
"""
PRIME = 2**31 - 1
MOST_TERMS = 2**14
CHUNK = 500  # records compared and written at a time when repairing

Sql = tuple[str, list[Any]]  # a part of a statement, and the values for its question marks


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
    try:
        connection = _open(where)
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):  # locked, or a full disk: nothing is wrong with the file
            raise
        log.warning("The search index is made again: %s.", error)
        where.unlink(missing_ok=True)
        connection = _open(where)
    _local.connection, _local.of = connection, (os.getpid(), where, where.stat().st_ino)
    return connection


def _open(where: Path) -> sqlite3.Connection:
    with contextlib.suppress(FileExistsError):
        os.close(os.open(where, os.O_CREAT | os.O_EXCL, 0o600))
        for left in ("-wal", "-shm"):  # by a file of the same name, and not to be mixed with the new one
            Path(f"{where}{left}").unlink(missing_ok=True)
    connection = sqlite3.connect(where, timeout=30, isolation_level=None, check_same_thread=False)
    try:
        for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "cache_size = -16384", "temp_store = MEMORY"):
            connection.execute(f"PRAGMA {pragma}")
        if connection.execute("PRAGMA user_version").fetchone()[0] != VERSION:
            with _transaction(connection):
                version = connection.execute("PRAGMA user_version").fetchone()[0]
                if version not in (0, VERSION):
                    raise sqlite3.DatabaseError(f"version {version} is not {VERSION}")
                for statement in TABLES.split(";\n") if version == 0 else ():
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {VERSION}")
    except BaseException:
        connection.close()
        raise
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
_WORD = re.compile(rf"{_LETTERS}(?:(?:'|(?<=\d)[.,](?=\d)){_LETTERS})*|([{_ALONE}])")

ANY = "*"  # a word in every record, so that a query may be "everything but"
BREAK = "¶"  # between two texts of a field, so that no phrase reaches over


def _word_matches(text: str) -> Iterator[re.Match[str]]:
    return _WORD.finditer(unicodedata.normalize("NFC", text).lower().replace("’", "'"))


def words(text: str) -> list[str]:
    """The words of a text as they are indexed: in lower case, characters of scripts without blanks alone."""
    return [match[0] for match in _word_matches(text)]


def _runs(text: str) -> list[str]:
    """The words of a query; neighbours that were cut into characters stay together, with blanks in between."""
    runs: list[str] = []
    end = -1
    for match in _word_matches(text):
        if match[1] and match.start() == end:
            runs[-1] += " " + match[0]
        else:
            runs.append(match[0])
        end = match.end() if match[1] else -1
    return runs


def _strings(value: Any) -> Iterator[str]:
    """All text inside a JSON value; of a chat's messages, the contents."""
    if isinstance(value, list):
        for item in value:
            is_message = isinstance(item, dict) and item.keys() == {"role", "content"}
            yield from _strings(item["content"] if is_message else item)
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from (name, *_strings(item))
    elif value is not None:
        yield str(value)


def _indexed_text(value: Any) -> str:
    return f" {BREAK} ".join(" ".join(words(text)) for text in _strings(value))


# --- The query language -----------------------------------------------------------------------------------------------


class SimpleQuery:
    """Elasticsearch's simple_query_string, AND by default, as an FTS5 expression.

    `+` and, `|` or, `-` not, `"..."` a phrase, `"..."~N` one with up to N words in between, `word*` a beginning,
    `word~N` up to N letters off (2 at most), `( )` precedence; a backslash takes the next character as it is. Operators
    bind from left to right, and what makes no sense is ignored: the grammar of Lucene's SimpleQueryParser.

    Args:
        columns: Columns of the FTS5 table to search in.
        similar: Gives the indexed words within a number of edits of a word.
    """

    DEEPEST = 20  # FTS5's parser has a stack of fixed size
    MOST = 1024  # words; as Elasticsearch's limit

    def __init__(self, columns: Sequence[str], similar: Callable[[str, int], list[str]]) -> None:
        self.columns = "{" + " ".join(columns) + "}"
        self.similar = similar
        self.count = 0

    def parse(self, text: str) -> str | None:
        """The expression for MATCH; None where there is nothing to search for (and nothing is found)."""
        if text.strip() == "*":
            return f'rest : "{ANY}"'
        expression = self._group(text, 0)
        depth = max(accumulate({"(": 1, ")": -1}.get(sign, 0) for sign in expression or " "))
        return self._all_of(text[:10_000]) if depth > self.DEEPEST else expression

    def _group(self, text: str, depth: int) -> str | None:
        parts: list[str] = []
        joined = operator = ""  # what joins the parts, and what is to join the next one
        negated = False
        at = 0
        while at < len(text):
            sign, start, found = text[at], at, None
            at += 1
            if sign == "-":
                negated = not negated
                continue
            if sign in "+|":
                operator = operator or (parts and {"+": "AND", "|": "OR"}[sign]) or ""
            elif sign == "(" and depth < self.DEEPEST and (end := _closing(text, at)):
                found, at = self._group(text[at:end], depth + 1), end + 1
            elif sign == '"' and (end := _closing(text, at, '"')):
                phrase, slop, at = text[at:end], 0, end + 1
                if text[at : at + 1] == "~":
                    slop, at = _number(text, at)
                found = self._phrase(_plain(phrase), slop)
            elif sign not in '()" \t\n\r':
                found, at = self._word(text, start)
            if found and self.count <= self.MOST:
                if negated:
                    found = f'(rest : "{ANY}" NOT {found})'
                operator = operator or "AND"
                if len(parts) > 1 and joined != operator:
                    parts = ["(" + f" {joined} ".join(parts) + ")"]
                joined, operator = operator, ""
                parts.append(found)
            negated = False
        return "(" + f" {joined} ".join(parts) + ")" if parts else None

    def _word(self, text: str, at: int) -> tuple[str | None, int]:
        """A word with what is said at its end, and where it ends."""
        start, prefix = at, False
        while at < len(text) and text[at] not in '"|+() \t\n\r':
            if text[at] == "~" and at > start:
                edits, end = _number(text, at)
                return self._close_to(_plain(text[start:at]), min(edits, 2)), end
            prefix = text[at] == "*" and at > start
            at += 2 if text[at] == "\\" else 1
        return self._all_of(_plain(text[start : at - prefix]), prefix), min(at, len(text))

    def _all_of(self, text: str, prefix: bool = False) -> str | None:
        leaves = [self._leaf(f'"{run}"') for run in _runs(text)]
        if leaves and prefix:
            leaves[-1] += " *"
        return _joined(leaves, "AND")

    def _close_to(self, text: str, edits: int) -> str | None:
        if not edits:
            return self._all_of(text)
        nearest = [self.similar(word, edits) or [word] for word in words(text)]
        return _joined([_joined([self._leaf(f'"{word}"') for word in some], "OR") for some in nearest], "AND")

    def _phrase(self, text: str, slop: int) -> str | None:
        sequence = words(text)
        if slop and len(sequence) > 1:
            return self._leaf("NEAR(" + " ".join(f'"{word}"' for word in sequence) + f", {slop})")
        return self._leaf('"' + " ".join(sequence) + '"') if sequence else None

    def _leaf(self, phrase: str) -> str:
        self.count += 1
        return f"{self.columns} : {phrase}"


def _joined(parts: Sequence[str | None], operator: str) -> str | None:
    return "(" + f" {operator} ".join(filter(None, parts)) + ")" if parts else None


def _plain(text: str) -> str:
    """The text without the backslashes that took the meaning from other characters."""
    return re.sub(r"\\(.?)", r"\1", text, flags=re.S)


def _closing(text: str, at: int, sign: str = ")") -> int:
    """Where the quote or parenthesis that was opened just before ends; 0 if it does not."""
    opened = 1
    while at < len(text):
        opened += 1 if text[at] == "(" and sign == ")" else -1 if text[at] == sign else 0
        if not opened:
            return at
        at += 2 if text[at] == "\\" else 1
    return 0


def _number(text: str, at: int) -> tuple[int, int]:
    """The number after a tilde (2 if nothing is there, 0 if something else is), and where it ends."""
    end = at + 1
    while end < len(text) and text[end] not in '"|+() \t\n\r':
        end += 1
    digits = text[at + 1 : end]
    return 2 if not digits else int(digits) if re.fullmatch("[0-9]{1,6}", digits) else 0, end


def _nearest(word: str, terms: Sequence[str], edits: int, most: int = 10) -> list[str]:
    """The terms nearest to a word by Levenshtein's distance, no more than `edits` away. The table of the textbook is
    filled for all terms of a length at once."""
    near: list[tuple[int, str]] = []
    for length in range(max(1, len(word) - edits), len(word) + edits + 1):
        group = [term for term in terms if len(term) == length]
        if not group:
            continue
        codes = np.array(group).view(np.uint32).reshape(len(group), length)
        row = np.tile(np.arange(length + 1), (len(group), 1))
        for i, letter in enumerate(word):
            above, row = row, np.full_like(row, i + 1)
            for j in range(length):
                swapped = above[:, j] + (codes[:, j] != ord(letter))
                row[:, j + 1] = np.minimum(np.minimum(above[:, j + 1], row[:, j]) + 1, swapped)
        near += [(int(row[i, -1]), group[i]) for i in np.flatnonzero(row[:, -1] <= edits)]
    return [term for _, term in sorted(near)[:most]]


# --- Values -----------------------------------------------------------------------------------------------------------


def _cells(value: Any) -> list[tuple[str, int | float | None]]:
    """A JSON value as text and as number, each once; a list gives many, an object none."""
    found: dict[tuple[str, int | float | None], None] = {}
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, list):
            found |= dict.fromkeys(_cells(item))
        elif isinstance(item, str | bool | int | float):
            found[_text(item if isinstance(item, str) else json.dumps(item)), _as_number(item)] = None
    return list(found)


def _text(value: Any) -> str:
    """A string that SQLite can hold."""
    return str(value).encode("utf-8", "replace").decode("utf-8")


def _as_number(value: Any) -> int | float | None:
    """A number that SQLite can hold, or None."""
    if isinstance(value, str):
        if not re.fullmatch(r"\s*[+-]?[0-9]*\.?[0-9]+(?:[eE][+-]?[0-9]{1,3})?\s*", value):
            return None
        value = int(value) if re.fullmatch(r"\s*[+-]?[0-9]{1,18}\s*", value) else float(value)
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        value = float(value) if abs(value) < 10**300 else math.inf
    return value if math.isfinite(value) else None


def _microseconds(moment: datetime) -> int:
    """Microseconds since 1970; a moment without a zone is in UTC, as in Argilla's database."""
    since = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86400 + since.seconds) * 10**6 + since.microseconds


def _updated(thing: Any) -> int:
    """When a record or response was last changed: now, where it was never saved."""
    return _microseconds(getattr(thing, "updated_at", None) or datetime.now(UTC))


def _moment(value: Any, *, end: bool) -> int | None:
    """A bound of a range of dates in microseconds, from ISO text or milliseconds. What the text leaves out of the time
    is the start of the day, hour, minute or second, or their end."""
    if isinstance(value, int | float):
        return int(value * 1000) if abs(value) < 10**15 else None
    text = str(value).strip()
    try:
        start = _microseconds(datetime.fromisoformat(text + "-01-01"[len(text) - 4 :] if len(text) in (4, 7) else text))
    except (ValueError, OverflowError):
        number = _as_number(text)
        return None if number is None else _moment(number, end=end)
    time = re.split("[Z+-]", text[11:].upper())[0]
    step = {0: 86400 * 10**6, 2: 3600 * 10**6, 5: 60 * 10**6, 8: 10**6}.get(len(time), 1)
    return start + step - 1 if end else start


COMPARED: dict[Any, tuple[str, ...]] = {  # with the database, by digest
    Record: ("external_id", "inserted_at", "fields", "metadata_"),
    Response: ("user_id", "status", "values"),
    Suggestion: ("question_id", "type", "agent", "value", "score"),
    Vector: ("vector_settings_id", "updated_at"),
}


def _digest(values: Iterable[Any]) -> int:
    """48 bits, as SQLite adds many of them up. Objects and lists count as the JSON that Python writes."""
    texts = [value if isinstance(value, str) else _as_compared(value) for value in values]
    content = "\x1f".join(texts).encode("utf-8", "replace")
    return int.from_bytes(hashlib.blake2b(content, digest_size=6).digest(), "big")


def _as_compared(value: Any) -> str:
    if isinstance(value, UUID):
        return value.hex
    return json.dumps(value) if value is None or isinstance(value, dict | list) else str(value)


# --- A dataset's part of the file -------------------------------------------------------------------------------------

QUESTION_KINDS = {  # in which column of `cells` the values are compared; those of other questions are not indexed
    QuestionType.rating: "number",
    QuestionType.label_selection: "text",
    QuestionType.multi_label_selection: "text",
}
METADATA_KINDS = {
    MetadataPropertyType.terms: "text",
    MetadataPropertyType.integer: "number",
    MetadataPropertyType.float: "number",
}
SUGGESTION_KINDS = {"score": "number", "agent": "text", "type": "text"}


class _Index:
    """What the file holds of one dataset. Valid within one transaction."""

    def __init__(self, connection: sqlite3.Connection, number: int, id_: bytes, version: int, *shape: str) -> None:
        self.run = connection.execute
        self.number, self.dataset_id, self.version = number, UUID(bytes=id_), version
        self.texts = f"text_{number}"
        self.fields, self.metadata, self.questions = (json.loads(part) for part in shape)
        self.columns = [f"c{i}" for i in range(len(self.fields))] + ["rest"]  # of `texts`; rest: fields not declared
        self.keys: dict[tuple[str, str], int] = {}
        self.read_keys()

    def read_keys(self) -> None:
        rows = self.run("SELECT scope, name, key FROM columns WHERE dataset = ?", [self.number])
        self.keys = {(scope, name): key for scope, name, key in rows}

    @classmethod
    def find(cls, connection: sqlite3.Connection, dataset_id: UUID) -> _Index | None:
        row = connection.execute(
            "SELECT number, id, version, fields, metadata, questions FROM datasets WHERE id = ?", [dataset_id.bytes]
        ).fetchone()
        return cls(connection, *row) if row else None

    @classmethod
    def create(cls, connection: sqlite3.Connection, dataset: Dataset) -> _Index:
        row = connection.execute(
            "INSERT INTO datasets (id, fields, metadata, questions) VALUES (?, ?, ?, ?)"
            " RETURNING number, id, version, fields, metadata, questions",
            [dataset.id.bytes, *_shape(dataset)],
        ).fetchone()
        index = cls(connection, *row)
        index.run(
            f"CREATE VIRTUAL TABLE {index.texts} USING fts5({', '.join(index.columns)}, "
            """tokenize = "unicode61 remove_diacritics 0 categories 'L* M* N* P* S* C*'")"""  # words end at blanks
        )
        return index

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
            self.run(statement, {"number": self.number})

    def doc(self, record_id: UUID) -> int | None:
        row = self.run("SELECT doc FROM records WHERE id = ?", [record_id.bytes]).fetchone()
        return row[0] if row else None

    def ids(self, docs: np.ndarray) -> list[UUID]:
        asked: list[int] = docs.tolist()
        sql = "SELECT doc, id FROM records WHERE doc IN (SELECT value FROM json_each(?))"
        found = dict(self.run(sql, [json.dumps(asked)]).fetchall())
        return [UUID(bytes=found[doc]) for doc in asked]

    def column(self, scope: Any) -> tuple[int, str] | None:
        """The key of the column that a scope names and how its values are compared; None if there is no such column."""
        kind: str | None
        if isinstance(scope, base.MetadataFilterScope):
            name = ("metadata", scope.metadata_property)
            kind = METADATA_KINDS.get(self.metadata.get(scope.metadata_property))
        elif isinstance(scope, base.SuggestionFilterScope) and scope.property != "value":
            name = (f"suggestion.{scope.property}", scope.question)
            kind = SUGGESTION_KINDS.get(scope.property)
        elif isinstance(scope, base.SuggestionFilterScope | base.ResponseFilterScope):
            name = ("suggestion.value" if isinstance(scope, base.SuggestionFilterScope) else "response", scope.question)
            kind = QUESTION_KINDS.get(self.questions.get(scope.question))
        else:
            raise ValueError(f"Cannot process request for search scope {type(scope).__name__}")
        return (self.keys[name], kind) if kind and name in self.keys else None

    def is_newer(self, table: str, thing: Any) -> bool:
        """Whether the index has a younger state of a record or response than the one that has come."""
        row = self.run(f"SELECT updated_at FROM {table} WHERE id = ?", [thing.id.bytes]).fetchone()
        return bool(row and row[0] > _updated(thing))

    def write(self, record: Record) -> None:
        """Puts a record with all that hangs on it in the place of what was there."""
        self._clear(record.id)
        (doc,) = self.run(
            "INSERT INTO records (dataset, id, external_id, status, inserted_at, updated_at, lot, digest)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET external_id = excluded.external_id,"
            " status = excluded.status, inserted_at = excluded.inserted_at, updated_at = excluded.updated_at,"
            " digest = excluded.digest RETURNING doc",
            [
                *(self.number, record.id.bytes, None if record.external_id is None else _text(record.external_id)),
                *(str(record.status), _microseconds(record.inserted_at), _updated(record)),
                *(record.id.int % PRIME, _digest(getattr(record, name, None) for name in COMPARED[Record])),
            ],
        ).fetchone()
        texts = [
            "" if kind == "image" else _indexed_text(record.fields.get(name)) for name, kind in self.fields.items()
        ]
        rest = _indexed_text([value for name, value in record.fields.items() if name not in self.fields])
        marks = ", ?" * len(self.columns)
        self.run(
            f"INSERT INTO {self.texts} (rowid, {', '.join(self.columns)}) VALUES (?{marks})",
            [doc, *texts, f"{ANY} {rest}"],
        )
        for name, value in (record.metadata_ or {}).items():
            self._fill("metadata", name, doc, value)
        for suggestion in record.suggestions:
            self.add_suggestion(suggestion, doc)
        for response in record.responses:
            self.add_response(response, doc)
        for vector in record.vectors:
            value = np.asarray(vector.value, dtype=np.float32).tobytes()
            kind = vector.vector_settings_id
            self.run("INSERT INTO vectors (settings, doc, value) VALUES (?, ?, ?)", [kind.bytes, doc, value])
            self._compare(doc, kind, Vector, vector)
        self._changed()

    def add_suggestion(self, suggestion: Suggestion, doc: int) -> None:
        question = suggestion.question.name
        indexed = self.questions.get(question) in QUESTION_KINDS
        for name in (*SUGGESTION_KINDS, *(["value"] if indexed else [])):
            self._fill(f"suggestion.{name}", question, doc, getattr(suggestion, name))
        self._compare(doc, suggestion.question.id, Suggestion, suggestion)
        self._changed()

    def clear_suggestion(self, suggestion: Suggestion, doc: int) -> None:
        for (scope, name), key in self.keys.items():
            if scope.startswith("suggestion.") and name == suggestion.question.name:
                self.run("DELETE FROM cells WHERE key = ? AND doc = ?", [key, doc])
        self.run("DELETE FROM parts WHERE doc = ? AND part = ?", [doc, suggestion.question.id.bytes])
        self._changed()

    def add_response(self, response: Response, doc: int) -> None:
        self.run(
            "INSERT INTO responses (id, dataset, doc, user, status, updated_at) VALUES (?, ?, ?, ?, ?, ?)",
            [
                *(response.id.bytes, self.number, doc, response.user_id.bytes),
                *(str(response.status), _updated(response)),
            ],
        )
        for question, answer in (response.values or {}).items():
            if self.questions.get(question) in QUESTION_KINDS:
                self._fill("response", question, doc, answer.get("value"), response)
        self._compare(doc, response.id, Response, response)

    def clear_response(self, response_id: bytes, doc: int) -> None:
        self.run("DELETE FROM responses WHERE id = ?", [response_id])
        self.run("DELETE FROM parts WHERE doc = ? AND part = ?", [doc, response_id])
        for (scope, _), key in self.keys.items():
            if scope == "response":
                self.run("DELETE FROM cells WHERE key = ? AND doc = ? AND response = ?", [key, doc, response_id])

    def clear_responses_of(self, users: Iterable[UUID]) -> None:
        for user in users:
            sql = "SELECT id, doc FROM responses WHERE dataset = ? AND user = ?"
            for response_id, doc in self.run(sql, [self.number, user.bytes]).fetchall():
                self.clear_response(response_id, doc)

    def delete(self, record_ids: Iterable[UUID]) -> None:
        for record_id in record_ids:
            self._clear(record_id)
            self.run("DELETE FROM records WHERE id = ?", [record_id.bytes])
        self._changed()

    def _clear(self, record_id: UUID) -> None:
        """Takes away all of a record but its row."""
        doc = self.doc(record_id)
        if doc is not None:
            self.run(f"DELETE FROM {self.texts} WHERE rowid = ?", [doc])
            for key in self.keys.values():
                self.run("DELETE FROM cells WHERE key = ? AND doc = ?", [key, doc])
            for table in ("responses", "parts", "vectors"):
                self.run(f"DELETE FROM {table} WHERE doc = ?", [doc])

    def _fill(self, scope: str, name: str, doc: int, value: Any, response: Response | None = None) -> None:
        name = _text(name)
        if (scope, name) not in self.keys:
            (self.keys[scope, name],) = self.run(
                "INSERT INTO columns (dataset, scope, name) VALUES (?, ?, ?) RETURNING key", [self.number, scope, name]
            ).fetchone()
        whose = (response.id.bytes, response.user_id.bytes) if response else (b"", None)
        for item, (text, number) in enumerate(_cells(value)):
            self.run(
                "INSERT INTO cells (key, doc, response, user, item, text, number) VALUES (?, ?, ?, ?, ?, ?, ?)",
                [self.keys[scope, name], doc, *whose, item, text, number],
            )

    def _changed(self) -> None:
        self.run("UPDATE datasets SET version = version + 1 WHERE number = ?", [self.number])

    def _compare(self, doc: int, part: UUID, kind: Any, thing: Any) -> None:
        digest = _digest(getattr(thing, name, None) for name in COMPARED[kind])
        self.run("INSERT OR REPLACE INTO parts VALUES (?, ?, ?)", [doc, part.bytes, digest])


def _shape(dataset: Dataset) -> list[str]:
    """Fields, metadata properties and questions of a dataset with their types, as JSON."""
    parts = (dataset.fields, dataset.metadata_properties, dataset.questions)
    return [json.dumps({item.name: str(item.settings["type"]) for item in part}) for part in parts]


# --- Searching --------------------------------------------------------------------------------------------------------

RECORD_COLUMNS = ("id", "external_id", "status", "inserted_at", "updated_at")
CHANGING_COLUMNS = ("status", "updated_at")  # with each response


class _Records:
    """A dataset's records in the order in which they came, and what was last asked of them: kept in memory until the
    records change. Responses are not part of it.

    Attributes:
        docs: One number for each record; its position is the record's place.
        lots: As in the file.
    """

    KEPT = 8
    cache: dict[Any, _Records] = {}  # noqa: RUF012 - for all threads of the process

    def __init__(self, index: _Index) -> None:
        ordered = "SELECT doc, lot FROM records WHERE dataset = ? ORDER BY inserted_at, id"
        texts = index.run(f"SELECT group_concat(doc), group_concat(lot) FROM ({ordered})", [index.number]).fetchone()
        self.version = index.version
        self.docs, self.lots = map(_numbers, texts)
        self.by_doc = np.argsort(self.docs)
        self.answers: dict[Any, Any] = {}

    @classmethod
    def of(cls, index: _Index) -> _Records:
        known = cls.cache.pop(key := (_local.of, index.number), None)
        cls.cache[key] = known = known if known and known.version == index.version else cls(index)
        for oldest in list(cls.cache)[: -cls.KEPT]:
            cls.cache.pop(oldest, None)
        return known

    def places(self, docs: Any) -> np.ndarray:
        return self.by_doc[np.searchsorted(self.docs, np.asarray(docs, np.int64), sorter=self.by_doc)]

    def mask(self, index: _Index, sql: str, values: Sequence[Any], *, keep: bool) -> np.ndarray:
        """Which records a SELECT of docs gives; kept where that depends on the records alone."""

        def select() -> np.ndarray:
            (docs,) = index.run(f"SELECT group_concat(doc) FROM ({sql})", values).fetchone()
            mask = np.zeros(len(self.docs), bool)
            mask[self.places(_numbers(docs))] = True
            return mask

        return self.kept((sql, *values), select) if keep else select()

    def kept(self, key: Any, compute: Callable[[], Any]) -> Any:
        answer = self.answers.pop(key, None)
        if answer is None:
            answer = compute()
            if isinstance(answer, np.ndarray):
                answer.flags.writeable = False  # it is everybody's
        self.answers[key] = answer
        for oldest in list(self.answers)[:-50]:
            self.answers.pop(oldest, None)
        return answer


def _numbers(text: str | None) -> np.ndarray:
    """Integers out of SQLite's group_concat: several times as fast as row by row."""
    return np.fromstring(text, np.int64, sep=",") if text else np.empty(0, np.int64)


def _left(index: _Index, records: _Records, filter: base.Filter) -> np.ndarray:
    """Which records a filter leaves, by place."""
    if isinstance(filter, base.AndFilter):
        all_ = np.ones(len(records.docs), bool)
        return functools.reduce(np.logical_and, [_left(index, records, part) for part in filter.filters], all_)
    scope = filter.scope
    if isinstance(scope, base.RecordFilterScope):
        name = str(scope.property)
        test, values = _record_test(name, filter)
        sql = f"SELECT doc FROM records WHERE dataset = ? AND ({test})"
        return records.mask(index, sql, [index.number, *values], keep=name not in CHANGING_COLUMNS)
    if isinstance(scope, base.ResponseFilterScope) and not scope.question:
        return _left_by_status(index, records, filter)
    column = index.column(scope)
    if not column:
        return np.zeros(len(records.docs), bool)
    test, values = _test(column[1], filter, _as_number if column[1] == "number" else _text)
    whose, who = _whose(scope)
    sql = f"SELECT doc FROM cells WHERE key = ?{whose} AND ({test})"
    keep = not isinstance(scope, base.ResponseFilterScope)
    return records.mask(index, sql, [column[0], *who, *values], keep=keep)


def _whose(scope: Any) -> Sql:
    user = getattr(scope, "user", None)
    return (" AND user = ?", [user.id.bytes]) if user else ("", [])


def _test(column: str, filter: Any, read: Callable[[Any], Any]) -> Sql:
    """Whether a column holds one of the filter's terms, or lies in its range. Terms and bounds are often text where the
    column is a number; what cannot be read is found nowhere."""
    if isinstance(filter, base.TermsFilter):
        terms = [term for term in map(read, filter.values) if term is not None]
        return f"{column} IN ({', '.join('?' * len(terms))})", terms
    if not isinstance(filter, base.RangeFilter):
        raise ValueError(f"Cannot process request for filter {type(filter).__name__}")
    bounds = [(sign, read(bound)) for sign, bound in ((">=", filter.ge), ("<=", filter.le)) if bound is not None]
    if any(bound is None for _, bound in bounds):
        return "0", []
    return " AND ".join(f"{column} {sign} ?" for sign, _ in bounds) or "1", [bound for _, bound in bounds]


def _record_test(name: str, filter: Any) -> Sql:
    if name not in RECORD_COLUMNS:
        return "0", []
    if name == "id":
        return _test("lower(hex(id))", filter, lambda value: _text(value).replace("-", "").lower())
    if name not in ("inserted_at", "updated_at"):
        return _test(name, filter, _text)
    terms = isinstance(filter, base.TermsFilter)
    tests, moments = [], []
    for start, end in [(term, term) for term in filter.values] if terms else [(filter.ge, filter.le)]:
        bounds = [("<=", _moment(end, end=True))] if end is not None else []
        bounds += [(">=", _moment(start, end=False))] if start is not None else []
        tests.append(" AND ".join(f"{name} {sign} ?" for sign, _ in bounds) or "1")
        moments += [moment for _, moment in bounds]
    return " OR ".join(f"({test})" for test in tests) or "0", moments


def _left_by_status(index: _Index, records: _Records, filter: Any) -> np.ndarray:
    """Records by the status of their responses; pending is where there is none."""
    scope = filter.scope
    if scope.property != "status" or not isinstance(filter, base.TermsFilter):
        raise ValueError(f"Cannot process filter scope: responses by {scope.property}")
    whose, who = _whose(scope)
    sql, values = f"SELECT doc FROM responses WHERE dataset = ?{whose}", [index.number, *who]
    if not filter.values:  # no status is asked for: any response of the user, or any record at all
        return records.mask(index, sql, values, keep=False) if who else np.ones(len(records.docs), bool)
    statuses = [str(status) for status in filter.values if status != ResponseStatusFilter.pending]
    test = f"{sql} AND status IN ({', '.join('?' * len(statuses))})"
    mask = records.mask(index, test, [*values, *statuses], keep=False)
    if ResponseStatusFilter.pending in filter.values:
        mask |= ~records.mask(index, sql, values, keep=False)
    return mask


def _sort_key(index: _Index, records: _Records, order: base.Order) -> np.ndarray:
    """A number for each record that ascends as the order wants; NaN, which sorts last, where there is nothing. Of many
    values the least counts when ascending and the greatest when descending; of many responses' numbers, the mean."""
    scope = order.scope
    pick, sign = ("max", -1) if order.order == "desc" else ("min", 1)
    whose, who = _whose(scope)
    keep = not isinstance(scope, base.ResponseFilterScope)
    if isinstance(scope, base.RecordFilterScope):
        name = str(scope.property) if scope.property in RECORD_COLUMNS else "NULL"
        sql, values = f"SELECT doc, {name} AS value FROM records WHERE dataset = ?", [index.number]
        keep = name not in CHANGING_COLUMNS
    elif not keep and not scope.question:
        if scope.property != "status":
            raise ValueError(f"Cannot process sort scope: responses by {scope.property}")
        sql = f"SELECT doc, {pick}(status) AS value FROM responses WHERE dataset = ?{whose} GROUP BY doc"
        values = [index.number, *who]
    else:
        key, kind = index.column(scope) or (0, "number")
        pick = "avg" if not keep and kind == "number" else pick
        sql = f"SELECT doc, {pick}({kind}) AS value FROM cells WHERE key = ?{whose} GROUP BY doc"
        values = [key, *who]

    def read() -> np.ndarray:
        keys = np.full(len(records.docs), np.nan)
        if rows := index.run(f"SELECT doc, value FROM ({sql}) WHERE value NOTNULL", values).fetchall():
            docs, found_keys = zip(*rows, strict=True)
            if isinstance(found_keys[0], str | bytes):
                rank = {value: i for i, value in enumerate(sorted(set(found_keys)))}
                found_keys = tuple(rank[value] for value in found_keys)
            keys[records.places(docs)] = found_keys
        return sign * keys

    return records.kept((sql, *values), read) if keep else read()


def _matches(index: _Index, records: _Records, query: base.TextQuery | str, *, scored: bool) -> np.ndarray:
    """The score of each record for a text query, by BM25; 0 where it does not match."""
    columns = index.columns
    if isinstance(query, base.TextQuery):
        if query.field and query.field not in index.fields:
            raise ValueError(f"Field {query.field} not found in dataset {index.dataset_id}")
        columns = [f"c{list(index.fields).index(query.field)}"] if query.field else columns
        query = query.q
    expression = SimpleQuery(columns, functools.partial(_similar, index)).parse(query)
    if expression is None:
        return np.zeros(len(records.docs))
    where = f"FROM {index.texts} WHERE {index.texts} MATCH ?"
    if not scored:
        return records.mask(index, f"SELECT rowid AS doc {where}", [expression], keep=True)

    def rank() -> np.ndarray:
        scores = np.zeros(len(records.docs))
        if rows := index.run(f"SELECT rowid, -bm25({index.texts}) {where}", [expression]).fetchall():
            docs, found = zip(*rows, strict=True)
            scores[records.places(docs)] = found
        return scores

    return records.kept(expression, rank)


def _similar(index: _Index, word: str, edits: int) -> list[str]:
    """Indexed words within that many edits of a word."""
    vocabulary = f"temp.words_{index.number}"
    index.run(f"CREATE VIRTUAL TABLE IF NOT EXISTS {vocabulary} USING fts5vocab(main, {index.texts}, row)")
    lengths = [len(word) - edits, len(word) + edits]
    terms = index.run(f"SELECT term FROM {vocabulary} WHERE length(term) BETWEEN ? AND ?", lengths)
    return _nearest(word, [term for (term,) in terms if term not in (ANY, BREAK)], edits)


def _search(
    index: _Index,
    query: base.TextQuery | str | None,
    filter: base.Filter | None,
    sort: Sequence[base.Order],
    user_id: Any,
    limit: int,
    offset: int,
) -> base.SearchResponses:
    records = _Records.of(index)
    left = _left(index, records, filter) if filter else np.ones(len(records.docs), bool)
    scores = np.ones(len(records.docs)) if query is None else _matches(index, records, query, scored=not sort)
    places = np.flatnonzero(left & (scores > 0))
    keys = [_sort_key(index, records, order)[places] for order in sort]
    if not sort:
        scores = scores[places] * (_luck(records.lots[places], str(user_id)) if user_id else 1)
        keys = [-scores] if query is not None or user_id else []
    order = np.lexsort(keys[::-1]) if keys else np.arange(len(places))  # steady: ties stay in the order they came in
    page = order[max(0, offset) :][: max(0, limit)]
    ids = index.ids(records.docs[places[page]])
    items = [
        base.SearchResponseItem(record_id=id_, score=None if sort else score)
        for id_, score in zip(ids, [None] * len(ids) if sort else scores[page].tolist(), strict=True)
    ]
    return base.SearchResponses(items=items, total=len(places))


def _luck(lots: np.ndarray, seed: str) -> np.ndarray:
    """Numbers between 0 and 1 from lots and a seed: a line and then a square, modulo a prime."""
    a, b = (int.from_bytes(hashlib.sha256(f"{part} {seed}".encode()).digest()[:3], "big") + 1 for part in "ab")
    line = (lots * a + b) % PRIME
    return (line * line % PRIME + 1) / PRIME


# --- Similarity -------------------------------------------------------------------------------------------------------


class _Vectors:
    """The vectors of one kind in memory, as rows of length one; brought up to date from the file before each use."""

    KEPT = 4
    cache: dict[Any, _Vectors] = {}  # noqa: RUF012 - for all threads of the process

    def __init__(self, docs: np.ndarray, rows: np.ndarray, last: int) -> None:
        self.docs, self.rows, self.last = docs, rows, last

    @classmethod
    def read(cls, index: _Index, settings_id: UUID, dimensions: int) -> _Vectors:
        key = (_local.of, settings_id)
        nothing = cls(np.empty(0, np.int64), np.empty((0, dimensions), np.float32), 0)
        (count,) = index.run("SELECT count(*) FROM vectors WHERE settings = ?", [settings_id.bytes]).fetchone()
        vectors = cls.cache.pop(key, nothing)._with_new(index, settings_id)
        if len(vectors.docs) != count:  # some were deleted
            vectors = nothing._with_new(index, settings_id)
        cls.cache[key] = vectors
        for oldest in list(cls.cache)[: -cls.KEPT]:
            cls.cache.pop(oldest, None)
        return vectors

    def _with_new(self, index: _Index, settings_id: UUID) -> _Vectors:
        size = self.rows.shape[1]
        new = index.run(
            "SELECT doc, value, number FROM vectors WHERE settings = ? AND number > ? AND length(value) = ?",
            [settings_id.bytes, self.last, 4 * size],
        ).fetchall()
        if not new:
            return self
        docs = np.array([doc for doc, _, _ in new], np.int64)
        rows = np.frombuffer(b"".join(value for _, value, _ in new), np.float32).reshape(len(new), size)
        old = ~np.isin(self.docs, docs)
        return _Vectors(
            np.concatenate([self.docs[old], docs]),
            np.concatenate([self.rows[old], _unit(rows)]),
            max(number for _, _, number in new),
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
    query: base.TextQuery | str | None,
    filter: base.Filter | None,
    count: int,
    threshold: float | None,
) -> base.SearchResponses:
    if len(value) != vector_settings.dimensions:
        raise ValueError(f"The vector has {len(value)} numbers where {vector_settings.dimensions} are expected.")
    vectors = _Vectors.read(index, vector_settings.id, vector_settings.dimensions)
    records = _Records.of(index)
    left = _left(index, records, filter) if filter else np.ones(len(records.docs), bool)
    if query is not None:
        left = left & _matches(index, records, query, scored=False)
    here = left[records.places(vectors.docs)]
    if record_id:
        here &= vectors.docs != (index.doc(record_id) or 0)
    docs, scores = vectors.docs[here], (1 + vectors.rows @ _unit(np.array(value)))[here] / 2  # as Elasticsearch scores
    best = np.lexsort((docs, -scores))[: max(0, count)]
    items = [
        base.SearchResponseItem(record_id=id_, score=score)
        for id_, score in zip(index.ids(docs[best]), scores[best].tolist(), strict=True)
        if threshold is None or score >= threshold
    ]
    return base.SearchResponses(items=items, total=len(best))


# --- The database -----------------------------------------------------------------------------------------------------


@functools.cache
def _engine() -> sa.Engine:
    """Argilla's database, only to be read. Connections are not kept: they must not outlive a fork."""
    url = database_url_sync()
    return sa.create_engine(url, poolclass=sa.NullPool, connect_args={"timeout": 5} if url.startswith("sqlite") else {})


def _database() -> Session:
    return Session(_engine())


def _is_held(db: Session, dataset_id: UUID) -> bool:
    """Whether the database has the dataset, published. If not, there is nothing to compare with."""
    return db.scalar(sa.select(Dataset.id).filter_by(id=dataset_id, status=DatasetStatus.ready)) is not None


def _look(at: Callable[[], Any]) -> Any:
    """Looks at the database; where that fails, the index stands as it is."""
    try:
        return at()
    except sa.exc.SQLAlchemyError as error:
        log.warning("The database cannot be read to compare with: %s", type(error).__name__)
        return None


def _write(index: _Index, records: Iterable[Record]) -> None:
    """Writes records; one that cannot be indexed is left out and told of, by its id alone."""
    for record in records:
        index.run("SAVEPOINT record")
        try:
            index.write(record)
        except (ValueError, TypeError, AttributeError, OverflowError, sqlite3.IntegrityError) as error:
            index.run("ROLLBACK TO record")
            index.read_keys()
            log.error("Record %s cannot be indexed: %s", record.id, type(error).__name__)
        index.run("RELEASE record")


def _read_again(connection: sqlite3.Connection, record_ids: Sequence[UUID]) -> None:
    """Writes records as the database has them. The caller holds the right to write since before they are read, so that
    what others have committed since is written after."""
    suggestions = selectinload(Record.suggestions).selectinload(Suggestion.question)
    with _database() as db:
        records = db.scalars(
            sa.select(Record)
            .where(Record.id.in_(record_ids))
            .order_by(Record.inserted_at, Record.id)
            .options(selectinload(Record.responses), suggestions, selectinload(Record.vectors))
        ).all()
    for dataset_id in {record.dataset_id for record in records}:
        if index := _Index.find(connection, dataset_id):
            _write(index, [record for record in records if record.dataset_id == dataset_id])


def _delete(connection: sqlite3.Connection, dataset_id: UUID, record_ids: Iterable[UUID]) -> None:
    with _transaction(connection):
        if index := _Index.find(connection, dataset_id):
            index.delete(record_ids)


def _forget_deleted(connection: sqlite3.Connection, dataset_id: UUID) -> None:
    """Takes out what the database has lost without the engine's being told: users' responses, and records.

    The index is read first. What is in it was in the database before, so what is not there afterwards has been deleted.
    """
    index = _Index.find(connection, dataset_id)
    if index is None:
        return
    number = {"number": index.number}
    rows = index.run(  # each user once, by the index: there may be many responses
        "WITH RECURSIVE each (user) AS (SELECT min(user) FROM responses WHERE dataset = :number UNION ALL SELECT"
        " (SELECT min(user) FROM responses WHERE dataset = :number AND user > each.user) FROM each WHERE user NOTNULL)"
        " SELECT user FROM each WHERE user NOTNULL",
        number,
    )
    users = {UUID(bytes=user) for (user,) in rows}
    (count,) = index.run("SELECT count(*) FROM records WHERE dataset = :number", number).fetchone()
    with _database() as db:
        if not _is_held(db, dataset_id):
            return
        users -= set(db.scalars(sa.select(User.id).where(User.id.in_(users)))) if users else set()
        held = sa.select(sa.func.count()).select_from(Record).filter_by(dataset_id=dataset_id)
        fewer = db.scalar(held) < count
    if fewer:
        rows = index.run("SELECT id FROM records WHERE dataset = :number", number)
        ids = {UUID(bytes=id_) for (id_,) in rows}
        with _database() as db:
            ids -= set(db.scalars(sa.select(Record.id).filter_by(dataset_id=dataset_id)))
        _delete(connection, dataset_id, ids)
    if users:
        with _transaction(connection):
            if index := _Index.find(connection, dataset_id):
                index.clear_responses_of(users)


def _gone(dataset_id: UUID, responses: base.SearchResponses) -> set[UUID]:
    """The records of an answer that the database does not have any more."""
    ids = {item.record_id for item in responses.items}
    with _database() as db:
        if not ids or not _is_held(db, dataset_id):
            return set()
        return ids - set(db.scalars(sa.select(Record.id).where(Record.id.in_(ids))))


State = dict[str, tuple[int, str, int, int]]  # by a record's id in hexadecimal


def _state_of_index(index: _Index) -> State:
    rows = index.run(
        "SELECT lower(hex(r.id)), r.digest, r.status, r.updated_at, coalesce(sum(p.digest), 0)"
        " FROM records r LEFT JOIN parts p ON p.doc = r.doc WHERE r.dataset = ? GROUP BY r.doc",
        [index.number],
    )
    return {row[0]: row[1:] for row in rows}


def _state_of_database(db: Session, dataset_id: UUID, only: Sequence[str] = ()) -> State:
    """What `_state_of_index` would be if the index held what the database holds.

    Objects are taken as the text that is stored, which is faster; those of the records of `only` are parsed: they may
    have been stored in another style than Python's.
    """

    def hexadecimal(column: Any) -> Any:
        return sa.func.replace(sa.cast(column, sa.String), "-", "")

    def compared(column: Any) -> Any:
        if column.name in ("fields", "metadata", "values") and not only:
            return sa.cast(column, sa.Text)
        return hexadecimal(column) if isinstance(column.type, sa.Uuid) else column

    def rows(kind: Any, *more: Any) -> Iterable[Any]:
        of = kind.__table__.c.id if kind is Record else kind.__table__.c.record_id
        columns = [compared(kind.__mapper__.columns[name]) for name in COMPARED[kind]]
        query = sa.select(hexadecimal(of), *more, *columns).where(Record.dataset_id == dataset_id)
        if only:
            query = query.where(Record.id.in_([UUID(id_) for id_ in only]))
        return db.execute(query if kind is Record else query.join(Record, Record.id == of))

    parts: dict[str, int] = {}
    for kind in (Response, Suggestion, Vector):
        for id_, *values in rows(kind):
            parts[id_] = parts.get(id_, 0) + _digest(values)
    return {
        id_: (_digest(values), str(status), _microseconds(updated_at), parts.get(id_, 0))
        for id_, status, updated_at, *values in rows(Record, *(Record.__table__.c[n] for n in ("status", "updated_at")))
    }


def _differences(connection: sqlite3.Connection, dataset_id: UUID) -> tuple[list[UUID], list[UUID]]:
    """Records to read again, and records to take out."""
    index = _Index.find(connection, dataset_id)
    indexed = _state_of_index(index) if index else {}
    with _database() as db:
        held = _state_of_database(db, dataset_id)
        other = [id_ for id_, state in held.items() if id_ in indexed and indexed[id_] != state]
        for start in range(0, len(other), CHUNK):
            held |= _state_of_database(db, dataset_id, other[start : start + CHUNK])
    return (
        [UUID(id_) for id_, state in held.items() if indexed.get(id_) != state],
        [UUID(id_) for id_ in indexed if id_ not in held],
    )


def _repair(dataset_id: UUID, *, anew: bool = False, write: bool = True) -> int:
    """Makes a dataset's part of the index agree with the database.

    Args:
        dataset_id: A dataset; nothing is done where it is not published.
        anew: Fill it again whatever it holds.
        write: False only counts.

    Returns:
        How many records differed.
    """
    connection = _connection()
    with _database() as db:
        parts = (Dataset.fields, Dataset.metadata_properties, Dataset.questions)
        query = sa.select(Dataset).filter_by(id=dataset_id, status=DatasetStatus.ready)
        dataset = db.scalar(query.options(*map(selectinload, parts)))
    if dataset is None:
        return 0
    fields, metadata, questions = _shape(dataset)
    if write:
        with _transaction(connection):
            index = _Index.find(connection, dataset_id)
            same = index and (index.fields, index.questions) == (json.loads(fields), json.loads(questions))
            if index and (anew or not same):
                index.drop()
            if not same or anew:
                index = _Index.create(connection, dataset)
            connection.execute("UPDATE datasets SET metadata = ? WHERE id = ?", [metadata, dataset_id.bytes])
    stale, gone = _differences(connection, dataset_id)
    for start in range(0, len(stale) if write else 0, CHUNK):
        with _transaction(connection):
            _read_again(connection, stale[start : start + CHUNK])
    if write and gone:
        _delete(connection, dataset_id, gone)
    return len(stale) + len(gone)


def _repair_all(*, anew: bool = False, write: bool = True) -> dict[UUID, int]:
    with _database() as db:
        published = sa.select(Dataset.id).filter_by(status=DatasetStatus.ready).order_by(Dataset.inserted_at)
        held = db.scalars(published).all()
    differing = {dataset_id: _repair(dataset_id, anew=anew, write=write) for dataset_id in held}
    return {dataset_id: count for dataset_id, count in differing.items() if count}


# --- The engine -------------------------------------------------------------------------------------------------------


def _in_thread(method: Callable[..., Any]) -> Callable[..., Any]:
    """SQLite blocks, and the server has one loop for all."""

    @functools.wraps(method)
    async def run(*args: Any, **kwargs: Any) -> Any:
        return await asyncio.to_thread(method, *args, **kwargs)

    return run


@_in_thread
def rebuild_if_stale() -> dict[UUID, int]:
    """Compares the index with the database and reads again what differs; safe while the server runs.

    Returns:
        Datasets that differed, with the number of records read again or taken out.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: The database cannot be read.
    """
    return _repair_all()


@contextlib.contextmanager
def _changing(dataset: Dataset) -> Iterator[_Index]:
    """A dataset's part of the index, to be written in one transaction. Where there is none it is made, and filled from
    the database if that has the dataset: the file may have been lost."""
    connection = _connection()
    if not _Index.find(connection, dataset.id):
        _look(lambda: _repair(dataset.id))
    with _transaction(connection):
        yield _Index.find(connection, dataset.id) or _Index.create(connection, dataset)


def _change(record_id: UUID, change: Callable[[_Index, int], bool | None]) -> None:
    """Changes what hangs on one record. Where the record is not indexed, or the change answers that it is out of date
    (False), the record is read from the database."""
    with _transaction(_connection()) as connection:
        row = connection.execute(
            "SELECT d.id, r.doc FROM records r JOIN datasets d ON d.number = r.dataset WHERE r.id = ?",
            [record_id.bytes],
        ).fetchone()
        index = _Index.find(connection, UUID(bytes=row[0])) if row else None
        if index is None or change(index, row[1]) is False:
            _look(lambda: _read_again(connection, [record_id]))


def _ask(dataset_id: UUID, question: Callable[[_Index], Any]) -> Any:
    """A dataset's index asked, once what was deleted behind its back is taken out; None if there is no index."""
    connection = _connection()
    if not _Index.find(connection, dataset_id):
        _look(lambda: _repair(dataset_id))
    _look(lambda: _forget_deleted(connection, dataset_id))
    connection.execute("BEGIN")  # one state of the index for all that is read
    try:
        index = _Index.find(connection, dataset_id)
        return question(index) if index else None
    finally:
        connection.execute("COMMIT")


def _answer(dataset_id: UUID, question: Callable[[_Index], base.SearchResponses]) -> base.SearchResponses:
    """Records that the database has."""
    while True:
        responses = _ask(dataset_id, question) or base.SearchResponses(items=[], total=0)
        gone = _look(lambda: _gone(dataset_id, responses))  # noqa: B023
        if not gone:
            return responses
        _delete(_connection(), dataset_id, gone)


@base.SearchEngine.register("sqlite")
class SQLiteSearchEngine(base.SearchEngine):
    """The engine as the server calls it. It has no state: connections belong to threads, the rest is in the file."""

    _compared_in = 0  # the process that has compared index and database

    @classmethod
    async def new_instance(cls) -> SQLiteSearchEngine:
        return cls()

    async def close(self) -> None:
        pass

    @_in_thread
    def ping(self) -> bool:
        if SQLiteSearchEngine._compared_in != os.getpid():
            SQLiteSearchEngine._compared_in = os.getpid()
            _look(_repair_all)
        return _connection().execute("SELECT 1").fetchone() == (1,)

    async def info(self) -> dict:
        return {"name": "sqlite", "version": {"number": sqlite3.sqlite_version}}

    @_in_thread
    def create_index(self, dataset: Dataset) -> None:
        with _changing(dataset):
            pass

    @_in_thread
    def delete_index(self, dataset: Dataset) -> None:
        with _transaction(_connection()) as connection:
            if index := _Index.find(connection, dataset.id):
                index.drop()

    @_in_thread
    def configure_metadata_property(self, dataset: Dataset, metadata_property: MetadataProperty) -> None:
        with _changing(dataset) as index:
            metadata = index.metadata | {metadata_property.name: str(metadata_property.settings["type"])}
            index.run("UPDATE datasets SET metadata = ? WHERE number = ?", [json.dumps(metadata), index.number])

    @_in_thread
    def index_records(self, dataset: Dataset, records: Iterable[Record]) -> None:
        with _changing(dataset) as index:
            old = [record for record in records if index.is_newer("records", record)]
            _write(index, [record for record in records if record not in old])
            if old:
                _look(lambda: _read_again(_connection(), [record.id for record in old]))

    @_in_thread
    def partial_record_update(self, record: Record, **update: Any) -> None:
        def change(index: _Index, doc: int) -> bool:
            if index.is_newer("records", record):
                return False
            if update.keys() - {"status"}:
                index.write(record)
            values = [str(update.get("status", record.status)), _updated(record), doc]
            index.run("UPDATE records SET status = ?, updated_at = ? WHERE doc = ?", values)
            return True

        _change(record.id, change)

    @_in_thread
    def delete_records(self, dataset: Dataset, records: Iterable[Record]) -> None:
        _delete(_connection(), dataset.id, [record.id for record in records])

    @_in_thread
    def update_record_response(self, response: Response) -> None:
        def change(index: _Index, doc: int) -> bool:
            if index.is_newer("responses", response):
                return False
            index.clear_response(response.id.bytes, doc)
            index.add_response(response, doc)
            return True

        _change(response.record_id or response.record.id, change)

    @_in_thread
    def delete_record_response(self, response: Response) -> None:
        _change(
            response.record_id or response.record.id, lambda index, doc: index.clear_response(response.id.bytes, doc)
        )

    @_in_thread
    def update_record_suggestion(self, suggestion: Suggestion) -> None:
        def change(index: _Index, doc: int) -> None:
            index.clear_suggestion(suggestion, doc)
            index.add_suggestion(suggestion, doc)

        _change(suggestion.record_id, change)

    @_in_thread
    def delete_record_suggestion(self, suggestion: Suggestion) -> None:
        _change(suggestion.record_id, lambda index, doc: index.clear_suggestion(suggestion, doc))

    @_in_thread
    def get_dataset_progress(self, dataset: Dataset) -> dict:
        return self._progress(dataset, "FROM records WHERE dataset = ?", [])

    @_in_thread
    def get_dataset_user_progress(self, dataset: Dataset, user: User) -> dict:
        return self._progress(dataset, "FROM responses WHERE dataset = ? AND user = ?", [user.id.bytes])

    def _progress(self, dataset: Dataset, rows: str, values: list[Any]) -> dict:
        if dataset.is_draft:
            return {}
        sql = f"SELECT status, count(*) {rows} GROUP BY status"
        counts = _ask(dataset.id, lambda index: dict(index.run(sql, [index.number, *values]).fetchall())) or {}
        return {"total": sum(counts.values()), **counts}

    @_in_thread
    def search(
        self,
        dataset: Dataset,
        query: base.TextQuery | str | None = None,
        filter: base.Filter | None = None,
        sort: list[base.Order] | None = None,
        offset: int = 0,
        limit: int = 100,
        user_id: str | None = None,
    ) -> base.SearchResponses:
        return _answer(
            dataset.id, lambda index: _search(index, query, filter, sort or [], user_id, limit=limit, offset=offset)
        )

    @_in_thread
    def similarity_search(
        self,
        dataset: Dataset,
        vector_settings: VectorSettings,
        value: list[float] | None = None,
        record: Record | None = None,
        query: base.TextQuery | str | None = None,
        filter: base.Filter | None = None,
        max_results: int = 100,
        order: SimilarityOrder = SimilarityOrder.most_similar,
        threshold: float | None = None,
    ) -> base.SearchResponses:
        if bool(value) == bool(record):
            raise ValueError("Must provide either vector value or record to compute the similarity search")
        numbers = value or (record and record.vector_value_by_vector_settings(vector_settings))
        if not numbers:
            raise ValueError("Cannot find a vector value to apply with provided info")
        sign = -1 if order == SimilarityOrder.least_similar else 1
        towards = [sign * number for number in numbers]
        record_id = record.id if record else None
        return _answer(
            dataset.id,
            lambda index: _similarity(
                index, vector_settings, towards, record_id, query or None, filter, max_results, threshold
            ),
        )

    @_in_thread
    def compute_metrics_for(self, metadata_property: MetadataProperty) -> base.MetadataMetrics:
        sql = "SELECT min(number), max(number) FROM cells WHERE key = ?"
        if metadata_property.type == MetadataPropertyType.terms:
            sql = "SELECT text, count(*) FROM cells WHERE key = ? GROUP BY text ORDER BY 2 DESC, 1"

        def compute(index: _Index) -> list[tuple[Any, Any]]:
            key = index.keys.get(("metadata", metadata_property.name), 0)
            return _Records.of(index).kept((sql, key), lambda: index.run(sql, [key]).fetchall())

        rows = _ask(metadata_property.dataset_id, compute)
        if metadata_property.type == MetadataPropertyType.terms:
            values = [base.TermsMetrics.TermCount(term=term, count=count) for term, count in rows or []]
            return base.TermsMetrics(total=sum(value.count for value in values), values=values[:MOST_TERMS])
        least, most = rows[0] if rows and rows[0][0] is not None else (None, None)
        if metadata_property.type == MetadataPropertyType.integer:
            return base.IntegerMetadataMetrics(min=least and int(least), max=most and int(most))
        # Elasticsearch holds such numbers in 32 bits.
        return base.FloatMetadataMetrics(min=least and float(np.float32(least)), max=most and float(np.float32(most)))


def main(arguments: Sequence[str]) -> int:
    """`check` counts the records that differ, `repair` reads them again, `rebuild` reads all again."""
    if list(arguments) not in (["check"], ["repair"], ["rebuild"]):
        print("Say what to do with the search index: check, repair or rebuild.", file=sys.stderr)
        return 2
    (task,) = arguments
    differing = _repair_all(anew=task == "rebuild", write=task != "check")
    for dataset_id, count in differing.items():
        print(f"dataset {dataset_id}: {count} records {'differ' if task == 'check' else 'read again'}")
    return int(task == "check" and bool(differing))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
