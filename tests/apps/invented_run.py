"""An invented curated run of any size, as the explorer opens it: no text in it is anybody's.

PYTHONPATH=. python tests/apps/invented_run.py DIR --turns 1000000 --personas 3000
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from curation.quotas import solve
from schemas.curation_recipe import Band, Curation, Quotas
from schemas.stage import Rows, open_stage, write_json

LOCALES = {
    "en-US": 4.0, "pt-BR": 1.0, "de-DE": 1.0, "fr-FR": 1.0, "es-MX": 1.0, "ja-JP": 0.7, "ko-KR": 0.6, "hi-IN": 0.5,
    "id-ID": 0.5, "tr-TR": 0.4,
}  # fmt: skip
NAMES = ("Mira", "Oskar", "Juniper", "Tamsin", "Bram", "Ines", "Kestrel", "Lupe", "Anselm", "Wren", "Ottoline", "Piet")
ROLES = (
    "the baker",
    "of the night train",
    "the lighthouse keeper",
    "the retired pirate",
    "the beekeeper",
    "the tailor",
)
TOPICS = (
    "sword, duel, master", "tea, rain, window", "exam, algebra, panic", "train, platform, night",
    "recipe, dough, oven", "ghost, attic, candle", "holiday, beach, packing", "song, chorus, lyrics",
    "cat, sofa, midnight", "garden, bees, honey",
)  # fmt: skip
SAID = (
    "Tell me how you won the lighthouse in a card game.",
    "i cant sleep, talk to me about the sea for a bit?",
    "What would you bake for someone who passed an exam today?",
    "Is <PERSON_3f2a9c> still angry about the bees?",
)
REPLIES = (
    "Ah, sit down. It began with a bad hand, a worse storm, and a keeper who could not count to ten.",
    "Then listen: the tide goes out at two, and with it everything you need not think about tonight.",
    "Cardamom buns. Nobody has ever failed at anything in a kitchen that smells of cardamom.",
    "Only on Tuesdays. Bring honey, and do not mention the hive by the gate.",
)
SCRUBBED_FROM = ("scrub", "safety", "language", "embed", "cluster", "near-duplicates", "quotas")


def make_run(
    directory: Path,
    turns: int = 20_000,
    personas: int = 120,
    quotas: Quotas | None = None,
    known_difficulty: bool = True,
) -> Path:
    """Write the files of a finished run.

    Args:
        directory: Where; made.
        turns: About how many turns reach the quotas.
        personas: How many characters.
        quotas: The run's quotas.
        known_difficulty: Whether cells are hard or other; else all are unknown.
    """
    random = np.random.default_rng(7)
    quotas = quotas or Quotas(
        locales={"en-US": Band(max=0.3), "pt-BR": Band(min=0.12)}, first_turns=Band(min=0.1, max=0.45)
    )
    cells = _cells(random, turns, personas, known_difficulty)
    plan = solve(cells, quotas)
    cells = cells.with_columns(taken=plan.cells["take"])
    supply, kept = int(cells["supply"].sum()), plan.total
    lost = _lost(supply)
    stages, level = [], supply + sum(count for _, _, count in lost) + supply // 500
    came = level
    left = plan.cells.filter(pl.col("reason").is_not_null()).group_by("reason")
    left = left.agg(count=(pl.col("supply") - pl.col("take")).sum()).sort("reason")
    reasons = [*lost, *(("quotas", reason, count) for reason, count in left.iter_rows())]
    for stage in ("read", "validate", "scrub", "safety", "language", "embed", "cluster", "near-duplicates", "quotas"):
        dropped = sum(count for name, _, count in reasons if name == stage)
        quarantined = supply // 500 if stage == "read" else 0
        stages.append(
            {
                "stage": stage,
                "in": level,
                "kept": level - dropped - quarantined,
                "dropped": dropped,
                "quarantined": quarantined,
            }
        )
        level -= dropped + quarantined
    settings = Curation(input=str(directory.parent / "traffic.parquet"), quotas=quotas)
    with open_stage(directory, "curate", settings=settings, inputs={}, seed=20) as stage:
        cells.write_parquet(directory / "cells.parquet")
        _shares(random, cells, came).write_parquet(directory / "shares.parquet")
        _examples(random, reasons, cells).write_parquet(directory / "examples.parquet")
        rows = {"in": came, "kept": kept, "dropped": came - kept - supply // 500, "quarantined": supply // 500}
        report: dict[str, Any] = {
            "rows": rows,
            "stages": stages,
            "dropped": [{"stage": s, "reason": r, "count": c} for s, r, c in reasons if c],
            "quotas": {
                "total": kept,
                "bound": plan.bound,
                "gap": plan.gap,
                "prices": plan.prices.to_dicts(),
                "relaxations": plan.relaxations,
            },
            "embedded": ["embeddings: all-minilm-l6-v2"],
            "problems": [],
            "recipe": settings.model_dump(mode="json"),
            "seed": 20,
            "name": "invented",
        }
        write_json(directory / "report.json", report)
        stage.finish(rows=Rows.model_validate(rows))
    return directory


def _cells(random: np.random.Generator, turns: int, personas: int, known: bool) -> pl.DataFrame:
    popularity = 1 / np.arange(1, personas + 1) ** 0.8
    spread = random.dirichlet(np.array(list(LOCALES.values())), size=personas)
    kinds = np.array([0.2, 0.8])[:, None] * (np.array([0.33, 0.67]) if known else np.array([0.0, 1.0]))
    expected = (popularity / popularity.sum())[:, None, None, None] * spread[:, :, None, None] * kinds * turns
    supply = random.poisson(expected)
    at = np.argwhere(supply > 0)
    locales = np.array(list(LOCALES))
    hard = np.where(at[:, 3] == 0, "hard", "other") if known else np.full(len(at), "unknown")
    return pl.DataFrame(
        {
            "persona_id": [f"p{number:05d}" for number in at[:, 0]],
            "locale": locales[at[:, 1]],
            "first": at[:, 2] == 0,
            "hard": hard,
            "supply": supply[supply > 0].astype(np.int64),
        },
        schema_overrides={"persona_id": pl.String, "locale": pl.String, "hard": pl.String},
    )


def _lost(supply: int) -> list[tuple[str, str, int]]:
    """Where turns went before the quotas."""
    return [
        ("read", "no reply in the conversation", supply // 300),
        ("validate", "repeated turn_id", supply // 200),
        ("safety", "toxicity above 0.95", supply // 25),
        ("safety", "threat above 0.9", supply // 90),
        ("language", "language is la", supply // 70),
        ("near-duplicates", "near-duplicate", supply // 9),
        ("near-duplicates", "exact duplicate", supply // 30),
    ]


def _shares(random: np.random.Generator, cells: pl.DataFrame, came: int) -> pl.DataFrame:
    named = cells.with_columns(
        persona=pl.col("persona_id"),
        first_turn=pl.when("first").then(pl.lit("first turn")).otherwise(pl.lit("later turn")),
        cluster=pl.Series([str(number) for number in random.integers(0, 40, cells.height) ** 2 // 40], dtype=pl.String),
        language=pl.col("locale").str.slice(0, 2),
        model=pl.Series(random.choice(["v11", "v12"], cells.height, p=[0.3, 0.7]), dtype=pl.String),
    )
    same = ("persona", "locale", "cluster", "language", "model")
    columns = {**dict(zip(same, same, strict=True)), "first turn": "first_turn", "difficulty": "hard"}
    tables = [
        named.group_by(value=pl.col(column))
        .agg(reached_quotas=pl.col("supply").sum(), chosen=pl.col("taken").sum())
        .sort("value")
        .select(pl.lit(name).alias("dimension"), "value", "reached_quotas", "chosen")
        for name, column in columns.items()
    ]
    titles = {str(i): TOPICS[i % len(TOPICS)] for i in range(40)}
    cast = {f"p{i:05d}": f"{NAMES[i % len(NAMES)]} {ROLES[i // len(NAMES) % len(ROLES)]}" for i in range(100_000)}
    # As more came in than reached the quotas, in every value alike.
    more = came / max(1, int(cells["supply"].sum()))
    return pl.concat(tables).with_columns(
        came_in=(pl.col("reached_quotas") * more).round().cast(pl.Int64),
        label=pl.when(pl.col("dimension") == "cluster")
        .then(pl.col("value").replace(titles))
        .when(pl.col("dimension") == "persona")
        .then(pl.col("value").replace(cast))
        .otherwise("value"),
    )


def _examples(random: np.random.Generator, reasons: list[tuple[str, str, int]], cells: pl.DataFrame) -> pl.DataFrame:
    rows = []
    for stage, reason, count in reasons:
        for number in range(min(20, count)):
            cell = cells.row(int(random.integers(cells.height)), named=True)
            turn = hashlib.sha256(f"{stage}{reason}{number}".encode()).hexdigest()[:16]
            texts = (SAID[number % 4], REPLIES[number % 4]) if stage in SCRUBBED_FROM else (None, None)
            other = hashlib.sha256(turn.encode()).hexdigest()[:16] if "duplicate" in reason else None
            rows.append((stage, reason, turn, cell["persona_id"], cell["locale"], *texts, other))
    names = ("stage", "reason", "turn_id", "persona_id", "locale", "said", "response", "duplicate_of")
    return pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--turns", type=int, default=20_000)
    parser.add_argument("--personas", type=int, default=120)
    given = parser.parse_args()
    print(make_run(given.directory, given.turns, given.personas))
