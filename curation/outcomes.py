"""What the row-level steps came to: every row looked up in the store, rules applied, each row counted once a step.

A row that is in no result of a step was quarantined by it; anything else is an error of ours, and raises. Thresholds
act here, on scores that are kept, so that moving one works on no row again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from curation import embed, intake, language, on_disk, rowsteps, safety
from curation.intake import META, Intake
from curation.partition import write_private
from curation.rowsteps import STEPS, Plan
from curation.store import Store
from schemas.turns import CuratedTurn

# What the steps after this one look at, for all turns at once.
SMALL = ("turn_id", "conversation_id", "persona_id", "locale", "turn_index", "continued", "thumb", "bucket", "row_key")
VECTORS = ("user", "reply", "both")
COLUMNS = {"scrub": ("pii",), "embed": (), "safety": ("safety",), "language": ("language",)}

Vectors = npt.NDArray[Any]  # float16


class Outcomes(NamedTuple):
    """What the row-level steps came to.

    Attributes:
        directory: A file of rows for each bucket: columns of a turn but for its text, `row_key`, `content`, `language`,
            `stage` and `reason` (null where it stays).
        rows: `SMALL` columns of the turns that stay, in order of `turn_id`; `user`, `reply`, `history` and `tool_calls`
            as `duplicates.find` wants them.
        user, reply, both: float16 [n, d] on disk, of the same turns in the same order: vectors of the user's message,
            of the reply and of the turn. Half precision is exact enough to compare and halves the disk.
        counts: `in`, `kept`, `dropped` and `quarantined` by step, from `validate` on.
        pii: Pieces of personal data masked in last messages and replies, by type.
        languages: Turns by language.
        answers: Turns by what safety said: `keep`, `review`, `drop`.
        quarantined: Turns on which a step raised, as `Quarantined`.
    """

    directory: Path
    rows: pl.DataFrame
    user: Vectors
    reply: Vectors
    both: Vectors
    counts: dict[str, Counter[str]]
    pii: Counter[str]
    languages: Counter[str]
    answers: Counter[str]
    quarantined: pl.DataFrame


def judge(work: Path, read: Intake, surplus: pl.DataFrame, plan: Plan, store: Store) -> Outcomes:
    """Look every row up and let go what the rules let go.

    Args:
        work: Directory for rows and vectors.
        read: What came in.
        surplus: Rows that repeat another's id.
        plan: As the workers were told.
        store: Results of the steps.
    """
    settings = plan.settings
    rules = {
        "safety": safety.drop_reason(settings.safety),
        "language": language.drop_reason(settings.language),
    }
    odd = [pl.read_parquet(path) for path in sorted(plan.quarantine.glob("*.parquet"))]
    quarantined = pl.concat(odd) if odd else rowsteps.no_quarantine()
    unique = read.rows["kept"] - surplus.height
    counts = {name: Counter[str]() for name in ("window", *STEPS)}
    counts["validate"] = Counter({"in": read.rows["kept"], "kept": unique, "dropped": surplus.height})
    pii, languages, answers = Counter[str](), Counter[str](), Counter[str]()
    stays = pl.lit(None, dtype=pl.String)
    nothing = CuratedTurn.create_empty().select("pii", "safety", "language", row_key=stays)
    small, vectors = [], []
    for bucket, turns in intake.conversations(read, surplus, settings.window, plan.personas):
        rows = turns.select(
            *META,
            "row_key",
            "content",
            bucket=pl.lit(bucket, dtype=pl.Int64),
            stage=pl.lit(None, dtype=pl.String),
            reason=pl.lit(None, dtype=pl.String),
            _why="outside",
        )
        rows = _let_go(rows, "window", pl.col("_why"), counts["window"], failed=0).drop("_why")
        for step in STEPS:
            live = rows.filter(pl.col("stage").is_null())
            results = store.read(plan.names[step], [bucket], live["row_key"], COLUMNS[step])
            found = (nothing if results is None else results).select("row_key", *COLUMNS[step])
            lacking = live.join(found, on="row_key", how="anti")
            expected = quarantined.filter(pl.col("step") == step)["row_key"].implode()
            if lost := lacking.filter(~pl.col("row_key").is_in(expected)).height:
                raise AssertionError(f"{lost} rows are neither in the results of {step} nor in quarantine")
            rows = rows.join(lacking, on="row_key", how="anti", maintain_order="left")
            rows = rows.join(found, on="row_key", how="left", maintain_order="left")
            if step == "safety":
                said = rows.filter(pl.col("stage").is_null()).select(safety.decision(settings.safety)).to_series()
                answers.update(said.to_list())
            rows = _let_go(rows, step, rules.get(step, stays), counts[step], failed=lacking.height)
        types = rows.select(pl.col("pii").explode()).drop_nulls().unnest("pii").group_by("type").sum()
        pii.update(dict(types.iter_rows()))
        named = rows.filter(pl.col("stage").is_null() | (pl.col("stage") == "language"))
        languages.update(dict(named.group_by("language").len().iter_rows()))
        live = rows.filter(pl.col("stage").is_null())
        if live.height:
            vectors.append(_save_vectors(work, bucket, live["row_key"], plan, store))
            small.append(_with_texts(live.select(SMALL), bucket, plan, store))
        write_private(work / f"{bucket:05}.parquet", rows.drop("pii", "safety"))
    kept = pl.concat(small) if small else _no_rows()
    order = kept["turn_id"].arg_sort()
    user, reply, both = (_joined(work, name, vectors, order) for name in VECTORS)
    return Outcomes(work, kept[order], user, reply, both, counts, pii, languages, answers, quarantined)


def _let_go(rows: pl.DataFrame, stage: str, why: pl.Expr, counts: Counter[str], failed: int) -> pl.DataFrame:
    """Rows with `stage` and `reason` where they were live and there is a reason; and counted."""
    came = rows["stage"].null_count() + failed
    rows = rows.with_columns(_gone=pl.when(pl.col("stage").is_null()).then(why))
    rows = rows.with_columns(
        stage=pl.when(pl.col("_gone").is_not_null()).then(pl.lit(stage)).otherwise("stage"),
        reason=pl.coalesce("reason", "_gone"),
    ).drop("_gone")
    kept = rows["stage"].null_count()
    counts.update({"in": came, "kept": kept, "dropped": came - kept - failed, "quarantined": failed})
    return rows


def _with_texts(rows: pl.DataFrame, bucket: int, plan: Plan, store: Store) -> pl.DataFrame:
    found = store.read(plan.names["scrub"], [bucket], rows["row_key"], ("messages", "response", "tool_calls"))
    joined = rows.join(found, on="row_key", how="left", maintain_order="left")  # type: ignore[arg-type]
    user, reply = embed.said(joined)
    return rows.with_columns(
        pl.Series("user", user, dtype=pl.String),
        pl.Series("reply", reply, dtype=pl.String),
        history=joined["messages"].list.len().cast(pl.Int64),
        tool_calls=joined.select(pl.when(pl.col("tool_calls").is_not_null()).then(pl.lit(True))).to_series(),
    )


def _save_vectors(work: Path, bucket: int, keys: pl.Series, plan: Plan, store: Store) -> int:
    """Vectors of a bucket on disk, in the order of the keys; the number of the bucket."""
    found = store.read(plan.names["embed"], [bucket], keys)
    ordered = keys.to_frame().join(found, on="row_key", how="left", maintain_order="left")  # type: ignore[arg-type]
    user, reply = ordered["user_vector"].to_numpy(), ordered["reply_vector"].to_numpy()
    for name, part in zip(VECTORS, (user, reply, embed.turn_vectors(user, reply)), strict=True):
        np.save(work / f"{bucket:05}-{name}.npy", part.astype(np.float16))
    return bucket


def _joined(work: Path, name: str, buckets: list[int], order: pl.Series) -> Vectors:
    """Vectors of all buckets in one file, the i-th row being the `order[i]`-th of them."""
    if not buckets:
        return np.zeros((0, 1), dtype=np.float16)
    places, at = np.argsort(order.to_numpy()), 0
    paths = [work / f"{bucket:05}-{name}.npy" for bucket in buckets]
    width = np.load(paths[0], mmap_mode="r").shape[1]
    vectors = np.memmap(work / name, dtype=np.float16, mode="w+", shape=(len(places), width))
    for path in paths:
        part = np.load(path)
        on_disk.put(vectors, places[at : at + len(part)], part)
        at += len(part)
        path.unlink()
    return vectors


def _no_rows() -> pl.DataFrame:
    texts: Mapping[str, type[pl.DataType]] = dict.fromkeys(SMALL, pl.String)
    numbers = {"turn_index": pl.Int32, "continued": pl.Boolean, "thumb": pl.Int8, "bucket": pl.Int64}
    more = {"user": pl.String, "reply": pl.String, "history": pl.Int64, "tool_calls": pl.Boolean}
    return pl.DataFrame(schema={**texts, **numbers, **more})
