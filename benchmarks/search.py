"""How fast the annotation server's search engine answers over many records.

    ENVIRONMENT/bin/python benchmarks/search.py [--records 100000] [--rounds 15] [--home DIR]

ENVIRONMENT is the server's own. A database of made-up conversations (words by Zipf's law, seed 0) with responses,
suggestions, metadata and vectors is written to DIR (a temporary folder by default; one that is there is used again),
the index is filled from it, and each kind of page is asked for as the server's routes ask, with a write of another
annotator before each. `first` is the first time, when nothing of it is in memory; CPU tells how busy the machine was
with other things. Exits with 1 where a median is above 300 ms.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np

LIMIT_MS = 300
DIMENSIONS = 384
USERS = 6
START = datetime(2026, 11, 1)


def main() -> int:
    """Print the table; 1 where a median is above the limit."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=15, help="how often each page is asked for")
    parser.add_argument("--home", type=Path, help="where the database is kept (default: a temporary folder)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        home = given.home or Path(temporary)
        home.mkdir(parents=True, exist_ok=True)
        os.environ |= {
            "ARGILLA_HOME_PATH": str(home),
            "ARGILLA_SEARCH_ENGINE": "sqlite",
            "HF_HUB_DISABLE_TELEMETRY": "1",
        }
        sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "annotation/server"))
        return asyncio.run(measure(given.records, given.rounds))


async def measure(records: int, rounds: int) -> int:
    """Fill, ask and print."""
    import search_engine
    import sqlalchemy as sa
    from argilla_server.database import sync_engine
    from argilla_server.models import Dataset
    from argilla_server.models.base import DatabaseModel
    from argilla_server.search_engine import SearchEngine
    from sqlalchemy.orm import Session, selectinload

    began = time.perf_counter()
    DatabaseModel.metadata.create_all(sync_engine)
    with Session(sync_engine) as db:
        db.execute(sa.text("PRAGMA journal_mode = WAL"))
        if not db.scalar(sa.select(Dataset)):
            fill(db, records)
            print(f"database written in {time.perf_counter() - began:.0f} s")
        options = (Dataset.fields, Dataset.metadata_properties, Dataset.questions, Dataset.vectors_settings)
        dataset = db.scalar(sa.select(Dataset).options(*map(selectinload, options)))
        began = time.perf_counter()
        read = await search_engine.rebuild_if_stale()
        print(f"index filled: {sum(read.values())} records in {time.perf_counter() - began:.0f} s")
        began = time.perf_counter()
        await search_engine.rebuild_if_stale()
        print(f"index compared with the database in {time.perf_counter() - began:.1f} s")
        size = search_engine.path().stat().st_size / 2**20
        print(f"database {(Path(sync_engine.url.database).stat().st_size) / 2**20:.0f} MB, index {size:.0f} MB\n")
        async with SearchEngine.get_by_name("sqlite") as engine:
            slow = await ask(engine, db, dataset, rounds)
    return int(slow)


def fill(db: Any, records: int) -> None:
    """Writes the database with bulk inserts."""
    import sqlalchemy as sa
    from argilla_server import models

    random = np.random.default_rng(0)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    vocabulary = np.array(["".join(random.choice(letters, random.integers(2, 11))) for _ in range(50_000)])

    def text(words: int) -> str:
        return " ".join(vocabulary[np.minimum(random.zipf(1.3, words), len(vocabulary)) - 1])

    def number(i: int) -> UUID:
        return UUID(bytes=random.bytes(12) + i.to_bytes(4, "big"))

    workspace = models.Workspace(name="flywheel")
    users = [models.User(username=f"u{i}", first_name="u", role="annotator", password_hash="") for i in range(USERS)]
    db.add_all([workspace, *users])
    db.flush()
    dataset = models.Dataset(
        name="pairwise",
        status="ready",
        workspace_id=workspace.id,
        distribution={"strategy": "overlap", "min_submitted": 3},
    )
    db.add(dataset)
    db.flush()
    options = [{"value": name, "text": name} for name in ("a", "b", "tie")]
    questions = {
        "preference": {"type": "label_selection", "options": options},
        "strength": {"type": "rating", "options": [{"value": i} for i in range(1, 6)]},
        "reasons": {"type": "multi_label_selection", "options": options},
        "comment": {"type": "text"},
    }
    questions = {
        name: models.Question(name=name, title=name, settings=settings, dataset_id=dataset.id)
        for name, settings in questions.items()
    }
    kind = models.VectorSettings(name="text", title="text", dimensions=DIMENSIONS, dataset_id=dataset.id)
    types = {"persona": "terms", "locale": "terms", "difficulty": "float", "cluster": "integer"}
    db.add_all(
        [
            kind,
            *questions.values(),
            *[
                models.Field(name=name, title=name, settings={"type": type_}, dataset_id=dataset.id)
                for name, type_ in (("conversation", "chat"), ("reply_a", "text"), ("reply_b", "text"))
            ],
            *[
                models.MetadataProperty(name=name, title=name, settings={"type": type_}, dataset_id=dataset.id)
                for name, type_ in types.items()
            ],
        ]
    )
    db.flush()
    for begin in range(0, records, 5000):
        rows: dict[Any, list[dict]] = {
            model: [] for model in (models.Record, models.Response, models.Suggestion, models.Vector)
        }
        for i in range(begin, min(records, begin + 5000)):
            key, at = number(i), START + timedelta(seconds=i)
            chat = [{"role": ("user", "assistant")[turn % 2], "content": text(12)} for turn in range(4)]
            metadata = {"persona": f"p{random.integers(500)}", "locale": ("en-GB", "de-DE", "pt-BR", "ja-JP")[i % 4]}
            metadata |= {"cluster": int(random.integers(64))} | (
                {"difficulty": float(random.random())} if i % 20 else {}
            )
            when = {"inserted_at": at, "updated_at": at}
            rows[models.Record].append(
                {
                    "id": key,
                    "fields": {"conversation": chat, "reply_a": text(20), "reply_b": text(20)},
                    "metadata_": metadata,
                    "external_id": f"t{i}",
                    "dataset_id": dataset.id,
                    "status": "completed" if i % 5 == 0 else "pending",
                    **when,
                }
            )
            rows[models.Vector].append(
                {
                    "value": random.standard_normal(DIMENSIONS).round(5).tolist(),
                    "record_id": key,
                    "vector_settings_id": kind.id,
                    **when,
                }
            )
            if i % 3 == 0:
                rows[models.Suggestion].append(
                    {
                        "value": int(random.integers(1, 6)),
                        "score": float(random.random()),
                        "agent": "judge",
                        "type": "model",
                        "record_id": key,
                        "question_id": questions["strength"].id,
                        **when,
                    }
                )
            if i % 5 < 2:
                for user in random.choice(USERS, 3, replace=False):
                    values = {"preference": {"value": "a"}, "strength": {"value": int(random.integers(1, 6))}}
                    rows[models.Response].append(
                        {
                            "values": values,
                            "status": "draft" if i % 5 else "submitted",
                            "record_id": key,
                            "user_id": users[user].id,
                            **when,
                        }
                    )
        for model, some in rows.items():
            if some:
                db.execute(sa.insert(model), some)
    db.commit()


async def ask(engine: Any, db: Any, dataset: Any, rounds: int) -> bool:
    """Asks for each kind of page and prints medians; whether one is too slow."""
    import sqlalchemy as sa
    from argilla_server import models
    from argilla_server.search_engine import (
        AndFilter,
        MetadataFilterScope,
        Order,
        RangeFilter,
        ResponseFilterScope,
        SuggestionFilterScope,
        TermsFilter,
        TextQuery,
    )

    total = db.scalar(sa.select(sa.func.count(models.Record.id)))
    users = db.scalars(sa.select(models.User)).all()
    me = users[0]
    common = db.scalars(sa.select(models.Record).limit(1)).one().fields["reply_a"].split()
    pending = TermsFilter(ResponseFilterScope(property="status", user=me), ["pending"])
    submitted = TermsFilter(ResponseFilterScope(property="status", user=me), ["submitted"])
    locale = TermsFilter(MetadataFilterScope("locale"), ["de-DE"])
    hard = RangeFilter(MetadataFilterScope("difficulty"), ge=0.5)
    vector = [float(x) for x in np.random.default_rng(1).standard_normal(DIMENSIONS)]
    kind = dataset.vectors_settings[0]
    deep = total - 50

    def sort(scope: Any, order: str) -> list[Order]:
        return [Order(scope, order)]

    def search(**how: Any) -> Callable[[], Awaitable[Any]]:
        return lambda: engine.search(dataset, **({"limit": 10} | how))

    by_difficulty, by_persona = MetadataFilterScope("difficulty"), MetadataFilterScope("persona")
    pages: dict[str, Callable[[], Awaitable[Any]]] = {
        "first page": search(),
        "deep page": search(offset=deep),
        "annotator's first page (pending, own order)": search(filter=pending, user_id=me.id),
        "annotator's deep page (pending, own order)": search(filter=pending, user_id=me.id, offset=total // 2),
        "submitted by the user": search(filter=submitted, user_id=me.id),
        "sorted by a float": search(sort=sort(by_difficulty, "desc")),
        "sorted by a float, deep": search(sort=sort(by_difficulty, "asc"), offset=deep),
        "sorted by terms, deep": search(sort=sort(by_persona, "asc"), offset=deep),
        "sorted by two": search(sort=sort(by_persona, "asc") + sort(by_difficulty, "desc"), offset=total // 2),
        "sorted by a suggestion's score": search(sort=sort(SuggestionFilterScope("strength", "score"), "desc")),
        "sorted by the user's answer": search(sort=sort(ResponseFilterScope("strength", user=me), "desc")),
        "filtered by metadata": search(filter=AndFilter([locale, hard]), offset=1000),
        "filtered by metadata, pending, sorted": search(
            filter=AndFilter([locale, hard, pending]), sort=sort(by_difficulty, "desc"), user_id=me.id
        ),
        "one common word": search(query=TextQuery(q=common[0])),
        "one rare word": search(query=TextQuery(q=max(common, key=len))),
        "two words, pending, own order": search(query=" ".join(common[:2]), filter=pending, user_id=me.id),
        "common word, sorted, deep": search(query=common[0], sort=sort(by_difficulty, "asc"), offset=1000),
        "beginning of a word": search(query=f"{common[1][:2]}*"),
        "all but a word": search(query=f"-{common[1]}"),
        "a word in one field": search(query=TextQuery(q=common[1], field="reply_a")),
        "a phrase": search(query='"' + " ".join(common[:2]) + '"'),
        "similar": lambda: engine.similarity_search(dataset, kind, value=vector),
        "similar, filtered": lambda: engine.similarity_search(
            dataset, kind, value=vector, filter=AndFilter([locale, pending])
        ),
        "progress": lambda: engine.get_dataset_progress(dataset),
        "progress of a user": lambda: engine.get_dataset_user_progress(dataset, me),
        "metrics of terms": lambda: engine.compute_metrics_for(dataset.metadata_property_by_name("persona")),
    }
    answered = db.scalars(sa.select(models.Response).where(models.Response.user_id == users[1].id).limit(rounds)).all()
    print(f"| {total} records | median ms | CPU ms | first ms | found |\n| --- | ---: | ---: | ---: | ---: |")
    slow = False
    for name, page in pages.items():
        times, worked = [], []
        for i in range(rounds + 1):
            await engine.update_record_response(answered[i % len(answered)])
            began, at_work = time.perf_counter(), time.process_time()
            result = await page()
            times.append((time.perf_counter() - began) * 1000)
            worked.append((time.process_time() - at_work) * 1000)
        first, *times = times
        found = getattr(result, "total", result["total"] if isinstance(result, dict) else "")
        print(f"| {name} | {np.median(times):.0f} | {np.median(worked[1:]):.0f} | {first:.0f} | {found} |", flush=True)
        slow |= bool(np.median(times) > LIMIT_MS)
    print(f"\nEach median {'is not' if slow else 'is'} within {LIMIT_MS} ms.")
    return slow


if __name__ == "__main__":
    sys.exit(main())
