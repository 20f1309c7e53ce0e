"""The search engine inside the real server: what the routes say, and that they leave nothing to repair."""

from __future__ import annotations

import contextlib
import os
import subprocess

import pytest
from conftest import ROOT

from annotation.api import Api

OPTIONS = [{"value": name, "text": name} for name in ("yes", "no")]


@pytest.fixture(scope="module")
def api(server):
    """The owner's."""
    with contextlib.closing(Api(server.url, server.api_key)) as api:
        yield api


def account(server, api, name, workspace):
    user = api.post(
        "users", {"username": name, "first_name": "x", "role": "annotator", "password": "none of your business"}
    )
    api.post(f"workspaces/{workspace}/users", {"user_id": user["id"]})
    return user, Api(server.url, user["api_key"])


def differing(server, dataset):
    """What comparing index and database says of a dataset; the server goes on running."""
    from annotation.server.environment import server_python

    environment = os.environ | {"ARGILLA_HOME_PATH": str(server.home), "HF_HUB_DISABLE_TELEMETRY": "1"}
    command = [str(server_python()), str(ROOT / "annotation/server/search_engine.py"), "check"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    return [line for line in done.stdout.splitlines() if dataset in line]


def test_what_people_do_on_the_pages_is_found_and_agrees_with_the_database(server, api):
    space = api.post("workspaces", {"name": "search-served"})["id"]
    dataset = api.post("datasets", {"name": "search", "workspace_id": space})["id"]
    path = f"datasets/{dataset}"
    api.post(f"{path}/fields", {"name": "talk", "title": "t", "required": True, "settings": {"type": "chat"}})
    label = {"type": "label_selection", "options": OPTIONS}
    question = api.post(f"{path}/questions", {"name": "ok", "title": "q", "required": True, "settings": label})["id"]
    api.post(f"{path}/metadata-properties", {"name": "m", "title": "m", "settings": {"type": "integer"}})
    api.post(f"{path}/vectors-settings", {"name": "v", "title": "v", "dimensions": 2})
    api.put(f"{path}/publish")
    items = [
        {
            "external_id": f"r{i}",
            "fields": {"talk": [{"role": "user", "content": f"Grüße number{i}"}]},
            "metadata": {"m": i} if i else {},
            "vectors": {"v": [1.0, i]},
            "suggestions": [{"question_id": question, "value": "yes", "score": 0.1 * i, "agent": "judge"}],
        }
        for i in range(5)
    ]
    ids = [record["id"] for record in api.post(f"{path}/records/bulk", {"items": items})["items"]]
    ann, anns = account(server, api, "search-ann", space)
    ben, bens = account(server, api, "search-ben", space)

    def found(who, body=None, **params):
        answer = who.post(f"me/{path}/records/search", body or {}, params)
        return [ids.index(item["record"]["id"]) for item in answer["items"]], answer["total"]

    with contextlib.closing(anns), contextlib.closing(bens):
        first = anns.post(f"records/{ids[0]}/responses", {"status": "submitted", "values": {"ok": {"value": "yes"}}})
        anns.post(f"records/{ids[1]}/responses", {"status": "draft", "values": {"ok": {"value": "no"}}})
        anns.put(f"responses/{first['id']}", {"status": "submitted", "values": {"ok": {"value": "no"}}})
        bens.post(f"records/{ids[2]}/responses", {"status": "discarded"})
        bens.post(f"records/{ids[0]}/responses", {"status": "submitted", "values": {"ok": {"value": "yes"}}})
        api.patch(f"records/{ids[3]}", {"metadata": {"m": 30}, "vectors": {"v": [0.0, 1.0]}})
        api.put(f"{path}/records/bulk", {"items": [{"external_id": "r4", "metadata": {"m": 40}}]})
        api.put(f"records/{ids[4]}/suggestions", {"question_id": question, "value": "no", "agent": "judge"})

        text = {"query": {"text": {"q": "grüße -number3", "field": "talk"}}}
        places, total = found(anns, text)
        assert (sorted(places), total) == ([0, 1, 2, 4], 4)
        pending = {"type": "terms", "scope": {"entity": "response", "property": "status"}, "values": ["pending"]}
        places, total = found(anns, {"filters": {"and": [pending]}})
        assert (sorted(places), total) == ([2, 3, 4], 3)
        assert found(anns, {"filters": {"and": [pending]}}) == (places, total)
        by_m = {"sort": [{"scope": {"entity": "metadata", "metadata_property": "m"}, "order": "desc"}]}
        assert found(bens, by_m) == ([4, 3, 2, 1, 0], 5)
        assert found(bens, by_m, offset=3, limit=1) == ([1], 5)
        suggested = {"entity": "suggestion", "question": "ok", "property": "value"}
        assert found(bens, {"filters": {"and": [{"type": "terms", "scope": suggested, "values": ["no"]}]}}) == ([4], 1)
        near = {"query": {"vector": {"name": "v", "record_id": ids[3]}}}
        assert found(anns, near, limit=2) == ([4, 2], 2)
        mine = anns.get(f"me/{path}/metrics")["responses"]
        assert mine == {"total": 5, "submitted": 1, "discarded": 0, "draft": 1, "pending": 3}
        progress = api.get(f"{path}/progress")
        assert (progress["total"], progress["completed"], progress["pending"]) == (5, 1, 4)
        assert differing(server, dataset) == []

        api.delete(f"users/{ann['id']}")
        api.delete(f"records/{ids[1]}")
        answer = api.post(f"{path}/records/search", {"filters": {"and": [pending]}})
        assert sorted(ids.index(item["record"]["id"]) for item in answer["items"]) == [3, 4]
        assert bens.get(f"me/{path}/metrics")["responses"]["total"] == 4
        assert differing(server, dataset) == []
        api.delete(f"users/{ben['id']}")
    assert api.get(f"{path}/progress")["total"] == 4
    api.delete(path)
    assert differing(server, dataset) == []
