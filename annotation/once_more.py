"""One more vote: records that are done, asked about again by somebody who has not seen them.

Argilla counts a record as done by its dataset's number of votes, so a record is copied into a dataset for one extra
vote. For those who have answered it the copy is discarded beforehand, and so does not come up again.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from annotation import datasets
from annotation.api import Api
from annotation.datasets import Dataset
from annotation.pages import pages
from annotation.projects.project import Json, Project
from annotation.push import send
from schemas.problems import Problem


class AskedAgain(NamedTuple):
    """What became of the records.

    Attributes:
        asked: Records that wait for one more vote now.
        waiting: Records that were waiting for votes already, and were left as they are.
        unknown: Ids that no dataset of the project holds.
        refused: Records the server would not take: `id` and `reason`.
    """

    asked: int
    waiting: int
    unknown: list[str]
    refused: list[dict[str, str]]


def ask_again(api: Api, project: Project, records: Collection[str], round_: str | None = None) -> AskedAgain:
    """Ask for one more vote on records of a project.

    Args:
        api: An owner's account.
        project: The project.
        records: Ids of ours.
        round_: Name of the round.

    Raises:
        Problem: The server is not there or has no such project.
    """
    places = datasets.list_datasets(api, project, round_)
    if not places:
        raise Problem(f"{api.url}: nothing of project {project.name} is there to ask about again; push first.")
    wanted = set(records)
    newest: dict[str, tuple[Dataset, Json]] = {}
    answered: dict[str, set[str]] = {}
    waiting: set[str] = set()
    for place in sorted(places, key=lambda place: place.extra):
        for page in pages(api, place.id, "responses,suggestions"):
            for record in page:
                name = record["external_id"]
                if name not in wanted:
                    continue
                newest[name] = place, record
                waiting |= {name} if record["status"] != "completed" else set()
                answered.setdefault(name, set()).update(response["user_id"] for response in record["responses"])
    bulks: dict[tuple[str, int], list[tuple[Dataset, Json]]] = {}
    for name in sorted(set(newest) - waiting):
        place, record = newest[name]
        bulks.setdefault((place.locale, place.extra + 1), []).append((place, record))
    refused: list[dict[str, str]] = []
    asked = 0
    for (locale, extra), group in sorted(bulks.items()):
        target = datasets.make_dataset(api, project, locale, 1, round_, extra=extra)
        items = [_copy(record, place, target, answered[record["external_id"]]) for place, record in group]
        for taken, letters in send(api, ((target, item) for item in items)):
            asked += taken
            refused += [{"id": letter["id"], "reason": letter["reason"]} for letter in letters]
    return AskedAgain(asked, len(waiting), sorted(wanted - set(newest)), refused)


def _copy(record: Json, place: Dataset, target: Dataset, answered: set[str]) -> Json:
    """A record for one more vote, out of the way of those who have answered it."""
    names = {question: name for name, question in place.questions.items()}
    made = {
        "external_id": record["external_id"],
        "fields": record["fields"],
        "metadata": record["metadata"],
        "responses": [{"user_id": user, "status": "discarded"} for user in sorted(answered)],
    }
    suggestions = [
        {"question_id": target.questions[names[given["question_id"]]]}
        | {key: given[key] for key in ("value", "score", "agent") if given.get(key) is not None}
        for given in record.get("suggestions") or []
    ]
    return made | ({"suggestions": suggestions} if suggestions else {})
