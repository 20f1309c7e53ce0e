"""The first stages: curate the traffic, sample replies to compare."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import polars as pl

from rewards.models import load_policy, load_tokenizer
from rewards.sampling import sample_replies
from schemas.judgements import AnnotationTask
from schemas.personas import Persona, read_personas
from schemas.stage import Advance, Manifest, Rows
from training.generation import Generation
from training.prompts import draw


def personas_of(generation: Generation) -> dict[str, Persona]:
    """The recipe's personas, or none where the logs carry their own system prompts."""
    written = generation.recipe.curation.personas
    return read_personas(Path(written)) if written else {}


def curate(generation: Generation, advance: Advance) -> Manifest:
    """Raw logs to scrubbed, safe, varied, balanced turns."""
    from curation import pipeline

    recipe = generation.recipe
    return pipeline.run(
        recipe,
        input=Path(recipe.curation.input),
        format=recipe.curation.format,
        out=generation.directory / "curate",
        personas=personas_of(generation),
        advance=advance,
    )


def sample(generation: Generation, advance: Advance) -> Manifest:
    """Two replies of the parent to each of some prompts, to be compared."""
    recipe = generation.recipe
    settings = {"sample": recipe.sample.model_dump(mode="json"), "policy": recipe.policy.model_dump(mode="json")}
    with generation.stage("sample", settings=settings, reads=["curate"]) as stage:
        if stage.manifest:
            return stage.manifest
        drawn = draw(generation, "sample", recipe.sample.prompts)
        candidates = sample_replies(
            load_policy(generation.parent, recipe.precision),
            load_tokenizer(generation.parent),
            drawn.prompts,
            policy="parent",
            replies=2,
            decoding=recipe.sample.decoding,
            seed=recipe.seed,
            work=stage.work,
            advance=advance,
        )
        tasks = _tasks(drawn.prompts, candidates)
        drawn.prompts.write_parquet(stage.directory / "prompts.parquet")
        candidates.write_parquet(stage.directory / "candidates.parquet")
        tasks.write_parquet(stage.directory / "tasks.parquet")
        rows = Rows(in_=drawn.prompts.height, kept=tasks.height, dropped=drawn.prompts.height - tasks.height)
        figures: dict[str, Any] = {
            "prompts": drawn.prompts.height,
            "too_long": drawn.too_long,
            "replies": candidates.height,
            "dropped": {"replies equal or empty": rows.dropped},
        }
        return stage.finish(rows, figures)


def _tasks(prompts: pl.DataFrame, candidates: pl.DataFrame) -> pl.DataFrame:
    """Pairs of different replies; which is shown first is drawn from the pair's hash."""
    first, second = (
        candidates.filter(sample_index=index).select("turn_id", pl.col("response", "policy").name.suffix(f"_{index}"))
        for index in (0, 1)
    )
    pairs = prompts.join(first, on="turn_id").join(second, on="turn_id").sort("turn_id")
    pairs = pairs.filter(
        pl.col("response_0") != pl.col("response_1"), pl.col("response_0") != "", pl.col("response_1") != ""
    )
    ids = [
        hashlib.sha256("\x1f".join(row).encode()).hexdigest()[:32]
        for row in pairs.select("turn_id", "response_0", "response_1").iter_rows()
    ]
    swapped = pl.Series([int(i[0], 16) % 2 == 1 for i in ids], dtype=pl.Boolean)
    pairs = pairs.with_columns(task_id=pl.Series(ids, dtype=pl.String), swapped=swapped)
    sides = {
        f"{kind}_{side}": pl.when("swapped").then(f"{kind}_{1 - place}").otherwise(f"{kind}_{place}")
        for kind in ("response", "policy")
        for side, place in (("a", 0), ("b", 1))
    }
    return AnnotationTask.validate(pairs.with_columns(**sides).select(AnnotationTask.column_names()))
