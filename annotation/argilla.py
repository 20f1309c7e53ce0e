"""Argilla as the cycle's annotation tool: the pairwise project behind the protocol of `annotation.backend`."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from annotation import datasets, responses
from annotation.api import Api
from annotation.backend import Progress
from annotation.datasets import Dataset
from annotation.pages import count, pages
from annotation.projects import pairwise, showing
from annotation.projects.project import Json
from annotation.projects.stages import source
from annotation.push import Settings, origin_of, push
from annotation.seal import Seal
from annotation.state import State
from schemas.judgements import AnnotationTask, Comparison
from schemas.personas import Persona
from schemas.problems import Problem
from schemas.stage import Advance, no_progress

RESPONSES = 100  # a bulk of them, as Argilla takes it
TRIES = 3


class Argilla:
    """An annotation backend on a server, in a round of its own.

    Attributes:
        where: The server's address, and the round.
        problems: A sentence for each thing that went wrong with single records.
    """

    def __init__(
        self,
        api: Api,
        round_: str,
        votes: int,
        *,
        home: Path,
        turns: pl.LazyFrame | None = None,
        personas: Mapping[str, Persona] | None = None,
        readers: Mapping[str, Sequence[str]] | None = None,
        advance: Advance = no_progress,
    ) -> None:
        """
        Args:
            api: An owner's account.
            round_: Name of the round.
            votes: Annotators a task.
            home: Where dead letters go.
            turns: What is known of the tasks' turns, as `annotation.projects.pairwise.with_context` takes it.
            personas: By id, for their traits.
            readers: Locales by annotator; None leaves access as it is.
            advance: Told of tasks that were pushed, and of answers that were put in.
        """
        self.where = f"{api.url} (round {round_})"
        self.problems: list[str] = []
        self._api, self._round, self._turns, self._advance = api, round_, turns, advance
        self._state = State(home, pairwise.PROJECT.name, round_)
        self._settings = Settings(round_, votes, personas or {}, readers)

    def push(self, tasks: pl.DataFrame) -> int:
        """See `Backend`.

        Raises:
            Problem: The server is not there or takes nothing, or has the round for another number of votes.
        """
        for place in self._places():
            if place.votes != self._settings.votes and not place.extra:
                raise Problem(
                    f"{place.label}: {place.votes} votes a task were asked for when this was pushed, and "
                    f"{self._settings.votes} are now; put the number back."
                )
        rows = pairwise.with_context(AnnotationTask.validate(tasks).lazy(), self._turns)
        pushed = push(
            self._api, pairwise.PROJECT, source(rows, {}, ["swapped"]), self._state, self._settings, self._advance
        )
        self.problems = [*pushed.sentences]
        if pushed.refused:
            self.problems.append(f"{len(pushed.refused)} tasks were refused; they are in {pushed.dead_letters}.")
        return pushed.new

    def tasks(self) -> pl.DataFrame:
        rows = [_task(record, self._state.seal) for _, record in self._records()]
        empty = AnnotationTask.create_empty()
        table = pl.DataFrame(rows, schema=empty.schema) if rows else empty
        return AnnotationTask.validate(table.unique("task_id").sort("task_id"))

    def progress(self, votes: int) -> Progress:
        """By the server's counts alone."""
        places = self._places()
        given = sum(responses.counts(self._api, place)[responses.SUBMITTED] for place in places)
        wanted = votes * sum(count(self._api, place.id) for place in places if not place.extra)
        return Progress(min(given, wanted), wanted)

    def pull(self) -> pl.DataFrame:
        said = responses.read(self._api, pairwise.PROJECT, self._places(), self._state.seal)
        made = pairwise.PROJECT.outputs(said.rows)
        return Comparison.validate(made.tables["comparisons.parquet"])

    def submit(self, answers: list[dict[str, object]]) -> None:
        """Answer as annotators with accounts of their own, which are made where they are not there. For rehearsals.

        Raises:
            Problem: An annotator is not a simulated one, or the server does not take an answer.
        """
        shown = {record["external_id"]: record for _, record in self._records()}
        by_annotator: dict[str, list[Json]] = {}
        for answer in answers:
            by_annotator.setdefault(str(answer["annotator"]), []).append(
                _response(answer, shown[str(answer["task_id"])], self._state.seal)
            )
        done = 0
        for annotator, given in sorted(by_annotator.items()):
            account = self._account(annotator)
            for start in range(0, len(given), RESPONSES):
                _submit(account, given[start : start + RESPONSES])
                done += len(given[start : start + RESPONSES])
                self._advance(done, len(answers), "answering")
            account.close()

    def _places(self) -> list[Dataset]:
        return datasets.list_datasets(self._api, pairwise.PROJECT, self._round)

    def _records(self) -> list[tuple[Dataset, Json]]:
        return [(place, r) for place in self._places() for page in pages(self._api, place.id) for r in page]

    def _account(self, annotator: str) -> Api:
        """The account of a simulated annotator, with access to all that was pushed."""
        name = responses.account_name(annotator)
        if name == annotator:
            raise Problem(f"{annotator}: people answer in the browser; only simulated annotators are answered for.")
        known = {user["username"]: user for user in self._api.get("users")["items"]}
        user = known.get(name) or self._api.post(
            "users",
            {"username": name, "first_name": name, "role": "annotator", "password": secrets.token_urlsafe(24)},
        )
        spaces = {space["name"]: space["id"] for space in self._api.get("me/workspaces")["items"]}
        mine = {space["id"] for space in self._api.get(f"users/{user['id']}/workspaces")["items"]}
        for space in {spaces[place.workspace] for place in self._places()} - mine:
            self._api.post(f"workspaces/{space}/users", {"user_id": user["id"]})
        return Api(self._api.url, user["api_key"])


def _task(record: Json, seal: Seal) -> Json:
    """A task, from the record it was made into."""
    origin, fields = origin_of(record, seal), showing.as_written(record["fields"])
    replies = [fields[pairwise.FIRST], fields[pairwise.SECOND]]
    a, b = replies if origin["first_shown"] == "a" else replies[::-1]
    return {
        "task_id": record["external_id"],
        **{name: origin[name] for name in ("turn_id", "persona_id", "policy_a", "policy_b")},
        "messages": origin.get("messages") or showing.read_back(fields),
        "response_a": a,
        "response_b": b,
    }


def _response(answer: Mapping[str, Any], record: Json, seal: Seal) -> Json:
    """An answer, as an annotator's browser would send it."""
    first_is_a = origin_of(record, seal)["first_shown"] == "a"
    ranks = {"tie": (1, 1), "a": (1, 2), "b": (2, 1)}[answer["preference"]]
    shown = ranks if first_is_a else ranks[::-1]
    values: Json = {
        "preference": [
            {"value": name, "rank": rank} for name, rank in zip((pairwise.FIRST, pairwise.SECOND), shown, strict=True)
        ]
    }
    if answer["strength"]:
        values["strength"] = str(answer["strength"])
    reasons = [reason for reason in answer["reasons"] if reason in pairwise.REASONS]
    if reasons:
        values["reasons"] = reasons
    if others := [reason for reason in answer["reasons"] if reason not in pairwise.REASONS]:
        values["comment"] = ", ".join(others)
    return {
        "record_id": record["id"],
        "status": "submitted",
        "values": {name: {"value": value} for name, value in values.items()},
    }


def _submit(account: Api, items: list[Json]) -> None:
    """Send responses; those that the server could not write are sent again."""
    for _ in range(TRIES):
        answered = account.post("me/responses/bulk", {"items": items})["items"]
        items = [item for item, told in zip(items, answered, strict=True) if told["error"]]
        if not items:
            return
    raise Problem(f"{account.url}: {len(items)} answers of a simulated annotator were not taken; look at its log.")
