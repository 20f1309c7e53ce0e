"""Push and pull side by side: ours, and Argilla's own Python client, on the same server in the same run.

    python -m benchmarks.annotation --python /tmp/bench/bin/python [--records 2000] [--answers 400] [--rounds 3]
        [--seed 20]

A server of `python -m annotation serve` is started in a temporary home and ended afterwards. Each round pushes the same
made-up pairwise tasks by either, in turns, into a dataset of its own with the same fields, questions and metadata; then
a simulated annotator answers some of ours over the API, and both read that dataset back with its responses. The client
gets an environment of its own: `python -m venv /tmp/bench && /tmp/bench/bin/pip install argilla==2.8.0 requests`.

Times of a push are for records alone, the dataset being there; ours include the look at what is there and the count
afterwards. Times of a pull are from the project's name until the answers are in hand: ours as checked tables on disk,
the client's as a list.

Exits with 1 where counts differ from what was pushed or answered, where ranks that ours reads are not those that were
given, or where ours is slower than the client by more than a quarter in the median of the rounds: to push, both wait
for the server, so that its mood decides.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

import polars as pl

from annotation import datasets, pages
from annotation.api import Api
from annotation.argilla import Argilla
from annotation.projects import pairwise, stages
from annotation.pull import pull
from annotation.push import Settings, origin_of, push, record
from annotation.seal import Seal
from annotation.state import State
from schemas.judgements import AnnotationTask

CLIENT = """
import json, sys, time
import argilla as rg
url, key, what, name, space = sys.argv[1:6]
client = rg.Argilla(api_url=url, api_key=key)
if what == "push":
    given = json.load(open(sys.argv[6]))
    label = lambda q: {o["value"]: o["text"] for o in q["settings"]["options"]}
    fields = [(rg.ChatField if f["settings"]["type"] == "chat" else rg.TextField)(
        name=f["name"], title=f["title"], required=f["required"]) for f in given["fields"]]
    kinds = {"ranking": lambda q: rg.RankingQuestion(name=q["name"], values=label(q), required=q["required"]),
             "label_selection": lambda q: rg.LabelQuestion(name=q["name"], labels=label(q), required=q["required"]),
             "multi_label_selection":
                 lambda q: rg.MultiLabelQuestion(name=q["name"], labels=label(q), required=q["required"]),
             "text": lambda q: rg.TextQuestion(name=q["name"], required=q["required"])}
    metadata = {"terms": rg.TermsMetadataProperty, "integer": rg.IntegerMetadataProperty,
                "float": rg.FloatMetadataProperty}
    settings = rg.Settings(fields=fields, questions=[kinds[q["settings"]["type"]](q) for q in given["questions"]],
                           metadata=[metadata[m["settings"]["type"]](m["name"]) for m in given["metadata"]],
                           allow_extra_metadata=True)
    dataset = rg.Dataset(name=name, workspace=space, settings=settings, client=client)
    dataset.create()
    records = [rg.Record(id=r["external_id"], fields=r["fields"], metadata=r["metadata"]) for r in given["records"]]
    began = time.perf_counter()
    dataset.records.log(records)
    seconds = time.perf_counter() - began
    print(json.dumps({"seconds": seconds, "count": len(records)}))
else:
    began = time.perf_counter()
    dataset = client.datasets(name, workspace=space)
    rows = list(dataset.records(with_responses=True))
    seconds = time.perf_counter() - began
    answered = [r for r in rows if list(r.responses)]
    firsts = {r.id: r.responses["preference"][0].value[0] for r in answered}
    print(json.dumps({"seconds": seconds, "count": len(rows), "answered": len(answered), "first": firsts}))
"""


def made_up(count: int, seed: int, name: str) -> pl.DataFrame:
    """Tasks of a length such as chat has: 6 messages and two replies of some 100 characters each."""
    line = "The rain had stopped over the harbour and she looked up from the map, asking about the old lighthouse. "
    rows = [
        {
            "task_id": f"{seed}-{name}-{number}",
            "turn_id": f"{number:032x}",
            "persona_id": f"persona-{number % 40}",
            "messages": [
                {"role": role, "content": f"{number} {place} {line}"}
                for place, role in enumerate(("system", "user", "assistant", "user", "assistant", "user"))
            ],
            "response_a": f"{line}{number} a",
            "response_b": f"{line}{number} b",
            "policy_a": "old" if number % 2 else "new",
            "policy_b": "new" if number % 2 else "old",
        }
        for number in range(count)
    ]
    return pl.DataFrame(rows, schema=AnnotationTask.create_empty().schema)


def ours_pushed(api: Api, tasks: pl.DataFrame, round_: str, home: Path) -> tuple[float, int]:
    """Seconds, and how many the server has."""
    place = datasets.make_dataset(api, pairwise.PROJECT, "und", 1, round_)
    state = State(home, pairwise.PROJECT.name, round_)
    began = time.perf_counter()
    source = stages.source(pairwise.with_context(tasks.lazy()), {}, ["swapped"])
    push(api, pairwise.PROJECT, source, state, Settings(round_, 1))
    return time.perf_counter() - began, pages.count(api, place.id)


def theirs(python: str, api: Api, key: str, *words: str) -> dict[str, Any]:
    """What the client's process prints."""
    command = [python, "-c", CLIENT, api.url, key, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"the client failed: {done.stderr[-2000:]}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main() -> int:
    """Run the rounds and print a table; 1 where a bound does not hold."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--python", required=True, help="interpreter that has argilla 2.8.0")
    parser.add_argument("--records", type=int, default=2000)
    parser.add_argument("--answers", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=20)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        annotation = [sys.executable, "-m", "annotation"]
        subprocess.run([*annotation, "serve", "--home", home, "--port", "0", "--detach"], check=True)
        try:
            return measure(given, home, Path(folder))
        finally:
            subprocess.run([*annotation, "stop", "--home", home], check=False)


def measure(given: argparse.Namespace, home: Path, scratch: Path) -> int:
    """Measure on a running server."""
    key = (home / "credentials" / "api_key").read_text().strip()
    api = Api(json.loads((home / "running.json").read_bytes())["url"], key)
    seconds: dict[str, list[float]] = {"ours push": [], "client push": [], "ours pull": [], "client pull": []}
    wrong = []
    for number in range(given.rounds):
        name = f"b{number}-{uuid.uuid4().hex[:6]}"
        tasks = made_up(given.records, given.seed, name)

        def push_ours(name: str = name, tasks: pl.DataFrame = tasks) -> None:
            took, count = ours_pushed(api, tasks, name, scratch)
            seconds["ours push"].append(took)
            if count != given.records:
                wrong.append(f"ours pushed {given.records} records, the server has {count}")

        def push_theirs(name: str = name) -> None:
            file = scratch / "client.json"
            place = datasets.make_dataset(api, pairwise.PROJECT, "und", 1, "prepare")
            records = as_records(made_up(given.records, given.seed, name), place.questions, Seal(scratch))
            project = pairwise.PROJECT
            material = {"fields": project.fields, "questions": project.questions, "metadata": project.metadata}
            file.write_text(json.dumps({**material, "records": records}))
            told = theirs(given.python, api, key, "push", f"client-{name}", place.workspace, str(file))
            seconds["client push"].append(told["seconds"])

        for step in (push_ours, push_theirs) if number % 2 == 0 else (push_theirs, push_ours):
            step()
        backend = Argilla(api, name, 1, home=scratch)
        answers = [
            {"task_id": task, "annotator": "simulated:1", "preference": "ab"[place % 2], "strength": 1, "reasons": []}
            for place, task in enumerate(tasks["task_id"].head(given.answers))
        ]
        backend.submit(answers)
        (place,) = datasets.list_datasets(api, pairwise.PROJECT, name)
        began = time.perf_counter()
        state = State(scratch, pairwise.PROJECT.name, name)
        manifest = pull(api, pairwise.PROJECT, scratch / f"out-{name}", state, name)
        seconds["ours pull"].append(time.perf_counter() - began)
        told = theirs(given.python, api, key, "pull", place.name, place.workspace)
        seconds["client pull"].append(told["seconds"])
        read = dict(
            pl.read_parquet(scratch / f"out-{name}" / "comparisons.parquet").select("task_id", "preference").iter_rows()
        )
        if read != {answer["task_id"]: answer["preference"] for answer in answers}:
            wrong.append("what ours read is not what was answered")
        if (manifest.figures["records"], told["count"]) != (given.records, given.records):
            wrong.append(
                f"of {given.records} records ours read {manifest.figures['records']}, the client {told['count']}"
            )
        every = (made for page in pages.pages(api, place.id) for made in page)
        shown = {made["external_id"]: origin_of(made, state.seal)["first_shown"] for made in every}
        best = {task: "reply_1" if side == shown[task] else "reply_2" for task, side in read.items()}
        misread = sum(_first(told["first"][task]) != best[task] for task in best)
        print(f"round {number + 1}: of {len(best)} rankings the client's list begins with the worse reply in {misread}")
    print(f"\n{given.records} records, {given.answers} answers, {given.rounds} rounds\n")
    print("| | seconds (median; all) | records/s |\n| --- | --- | --- |")
    for what, took in seconds.items():
        middle = statistics.median(took)
        print(f"| {what} | {middle:.1f} ({', '.join(f'{s:.1f}' for s in took)}) | {given.records / middle:,.0f} |")
    for what in ("push", "pull"):
        if statistics.median(seconds[f"ours {what}"]) > 1.25 * statistics.median(seconds[f"client {what}"]):
            wrong.append(f"ours is slower than the client to {what}")
    print(*sorted(set(wrong)), sep="\n")
    return bool(wrong)


def as_records(tasks: pl.DataFrame, questions: dict[str, str], seal: Seal) -> list[dict[str, Any]]:
    """The same records that ours makes."""
    rows = pairwise.with_context(tasks.lazy()).with_columns(first_shown=pl.lit("a")).collect()
    return [record(pairwise.PROJECT, row, None, questions, seal) for row in rows.iter_rows(named=True)]


def _first(option: Any) -> str:
    """The option that a client's list begins with."""
    return str(option["value"] if isinstance(option, dict) else option)


if __name__ == "__main__":
    sys.exit(main())
