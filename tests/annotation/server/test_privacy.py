"""What the server tells annotators of records, of one another, and of what is hidden from them."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from tests_server import Server

from annotation.api import Api, Refused

HIDDEN, VISIBLE = {"policy": "newly-trained", "score": 0.75}, {"persona": "june"}
VECTOR = [0.5, 0.25]


class Place(NamedTuple):
    """A dataset with two records, which two annotators have answered.

    Attributes:
        dataset: Its id.
        records: Ids; the first has a vector.
        accounts: By name: `owner`, `admin`, `anna` and `bert` of the workspace, `stranger` of none.
    """

    dataset: str
    records: list[str]
    accounts: dict[str, Api]

    def search(self, who: str, **asked: Any) -> list[dict[str, Any]]:
        return self.accounts[who].post(f"me/datasets/{self.dataset}/records/search", asked)["items"]


@pytest.fixture(scope="module")
def place(server: Server) -> Iterator[Place]:
    with contextlib.ExitStack() as stack:
        owner = stack.enter_context(contextlib.closing(Api(server.url, server.api_key)))
        name = f"private-{secrets.token_hex(4)}"
        space = owner.post("workspaces", {"name": name})["id"]
        dataset = owner.post("datasets", {"name": name, "workspace_id": space, "allow_extra_metadata": True})["id"]
        path = f"datasets/{dataset}"
        field = {"name": "text", "title": "Text", "required": True, "settings": {"type": "text"}}
        owner.post(f"{path}/fields", field)
        question = {"name": "say", "title": "Say", "required": True, "settings": {"type": "text"}}
        owner.post(f"{path}/questions", question)
        for prop, kind, seen in (("persona", "terms", True), ("policy", "terms", False), ("score", "float", False)):
            told = {"name": prop, "title": prop, "settings": {"type": kind}, "visible_for_annotators": seen}
            owner.post(f"{path}/metadata-properties", told)
        owner.post(f"{path}/vectors-settings", {"name": "meaning", "title": "Meaning", "dimensions": 2})
        owner.put(f"{path}/publish")
        metadata = {**HIDDEN, **VISIBLE, "origin": "sealed"}
        items = [{"external_id": f"r{n}", "fields": {"text": "said"}, "metadata": metadata} for n in range(2)]
        items[0]["vectors"] = {"meaning": VECTOR}
        records = [item["id"] for item in owner.put(f"{path}/records/bulk", {"items": items})["items"]]
        accounts = {"owner": owner}
        for who, role in (("anna", "annotator"), ("bert", "annotator"), ("admin", "admin"), ("stranger", "annotator")):
            told = {"username": f"{name}-{who}", "first_name": who, "role": role, "password": "not-a-secret"}
            user = owner.post("users", told)
            if who != "stranger":
                owner.post(f"workspaces/{space}/users", {"user_id": user["id"]})
            accounts[who] = stack.enter_context(contextlib.closing(Api(server.url, user["api_key"])))
        for who in ("anna", "bert"):
            answer = {"status": "submitted", "values": {"say": {"value": f"{who} says"}}}
            for record in records:
                accounts[who].post(f"records/{record}/responses", answer)
        yield Place(dataset, records, accounts)


def said(record: dict[str, Any]) -> list[str]:
    return sorted(response["values"]["say"]["value"] for response in record["responses"])


@pytest.mark.parametrize("number", [0, 1])
def test_a_record_by_its_id(place: Place, number: int) -> None:
    path = f"records/{place.records[number]}"
    vectors = {"meaning": VECTOR} if number == 0 else {}
    for who in ("anna", "bert"):
        seen = place.accounts[who].get(path)
        assert seen["metadata"] == VISIBLE
        assert said(seen) == [f"{who} says"]
        assert (seen["fields"], seen["vectors"], seen["external_id"]) == ({"text": "said"}, vectors, f"r{number}")
    admin = place.accounts["admin"].get(path)
    assert said(admin) == ["anna says", "bert says"]
    assert admin["metadata"] == {**HIDDEN, **VISIBLE, "origin": "sealed"}
    assert place.accounts["owner"].get(path) == admin


def test_a_record_is_told_to_members_alone(place: Place, server: Server) -> None:
    for account, status in ((place.accounts["stranger"], 403), (Api(server.url, "wrong"), 401)):
        with contextlib.closing(account), pytest.raises(Refused) as refused:
            account.get(f"records/{place.records[0]}")
        assert refused.value.status == status
    with pytest.raises(Refused) as missing:
        place.accounts["anna"].get("records/00000000-0000-0000-0000-000000000000")
    assert missing.value.status == 404


@pytest.mark.parametrize(
    "asked",
    [
        {"filters": {"and": [{"type": "terms", "scope": scope, "values": ["newly-trained"]}]}}
        for scope in [{"entity": "metadata", "metadata_property": "policy"}]
    ]
    + [
        {
            "filters": {
                "and": [{"type": "range", "scope": {"entity": "metadata", "metadata_property": "score"}, "ge": 0}]
            }
        },
        {"sort": [{"scope": {"entity": "metadata", "metadata_property": "score"}, "order": "asc"}]},
        {
            "query": {"vector": {"name": "meaning", "value": VECTOR, "max_results": 2, "order": "most_similar"}},
            "filters": {
                "and": [
                    {"type": "terms", "scope": {"entity": "metadata", "metadata_property": name}, "values": [value]}
                    for name, value in (("persona", "june"), ("policy", "newly-trained"))
                ]
            },
        },
    ],
)
def test_what_is_hidden_is_not_searched_by(place: Place, asked: dict[str, Any]) -> None:
    for who in ("anna", "bert"):
        with pytest.raises(Refused) as refused:
            place.search(who, **asked)
        assert refused.value.status == 422
    for who in ("owner", "admin"):
        assert place.search(who, **asked)


def test_what_is_visible_is_searched_by(place: Place) -> None:
    scope = {"entity": "metadata", "metadata_property": "persona"}
    asked = {
        "filters": {"and": [{"type": "terms", "scope": scope, "values": ["june"]}]},
        "sort": [{"scope": scope, "order": "desc"}],
    }
    found = place.search("anna", **asked)
    assert len(found) == 2
    assert {str(item["record"]["metadata"]) for item in found} == {str(VISIBLE)}
    with pytest.raises(Refused) as unknown:
        place.search("anna", sort=[{"scope": {"entity": "metadata", "metadata_property": "none"}, "order": "asc"}])
    assert unknown.value.status == 422
