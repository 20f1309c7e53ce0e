"""What annotators are not to see, and Argilla 2.8 would tell them over its API all the same.

A metadata property may be hidden from annotators, and what others answered is. Argilla keeps to that where it lists and
searches records, but for two gaps. One record that is asked for by its id comes with all its metadata and everybody's
responses (or, by a mistake, not at all where it has vectors). And a search may filter and sort by hidden properties,
which tells their values. `protect` closes both; owners, and admins in their workspaces, see what they saw before.

Runs inside the server's own environment, as `launch.py` does, and imports nothing of ours.
"""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from argilla_server.api.handlers.v1.datasets import records as handlers
from argilla_server.api.policies.v1 import (
    DatasetPolicy,
    MetadataPropertyPolicy,
    RecordPolicy,
    authorize,
    is_authorized,
)
from argilla_server.api.schemas.v1.records import MetadataFilterScope
from argilla_server.api.schemas.v1.records import Record as RecordSchema
from argilla_server.database import get_async_db
from argilla_server.errors.future import UnprocessableEntityError
from argilla_server.models import Dataset, Record, User, Vector
from argilla_server.security import auth
from fastapi import Depends, FastAPI, Response, Security
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import selectinload

RECORD = "/records/{record_id}"

_search = handlers._get_search_responses


def protect(api: FastAPI) -> None:
    """Put the handlers of this module in the place of Argilla's.

    Args:
        api: Its API.
    """
    routes = api.router.routes
    [place] = [n for n, route in enumerate(routes) if route.path == RECORD and "GET" in route.methods]
    api.add_api_route(RECORD, get_record, methods=["GET"], tags=["records"])
    routes[place] = routes.pop()
    handlers._get_search_responses = search_by_what_is_visible


async def get_record(
    record_id: UUID,
    db: Annotated[AsyncSession, Depends(get_async_db)],
    user: Annotated[User, Security(auth.get_current_user)],
) -> Response:
    """One record, with the metadata and the responses that the user may see.

    The pages ask for it when they look for records that are similar to one of another page.
    """
    dataset = selectinload(Record.dataset).selectinload(Dataset.metadata_properties)
    vectors = selectinload(Record.vectors).selectinload(Vector.vector_settings)
    loaded = [dataset, vectors, selectinload(Record.suggestions), selectinload(Record.responses)]
    record = await Record.get_or_raise(db, record_id, options=loaded)
    await authorize(user, RecordPolicy.get(record))
    shown = RecordSchema.model_validate(record)
    shown.metadata = await handlers._filter_record_metadata_for_user(record, user)
    if not await is_authorized(user, DatasetPolicy.list_records_with_all_responses(record.dataset)):
        shown.responses = [response for response in shown.responses or [] if response.user_id == user.id]
    return Response(shown.model_dump_json(), media_type="application/json")


async def search_by_what_is_visible(*, user: User | None = None, **asked: Any) -> Any:
    """Argilla's search, once no property that is hidden from the user is filtered or sorted by.

    Raises:
        UnprocessableEntityError: One is; in the words in which Argilla says that there is no such property.
    """
    query, dataset = asked.get("search_records_query"), asked["dataset"]
    if user is not None and query is not None:
        conditions = [*(query.filters.and_ if query.filters else ()), *(query.sort or ())]
        for name in {c.scope.metadata_property for c in conditions if isinstance(c.scope, MetadataFilterScope)}:
            hidden = dataset.metadata_property_by_name(name)
            if hidden is None or not await is_authorized(user, MetadataPropertyPolicy.get(hidden)):
                raise UnprocessableEntityError(
                    f"MetadataProperty not found filtering by name={name}, dataset_id={dataset.id}"
                )
    return await _search(user=user, **asked)
