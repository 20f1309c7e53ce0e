"""The three tables that the quota explorer and the run report read: `shares`, `cells` and `examples`.

They hold counts, and a few scrubbed examples, so that a curator's page opens at once however many turns there are. Made
from one row for each turn that was read, in one pass over columns for each table: memory does not grow with the turns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import polars as pl

from schemas.personas import Persona
from schemas.turns import hash_fraction

EXAMPLES = 20  # of each reason
POOL = 1000  # turns of each reason that the seed's hash chooses among
UNKNOWN = ""  # value of a dimension for turns that went before it was known
UNKNOWN_LABEL = "gone before this was known"
CELL = ("persona_id", "locale", "first", "hard")

INDEX = {
    "turn_id": pl.String,
    "conversation_id": pl.String,
    "turn_index": pl.Int32,
    "persona_id": pl.String,
    "locale": pl.String,
    "model_version": pl.String,
    "language": pl.String,
    "cluster_id": pl.Int32,
    "hard": pl.String,
    "stage": pl.String,
    "reason": pl.String,
    "duplicate_of": pl.String,
}
SHARES = {
    "dimension": pl.String,
    "value": pl.String,
    "label": pl.String,
    "came_in": pl.Int64,
    "reached_quotas": pl.Int64,
    "chosen": pl.Int64,
}
CELLS = {
    "persona_id": pl.String,
    "locale": pl.String,
    "first": pl.Boolean,
    "hard": pl.String,
    "supply": pl.Int64,
    "taken": pl.Int64,
}
EXAMPLE = {
    "stage": pl.String,
    "reason": pl.String,
    "turn_id": pl.String,
    "persona_id": pl.String,
    "locale": pl.String,
    "said": pl.String,
    "response": pl.String,
    "duplicate_of": pl.String,
}

_DIMENSIONS = {
    "persona": pl.col("persona_id"),
    "locale": pl.col("locale"),
    "first turn": pl.when(pl.col("turn_index") == 0).then(pl.lit("first")).otherwise(pl.lit("later")),
    "difficulty": pl.col("hard"),
    "cluster": pl.col("cluster_id").cast(pl.String),
    "language": pl.col("language"),
    "model": pl.col("model_version"),
}
_LABELS = {
    "first turn": {"first": "first turns", "later": "later turns"},
    "difficulty": {"hard": "hard", "other": "not hard", "unknown": "not measured"},
    "language": {"und": "undetermined"},
}
_CHOSEN = pl.col("stage").is_null()
_REACHED = _CHOSEN | (pl.col("stage") == "quotas")


def write_explorer_files(
    to: Path,
    index: pl.LazyFrame,
    *,
    personas: Mapping[str, Persona],
    titles: Mapping[int, str],
    texts: Callable[[Sequence[str]], pl.DataFrame],
    seed: int,
) -> None:
    """Write `shares.parquet`, `cells.parquet` and `examples.parquet`.

    The order of rows changes nothing.

    Args:
        to: The run's directory.
        index: A row for each turn that was read, with the columns of `INDEX`: `stage` and `reason` say where it went
            and are null where it was chosen; `language`, `cluster_id` and `hard` are null where it went before they
            were known.
        personas: Characters by id, for their names.
        titles: Titles by `cluster_id`.
        texts: From ids to `turn_id`, `said` (the user's last message) and `response`, scrubbed; turns that never were
            scrubbed are left out of its answer. Asked once, for the examples.
        seed: The recipe's seed.
    """
    names = {
        **_LABELS,
        "persona": {name: persona.name for name, persona in personas.items()},
        "cluster": {str(cluster): title for cluster, title in titles.items() if title},
    }
    shares(index, names).write_parquet(to / "shares.parquet")
    cells(index).write_parquet(to / "cells.parquet")
    examples(index, texts, seed).write_parquet(to / "examples.parquet")


def shares(index: pl.LazyFrame, labels: Mapping[str, Mapping[str, str]]) -> pl.DataFrame:
    """How many turns came in, reached the quotas and were chosen, by value of each dimension.

    Args:
        index: See `write_explorer_files`.
        labels: Readable names of values, by dimension; a value without one is its own, and a cluster
            without one `topic N`.

    Returns:
        The columns of `SHARES`, the largest values of each dimension first. The counts of a dimension add up to all
        turns: those that went before it was known stand under the value `UNKNOWN`.
    """
    tables = []
    for dimension, value in _DIMENSIONS.items():
        known = {**labels.get(dimension, {}), UNKNOWN: UNKNOWN_LABEL}
        plain = pl.format("topic {}", "value") if dimension == "cluster" else pl.col("value")
        tables.append(
            index.group_by(value=value.fill_null(UNKNOWN))
            .agg(came_in=pl.len(), reached_quotas=_REACHED.sum(), chosen=_CHOSEN.sum())
            .collect(engine="streaming")
            .with_columns(
                label=pl.col("value").replace_strict(known, default=plain, return_dtype=pl.String),
                dimension=pl.lit(dimension),
            )
            .sort("came_in", "value", descending=[True, False])
            .select(pl.col(name).cast(dtype) for name, dtype in SHARES.items())
        )
    return pl.concat(tables)


def cells(index: pl.LazyFrame) -> pl.DataFrame:
    """The cells that quotas are solved over: turns that reached the quotas, and how many of them were chosen.

    Returns:
        The columns of `CELLS`, sorted; what `curation.quotas.solve` takes, and `taken`.
    """
    return (
        index.filter(_REACHED)
        .group_by("persona_id", "locale", "hard", first=pl.col("turn_index") == 0)
        .agg(supply=pl.len(), taken=_CHOSEN.sum())
        .collect(engine="streaming")
        .sort(CELL)
        .select(pl.col(name).cast(dtype) for name, dtype in CELLS.items())
    )


def examples(index: pl.LazyFrame, texts: Callable[[Sequence[str]], pl.DataFrame], seed: int) -> pl.DataFrame:
    """A few of the turns that went, for each stage and reason, chosen by the hash of their ids.

    The hash costs a call a turn, so it chooses among the `POOL` turns of each reason whose ids end lowest: an id is a
    hash itself, and its last digits are as good as random.

    Returns:
        The columns of `EXAMPLE`, sorted by stage, reason and hash. Texts are null where a turn went before it was
        scrubbed.
    """
    group = ["stage", "reason"]
    wanted = [*group, "turn_id", "persona_id", "locale", "duplicate_of"]
    ending = pl.col("turn_id").str.slice(-12)
    pool = pl.DataFrame(schema={name: EXAMPLE[name] for name in wanted})
    for batch in index.filter(~_CHOSEN).select(wanted).collect_batches(maintain_order=False):
        pool = pl.concat([pool, batch]).sort(ending, "turn_id").group_by(group).head(POOL).select(wanted)
    chosen = (
        pool.with_columns(place=hash_fraction(seed, "examples", pool["turn_id"]))
        .sort(*group, "place", "turn_id")
        .group_by(group, maintain_order=True)
        .head(EXAMPLES)
    )
    found = texts(chosen["turn_id"].to_list()).select("turn_id", "said", "response")
    return chosen.join(found, on="turn_id", how="left", maintain_order="left").select(
        pl.col(name).cast(dtype) for name, dtype in EXAMPLE.items()
    )
