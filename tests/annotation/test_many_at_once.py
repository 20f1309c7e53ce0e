"""Six annotators answer at once, as their browsers do, while records are pushed: nothing lost, doubled or refused.

`FLYWHEEL_PUSHED=5000` makes it the long run whose figures stand in the documents.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import subprocess
import threading
import time
from collections import Counter
from pathlib import Path

import annotation_material as material
import httpx
import polars as pl
from tests_server import Server

from annotation import datasets, pages
from annotation.api import Api
from annotation.projects import pairwise
from annotation.projects.stages import source
from annotation.push import Settings, push
from annotation.server.environment import ENGINE, server_python
from annotation.state import State

RECORDS = int(os.environ.get("FLYWHEEL_PUSHED", "300"))
PEOPLE = tuple(f"annotator-{n}" for n in range(1, 7))
FIRST = 60  # records that are there before anybody answers
AT_LEAST = 12  # answers of each annotator
WITHIN = 300.0  # seconds, for what takes a few on an idle machine
MINE = {"type": "terms", "scope": {"entity": "response", "property": "status"}, "values": ["pending"]}
OLDEST = {
    "scope": {"entity": "record", "property": "inserted_at"},
    "order": "asc",
}  # half of them meet on the same ones
OPEN = {"type": "terms", "scope": {"entity": "record", "property": "status"}, "values": ["pending"]}


def tasks(n: int) -> pl.DataFrame:
    """So many tasks, from a few conversations."""
    some = material.tasks(60)
    return pl.concat(
        [
            some.with_columns(pl.format("{}-{}", pl.lit(copy), "task_id").alias("task_id"))
            for copy in range(-(-n // some.height))
        ]
    ).head(n)


class Person:
    """An annotator at work in a browser: a page of open records, an answer to each, the next page.

    Attributes:
        acknowledged: By record: the status and values that the server has said it keeps.
        wrong: HTTP statuses that should not have been.
    """

    def __init__(self, url: str, name: str, password: str, places: list[str]) -> None:
        self.name, self.places = name, places
        self.acknowledged: dict[str, tuple[str, str]] = {}
        self.wrong: list[str] = []
        self.over = threading.Event()
        self._dice = random.Random(name)
        self._url, self._password = url, password
        self._order = {"sort": [OLDEST]} if name in PEOPLE[::2] else {}
        self.thread = threading.Thread(target=self._work)

    def _work(self) -> None:
        with httpx.Client(base_url=f"{self._url}/api/v1", timeout=120) as client:
            given = client.post("/token", data={"username": self.name, "password": self._password}).json()
            client.headers["Authorization"] = f"Bearer {given['access_token']}"
            while not self.over.is_set():
                seen = [record for place in self.places for record in self._page(client, place)]
                for record in seen:
                    if self.over.is_set():
                        return
                    self._answer(client, record)

    def _page(self, client: httpx.Client, place: str) -> list[str]:
        asked = {"query": {}, "filters": {"and": [MINE, OPEN]}, **self._order}
        found = client.post(f"/me/datasets/{place}/records/search", json=asked, params={"offset": 0, "limit": 5})
        self._look(found)
        return [item["record"]["id"] for item in found.json()["items"]] if found.is_success else []

    def _answer(self, client: httpx.Client, record: str) -> None:
        """One of what people do: submit, discard, keep a draft and submit it later, or several at once."""
        how = self._dice.choice(["submit", "submit", "bulk", "discard", "draft"])
        ranks = self._dice.choice([(1, 2), (2, 1), (1, 1)])
        names = zip((pairwise.FIRST, pairwise.SECOND), ranks, strict=True)
        values = {"preference": {"value": [{"value": name, "rank": rank} for name, rank in names]}}
        if self._dice.random() < 0.5:
            values["comment"] = {"value": f"{self.name} on {record}"}
        if how == "bulk":
            item = {"record_id": record, "status": "submitted", "values": values}
            told = client.post("/me/responses/bulk", json={"items": [item]})
            kept = told.json()["items"][0]["item"] if self._look(told) else None
        else:
            status = {"submit": "submitted", "discard": "discarded", "draft": "draft"}[how]
            told = client.post(f"/records/{record}/responses", json={"status": status, "values": values})
            kept = told.json() if self._look(told) else None
            if how == "draft" and kept and self._dice.random() < 0.5:
                told = client.put(f"/responses/{kept['id']}", json={"status": "submitted", "values": values})
                kept = told.json() if self._look(told) else kept
        if kept is None:
            self.wrong.append(f"{how}: nothing was kept")
        else:
            self.acknowledged[record] = kept["status"], json.dumps(kept["values"], sort_keys=True)

    def _look(self, told: httpx.Response) -> bool:
        if not told.is_success:
            self.wrong.append(f"{told.request.method} {told.request.url.path}: {told.status_code}")
        return told.is_success


def wait_for(condition) -> None:
    until = time.monotonic() + WITHIN
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_six_annotators_while_records_are_pushed(fresh_server: Server, tmp_path: Path) -> None:
    state, settings = State(tmp_path / "home", "pairwise", None), Settings(votes=3)
    every = tasks(RECORDS)
    with contextlib.closing(Api(fresh_server.url, fresh_server.api_key)) as api:

        def pushed(rows: pl.DataFrame) -> int:
            made = pairwise.with_context(rows.lazy())
            return push(api, pairwise.PROJECT, source(made, {}, ["swapped"]), state, settings).new

        assert pushed(every.head(FIRST)) == FIRST
        [place] = datasets.list_datasets(api, pairwise.PROJECT, None)
        [space] = [space["id"] for space in api.get("me/workspaces")["items"] if space["name"] == place.workspace]
        people = []
        for name in PEOPLE:
            told = {"username": name, "first_name": name, "role": "annotator", "password": f"password of {name}"}
            user = api.post("users", told)
            api.post(f"workspaces/{space}/users", {"user_id": user["id"]})
            people.append(Person(fresh_server.url, name, told["password"], [place.id]))
        for person in people:
            person.thread.start()
        begun = time.monotonic()
        try:
            wait_for(lambda: all(person.acknowledged for person in people))
            answered_before = sum(len(person.acknowledged) for person in people)
            assert pushed(every) == RECORDS - FIRST
            pushing = time.monotonic() - begun
            meanwhile = sum(len(person.acknowledged) for person in people) - answered_before
            wait_for(lambda: all(len(person.acknowledged) >= AT_LEAST or person.wrong for person in people))
        finally:
            for person in people:
                person.over.set()
            for person in people:
                person.thread.join(WITHIN)
        assert [person.wrong for person in people] == [[]] * len(people)
        assert meanwhile > 0
        acknowledged = {
            (person.name, record): answer for person in people for record, answer in person.acknowledged.items()
        }

        # All of it is in the database, once.
        names = {user["id"]: user["username"] for user in api.get("users")["items"]}
        listed = [record for page in pages.pages(api, place.id, "responses") for record in page]
        assert sorted(record["external_id"] for record in listed) == sorted(every["task_id"])
        kept = [
            (
                (names[response["user_id"]], record["id"]),
                (response["status"], json.dumps(response["values"], sort_keys=True)),
            )
            for record in listed
            for response in record["responses"]
        ]
        assert len(kept) == len(acknowledged)
        assert dict(kept) == acknowledged

        # Everybody's progress is told right, by the database and by the search index.
        for told in api.get(f"datasets/{place.id}/users/progress")["users"]:
            [person] = [person for person in people if person.name == told["username"]]
            mine = Counter(status for status, _ in person.acknowledged.values())
            counted = Counter({key: told["completed"][key] + told["pending"][key] for key in told["pending"]})
            assert +counted == mine
        done = Counter(record for (_, record), (status, _) in acknowledged.items() if status == "submitted")
        completed = sum(votes >= 3 for votes in done.values())
        progress = api.get(f"datasets/{place.id}/progress")
        assert (progress["total"], progress["completed"]) == (RECORDS, completed)
        for person in people:
            mine = Counter(status for status, _ in person.acknowledged.values())
            with contextlib.closing(_account(fresh_server, person)) as client:
                told = client.get(f"/me/datasets/{place.id}/metrics").json()["responses"]
            assert {key: told[key] for key in ("submitted", "discarded", "draft")} == {
                key: mine[key] for key in ("submitted", "discarded", "draft")
            }
    check = [server_python(), "-P", ENGINE, "check"]
    clean = {"PATH": os.environ["PATH"], "ARGILLA_HOME_PATH": str(fresh_server.home), "ARGILLA_SEARCH_ENGINE": "sqlite"}
    found = subprocess.run(check, env=clean, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr[-500:]
    figures = {
        "records": RECORDS, "seconds": round(pushing, 1), "records_a_second": round((RECORDS - FIRST) / pushing, 1),
        "answers_meanwhile": meanwhile, "answers": len(acknowledged), "completed": completed,
    }  # fmt: skip
    print(json.dumps(figures))


def _account(server: Server, person: Person) -> httpx.Client:
    client = httpx.Client(base_url=f"{server.url}/api/v1", timeout=120)
    given = client.post("/token", data={"username": person.name, "password": f"password of {person.name}"}).json()
    client.headers["Authorization"] = f"Bearer {given['access_token']}"
    return client
