"""What the search engine must do, checked in the server's environment against a real database of Argilla's.

Run by test_search_engine.py, which sets ARGILLA_HOME_PATH to an empty folder. Records are put into the database as the
server's routes put them, and the engine is told as the routes tell it.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import sqlite3
import stat
import time
from datetime import datetime, timedelta
from itertools import count
from uuid import UUID

import numpy as np
import pytest
import search_engine as ours
import sqlalchemy as sa
from argilla_server import models
from argilla_server.database import sync_engine
from argilla_server.enums import SimilarityOrder
from argilla_server.models.base import DatabaseModel
from argilla_server.search_engine import (
    AndFilter,
    MetadataFilterScope,
    Order,
    RangeFilter,
    RecordFilterScope,
    ResponseFilterScope,
    SuggestionFilterScope,
    TermsFilter,
    TextQuery,
)
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session, selectinload

hypothesis_settings.register_profile("house", deadline=None, max_examples=60, derandomize=True)
hypothesis_settings.load_profile("house")

START = datetime(2026, 11, 26, 12)
numbers = count()


class World:
    """One dataset in the database and in the index."""

    def __init__(self, fields=None, metadata=None, questions=None, dimensions=0):
        if not sa.inspect(sync_engine).has_table("datasets"):
            DatabaseModel.metadata.create_all(sync_engine)
        self.engine = ours.SQLiteSearchEngine()
        self.db = Session(sync_engine, expire_on_commit=False)
        workspace = models.Workspace(name=f"w{next(numbers)}")
        self.db.add(workspace)
        self.db.flush()
        dataset = models.Dataset(
            name="d",
            status="ready",
            workspace_id=workspace.id,
            distribution={"strategy": "overlap", "min_submitted": 1},
        )
        self.db.add(dataset)
        self.db.flush()
        self.id = dataset.id
        for model, items in (
            (models.Field, fields or {"text": "text"}),
            (models.MetadataProperty, metadata or {}),
            (models.Question, questions or {}),
        ):
            for name, type_ in items.items():
                self.db.add(model(name=name, title=name, settings={"type": type_}, dataset_id=self.id))
        if dimensions:
            self.db.add(models.VectorSettings(name="v", title="v", dimensions=dimensions, dataset_id=self.id))
        self.db.commit()
        self.dataset = self.load_dataset()
        self.do("create_index", self.dataset)

    def load_dataset(self):
        parts = (
            models.Dataset.fields,
            models.Dataset.metadata_properties,
            models.Dataset.questions,
            models.Dataset.vectors_settings,
        )
        return self.db.scalar(sa.select(models.Dataset).filter_by(id=self.id).options(*map(selectinload, parts)))

    def do(self, method, *args, **kwargs):
        return asyncio.run(getattr(self.engine, method)(*args, **kwargs))

    def put(self, *texts, **more):
        """Records with one text each into the database; ids in order. `more` has a list for each other attribute."""
        records = []
        for i, text in enumerate(texts):
            at = START + timedelta(seconds=next(numbers))
            own = {name: values[i] for name, values in more.items()}
            fields = text if isinstance(text, dict) else {"text": text}
            records.append(models.Record(fields=fields, dataset_id=self.id, inserted_at=at, updated_at=at, **own))
        self.db.add_all(records)
        self.db.commit()
        return [record.id for record in records]

    def add(self, *texts, **more):
        """As `put`, and the engine is told."""
        ids = self.put(*texts, **more)
        self.index(ids)
        return ids

    def load(self, ids):
        question = selectinload(models.Record.suggestions).selectinload(models.Suggestion.question)
        parts = (selectinload(models.Record.responses), question, selectinload(models.Record.vectors))
        query = sa.select(models.Record).where(models.Record.id.in_(ids)).options(*parts)
        return self.db.scalars(query.execution_options(populate_existing=True)).all()

    def index(self, ids):
        self.do("index_records", self.dataset, self.load(ids))

    def user(self):
        user = models.User(username=f"u{next(numbers)}", first_name="u", role="annotator", password_hash="")
        self.db.add(user)
        self.db.commit()
        return user

    def respond(self, record_id, user, status="submitted", **values):
        at = START + timedelta(seconds=next(numbers))
        response = models.Response(
            record_id=record_id,
            user_id=user.id,
            status=status,
            values={name: {"value": value} for name, value in values.items()},
            inserted_at=at,
            updated_at=at,
        )
        self.db.add(response)
        self.db.commit()
        self.do("update_record_response", response)
        return response

    def suggest(self, record_id, question, value, **more):
        question = self.dataset.question_by_name(question)
        suggestion = models.Suggestion(record_id=record_id, question_id=question.id, value=value, **more)
        self.db.add(suggestion)
        self.db.commit()
        suggestion.question = question
        self.do("update_record_suggestion", suggestion)
        return suggestion

    def find(self, query=None, **how):
        """Ids as found."""
        how.setdefault("limit", 1000)
        found = self.do("search", self.dataset, query=query, **how)
        assert found.total >= len(found.items)
        return [item.record_id for item in found.items]

    def which(self, ids, query=None, **how):
        """Places in `ids` of what is found, sorted unless there is an order."""
        places = [ids.index(id_) for id_ in self.find(query, **how)]
        return places if "sort" in how else sorted(places)

    def differing(self):
        return asyncio.run(ours.rebuild_if_stale()).get(self.id, 0)


def metadata(name):
    return MetadataFilterScope(name)


# --- Text -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def texts():
    world = World()
    ids = world.add(
        "The quick brown fox",  # 0
        "The quick red fox jumps",  # 1
        "A brown dog; quick!",  # 2
        "Naïve café, don't panic — it’s 3.14",  # 3
        "naive cafe",  # 4
        "私は東京都に住んでいます",  # 5
        "학교에서 만나요",  # 6
        "ฉันรักภาษาไทย",  # 7
        "so happy 😀👍🏽!",  # 8
        "foo_bar baz-qux *smiles* C:\\temp",  # 9
        "STRASSE Straße İstanbul",  # 10
        "हिन्दी में",  # 11
    )
    return world, ids


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("quick", [0, 1, 2]),
        ("QUICK fox", [0, 1]),
        ("quick + fox", [0, 1]),
        ("brown | red", [0, 1, 2]),
        ("quick -fox", [2]),
        ("-quick -fox -naive", [3, 5, 6, 7, 8, 9, 10, 11]),
        ("--quick", [0, 1, 2]),
        ('"quick brown"', [0]),
        ('"quick fox"', []),
        ('"quick fox"~1', [0, 1]),
        ('"quick jumps"~1', []),
        ('"quick jumps"~2', [1]),
        ("qui*", [0, 1, 2]),
        ("qui", []),
        ("q\\ui*", [0, 1, 2]),
        ("quick\\*", [0, 1, 2]),
        ("quack~", [0, 1, 2]),
        ("quack~1", [0, 1, 2]),
        ("quzzk~1", []),
        ("quick~0", [0, 1, 2]),
        ("quick~x", [0, 1, 2]),
        # From left to right: (dog | red) + fox, and (quick + red) | dog.
        ("dog | red fox", [1]),
        ("quick red | dog", [1, 2]),
        ("(dog | (red fox)) quick", [1, 2]),
        ("(quick", [0, 1, 2]),
        ("quick)", [0, 1, 2]),
        ('"quick', [0, 1, 2]),
        ("| quick", [0, 1, 2]),
        ("quick +", [0, 1, 2]),
        ("() quick", [0, 1, 2]),
        ('"" quick', [0, 1, 2]),
        ("quick !!!", [0, 1, 2]),
        ("quick AND fox", []),  # no operator, a word
        ("", []),
        ("   ", []),
        ("!!! ???", []),
        ("*", list(range(12))),
        ("naïve", [3]),
        ("naive", [4]),
        ("nai\u0308ve CAFÉ", [3]),
        ("don't", [3]),
        ("don’t it's", [3]),
        ("3.14", [3]),
        ("東京", [5]),
        ("京都", [5]),
        ("都", [5]),
        ("都京", []),
        ("東京 住", [5]),
        ("学校", []),
        ("학교", [6]),
        ("ภาษา", [7]),
        ("😀", [8]),
        ("👍", [8]),
        ("happy😀", [8]),
        ("foo", [9]),
        ("baz-qux", [9]),
        ("qux-baz", [9]),
        ("smiles", [9]),
        ("temp", [9]),
        ("straße", [10]),
        ("हिन्दी", [11]),
    ],
)
def test_queries_find_what_elasticsearch_would(texts, query, found):
    world, ids = texts
    assert world.which(ids, query) == found
    assert world.which(ids, TextQuery(q=query, field="text")) == found


@given(st.text(alphabet='quickfo +|-"()~*\\1東京é\t', max_size=30) | st.text(max_size=40))
def test_no_query_is_an_error(texts, query):
    world, _ = texts
    assert world.do("search", world.dataset, query=query, limit=3).total <= 12


@given(st.text(alphabet='quickfo |-"()~*', min_size=1, max_size=15))
def test_not_finds_the_others(texts, query):
    world, ids = texts
    if world.find(f"({query})") and query.count("(") == query.count(")") == 0 == query.count('"'):
        assert set(world.find(f"-({query})")) == set(ids) - set(world.find(f"({query})"))


@pytest.mark.parametrize(
    "query",
    [
        "(" * 500 + "fox" + ")" * 500,
        "(a | b " * 300,
        " | ".join(f"a{i} b{i}" for i in range(500)),
        " ".join(f"w{i}" for i in range(5000)),
        "-(" * 100 + "fox" + ")" * 100,
        "x" * 100_000,
        "~" * 1000,
        "fox~" * 300,
        '"' * 999,
        "\\" * 999,
    ],
)
def test_monstrous_queries_are_answered(texts, query):
    world, _ = texts
    world.find(query)


def test_chat_messages_are_searched_and_roles_and_images_are_not():
    world = World(fields={"chat": "chat", "image": "image", "custom": "custom", "text": "text"})
    chat = [{"role": "user", "content": "Hello there"}, {"role": "assistant", "content": "General greetings"}]
    ids = world.add(
        {
            "chat": chat,
            "image": "https://pictures.example/cat.png",
            "custom": {"mood": ["sunny", {"n": 7}]},
            "text": "x",
        },
        {"chat": None, "image": None, "custom": None, "text": "hello"},
    )
    assert world.which(ids, "hello") == [0, 1]
    assert world.which(ids, TextQuery(q="hello", field="chat")) == [0]
    assert world.which(ids, TextQuery(q="hello", field="text")) == [1]
    assert world.which(ids, "hello greetings") == [0]
    assert world.which(ids, '"hello there"') == [0]
    assert world.which(ids, '"there general"') == []
    assert world.which(ids, "assistant | user | pictures") == []
    assert world.which(ids, "sunny mood 7") == [0]
    assert world.which(ids, TextQuery(q="-hello", field="text")) == [0]
    with pytest.raises(ValueError, match="Field nowhere not found"):
        world.find(TextQuery(q="x", field="nowhere"))


def test_better_matches_come_first_and_scores_do_not_depend_on_filters():
    world = World(metadata={"m": "terms"})
    ids = world.add(
        "tea " + "words " * 30, "tea tea tea", *["coffee"] * 5, metadata_=[{"m": "a"}, {"m": "a"}] + [{"m": "b"}] * 5
    )
    found = world.do("search", world.dataset, query="tea")
    assert [item.record_id for item in found.items] == [ids[1], ids[0]]
    filtered = world.do("search", world.dataset, query="tea", filter=TermsFilter(metadata("m"), ["a"]))
    assert filtered == found


# --- Filters ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def measured():
    world = World(
        metadata={"persona": "terms", "cluster": "integer", "difficulty": "float", 'it\'s "odd"; --': "terms"}
    )
    ids = world.add(
        *"abcdef",
        external_id=["x1", "x2", "x10", None, None, None],
        metadata_=[
            {"persona": "ann", "cluster": 3, "difficulty": 0.1, 'it\'s "odd"; --': "'; DROP TABLE records; --"},
            {"persona": ["bob", "cy"], "cluster": 10, "difficulty": 0.25},
            {"persona": "Bob", "cluster": "00007", "difficulty": -1.5},
            {"persona": 5, "cluster": 3},
            {"persona": True, "unknown": "ann"},
            None,
        ],
    )
    return world, ids


@pytest.mark.parametrize(
    ("scope", "values", "found"),
    [
        ("persona", ["ann"], [0]),
        ("persona", ["bob"], [1]),
        ("persona", ["cy", "Bob"], [1, 2]),
        ("persona", ["5"], [3]),
        ("persona", ["true"], [4]),
        ("persona", ["an"], []),
        ("persona", [], []),
        ("cluster", ["3"], [0, 3]),
        ("cluster", ["7", "10"], [1, 2]),
        ("cluster", ["3.0"], [0, 3]),
        ("cluster", ["three"], []),
        ("difficulty", ["0.1", "-1.5"], [0, 2]),
        ('it\'s "odd"; --', ["'; DROP TABLE records; --"], [0]),
        ("unknown", ["ann"], []),
    ],
)
def test_terms_of_metadata(measured, scope, values, found):
    world, ids = measured
    assert world.which(ids, filter=TermsFilter(metadata(scope), values)) == found


@pytest.mark.parametrize(
    ("scope", "bounds", "found"),
    [
        ("cluster", {"ge": 3, "le": 7}, [0, 2, 3]),
        ("cluster", {"ge": "4"}, [1, 2]),
        ("cluster", {"ge": 3.5, "le": 9.9}, [2]),
        ("difficulty", {"ge": 0.1, "le": 0.1}, [0]),
        ("difficulty", {"le": "0.1"}, [0, 2]),
        ("difficulty", {"ge": "x"}, []),
        ("persona", {"ge": "a", "le": "b"}, [0]),
        ("persona", {"ge": "a"}, [0, 1, 4]),
    ],
)
def test_ranges_of_metadata(measured, scope, bounds, found):
    world, ids = measured
    assert world.which(ids, filter=RangeFilter(metadata(scope), **bounds)) == found


def test_filters_combine_and_names_are_never_sql(measured):
    world, ids = measured
    both = AndFilter([TermsFilter(metadata("cluster"), ["3"]), RangeFilter(metadata("difficulty"), ge=0)])
    assert world.which(ids, filter=both) == [0]
    assert world.which(ids, filter=AndFilter([])) == list(range(6))
    assert world.which(ids, "b", filter=TermsFilter(metadata("persona"), ["bob"])) == [1]


@given(st.text(max_size=20), st.text(max_size=20))
def test_any_name_and_value_is_answered(measured, name, value):
    world, ids = measured
    scopes = [metadata(name), SuggestionFilterScope(name, value), ResponseFilterScope(question=name or "q")]
    for scope in [*scopes, RecordFilterScope(name), RecordFilterScope("inserted_at"), RecordFilterScope("id")]:
        world.find(filter=TermsFilter(scope, [value]))
        world.find(filter=RangeFilter(scope, ge=value))
        assert set(world.find(sort=[Order(scope, "desc")])) == set(ids)


def test_records_by_their_own_columns(measured):
    world, ids = measured
    assert world.which(ids, filter=TermsFilter(RecordFilterScope("id"), [str(ids[2]), str(ids[4])])) == [2, 4]
    assert world.which(ids, filter=TermsFilter(RecordFilterScope("external_id"), ["x10"])) == [2]
    assert world.which(ids, filter=TermsFilter(RecordFilterScope("status"), ["pending"])) == list(range(6))
    assert world.which(ids, filter=TermsFilter(RecordFilterScope("status"), ["completed"])) == []


def test_dates_a_bare_one_is_the_whole_day():
    world = World()
    ids = world.put(*"abcd")
    moments = ["2024-01-31T23:59:59.999999", "2024-02-01T00:00:00", "2024-02-01T23:59:59.500000", "2024-02-02T00:00:00"]
    for id_, moment in zip(ids, moments, strict=True):
        world.db.execute(
            sa.update(models.Record).where(models.Record.id == id_).values(inserted_at=datetime.fromisoformat(moment))
        )
    world.db.commit()
    world.index(ids)

    def between(**bounds):
        return world.which(ids, filter=RangeFilter(RecordFilterScope("inserted_at"), **bounds))

    assert between(ge="2024-02-01", le="2024-02-01") == [1, 2]
    assert between(le="2024-02-01") == [0, 1, 2]
    assert between(ge="2024-02-01T00:00:00Z", le="2024-02-01T00:00:00Z") == [1]
    assert between(ge="2024-02-01T01:00:00+01:00", le="2024-02-01T00:00") == [1]
    assert between(le="2024-02-01T23:59:59") == [0, 1, 2]
    assert between(le="2024-02-01T23:59:59.400") == [0, 1]
    assert between(ge=1706745600000.0) == [1, 2, 3]  # milliseconds
    assert between(ge="2025") == []
    assert between(ge="nonsense") == []
    assert world.which(ids, filter=TermsFilter(RecordFilterScope("inserted_at"), ["2024-02-01"])) == [1, 2]


@pytest.fixture(scope="module")
def answered():
    questions = {"label": "label_selection", "many": "multi_label_selection", "rating": "rating", "comment": "text"}
    world = World(questions=questions)
    ids = world.add(*"abcde")
    ann, bob = world.user(), world.user()
    world.respond(ids[0], ann, label="yes", rating=1, many=["p", "q"], comment="good")
    world.respond(ids[0], bob, "draft", label="no", rating=5)
    world.respond(ids[1], ann, "discarded")
    world.respond(ids[2], bob, rating=2, label="yes")
    world.suggest(ids[0], "rating", 4, score=0.5, agent="judge-1", type="model")
    world.suggest(ids[1], "rating", 2, score=0.125, agent="judge-2", type="human")
    world.suggest(ids[2], "many", ["p", "r"], score=[0.75, 0.25])
    return world, ids, ann, bob


@pytest.mark.parametrize(
    ("user", "statuses", "found"),
    [
        (None, ["submitted"], [0, 2]),
        (None, ["pending"], [3, 4]),
        (None, ["pending", "discarded"], [1, 3, 4]),
        (None, [], [0, 1, 2, 3, 4]),
        ("ann", ["submitted"], [0]),
        ("ann", ["draft"], []),
        ("ann", ["pending"], [2, 3, 4]),
        ("ann", ["pending", "submitted"], [0, 2, 3, 4]),
        ("ann", [], [0, 1]),
        ("bob", ["draft"], [0]),
        ("bob", ["pending"], [1, 3, 4]),
    ],
)
def test_response_statuses(answered, user, statuses, found):
    world, ids, ann, bob = answered
    scope = ResponseFilterScope(property="status", user={"ann": ann, "bob": bob}.get(user))
    given_statuses = list(statuses)
    assert world.which(ids, filter=TermsFilter(scope, given_statuses)) == found
    assert given_statuses == statuses  # a caller's list is left as it is


def test_response_values(answered):
    world, ids, ann, bob = answered

    def found(question, values, user=None):
        return world.which(ids, filter=TermsFilter(ResponseFilterScope(question=question, user=user), values))

    assert found("label", ["yes"]) == [0, 2]
    assert found("label", ["yes"], ann) == [0]
    assert found("label", ["yes"], bob) == [2]
    assert found("many", ["q"]) == [0]
    assert found("rating", ["1"]) == [0]
    assert found("rating", ["1"], bob) == []
    assert found("comment", ["good"]) == []  # free text is not indexed, as with Elasticsearch
    assert world.which(ids, filter=RangeFilter(ResponseFilterScope(question="rating"), ge=2, le=4)) == [2]
    with pytest.raises(ValueError, match="Cannot process"):
        world.find(filter=RangeFilter(ResponseFilterScope(property="status"), ge=1))


def test_suggestions(answered):
    world, ids, *_ = answered

    def found(question, property, values):
        return world.which(ids, filter=TermsFilter(SuggestionFilterScope(question, property), values))

    assert found("rating", "value", ["4"]) == [0]
    assert found("rating", "agent", ["judge-2"]) == [1]
    assert found("rating", "type", ["model"]) == [0]
    assert found("rating", "score", ["0.5"]) == [0]
    assert found("many", "value", ["r"]) == [2]
    assert found("many", "score", ["0.25"]) == [2]
    assert world.which(ids, filter=RangeFilter(SuggestionFilterScope("rating", "score"), le=0.2)) == [1]


def test_progress_counts_a_users_own_responses(answered):
    world, _, ann, bob = answered
    assert world.do("get_dataset_user_progress", world.dataset, ann) == {"total": 2, "submitted": 1, "discarded": 1}
    assert world.do("get_dataset_user_progress", world.dataset, bob) == {"total": 2, "submitted": 1, "draft": 1}
    assert world.do("get_dataset_user_progress", world.dataset, world.user()) == {"total": 0}
    assert world.do("get_dataset_progress", world.dataset) == {"total": 5, "pending": 5}
    draft = models.Dataset(status="draft")
    assert world.do("get_dataset_progress", draft) == {} == world.do("get_dataset_user_progress", draft, ann)


def test_what_routes_tell_leaves_nothing_to_repair(answered):
    world, *_ = answered
    assert world.differing() == 0


def test_metrics(measured):
    world, _ = measured

    def metrics(name):
        return world.do("compute_metrics_for", world.dataset.metadata_property_by_name(name)).model_dump()

    assert metrics("cluster") == {"type": "integer", "min": 3, "max": 10}
    assert metrics("difficulty") == {"type": "float", "min": -1.5, "max": 0.25}
    terms = [{"term": term, "count": 1} for term in ("5", "Bob", "ann", "bob", "cy", "true")]
    assert metrics("persona") == {"type": "terms", "total": 6, "values": terms}
    empty = World(metadata={"n": "float", "i": "integer", "t": "terms"})
    for name, expected in (("n", (None, None)), ("i", (None, None))):
        found = empty.do("compute_metrics_for", empty.dataset.metadata_property_by_name(name))
        assert (found.min, found.max) == expected
    assert empty.do("compute_metrics_for", empty.dataset.metadata_property_by_name("t")).total == 0


# --- Order and pages --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scope", "order", "found"),
    [
        (metadata("cluster"), "asc", [0, 3, 2, 1, 4, 5]),
        (metadata("cluster"), "desc", [1, 2, 0, 3, 4, 5]),
        (metadata("difficulty"), "asc", [2, 0, 1, 3, 4, 5]),
        (metadata("difficulty"), "desc", [1, 0, 2, 3, 4, 5]),
        (metadata("persona"), "asc", [3, 2, 0, 1, 4, 5]),
        (metadata("persona"), "desc", [4, 1, 0, 2, 3, 5]),
        (metadata("unknown"), "asc", [0, 1, 2, 3, 4, 5]),
        (RecordFilterScope("external_id"), "desc", [1, 2, 0, 3, 4, 5]),
        (RecordFilterScope("inserted_at"), "desc", [5, 4, 3, 2, 1, 0]),
        (RecordFilterScope("status"), "asc", [0, 1, 2, 3, 4, 5]),
    ],
)
def test_sorts_have_what_is_missing_last(measured, scope, order, found):
    world, ids = measured
    assert world.which(ids, sort=[Order(scope, order)]) == found
    assert {item.score for item in world.do("search", world.dataset, sort=[Order(scope, order)]).items} == {None}


def test_sorts_by_responses_and_suggestions(answered):
    world, ids, ann, bob = answered

    def order(scope, way):
        return world.which(ids, sort=[Order(scope, way)])

    assert order(ResponseFilterScope(question="rating"), "asc") == [2, 0, 1, 3, 4]  # 2, the mean of 1 and 5, missing
    assert order(ResponseFilterScope(question="rating", user=ann), "desc") == [0, 1, 2, 3, 4]
    assert order(ResponseFilterScope(question="rating", user=bob), "asc") == [2, 0, 1, 3, 4]
    assert order(ResponseFilterScope(property="status", user=ann), "asc") == [1, 0, 2, 3, 4]
    assert order(SuggestionFilterScope("rating", "score"), "asc") == [1, 0, 2, 3, 4]
    assert order(SuggestionFilterScope("rating", "value"), "desc") == [0, 1, 2, 3, 4]
    assert order(SuggestionFilterScope("many", "score"), "desc") == [2, 0, 1, 3, 4]


@given(
    size=st.integers(1, 7),
    sort=st.lists(st.tuples(st.sampled_from(["cluster", "persona", "difficulty"]), st.sampled_from(["asc", "desc"]))),
    user=st.sampled_from([None, UUID(int=1)]),
    query=st.sampled_from([None, "-a"]),
)
def test_pages_hold_each_record_once_in_the_order_of_the_whole(measured, size, sort, user, query):
    world, _ = measured
    how = {"sort": [Order(metadata(name), order) for name, order in sort], "user_id": user, "query": query}
    pages = [world.do("search", world.dataset, offset=at, limit=size, **how) for at in range(0, 8, size)]
    assert [item.record_id for page in pages for item in page.items] == world.find(**how)
    assert {page.total for page in pages} == {6 if query is None else 5}


def test_each_user_has_an_order_that_outlives_the_index():
    world = World()
    ids = world.add(*["same words"] * 40)
    ann, bob = UUID(int=1), UUID(int=2)
    orders = {user: world.find(user_id=user) for user in (ann, bob)}
    assert sorted(orders[ann]) == sorted(orders[bob]) == sorted(ids)
    assert orders[ann] != orders[bob] != ids
    with_query = world.find("words", user_id=ann)
    world.index(ids[:3])
    assert world.find(user_id=str(ann)) == orders[ann]
    world.do("delete_index", world.dataset)
    assert {user: world.find(user_id=user) for user in (ann, bob)} == orders
    assert world.find("words", user_id=ann) == with_query
    scores = [item.score for item in world.do("search", world.dataset, user_id=ann).items]
    assert scores == sorted(scores, reverse=True)
    assert 0 < scores[-1] < scores[0] < 1


# --- Similarity -------------------------------------------------------------------------------------------------------


def test_similarity_is_the_cosine():
    random = np.random.default_rng(0)
    world = World(dimensions=8, metadata={"m": "integer"})
    (kind,) = world.dataset.vectors_settings
    rows = random.standard_normal((30, 8))
    rows[7] = 0
    ids = world.put(*[f"word{i % 3}" for i in range(30)], metadata_=[{"m": i} for i in range(30)])
    for id_, row in zip(ids, rows[:28], strict=False):
        world.db.add(models.Vector(record_id=id_, vector_settings_id=kind.id, value=row.tolist()))
    world.db.commit()
    world.index(ids)

    def expected(value, among, sign=1):
        unit = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
        scores = sign * unit @ (value / np.linalg.norm(value))
        return sorted(among, key=lambda i: (-round(scores[i], 6), i)), (1 + scores) / 2

    def found(**how):
        answer = world.do("similarity_search", world.dataset, kind, **how)
        return [ids.index(item.record_id) for item in answer.items], answer

    value = random.standard_normal(8)
    order, scores = expected(value, range(28))
    places, answer = found(value=value.tolist(), max_results=100)
    assert places == order
    assert answer.total == 28
    assert [item.score for item in answer.items] == pytest.approx(scores[order], abs=1e-6)
    least, _ = expected(value, range(28), -1)
    assert found(value=value.tolist(), order=SimilarityOrder.least_similar, max_results=5)[0] == least[:5]
    (record,) = world.load([ids[3]])
    near, _ = expected(rows[3], [i for i in range(28) if i != 3])
    assert found(record=record, max_results=4)[0] == near[:4]
    some = RangeFilter(metadata("m"), ge=10, le=20)
    order, scores = expected(value, [i for i in range(10, 21) if i % 3 == 1])
    places, _ = found(value=value.tolist(), filter=some, query=TextQuery(q="word1"))
    assert places == order
    limited, answer = found(value=value.tolist(), filter=some, query="word1", threshold=float(scores[order[1]]) - 1e-6)
    assert limited == order[:2]
    assert found(value=value.tolist(), filter=some)[0] == expected(value, range(10, 21))[0]
    # Vectors that change, records that go.
    (vector,) = world.db.scalars(sa.select(models.Vector).filter_by(record_id=ids[5])).all()
    vector.value = value.tolist()
    world.db.commit()
    world.index([ids[5]])
    assert found(value=value.tolist(), max_results=1)[0] == [5]
    world.do("delete_records", world.dataset, world.load([ids[5]]))
    assert 5 not in found(value=value.tolist(), max_results=100)[0]
    with pytest.raises(ValueError, match="3 numbers where 8"):
        found(value=[1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="Must provide either"):
        found()
    with pytest.raises(ValueError, match="Cannot find a vector"):
        found(record=world.load([ids[29]])[0])


# --- Agreement with the database --------------------------------------------------------------------------------------


@pytest.fixture
def world():
    world = World(metadata={"m": "terms"}, questions={"rating": "rating"})
    world.ids = world.add("one", "two", "three", metadata_=[{"m": "a"}, {"m": "b"}, None])
    return world


def sql(world, statement, **values):
    """An edit that nobody is told of."""
    with sqlite3.connect(sync_engine.url.database) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute(statement, {name: getattr(v, "hex", v) for name, v in values.items()})
    connection.close()


def test_a_deleted_users_responses_are_gone_at_once(world):
    ann, bob = world.user(), world.user()
    world.respond(world.ids[0], ann, rating=3)
    world.respond(world.ids[1], bob, rating=4)
    sql(world, "DELETE FROM users WHERE id = :id", id=ann.id)
    any_status = ResponseFilterScope(property="status")
    assert world.which(world.ids, filter=TermsFilter(any_status, ["submitted"])) == [1]
    assert world.which(world.ids, filter=TermsFilter(any_status, ["pending"])) == [0, 2]
    assert world.which(world.ids, filter=TermsFilter(ResponseFilterScope(question="rating"), ["3"])) == []
    assert world.do("get_dataset_user_progress", world.dataset, ann) == {"total": 0}
    assert world.do("get_dataset_user_progress", world.dataset, bob) == {"total": 1, "submitted": 1}
    assert world.differing() == 0


def test_a_record_deleted_behind_its_back_is_never_returned(world):
    sql(world, "DELETE FROM records WHERE id = :id", id=world.ids[1])
    found = world.do("search", world.dataset)
    assert ([world.ids.index(item.record_id) for item in found.items], found.total) == ([0, 2], 2)
    assert world.do("get_dataset_progress", world.dataset) == {"total": 2, "pending": 2}
    # Where another one that is not indexed yet makes up the number.
    sql(world, "DELETE FROM records WHERE id = :id", id=world.ids[0])
    world.put("four")
    assert world.find("one") == []
    assert world.do("search", world.dataset).total == 1


def test_comparing_finds_every_kind_of_edit(world):
    ann = world.user()
    response = world.respond(world.ids[0], ann, rating=3)
    suggestion = world.suggest(world.ids[0], "rating", 2, score=0.1234567890123456)
    assert world.differing() == 0
    sql(world, "UPDATE records SET fields = json_set(fields, '$.text', 'uno') WHERE id = :id", id=world.ids[0])
    assert world.differing() == 1
    assert world.which(world.ids, "uno") == [0]
    sql(world, """UPDATE records SET metadata = '{"m":  "z"}' WHERE id = :id""", id=world.ids[1])
    assert world.differing() == 1
    assert world.which(world.ids, filter=TermsFilter(metadata("m"), ["z"])) == [1]
    sql(world, "UPDATE records SET status = 'completed' WHERE id = :id", id=world.ids[2])
    assert world.differing() == 1
    assert world.do("get_dataset_progress", world.dataset) == {"total": 3, "pending": 2, "completed": 1}
    sql(world, "UPDATE responses SET status = 'draft' WHERE id = :id", id=response.id)
    assert world.differing() == 1
    assert world.do("get_dataset_user_progress", world.dataset, ann) == {"total": 1, "draft": 1}
    sql(world, "UPDATE suggestions SET value = '5' WHERE id = :id", id=suggestion.id)
    assert world.differing() == 1
    assert world.which(world.ids, filter=TermsFilter(SuggestionFilterScope("rating", "value"), ["5"])) == [0]
    sql(world, "DELETE FROM responses WHERE id = :id", id=response.id)
    assert world.differing() == 1
    sql(world, "DELETE FROM records WHERE id = :id", id=world.ids[2])
    new = world.put("new")
    assert world.differing() == 2
    assert set(world.find()) == {*world.ids[:2], *new}
    assert world.differing() == 0


def test_the_command_line_says_what_differs(world, capsys):
    world.put("not told")

    assert ours.main(["check"]) == 1
    assert capsys.readouterr().out == f"dataset {world.id}: 1 records differ\n"
    assert ours.main(["repair"]) == 0
    assert capsys.readouterr().out == f"dataset {world.id}: 1 records read again\n"
    assert ours.main(["check"]) == 0
    assert ours.main(["rebuild"]) == 0
    assert f"dataset {world.id}: 4 records read again\n" in capsys.readouterr().out
    assert ours.main(["dance"]) == 2


def test_starting_compares_once_in_a_process(world):
    world.put("not told")
    ours.SQLiteSearchEngine._compared_in = 0
    assert world.do("ping") is True
    assert len(world.find()) == 4
    world.put("not told either")
    assert world.do("ping") is True
    assert len(world.find()) == 4


def test_changes_in_the_wrong_order_end_as_the_database_has_it(world):
    ann = world.user()
    response = world.respond(world.ids[0], ann, "draft", rating=1)
    old = models.Response(
        id=response.id,
        record_id=world.ids[0],
        user_id=ann.id,
        status="draft",
        values={},
        updated_at=response.updated_at,
    )
    response.status, response.updated_at = "submitted", START + timedelta(days=1)
    world.db.commit()
    world.do("update_record_response", response)
    world.do("update_record_response", old)
    assert world.do("get_dataset_user_progress", world.dataset, ann) == {"total": 1, "submitted": 1}
    (record,) = world.load([world.ids[1]])
    before = models.Record(id=record.id, dataset_id=world.id, status="pending", updated_at=record.updated_at)
    record.status, record.updated_at = "completed", START + timedelta(days=1)
    world.db.commit()
    world.do("partial_record_update", record, status=record.status)
    world.do("partial_record_update", before, status=before.status)
    assert world.do("get_dataset_progress", world.dataset) == {"total": 3, "completed": 1, "pending": 2}
    assert world.differing() == 0


def test_responses_and_suggestions_are_taken_back(world):
    ann = world.user()
    response = world.respond(world.ids[0], ann, rating=1)
    suggestion = world.suggest(world.ids[0], "rating", 3, agent="judge")
    for thing, method in ((response, "delete_record_response"), (suggestion, "delete_record_suggestion")):
        world.db.delete(thing)
        world.db.commit()
        world.do(method, thing)
    assert world.do("get_dataset_user_progress", world.dataset, ann) == {"total": 0}
    assert world.find(filter=TermsFilter(SuggestionFilterScope("rating", "agent"), ["judge"])) == []
    assert world.find(filter=TermsFilter(ResponseFilterScope(question="rating"), ["1"])) == []
    assert world.differing() == 0


def test_metadata_declared_later_is_there_for_older_records(world):
    ids = world.add("x", metadata_=[{"later": 7}])
    later = models.MetadataProperty(name="later", title="later", settings={"type": "integer"}, dataset_id=world.id)
    world.db.add(later)
    world.db.commit()
    assert world.find(filter=TermsFilter(metadata("later"), ["7"])) == []
    world.do("configure_metadata_property", world.dataset, later)
    assert world.find(filter=TermsFilter(metadata("later"), ["7"])) == ids
    assert world.differing() == 0


def test_a_deleted_dataset_leaves_nothing(world):
    world.do("delete_index", world.dataset)
    world.do("delete_index", world.dataset)
    sql(world, "DELETE FROM datasets WHERE id = :id", id=world.id)
    assert world.find() == []
    assert world.do("get_dataset_progress", world.dataset) == {"total": 0}
    connection = ours._connection()
    for table, column in (("records", "id"), ("datasets", "id")):
        left = connection.execute(f"SELECT count(*) FROM {table} WHERE {column} = ?", [world.ids[0].bytes]).fetchone()
        assert left == (0,)


@pytest.mark.parametrize("how", ["deleted", "garbage", "other version"])
def test_a_file_that_is_lost_is_made_again_while_the_server_runs(world, how):
    where = ours.path()
    if how == "deleted":
        where.unlink()
    elif how == "garbage":
        for suffix in ("", "-wal", "-shm"):
            where.with_name(where.name + suffix).unlink(missing_ok=True)
        where.write_bytes(b"this is no database" * 100)
    else:
        ours._connection().execute("PRAGMA user_version = 99")
        ours._local.of = None
    world.add("four")
    assert len(world.find()) == 4
    assert world.differing() == 0
    assert stat.S_IMODE(where.stat().st_mode) == 0o600


def test_one_bad_record_does_not_cost_the_others(world, caplog):
    ids = world.put("fine", "secret words")
    records = world.load(ids)
    records[ids.index(ids[1])].metadata_ = {"m": "a"}
    bad = next(record for record in records if record.id == ids[1])
    bad.inserted_at = None
    world.do("index_records", world.dataset, records)
    assert world.find("fine") == [ids[0]]
    assert world.find("secret") == []
    assert str(ids[1]) in caplog.text
    assert "secret" not in caplog.text
    world.db.rollback()


def test_a_dataset_the_database_does_not_hold_is_trusted():
    dataset = models.Dataset(
        id=UUID(int=77), status="ready", fields=[models.Field(name="t", settings={"type": "text"})]
    )
    world = World()
    record = models.Record(
        id=UUID(int=78),
        dataset_id=dataset.id,
        fields={"t": "hello"},
        status="pending",
        inserted_at=START,
        updated_at=START,
    )
    world.do("create_index", dataset)
    world.do("index_records", dataset, [record])
    assert world.do("search", dataset, query="hello").total == 1
    world.do("delete_index", dataset)


def test_two_processes_write_and_a_third_reads():
    world = World(metadata={"m": "terms"})
    world.put(*[f"word{i}" for i in range(60)])
    writers = [tell(world, start) for start in (0, 30)]
    seen = 0
    while any(writer.is_alive() for writer in writers):
        total = world.do("search", world.dataset, query="word*").total
        assert total >= seen
        seen = total
        time.sleep(0.05)
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert world.do("search", world.dataset).total == 60
    assert world.differing() == 0


def test_killed_at_any_moment_it_opens_and_repairs():
    world = World(metadata={"m": "terms"})
    world.put(*[f"word{i}" for i in range(60)])
    for enough in (1, 9):
        writer = tell(world, 0)
        while world.do("search", world.dataset).total < enough and writer.is_alive():
            time.sleep(0.01)
        writer.kill()
        writer.join()
        assert ours._connection().execute("PRAGMA integrity_check").fetchone() == ("ok",)
    world.differing()
    assert world.do("search", world.dataset, query="word*").total == 60
    assert world.differing() == 0


def tell(world, start):
    """Another process, forked as RQ's worker forks, that tells the engine of 30 records one by one."""
    process = multiprocessing.get_context("fork").Process(target=tell_one_by_one, args=(world.id, start))
    process.start()
    return process


def tell_one_by_one(dataset_id, start):
    sync_engine.dispose(close=False)
    world = World.__new__(World)
    world.engine, world.db, world.id = ours.SQLiteSearchEngine(), Session(sync_engine), dataset_id
    world.dataset = world.load_dataset()
    query = sa.select(models.Record.id).filter_by(dataset_id=world.id).order_by(models.Record.inserted_at)
    for id_ in world.db.scalars(query.offset(start).limit(30)).all():
        world.index([id_])
