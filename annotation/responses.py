"""What annotators have said, as the server's database holds it: whole, or a sentence.

The server's own counts by annotator are asked before and after the pages are read. What was read has to lie between
them, or it is read again; so an export that lost something on the way is never taken for a whole one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any, NamedTuple

from annotation.api import Api
from annotation.datasets import Dataset
from annotation.pages import pages
from annotation.projects import showing
from annotation.projects.project import Json, Project
from annotation.push import origin_of
from annotation.seal import Seal
from schemas.problems import Problem

TRIES = 4
LONGEST = 600.0  # seconds between two answers beyond which somebody was away
SUBMITTED, DISCARDED, DRAFT = "submitted", "discarded", "draft"


class Said(NamedTuple):
    """All responses of some datasets.

    Attributes:
        rows: One a submitted response: `record_id`, what the record came from, `fields`, `messages`, `values`,
            `annotator`, `seconds`, `timestamp`, `dataset`; ordered by record and annotator.
        records: Records read.
        drafts, discarded: Responses that are not submitted.
        again: Responses that are left out since the same annotator answered the record again later.
        left_out: Submitted responses that cannot be read, by reason.
    """

    rows: list[Json]
    records: int
    drafts: int
    discarded: int
    again: int
    left_out: dict[str, int]


def read(
    api: Api,
    project: Project,
    places: Iterable[Dataset],
    seal: Seal,
    progress: Callable[[int], None] = lambda _: None,
) -> Said:
    """Read all responses.

    Args:
        api: An owner's account.
        project: What was asked.
        places: Where.
        seal: Opens what the records were made from.
        progress: Told how many records have been read.

    Raises:
        Problem: What was read differs from what the server counts, or the key is another.
    """
    names = accounts(api)
    rows: list[Json] = []
    left_out: Counter[str] = Counter()
    states: Counter[str] = Counter()
    moments: list[tuple[str, datetime, Json | None]] = []  # who, when, and the row it made
    records = 0
    for place in places:
        listed = _whole(api, place, partial(_from, progress, records))
        records += len(listed)
        if any(r["user_id"] not in names for record in listed for r in record["responses"]):
            names = accounts(api)
        for record in listed:
            for response in record["responses"]:
                if place.extra and response["status"] == DISCARDED:
                    continue  # ours: see `annotation.once_more`
                states[response["status"]] += 1
                who, when = names.get(response["user_id"]), _moment(response["updated_at"])
                if who is None:
                    left_out["their annotator was removed while they were read"] += response["status"] == SUBMITTED
                    continue
                row = None
                if response["status"] == SUBMITTED:
                    row = _row(project, place, record, response, who, when, seal)
                    left_out["they are not answers to the project's questions"] += row is None
                if response["status"] != DRAFT:
                    moments.append((who, when, row))
    time_between(moments)
    rows = [row for _, _, row in moments if row is not None]
    newest: dict[tuple[str, str], Json] = {}
    for row in sorted(rows, key=lambda row: (row["timestamp"], row["dataset"])):
        newest[row["record_id"], row["annotator"]] = row
    kept = [newest[key] for key in sorted(newest)]
    left_out = Counter({reason: n for reason, n in left_out.items() if n})
    return Said(kept, records, states[DRAFT], states[DISCARDED], len(rows) - len(kept), dict(left_out))


def annotator_name(account: str) -> str:
    """Name of an annotator, from that of the account: Argilla's names hold no colon, which marks simulated ones."""
    return account.replace("simulated-", "simulated:", 1) if account.startswith("simulated-") else account


def account_name(annotator: str) -> str:
    """Name of an annotator's account."""
    return annotator.replace("simulated:", "simulated-", 1) if annotator.startswith("simulated:") else annotator


def accounts(api: Api) -> dict[str, str]:
    """Annotators by their id on the server."""
    return {user["id"]: annotator_name(user["username"]) for user in api.get("users")["items"]}


def _whole(api: Api, place: Dataset, progress: Callable[[int], None]) -> list[Json]:
    """Records of a dataset with responses, counted against the server."""
    for _ in range(TRIES):
        before = counts(api, place)
        listed: list[Json] = []
        records = 0
        for page in pages(api, place.id, "responses"):
            records += len(page)
            listed += [record if record["responses"] else {"responses": []} for record in page]
            progress(records)
        after = counts(api, place)
        mine = Counter(r["status"] for record in listed for r in record["responses"])
        if all(_between(before[kind], mine[kind], after[kind]) for kind in (SUBMITTED, DISCARDED, DRAFT)):
            return listed
    raise Problem(
        f"{api.url}: {place.label}: the server counts {after[SUBMITTED]} submitted responses and gave "
        f"{mine[SUBMITTED]}, {TRIES} times over. Nothing was written; run the same command again."
    )


def _from(progress: Callable[[int], None], before: int, seen: int) -> None:
    progress(before + seen)


def _between(one: int, value: int, other: int) -> bool:
    return min(one, other) <= value <= max(one, other)


def counts(api: Api, place: Dataset) -> Counter[str]:
    """Responses by status, by the server's database."""
    counts: Counter[str] = Counter()
    for user in api.get(f"datasets/{place.id}/users/progress")["users"]:
        for of_status in ("completed", "pending"):
            counts.update(user[of_status])
    return counts


def _moment(written: str) -> datetime:
    """A time of the server's: UTC, whether it says so or not."""
    moment = datetime.fromisoformat(written)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _row(
    project: Project, place: Dataset, record: Json, response: Json, who: str, when: datetime, seal: Seal
) -> Json | None:
    """A submitted response; None where it or its record is not of the project's making."""
    origin = origin_of(record, seal)
    try:
        given = {name: item["value"] for name, item in response["values"].items()}
        fields = showing.as_written(record["fields"])
        return {
            **{name: origin[name] for name in ("turn_id", "persona_id", "locale")},
            **{name: origin.get(name) for name in project.own},
            "record_id": record["external_id"],
            "fields": fields,
            "messages": origin.get("messages") or showing.read_back(fields),
            "values": project.answer(given, origin),
            "annotator": who,
            "timestamp": when,
            "seconds": None,
            "dataset": place.label,
        }
    except (KeyError, TypeError, AttributeError):
        return None


def time_between(moments: list[tuple[str, datetime, Json | None]]) -> None:
    """How long each answer took: the time since the same annotator's last one, in any dataset of the project.

    Argilla does not say when a record was opened. After a break of more than `LONGEST`, and for somebody's first
    answer, it is not known.
    """
    last: dict[str, datetime] = {}
    for who, when, row in sorted(moments, key=lambda moment: moment[:2]):
        gap = (when - last[who]).total_seconds() if who in last else None
        last[who] = when
        if row is not None and gap is not None and gap <= LONGEST:
            row["seconds"] = gap


def answers(project: Project, rows: Iterable[Json], gold: dict[str, str]) -> Iterator[dict[str, Any]]:
    """Rows of `schemas.judgements.Answer`, one a question that was answered."""
    for row in rows:
        for question, value in row["values"].items():
            yield {
                "project": project.name,
                **{name: row[name] for name in ("record_id", "turn_id", "persona_id", "locale", "annotator")},
                "question": question,
                "value": value,
                "seconds": row["seconds"],
                "timestamp": row["timestamp"],
                "gold": gold.get(row["record_id"]) if question == project.key else None,
                "first_shown": row.get("first_shown"),
            }
