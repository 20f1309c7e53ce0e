"""The first stages: curate the traffic, sample replies to compare, have them compared."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import Any

import polars as pl

from annotation.agreement import agree
from annotation.backend import Backend
from annotation.folder import Folder
from rewards.models import load_policy, load_tokenizer
from rewards.sampling import sample_replies
from schemas.judgements import AnnotationTask
from schemas.personas import Persona, read_personas
from schemas.recipe import Recipe
from schemas.stage import Advance, Manifest, Rows
from training import rehearsal
from training.generation import Generation, Waiting
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


def annotate(generation: Generation, advance: Advance) -> Manifest:
    """People (or, in a rehearsal, simulated annotators) compare the replies.

    Raises:
        Waiting: People still have tasks to answer.
    """
    recipe = generation.recipe
    with generation.stage("annotate", settings=recipe.annotation.model_dump(mode="json"), reads=["sample"]) as stage:
        if stage.manifest:
            return stage.manifest
        backend = _backend(generation, advance)
        tasks = pl.read_parquet(generation.directory / "sample" / "tasks.parquet")
        backend.push(tasks)
        problems = [*backend.problems]
        votes = recipe.annotation.votes
        if recipe.annotation.annotators == "simulated":
            rehearsal.annotate(backend, votes, recipe.seed)
        wanted = backend.tasks().height * votes
        given = wanted - backend.missing(votes)
        advance(given, wanted, "votes")
        if given < recipe.annotation.enough * wanted:
            enough = f" ({math.ceil(recipe.annotation.enough * wanted)} are enough)" * (recipe.annotation.enough < 1)
            raise Waiting(
                f"waiting for annotators: {given} of {wanted} submitted{enough}. {_where(recipe, backend)} Then resume."
            )
        comparisons = backend.pull()
        agreed = agree(comparisons, recipe.annotation.min_agreement)
        comparisons.write_parquet(stage.directory / "comparisons.parquet")
        agreed.preferences.write_parquet(stage.directory / "preferences.parquet")
        silent = tasks.join(comparisons, on="task_id", how="anti").select(
            "task_id", "turn_id", reason=pl.lit("no votes")
        )
        dropped = pl.concat([agreed.dropped, silent]).sort("task_id")
        dropped.write_parquet(stage.directory / "dropped.parquet")
        rows = Rows(in_=tasks.height, kept=agreed.preferences.height, dropped=dropped.height)
        figures = {
            "annotators": sorted(comparisons["annotator"].unique()),
            "simulated": recipe.annotation.annotators == "simulated",
            "comparisons": comparisons.height,
            "pairwise_agreement": agreed.pairwise_agreement,
            "dropped": dict(dropped.group_by("reason").len().sort("reason").iter_rows()),
            "problems": problems + [sentence for sentence in backend.problems if sentence not in problems],
        }
        return stage.finish(rows, figures)


def _backend(generation: Generation, advance: Advance) -> Backend:
    """Where the recipe has people annotate."""
    recipe = generation.recipe
    if recipe.annotation.tool == "folder":
        return Folder(generation.directory / "annotation")
    from annotation.argilla import Argilla
    from annotation.connection import connect, home_directory
    from annotation.projects.pairwise import context
    from annotation.readers import read_readers

    return Argilla(
        connect(),
        f"{recipe.name}-{generation.number:03d}",
        recipe.annotation.votes,
        home=home_directory(),
        turns=context(generation.directory / "sample"),
        personas=personas_of(generation),
        readers=read_readers(None),
        advance=advance,
    )


def _where(recipe: Recipe, backend: Backend) -> str:
    if recipe.annotation.tool == "folder":
        return f"Tasks are in {backend.where}/tasks.jsonl, answers go to {backend.where}/answers/."
    return f"They sign in at {backend.where}."
