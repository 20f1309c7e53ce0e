"""Push: rows of a finished stage to records on the server, each once, whatever happens.

Ids are ours, so what is on the server says what is left to do: a push that was killed is run again, and one that was
finished changes nothing. Records go in bulks; a bulk that is refused is halved until the one bad record is found, which
is kept as a dead letter and costs nothing but itself.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any, NamedTuple

import polars as pl

from annotation import datasets
from annotation.api import Api, Refused
from annotation.datasets import Dataset
from annotation.pages import count, pages
from annotation.projects import pairwise, showing
from annotation.projects.project import Json, Project, Source
from annotation.seal import Seal
from annotation.state import State
from schemas.personas import Persona
from schemas.problems import Problem
from schemas.stage import Advance, no_progress

BULK, BULK_BYTES = 100, 4_000_000  # records, characters of JSON
SENDERS = 3  # bulks under way at once: one is made and one read while the server writes
GIVE_UP = 3  # records refused by a failing server, one after the other
PAUSE = 0.2  # seconds before a bulk on which the server failed is sent again
UNPROCESSABLE, FAILED = 422, 500  # HTTP status
ORIGIN = "origin"  # key of record metadata: what it was made from, sealed


class Settings(NamedTuple):
    """How to push.

    Attributes:
        round: Name of the round; another name begins new datasets.
        votes: Annotators a record; None takes the project's.
        personas: By id, for their traits.
        readers: Locales by annotator; None leaves access as it is.
        vectors: `turn_id`, `vector`: to find similar records by.
        judged: `schemas.judgements.ScoredCandidate`: replies by a judge, to be suggested.
    """

    round: str | None = None
    votes: int | None = None
    personas: Mapping[str, Persona] = {}
    readers: Mapping[str, Sequence[str]] | None = None
    vectors: pl.DataFrame | None = None
    judged: pl.DataFrame | None = None


class Pushed(NamedTuple):
    """What became of the rows.

    Attributes:
        given: Rows that were to be pushed; `new + there + refused`.
        new: Records that were made.
        there: Records that were on the server before, and were not touched.
        refused: Records the server would not take: `id` and `reason`.
        dead_letters: Where those are kept, with those of earlier pushes of other rows; None where there are none.
        left_out: Rows that are nothing for the project, by reason.
        datasets: Which datasets they are in.
        sentences: What else there is to know.
    """

    given: int
    new: int
    there: int
    refused: list[dict[str, str]]
    dead_letters: str | None
    left_out: dict[str, int]
    datasets: list[str]
    sentences: list[str]


def push(
    api: Api, project: Project, source: Source, state: State, settings: Settings, advance: Advance = no_progress
) -> Pushed:
    """Push rows to their project.

    Args:
        api: An owner's account.
        project: The project.
        source: The rows.
        state: Where dead letters go.
        settings: How.
        advance: Told of records that are done, out of all.

    Raises:
        Problem: The server is not there, refuses everything, or holds other records than it should afterwards.
    """
    datasets.check_round(settings.round)
    with state.alone():
        return _push(api, project, source, state, settings, advance)


def _push(api: Api, project: Project, source: Source, state: State, settings: Settings, advance: Advance) -> Pushed:
    plan = _planned(project, source.plan, settings)
    dimensions = _dimensions(settings.vectors)
    advance(0, plan.height, "looking at what is there")
    places: dict[tuple[str, int], Dataset] = {}
    for locale, votes in plan.select("locale", "votes").unique().sort("locale", "votes").iter_rows():
        places[locale, votes] = datasets.make_dataset(
            api, project, locale, votes, settings.round, dimensions=dimensions
        )
    sentences = datasets.assign(api, settings.readers, plan["locale"]) if settings.readers is not None else []
    counts = {place.id: count(api, place.id) for place in places.values()}
    ordered = project is pairwise.PROJECT
    there = _there(api, datasets.list_datasets(api, project, settings.round), plan, state.seal if ordered else None)
    if ordered:
        sides = pairwise.sides(plan, there.select("record_id", "first_shown"))
        plan = plan.join(sides, on="record_id", maintain_order="left")
    to_do = plan.join(there, on="record_id", how="anti")
    before = plan.height - to_do.height
    refused: list[dict[str, Any]] = []
    done = before
    advance(done, plan.height, "pushing")
    for taken, letters in send(api, _records(project, source, to_do, settings, places, state.seal)):
        done += taken + len(letters)
        refused += letters
        advance(done, plan.height, "pushing")
    if done != plan.height:
        raise Problem(f"{plan.height - done} rows are no longer in the stage they were read from; push again.")
    _compare(api, counts, done - before - len(refused))
    file = state.keep_refused(refused, plan["record_id"])
    return Pushed(
        given=plan.height,
        new=to_do.height - len(refused),
        there=before,
        refused=[{"id": letter["id"], "reason": letter["reason"]} for letter in refused],
        dead_letters=str(file) if file else None,
        left_out=source.left_out,
        datasets=[place.label for place in places.values()],
        sentences=sentences,
    )


def _planned(project: Project, plan: pl.DataFrame, settings: Settings) -> pl.DataFrame:
    """What is to be pushed, and how many votes each is to have."""
    votes = pl.lit(settings.votes or project.votes, dtype=pl.Int32)
    if "votes" in plan.columns:
        votes = pl.col("votes").cast(pl.Int32).fill_null(votes)
    plan = plan.with_columns(votes=votes)
    if plan.height and (least := int(plan["votes"].min())) < project.least_votes:  # type: ignore[arg-type]
        raise Problem(f"{least} votes a record are too few for {project.name}; {project.least_votes} are the least.")
    return plan


def _dimensions(vectors: pl.DataFrame | None) -> int | None:
    if vectors is None or vectors.is_empty():
        return None
    return int(vectors["vector"].list.len().item(0))


def _there(api: Api, places: list[Dataset], plan: pl.DataFrame, seal: Seal | None) -> pl.DataFrame:
    """Records of ours in the project's datasets: `record_id`, and `first_shown` where a seal is given to open."""
    wanted = set(plan["record_id"])
    rows = [
        {"record_id": there["external_id"], "first_shown": origin_of(there, seal).get("first_shown") if seal else None}
        for place in places
        for page in pages(api, place.id)
        for there in page
        if there["external_id"] in wanted
    ]
    return pl.DataFrame(rows, schema={"record_id": pl.String, "first_shown": pl.String}).unique("record_id")


def _records(
    project: Project,
    source: Source,
    to_do: pl.DataFrame,
    settings: Settings,
    places: Mapping[tuple[str, int], Dataset],
    seal: Seal,
) -> Iterator[tuple[Dataset, Json]]:
    """Records to be made, as the API takes them."""
    added = [name for name in ("record_id", "votes", "first_shown") if name in to_do.columns]
    if to_do.is_empty():
        return
    for batch in source.batches():
        rows = batch.drop("votes", strict=False).join(to_do.select(added), on="record_id", maintain_order="left")
        if settings.judged is not None and project is pairwise.PROJECT:
            rows = _scored(rows, settings.judged)
        vectors = _vectors(rows, settings.vectors)
        for row in rows.iter_rows(named=True):
            place = places[row["locale"], row["votes"]]
            character = settings.personas.get(row["persona_id"])
            yield place, record(project, row, character, place.questions, seal, vectors)


def record(
    project: Project,
    row: Mapping[str, Any],
    character: Persona | None,
    questions: Mapping[str, str],
    seal: Seal,
    vectors: Mapping[str, list[float]] = {},
) -> Json:
    """One record, as the API takes it.

    What `pull` needs and annotators are not to see goes sealed under `ORIGIN` in its metadata.
    """
    fields = project.show(row, character)
    traits = list(character.traits) if character else None
    origin = {name: row[name] for name in ("turn_id", "persona_id", "locale", *project.own) if name != "traits"}
    if "traits" in project.own and traits:
        origin["traits"] = traits
    if exact := showing.unshown(row["messages"], fields):
        origin["messages"] = exact
    first = row["first_turn"]
    known = {
        **{item["name"]: row.get(item["name"]) for item in project.metadata},
        "cluster": row["cluster_id"],
        "first_turn": None if first is None else "yes" if first else "no",
    }
    made: Json = {
        "external_id": row["record_id"],
        "fields": showing.as_shown(fields),
        "metadata": {**{name: value for name, value in known.items() if value is not None}, ORIGIN: seal.close(origin)},
    }
    suggestions = [{"question_id": questions[name], **given} for name, given in project.suggest(row).items()]
    if suggestions:
        made["suggestions"] = suggestions
    if vector := vectors.get(row["turn_id"]):
        made["vectors"] = {datasets.VECTOR: vector}
    return made


def origin_of(record: Json, seal: Seal) -> Json:
    """What a record was made from; empty where the record is not of our making."""
    sealed = (record.get("metadata") or {}).get(ORIGIN)
    return seal.open(sealed) if isinstance(sealed, str) else {}


def _scored(rows: pl.DataFrame, judged: pl.DataFrame) -> pl.DataFrame:
    """Tasks with the judge's score of each reply; null where it did not score that reply."""
    scores = judged.sort("sample_index").unique(["turn_id", "response"], keep="first", maintain_order=True)
    for side in ("a", "b"):
        of_side = scores.select("turn_id", "judge", pl.col("response", "score").name.suffix(f"_{side}"))
        if side == "b":
            of_side = of_side.drop("judge")
        rows = rows.join(of_side, on=["turn_id", f"response_{side}"], how="left", maintain_order="left")
    return rows


def _vectors(rows: pl.DataFrame, vectors: pl.DataFrame | None) -> dict[str, list[float]]:
    if vectors is None:
        return {}
    mine = vectors.join(rows.select("turn_id").unique(), on="turn_id", how="semi")
    return dict(mine.select("turn_id", "vector").iter_rows())


def send(api: Api, records: Iterable[tuple[Dataset, Json]]) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """Send records in bulks, several at once; yields how many were taken and which were refused."""
    with ThreadPoolExecutor(SENDERS) as pool:
        under_way: set[Future[tuple[int, list[dict[str, Any]]]]] = set()
        try:
            for place, bulk in _bulks(records):
                under_way.add(pool.submit(_send, api, place, bulk))
                if len(under_way) > SENDERS:
                    finished, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                    yield from (future.result() for future in finished)
            while under_way:
                finished, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in finished)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _bulks(records: Iterable[tuple[Dataset, Json]]) -> Iterator[tuple[Dataset, list[Json]]]:
    """Records by dataset, as many at once as are worth it."""
    waiting: dict[str, tuple[Dataset, list[Json]]] = {}
    sizes: dict[str, int] = {}
    for place, made in records:
        size = len(json.dumps(made, ensure_ascii=False))
        if place.id in waiting and sizes[place.id] + size > BULK_BYTES:
            yield waiting.pop(place.id)
        _, bulk = waiting.setdefault(place.id, (place, []))
        sizes[place.id] = size + (sizes[place.id] if bulk else 0)
        bulk.append(made)
        if len(bulk) == BULK:
            yield waiting.pop(place.id)
    yield from waiting.values()


def _send(api: Api, place: Dataset, bulk: list[Json]) -> tuple[int, list[dict[str, Any]]]:
    """Send a bulk, halving what is refused.

    Raises:
        Refused: The server fails whatever it is sent, or the account may not push.
        Problem: No server answers.
    """
    taken, failed = 0, 0
    letters: list[dict[str, Any]] = []
    parts = [bulk]
    while parts:
        part = parts.pop()
        try:
            _put(api, place, part)
        except Refused as refused:
            if refused.status != UNPROCESSABLE and refused.status < FAILED:
                raise
            if len(part) > 1:
                parts += [part[len(part) // 2 :], part[: len(part) // 2]]
                continue
            failed += refused.status >= FAILED
            if failed == GIVE_UP and not taken:
                raise
            letters.append({"id": part[0]["external_id"], "reason": refused.reason, "record": part[0]})
        else:
            taken += len(part)
    return taken, letters


def _put(api: Api, place: Dataset, part: list[Json]) -> None:
    """Send records; once more where the server failed, as it does when two pushes bring the same record."""
    path = f"datasets/{place.id}/records/bulk"
    try:
        api.put(path, {"items": part})
    except Refused as refused:
        if refused.status < FAILED:
            raise
        time.sleep(PAUSE)
        api.put(path, {"items": part})


def _compare(api: Api, counts: Mapping[str, int], new: int) -> None:
    """Compare the server's counts with what was there before and what was made.

    Raises:
        Problem: Records are missing.
    """
    before, after = sum(counts.values()), sum(count(api, dataset) for dataset in counts)
    if after < before + new:
        raise Problem(
            f"{api.url}: {new} records were pushed to {before}, and the server counts {after}. Some were deleted "
            "meanwhile; push again to make them anew."
        )
