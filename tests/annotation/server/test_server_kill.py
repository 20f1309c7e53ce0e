"""Processes of a server are killed at random moments while people answer and records are pushed.

`FLYWHEEL_KILLS=20` makes it the long run whose figures stand in the documents.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import threading
import time

import httpx
from tests_server import annotation, serving

from annotation.api import Api
from annotation.server.environment import ENGINE, server_python
from annotation.server.home import Home, running

# Beside the last one, of the supervisor.
KILLS = int(os.environ.get("FLYWHEEL_KILLS", "3"))
SEED = 20261126
ANNOTATORS = 3
WITHIN = 120.0  # seconds, for what takes a few on an idle machine


def make_dataset(api):
    """A published dataset that takes text and a label; its id."""
    workspace = api.post("workspaces", {"name": "killed"})["id"]
    dataset = api.post("datasets", {"name": "killed", "workspace_id": workspace})["id"]
    field = {"name": "text", "title": "Text", "required": True, "settings": {"type": "text"}}
    options = [{"value": word, "text": word} for word in ("a", "b", "tie")]
    question = {"name": "better", "title": "Better", "required": True}
    question["settings"] = {"type": "label_selection", "options": options}
    api.post(f"datasets/{dataset}/fields", field)
    api.post(f"datasets/{dataset}/questions", question)
    api.put(f"datasets/{dataset}/publish")
    return dataset


def push(api, dataset, start, count):
    """Put records in, as often as it takes; the ids of the server by ours."""
    items = [{"external_id": f"r{n}", "fields": {"text": f"record number {n}"}} for n in range(start, start + count)]
    made = api.put(f"datasets/{dataset}/records/bulk", {"items": items})["items"]
    return {item["external_id"]: item["id"] for item in made}


class Crowd:
    """Annotators who answer record after record, and what the server acknowledged to them."""

    def __init__(self, url, keys):
        self.url, self.keys = url, keys
        self.records: list[str] = []
        self.acknowledged: dict[tuple[str, str], str] = {}
        self.unexpected: list[str] = []
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self._answer, args=who) for who in keys.items()]

    def _answer(self, name, key):
        with httpx.Client(base_url=self.url, headers={"X-Argilla-Api-Key": key}, timeout=60) as client:
            at = 0
            while not self.over.is_set():
                if at == len(self.records):
                    time.sleep(0.01)
                    continue
                record = self.records[at]
                value = random.Random(f"{name}{record}").choice(["a", "b", "tie"])
                body = {"status": "submitted", "values": {"better": {"value": value}}}
                try:
                    answer = client.post(f"/api/v1/records/{record}/responses", json=body)
                except httpx.TransportError:
                    continue  # nothing was acknowledged: again
                if answer.status_code in (201, 409):  # 409: an earlier try arrived, its acknowledgement did not
                    self.acknowledged[name, record] = value
                    at += 1
                else:
                    self.unexpected.append(f"{answer.status_code}")


def wait_for(condition):
    until = time.monotonic() + WITHIN
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def kill(home, part):
    """Kill one part, and wait until another one has taken its place."""
    before = running(home)["parts"][part]
    os.kill(before, signal.SIGKILL)
    wait_for(lambda: (running(home) or {"parts": {part: before}})["parts"][part] != before)


def kill_the_server_itself(home):
    """Kill the process that keeps the others; the kernel ends those, and frees the home."""
    told = running(home)
    os.kill(told["pid"], signal.SIGKILL)
    wait_for(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in told["parts"].values()))
    assert running(home) is None
    status = annotation("status", home=home.path)
    assert status.returncode == 2
    assert "annotation serve" in status.stderr


def test_no_acknowledged_answer_is_lost_and_the_index_agrees(tmp_path):
    dice = random.Random(SEED)
    path = tmp_path / "home"
    home = Home(path)
    with serving(path) as server, contextlib.closing(Api(server.url, server.api_key, patience=WITHIN)) as api:
        dataset = make_dataset(api)
        workspace = api.get("me/workspaces")["items"][0]["id"]
        keys = {}
        for n in range(ANNOTATORS):
            told = {"username": f"annotator-{n}", "first_name": "A", "role": "annotator", "password": "not-secret"}
            user = api.post("users", told)
            api.post(f"workspaces/{workspace}/users", {"user_id": user["id"]})
            keys[user["username"]] = user["api_key"]
        crowd = Crowd(server.url, keys)
        ids = push(api, dataset, 0, 10)
        crowd.records += ids.values()
        pushing_over = threading.Event()

        def go_on_pushing():
            while not pushing_over.is_set():
                more = push(api, dataset, len(ids), 10)
                ids.update(more)
                crowd.records += more.values()

        pusher = threading.Thread(target=go_on_pushing)
        for thread in (pusher, *crowd.threads):
            thread.start()
        try:
            for n in range(KILLS):
                answered = len(crowd.acknowledged)
                wait_for(lambda: len(crowd.acknowledged) > answered + dice.randrange(3, 15))  # noqa: B023
                kill(home, ("web", "worker", "redis")[n] if n < 3 else dice.choice(["web", "worker", "redis"]))
        finally:
            pushing_over.set()
            pusher.join(WITHIN)
            answered = len(crowd.acknowledged)
            with contextlib.suppress(AssertionError):
                wait_for(lambda: len(crowd.acknowledged) > answered + 3)  # it does go on
            crowd.over.set()
            for thread in crowd.threads:
                thread.join(WITHIN)
        kill_the_server_itself(home)
        assert not crowd.unexpected
        assert len(crowd.acknowledged) > answered + 3

    with serving(path) as server, contextlib.closing(Api(server.url, server.api_key)) as api:
        kept = {}
        offset = 0
        while page := api.get(f"datasets/{dataset}/records", {"include": "responses", "offset": offset, "limit": 500})[
            "items"
        ]:
            offset += len(page)
            for record in page:
                for response in record["responses"]:
                    place = response["user_id"], record["id"]
                    assert place not in kept, "an answer was doubled"
                    kept[place] = response["values"]["better"]["value"]
        assert offset == len(ids)
        names = {user["id"]: user["username"] for user in api.get("users")["items"]}
        answers = {(names[user], record): value for (user, record), value in kept.items()}
        assert crowd.acknowledged.items() <= answers.items()
        assert len(answers) - len(crowd.acknowledged) <= ANNOTATORS  # those in flight when the crowd went home
        check = [server_python(), "-P", ENGINE, "check"]
        clean = {"PATH": os.environ["PATH"], "ARGILLA_HOME_PATH": str(path), "ARGILLA_SEARCH_ENGINE": "sqlite"}
        found = subprocess.run(check, env=clean, capture_output=True, text=True, check=False)
        assert found.returncode == 0, found.stdout + found.stderr[-500:]
        assert api.get(f"datasets/{dataset}/progress")["total"] == len(ids)
        assert sorted(os.listdir(path / "tmp")) == ["redis", "web", "worker"]
        assert len(os.listdir(path / "tmp" / "web")) == 1  # one copy of the pages, and none of those killed
        print(json.dumps({"kills": KILLS, "records": len(ids), "answers": len(answers)}))
    left = {str(file.relative_to(path)) for file in path.rglob("*")}
    assert not left & {"running.json", "redis/redis.sock", "tmp/web", "tmp/redis", "tmp/worker"}
