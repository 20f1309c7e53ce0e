"""What curation leaves behind: `turns/`, `dropped/`, `quarantine/`, `report.json`."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from curation import embed, finder, safety
from curation.quotas import Plan
from schemas.recipe import Curation
from schemas.stage import Rows, write_json
from schemas.turns import CuratedTurn, DroppedTurn, Quarantined

STEPS = ("read", "validate", "scrub", "safety", "language", "embed", "cluster", "near-duplicates", "quotas")
PART_ROWS = 20_000
REPEATED = "repeated turn_id"


class Made(NamedTuple):
    """What the steps came to.

    Attributes:
        counts: `in`, `kept`, `dropped` and `quarantined` of each of `STEPS`.
        chosen: `turn_id`, `persona_id` and `cluster_id` of the turns that stay, sorted by `turn_id`.
        dropped: As `DroppedTurn`.
        quarantined: Files of `Quarantined` rows.
        pii: How many pieces of personal data were masked in last messages and replies, by type.
        languages: Turns by language.
        clusters: How many.
        near_duplicates: How many turns went for being like another.
        plan: What the quotas came to.
        problems: Sentences about whole files.
    """

    counts: Mapping[str, Counter[str]]
    chosen: pl.DataFrame
    dropped: pl.DataFrame
    quarantined: Sequence[Path]
    pii: Counter[str]
    languages: Counter[str]
    clusters: int
    near_duplicates: int
    plan: Plan
    problems: Sequence[str]


def write_outputs(to: Path, shards: Sequence[Path], made: Made, settings: Curation) -> tuple[Rows, dict[str, Any]]:
    """Write everything but the manifest.

    Args:
        to: The stage's directory.
        shards: Files of turns before the last three steps.
        made: What the steps came to.
        settings: The recipe's section.

    Returns:
        Where rows went overall, and the report.
    """
    review = _write_turns(to / "turns", shards, made.chosen.select("turn_id", "cluster_id"), settings)
    (to / "dropped").mkdir()
    dropped = DroppedTurn.validate(made.dropped.sort("turn_id"))
    dropped.write_parquet(to / "dropped" / "part-00000.parquet")
    quarantined = _write_quarantine(to / "quarantine", made.quarantined)

    stages = [{"stage": name, **_checked(made.counts[name])} for name in STEPS]
    if broken := [after["stage"] for before, after in pairwise(stages) if before["kept"] != after["in"]]:
        raise AssertionError(f"rows are lost before {broken[0]}")
    rows = Rows.model_validate(
        {
            "in": stages[0]["in"],
            "kept": made.chosen.height,
            "dropped": dropped.height,
            "quarantined": quarantined,
        }
    )
    largest = made.chosen.group_by("persona_id").len()["len"].sort(descending=True).head(1).sum()
    report = {
        "rows": rows.model_dump(by_alias=True),
        "stages": stages,
        "dropped": dropped.group_by("stage", "reason").len("count").sort("stage", "reason").to_dicts(),
        "pii": dict(sorted(made.pii.items())),
        "safety": {
            "scorer": safety.scorer_name(settings.safety),
            "embedded": settings.safety.scorer == "embedded",
            "review_band": review,
        },
        "languages": dict(sorted(made.languages.items())),
        "clusters": made.clusters,
        "near_duplicates": made.near_duplicates,
        "quotas": {
            "total": made.plan.total,
            "bound": made.plan.bound,
            "gap": made.plan.gap,
            "largest_persona_share": largest / max(1, made.chosen.height),
            "prices": made.plan.prices.to_dicts(),
            "relaxations": made.plan.relaxations,
        },
        "embedded": _embedded(settings),
        "problems": list(made.problems),
    }
    write_json(to / "report.json", report)
    return rows, report


def write_private(path: Path, frame: pl.DataFrame) -> None:
    """Write a table that its owner alone can read."""
    with os.fdopen(os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "wb") as file:
        frame.write_parquet(file)


def _write_turns(to: Path, shards: Sequence[Path], chosen: pl.DataFrame, settings: Curation) -> int:
    """Write the chosen turns in order of id, in parts of one size; how many are in the band that people look at."""
    to.mkdir()
    review = 0
    for number, begin in enumerate(range(0, max(1, chosen.height), PART_ROWS)):
        wanted = chosen[begin : begin + PART_ROWS]
        part = (
            pl.scan_parquet(list(shards))
            .drop("embedding")
            .filter(pl.col("turn_id").is_in(wanted["turn_id"].implode()))
            .collect()
            .join(wanted, on="turn_id")
            .with_columns(difficulty=pl.lit(None, dtype=pl.Float64))
            .select(CuratedTurn.create_empty().columns)
            .sort("turn_id")
        )
        if part.height != wanted.height:
            raise AssertionError(f"{wanted.height - part.height} chosen turns are not in the shards")
        CuratedTurn.validate(part).write_parquet(to / f"part-{number:05}.parquet")
        review += part.filter(safety.decision(settings.safety) == "review").height
    return review


def _write_quarantine(to: Path, paths: Sequence[Path]) -> int:
    to.mkdir(mode=0o700)
    count = 0
    for path in paths:
        frame = Quarantined.validate(pl.read_parquet(path))
        if frame.height:
            write_private(to / f"part-{len(list(to.iterdir())):05}.parquet", frame)
        count += frame.height
    return count


def _checked(counts: Counter[str]) -> dict[str, Any]:
    four = {place: counts[place] for place in ("in", "kept", "dropped", "quarantined")}
    return Rows.model_validate(four).model_dump(by_alias=True)


def _embedded(settings: Curation) -> list[str]:
    """Parts that stand in for real ones."""
    parts = {
        f"names: spaCy {finder.EMBEDDED}": settings.scrub.model == finder.EMBEDDED,
        f"safety: {safety.scorer_name(settings.safety)}": settings.safety.scorer == "embedded",
        f"embeddings: {embed.EMBEDDED}": settings.embedding.model == embed.EMBEDDED,
    }
    return [name for name, used in parts.items() if used]
