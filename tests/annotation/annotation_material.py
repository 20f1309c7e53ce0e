"""Finished stages for tests of push and pull, made from the sample traffic."""

from __future__ import annotations

import hashlib
from pathlib import Path

import polars as pl
from conftest import ROOT

from schemas.stage import open_stage

ONE = ("en-US",)  # each locale needs a dataset, which takes the server a second
TRAFFIC = ROOT / "examples" / "traffic.parquet"


def turns(n: int, locales: tuple[str, ...] = ONE) -> pl.DataFrame:
    """Turns as curation leaves them, with calls of an image tool among them."""
    rows = pl.read_parquet(TRAFFIC).unique("turn_id").sort("turn_id")
    rows = rows.filter(pl.col("response") != "", pl.col("locale").is_in(locales))
    rows = pl.concat([rows.filter(pl.col("tool_calls").is_not_null()).head(n // 4), rows]).unique("turn_id")
    rows = rows.sort(pl.col("tool_calls").is_null(), "turn_id").head(n)
    return rows.with_columns(
        cluster_id=pl.int_range(pl.len(), dtype=pl.Int32) % 7, difficulty=pl.lit(0.5), language=pl.lit("en")
    )


def curated(directory: Path, n: int, locales: tuple[str, ...] = ONE) -> pl.DataFrame:
    """A finished curated run, every other turn of which is a safety case."""
    rows = turns(n, locales)
    with open_stage(directory, "curate", settings={}, inputs={}, seed=0) as stage:
        for kind, table in {"turns": rows, "review": cases(rows)}.items():
            (directory / kind).mkdir()
            half = table.height // 2
            table.head(half).write_parquet(directory / kind / "part-00000.parquet")
            table.slice(half).write_parquet(directory / kind / "part-00001.parquet")
        stage.finish()
    return rows


def cases(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.gather_every(2).select(
        "turn_id", "locale", label=pl.lit("harmful_request"), score=pl.lit(0.55), side=pl.lit("user")
    )


def tasks(n: int, policies: tuple[str, str] = ("parent", "candidate")) -> pl.DataFrame:
    """Tasks whose two replies differ."""
    rows = turns(n)
    swapped = pl.Series([int(hashlib.sha256(i.encode()).hexdigest()[0], 16) % 2 == 0 for i in rows["turn_id"]])
    made = rows.with_columns(
        task_id=pl.Series([hashlib.sha256(i.encode()).hexdigest()[:32] for i in rows["turn_id"]]),
        other=pl.col("response").str.reverse() + "?",
        swapped=swapped,
    )
    side = pl.when("swapped")
    return made.select(
        "task_id", "turn_id", "persona_id", "messages",
        response_a=side.then("other").otherwise("response"),
        response_b=side.then("response").otherwise("other"),
        policy_a=side.then(pl.lit(policies[1])).otherwise(pl.lit(policies[0])),
        policy_b=side.then(pl.lit(policies[0])).otherwise(pl.lit(policies[1])),
    )  # fmt: skip


def sampled(directory: Path, rows: pl.DataFrame) -> None:
    """A finished `sample` stage of a cycle with these tasks."""
    known = turns(10_000).select("turn_id", "locale")
    with open_stage(directory, "sample", settings={}, inputs={}, seed=0) as stage:
        rows.write_parquet(directory / "tasks.parquet")
        known.join(rows, on="turn_id", how="semi").write_parquet(directory / "prompts.parquet")
        stage.finish()
