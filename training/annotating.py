"""The annotate stage: people, or in a rehearsal simulated annotators, compare the replies."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import polars as pl

from annotation.agreement import agree
from annotation.argilla import Argilla
from annotation.backend import Backend
from annotation.connection import URL, connect
from annotation.folder import Folder
from annotation.projects.pairwise import context
from annotation.projects.project import short_hash
from annotation.readers import read_readers
from annotation.server.home import find_home
from schemas.problems import Problem
from schemas.recipe import Recipe
from schemas.stage import Advance, Manifest, Rows
from training import rehearsal
from training.gathering import personas_of
from training.generation import Generation, Waiting
from training.rehearsal_server import serving

EMBEDDED_SERVER = "Argilla server on SQLite"


def annotate(generation: Generation, advance: Advance) -> Manifest:
    """Push the tasks, wait until enough votes are in, and fold them into preferences.

    Raises:
        Waiting: People still have tasks to answer.
        Problem: No server runs that they could work on, or it takes no task.
    """
    recipe = generation.recipe
    with generation.stage("annotate", settings=recipe.annotation.model_dump(mode="json"), reads=["sample"]) as stage:
        if stage.manifest:
            return stage.manifest
        tasks = pl.read_parquet(generation.directory / "sample" / "tasks.parquet")
        with _backend(generation, tasks, advance) as backend:
            backend.push(tasks)
            if recipe.annotation.annotators == "simulated":
                rehearsal.annotate(backend, recipe.annotation.votes, recipe.seed)
            comparisons = _enough(backend, recipe, advance)
        agreed = agree(comparisons, recipe.annotation.min_agreement)
        comparisons.write_parquet(stage.directory / "comparisons.parquet")
        agreed.preferences.write_parquet(stage.directory / "preferences.parquet")
        silent = tasks.join(comparisons, on="task_id", how="anti").select(
            "task_id", "turn_id", reason=pl.lit("no votes")
        )
        dropped = pl.concat([agreed.dropped, silent]).sort("task_id")
        dropped.write_parquet(stage.directory / "dropped.parquet")
        rows = Rows(in_=tasks.height, kept=agreed.preferences.height, dropped=dropped.height)
        figures: dict[str, Any] = {
            "annotators": sorted(comparisons["annotator"].unique()),
            "simulated": recipe.annotation.annotators == "simulated",
            "embedded": [EMBEDDED_SERVER] if _embedded(recipe) else [],
            "comparisons": comparisons.height,
            "pairwise_agreement": agreed.pairwise_agreement,
            "dropped": dict(dropped.group_by("reason").len().sort("reason").iter_rows()),
            "problems": backend.problems,
        }
        return stage.finish(rows, figures)


def _enough(backend: Backend, recipe: Recipe, advance: Advance) -> pl.DataFrame:
    """The comparisons, once enough votes are in.

    They are pulled only where the tool's own count says so; what is pulled then decides.

    Raises:
        Waiting: They are not.
        Problem: There is no task to wait for.
    """
    votes, share = recipe.annotation.votes, recipe.annotation.enough
    given, wanted = backend.progress(votes)
    if not wanted:
        raise Problem("annotate: no task could be pushed, so nobody could answer one.", *backend.problems)
    enough = math.ceil(round(share * wanted, 6))
    comparisons = None
    if given >= enough:
        comparisons = backend.pull()
        given = min(wanted, int(comparisons.group_by("task_id").len()["len"].clip(upper_bound=votes).sum()))
    advance(given, wanted, "votes")
    if comparisons is not None and given >= enough:
        return comparisons
    if recipe.annotation.tool == "folder":
        where = f"Tasks are in {backend.where}/tasks.jsonl, answers go to {backend.where}/answers/."
    else:
        where = f"They sign in at {backend.where}."
    of = f"{given} of {wanted} submitted" + (f" ({enough} are enough)" if enough < wanted else "")
    raise Waiting("\n".join([f"waiting for annotators: {of}. {where} Then resume.", *backend.problems]))


def _embedded(recipe: Recipe) -> bool:
    """Whether the server is one of ours."""
    simulated = recipe.annotation.annotators == "simulated"
    return recipe.annotation.tool == "argilla" and (simulated or not os.environ.get(URL))


@contextmanager
def _backend(generation: Generation, tasks: pl.DataFrame, advance: Advance) -> Iterator[Backend]:
    """Where the recipe has people annotate; for a rehearsal in Argilla, on a server of its own."""
    recipe = generation.recipe
    if recipe.annotation.tool == "folder":
        yield Folder(generation.directory / "annotation")
        return
    simulated = recipe.annotation.annotators == "simulated"
    home = generation.directory / "annotation" / "server" if simulated else find_home()
    # The hash keeps apart generations of one name and number on one server, as after a run that was thrown away.
    these = short_hash("\n".join(sorted(tasks["task_id"])))[:8]
    with serving(home, advance) if simulated else closing(connect()) as api:
        yield Argilla(
            api,
            f"{recipe.name[:40]}-{generation.number:03d}-{these}",
            recipe.annotation.votes,
            home=home,
            turns=context(generation.directory / "sample"),
            personas=personas_of(generation),
            readers=None if simulated else read_readers(None),
            advance=advance,
        )
