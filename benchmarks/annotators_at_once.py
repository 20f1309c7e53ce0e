"""Annotators answer while records are pushed, and push and pull are killed: is every acknowledged answer there, once?

    python -m benchmarks.annotators_at_once [--records 5000] [--annotators 6] [--kills 10] [--seed 20]

A server of `python -m annotation serve` is started in a temporary home. `push` runs in a process of its own and is
killed (SIGKILL) at moments drawn from the seed, as often as told, and started again each time until it is done.
Meanwhile each annotator asks for what is pending and answers it, one record a call, as a browser does, and now and then
changes an answer. Then `pull` is killed as often, and run to its end.

Exits with 1 where a call failed, a record is missing or there twice, or what was pulled is not, answer for answer, what
the server had acknowledged last; or where the search index counts other than the database.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import polars as pl

from annotation import datasets, pages, responses
from annotation.api import Api
from annotation.projects import pairwise
from annotation.push import origin_of
from annotation.seal import Seal
from benchmarks.annotation import made_up
from schemas.stage import open_stage

ANNOTATION = [sys.executable, "-m", "annotation"]
PENDING: dict[str, Any] = {
    "filters": {
        "and": [{"type": "terms", "scope": {"entity": "response", "property": "status"}, "values": ["pending"]}]
    }
}


class Annotator(threading.Thread):
    """Somebody who answers until told that no more is coming, and then until nothing is pending.

    Attributes:
        said: What the server acknowledged last, by record: ranks of the two replies.
        waits: Seconds from each answer to its acknowledgement.
        failed: Sentences of calls that failed.
    """

    def __init__(self, url: str, key: str, dataset: str, seed: str, over: threading.Event) -> None:
        super().__init__()
        self.api, self.dataset, self.over = Api(url, key), dataset, over
        self.random = random.Random(seed)
        self.said: dict[str, tuple[int, int]] = {}
        self.waits: list[float] = []
        self.failed: list[str] = []

    def run(self) -> None:
        try:
            while self._once() or not self.over.is_set():
                pass
        except Exception as error:
            self.failed.append(f"{type(error).__name__}: {error}")
        self.api.close()

    def _once(self) -> bool:
        """Answer a page of what is pending; whether there was any."""
        last = self.over.is_set()  # asked before the page, so that the last page is looked at after the last push
        found = self.api.post(f"me/datasets/{self.dataset}/records/search", PENDING, {"limit": 10})["items"]
        for item in found:
            record = item["record"]
            self._answer(record["id"], record["external_id"])
            if self.random.random() < 0.1:
                self._answer(record["id"], record["external_id"])
        if not found and not last:
            time.sleep(0.05)
        return bool(found) or not last

    def _answer(self, record: str, name: str) -> None:
        ranks = self.random.choice([(1, 2), (2, 1), (1, 1)])
        value = [{"value": option, "rank": rank} for option, rank in zip(("reply_1", "reply_2"), ranks, strict=True)]
        item = {"record_id": record, "status": "submitted", "values": {"preference": {"value": value}}}
        began = time.perf_counter()
        (told,) = self.api.post("me/responses/bulk", {"items": [item]})["items"]
        self.waits.append(time.perf_counter() - began)
        if told["error"]:
            self.failed.append("an answer was not taken")
        else:
            self.said[name] = ranks


def killed(words: list[str], kills: int, draw: random.Random, longest: float) -> int:
    """Run a command, killed so often, then to its end; how often it was killed while it ran."""
    done = 0
    for _ in range(kills):
        with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            try:
                process.wait(draw.uniform(0.3, longest))
            except subprocess.TimeoutExpired:
                process.kill()
                done += 1
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    return done


def main() -> int:
    """Run it all; 1 where something was lost."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--records", type=int, default=5000)
    parser.add_argument("--annotators", type=int, default=6)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--longest", type=float, default=20.0, help="seconds until a kill, at most")
    parser.add_argument("--seed", type=int, default=20)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        os.environ["FLYWHEEL_ANNOTATION_HOME"] = str(home)
        subprocess.run([*ANNOTATION, "serve", "--port", "0", "--detach"], check=True)
        try:
            return _all(given, home, Path(folder))
        finally:
            subprocess.run([*ANNOTATION, "stop"], check=False)


def _all(given: argparse.Namespace, home: Path, scratch: Path) -> int:
    url = json.loads((home / "running.json").read_bytes())["url"]
    api = Api(url, (home / "credentials" / "api_key").read_text().strip())
    draw = random.Random(given.seed)
    with open_stage(scratch / "sample", "sample", settings={}, inputs={}, seed=given.seed) as stage:
        tasks = made_up(given.records, given.seed, "crowd")
        tasks.write_parquet(scratch / "sample" / "tasks.parquet")
        stage.finish()
    place = datasets.make_dataset(api, pairwise.PROJECT, "und", 2, None)
    (space,) = (s["id"] for s in api.get("me/workspaces")["items"] if s["name"] == place.workspace)
    over, people = threading.Event(), []
    for number in range(given.annotators):
        user = {"username": f"person-{number}", "first_name": "x", "role": "annotator", "password": "x" * 12}
        made = api.post("users", user)
        api.post(f"workspaces/{space}/users", {"user_id": made["id"]})
        people.append(Annotator(url, made["api_key"], place.id, f"{given.seed}-{number}", over))
    began = time.perf_counter()
    for person in people:
        person.start()
    words = [*ANNOTATION, "push", "--turns", str(scratch / "sample"), "--project", "pairwise", "--votes", "2"]
    pushes = killed(words, given.kills, draw, given.longest)
    pushed = time.perf_counter() - began
    over.set()
    for person in people:
        person.join()
    answered = time.perf_counter() - began
    words = [*ANNOTATION, "pull", "--project", "pairwise", "--out", str(scratch / "out")]
    pulls = killed(words, given.kills, draw, 3.0)
    wrong = _compare(api, home, scratch / "out", place, people, tasks)
    waits = [seconds for person in people for seconds in person.waits]
    print(
        f"{given.records} records pushed in {pushed:.0f} s, push killed {pushes} times, pull {pulls} times; "
        f"{len(waits)} answers and changes of {len(people)} annotators acknowledged in {answered:.0f} s, each after "
        f"{statistics.median(waits):.3f} s (median), {statistics.quantiles(waits, n=100)[98]:.3f} s (99 of 100)."
    )
    print(*wrong or ["Nothing was lost and nothing is there twice."], sep="\n")
    return bool(wrong)


def _compare(
    api: Api, home: Path, out: Path, place: datasets.Dataset, people: list[Annotator], tasks: pl.DataFrame
) -> list[str]:
    """What is not as it should be."""
    wrong = [sentence for person in people for sentence in person.failed]
    every = [record for page in pages.pages(api, place.id) for record in page]
    if sorted(record["external_id"] for record in every) != sorted(tasks["task_id"]):
        wrong.append("the records on the server are not those that were pushed")
    seal = Seal(home)
    shown = {record["external_id"]: origin_of(record, seal)["first_shown"] for record in every}
    said = {
        (name, f"person-{number}"): "tie" if first == second else "ab"[(first < second) != (shown[name] == "a")]
        for number, person in enumerate(people)
        for name, (first, second) in person.said.items()
    }
    pulled = pl.read_parquet(out / "comparisons.parquet").select("task_id", "annotator", "preference")
    got = {(name, who): preference for name, who, preference in pulled.iter_rows()}
    if len(got) != pulled.height:
        wrong.append("an answer is there twice")
    if got != said:
        wrong.append(f"{len(set(said.items()) ^ set(got.items()))} answers differ of {len(said)} acknowledged")
    progress = api.get(f"datasets/{place.id}/progress")
    by_index = sum(
        api.post(f"datasets/{place.id}/records/search", {"filters": {"and": [_status(status)]}}, {"limit": 1})["total"]
        for status in ("completed", "pending")
    )
    if (progress["total"], by_index) != (len(every), len(every)):
        wrong.append(f"the index counts {progress['total']} records, {by_index} by status; the database {len(every)}")
    in_database = responses.counts(api, place)[responses.SUBMITTED]
    if in_database != len(said):
        wrong.append(f"the database holds {in_database} answers, {len(said)} were acknowledged")
    return wrong


def _status(status: str) -> dict[str, Any]:
    return {"type": "terms", "scope": {"entity": "record", "property": "status"}, "values": [status]}


if __name__ == "__main__":
    sys.exit(main())
