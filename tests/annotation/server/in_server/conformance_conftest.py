"""Stands in for the conftest.py of argilla-server's search engine tests (see conformance.py)."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from uuid import UUID

import numpy as np
import opensearchpy.helpers
import pytest
import search_engine as ours

MAPPINGS = "it reads Elasticsearch's mappings"
DOCUMENTS = "it reads the documents Elasticsearch stores"
NOT_APPLICABLE = {
    "test_create_index_for_dataset": MAPPINGS,
    "test_create_index_for_dataset_with_fields": MAPPINGS,
    "test_create_metadata_property": MAPPINGS,
    "test_create_index_for_dataset_with_metadata_properties": MAPPINGS,
    "test_create_index_for_dataset_with_questions": MAPPINGS,
    "test_configure_metadata_property": MAPPINGS,
    "test_annotators_limits": MAPPINGS,
    "test_annotator_limits_increasing_default_fields_limit": MAPPINGS,
    "test_create_dataset_index_with_vectors": MAPPINGS,
    "test_create_index_with_existing_index": "it asks for Elasticsearch's error",
    "test_index_records": DOCUMENTS,
    "test_index_records_with_none_field_values": DOCUMENTS,
    "test_index_records_with_suggestions": DOCUMENTS,
    "test_index_records_with_metadata": DOCUMENTS,
    "test_index_records_with_vectors": DOCUMENTS,
    "test_update_record_response": DOCUMENTS,
    "test_delete_record_response": DOCUMENTS,
}


def pytest_collection_modifyitems(items):
    for item in items:
        if reason := NOT_APPLICABLE.get(item.originalname):
            item.add_marker(pytest.mark.skip(reason=reason))


class Engine(ours.SQLiteSearchEngine):
    async def _bulk_op_request(self, actions):
        """Vectors, as the tests hand them to Elasticsearch."""
        with ours._transaction(ours._connection()) as connection:
            for action in actions:
                ((name, value),) = action["doc"].items()
                connection.execute(
                    "INSERT INTO vectors (settings, doc, value) SELECT ?, doc, ? FROM records WHERE id = ?",
                    [
                        UUID(name.removeprefix("vectors.")).bytes,
                        np.asarray(value, np.float32).tobytes(),
                        action["_id"].bytes,
                    ],
                )


class Client:
    """Of OpenSearch's client, what the tests need to set the scene."""

    def __init__(self):
        self.indices = SimpleNamespace(
            create=self._create, delete=lambda index: None, refresh=lambda index: None, exists=lambda index: True
        )

    def _create(self, index, body):
        with ours._transaction(ours._connection()) as connection:
            ours._Index.create(
                connection,
                SimpleNamespace(id=_dataset_id(index), fields=[], metadata_properties=[], questions=[]),
            )

    def bulk(self, actions):
        now = datetime.now(UTC)
        with ours._transaction(ours._connection()) as connection:
            for action in actions:
                record = SimpleNamespace(
                    id=action["_id"], fields=action["fields"], metadata_=None, external_id=None, status="pending"
                )
                record.inserted_at = record.updated_at = now
                record.suggestions = record.responses = record.vectors = ()
                ours._Index.find(connection, _dataset_id(action["_index"])).write(record)

    def search(self, index, body):
        found = ours._Index.find(ours._connection(), _dataset_id(index))
        ids = [id_ for id_ in body["query"]["ids"]["values"] if found.doc(UUID(id_))]
        return {"hits": {"hits": [{"_source": {"id": id_}} for id_ in ids]}}

    def get(self, index, id):
        return {"_source": {"responses": []}}

    def update(self, index, id, body):
        with ours._transaction(ours._connection()) as connection:
            found = ours._Index.find(connection, _dataset_id(index))
            for response in body["doc"]["responses"]:
                found.add_response(
                    SimpleNamespace(
                        id=UUID(response["id"]),
                        user_id=UUID(response["user_id"]),
                        status=response["status"],
                        values={"rating": {"value": response["rating"]}},
                        updated_at=datetime.now(UTC),
                    ),
                    found.doc(id),
                )


def _dataset_id(index):
    return UUID(index.removeprefix("rg."))


@pytest.fixture(scope="session")
def opensearch():
    return Client()


@pytest.fixture
def search_engine():
    return Engine()


@pytest.fixture(autouse=True)
def empty_job_queues():
    """Needs no Redis."""


@pytest.fixture(autouse=True)
def bulk_of_our_client(monkeypatch):
    monkeypatch.setattr(opensearchpy.helpers, "bulk", lambda client, actions: client.bulk(actions))
