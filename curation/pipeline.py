"""Every step of curation over one body of logs.

    run(recipe, input=Path("logs/"), format="turns", out=Path("runs/curation"), personas={}, advance=no_progress)

1. `intake` reads everything into buckets of whole conversations, because a repeated id may stand anywhere.
2. `rowsteps` takes what the `store` does not know through scrub, embed, safety and language, in a pool of processes.
   A kill costs the tasks in hand; a changed threshold, or fresh traffic beside yesterday's, costs only itself.
3. Duplicates, clusters and quotas see all turns at once: ids, a few columns, last messages and replies in memory, and
   vectors on disk.

None of it depends on the order of rows, on the number of workers or on what a task holds, so neither does the result.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import polars as pl

from curation import choosing, intake, outcomes, placeholders, rowsteps, safety, workers
from curation.intake import Intake
from curation.partition import write_private
from curation.report import write_outputs
from curation.store import Store
from schemas.personas import Persona
from schemas.problems import Problem
from schemas.recipe import Recipe
from schemas.stage import Advance, Manifest, open_stage

# Settings that change how the work is done and not what comes out, and paths, whose contents count instead.
HOW = {"workers", "store", "shard_rows", "input", "difficulty"}


def run(
    recipe: Recipe,
    *,
    input: Path,
    format: str,
    out: Path,
    personas: Mapping[str, Persona],
    advance: Advance,
    previous: Path | None = None,
) -> Manifest:
    """Curate logs.

    Args:
        recipe: Seed, precision and the section `curation`.
        input: Logs, in place of the recipe's.
        format: What they look like, in place of the recipe's.
        out: Where `turns/`, `dropped/`, `quarantine/`, `rows/`, the report and the manifest go.
        personas: Characters by id.
        advance: Told how many turns have gone through the steps.
        previous: A finished run whose turns come along, without being worked on again.

    Returns:
        The manifest; at once where `out` was finished for the same work.

    Raises:
        Problem: Input, recipe or models are not as expected.
    """
    settings = recipe.curation.model_copy(update={"input": input.name, "format": format})
    safety.check_labels(settings.safety)
    for to in (out, Path(settings.store) if settings.store else out):
        if input.is_dir() and input.resolve() in (to.resolve(), *to.resolve().parents):
            raise Problem(f"{to}: lies among the logs in {input}, and would be read as logs; give another place.")
    cast = json.dumps([personas[name].model_dump(mode="json") for name in sorted(personas)])
    known = hashlib.sha256(cast.encode()).hexdigest()
    inputs: dict[str, Path | str] = {"input": input if input.exists() else str(input), "personas": known}
    inputs["precision"] = recipe.precision
    if settings.difficulty is not None:
        inputs["difficulty"] = Path(settings.difficulty)
        if not Path(settings.difficulty).is_file():  # told now, not when the work is done
            raise Problem(
                f"curation.difficulty: {settings.difficulty}: no such file; expected Parquet with turn_id, difficulty."
            )
    if previous is not None:
        inputs["previous"] = intake.previous_run(previous)
    key = placeholders.read_key(
        Path(settings.scrub.key_file) if settings.scrub.key_file else out.parent / "pseudonyms.key"
    )
    # Under another key the same person would be called something else.
    inputs["key"] = key_name = hmac.new(key, b"store", hashlib.sha256).hexdigest()
    held = rowsteps.contents(settings)
    if held:
        inputs["models and recognisers"] = hashlib.sha256(json.dumps(held).encode()).hexdigest()
    section = settings.model_dump(mode="json", exclude=HOW)
    with open_stage(out, "curate", settings=section, inputs=inputs, seed=recipe.seed) as stage:
        if stage.manifest is not None:
            return stage.manifest
        stage.work.chmod(0o700)  # raw logs lie here until the end
        read = intake.read(stage.work / "read", input, format, settings, personas, previous, advance)
        surplus = intake.repeated(read)
        names = rowsteps.names(recipe, settings, key_name, held)
        store = Store(Path(settings.store) if settings.store else out.parent / "curation-store")
        store.used(names.values())
        quarantine = stage.work / "quarantined"
        shutil.rmtree(quarantine, ignore_errors=True)
        place = str(input.resolve()) if input.exists() else str(input)
        plan = rowsteps.Plan(recipe, settings, key, personas, store.root, names, quarantine, place)
        _work(stage.work / "tasks", read, surplus, plan, store, advance)
        judged = outcomes.judge(_fresh(stage.work / "judged"), read, surplus, plan, store)
        chosen = choosing.choose(judged, settings, recipe.seed, advance)
        advance(judged.rows.height, judged.rows.height, "writing")
        rows, report = write_outputs(stage.directory, read, surplus, judged, chosen, plan, store)
        return stage.finish(
            rows=rows, figures={name: report[name] for name in ("stages", "quotas", "embedded", "problems")}
        )


def _work(to: Path, read: Intake, surplus: pl.DataFrame, plan: rowsteps.Plan, store: Store, advance: Advance) -> None:
    """Take all rows that the store does not know through the steps."""
    settings = plan.settings
    _fresh(to)
    tasks: list[tuple[rowsteps.Plan, Path]] = []
    heights: list[int] = []
    for task in _tasks(read, surplus, plan, store):
        tasks.append((plan, to / f"{len(tasks):06}.parquet"))
        heights.append(task.height)
        write_private(tasks[-1][1], task)
    done, total = 0, sum(heights)
    for height in workers.each(rowsteps.work, tasks, settings.workers or workers.cores()):
        done += height
        advance(done, total, "scrub, embed, safety, language")
    shutil.rmtree(to)


def _fresh(directory: Path) -> Path:
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(mode=0o700)
    return directory


def _tasks(read: Intake, surplus: pl.DataFrame, plan: rowsteps.Plan, store: Store) -> Iterator[pl.DataFrame]:
    """Whole conversations with a row to work on, `shard_rows` rows at a time or one longer conversation."""
    held: list[pl.DataFrame] = []
    for bucket, turns in intake.conversations(read, surplus, plan.settings.window, plan.personas):
        known = [store.keys(name, bucket) for name in plan.names.values()]
        there = pl.lit(True)
        for keys in known:
            there &= pl.col("row_key").is_in(keys.implode())
        turns = turns.with_columns(bucket=pl.lit(bucket, dtype=pl.Int64), wanted=pl.col("outside").is_null())
        carried = turns.filter(pl.col("messages").is_null())
        if carried.filter(pl.col("wanted") & ~there).height:
            raise Problem(
                f"{plan.store}: the results of the earlier run are not there for these settings: its recipe, its key "
                "or these programs were others, its window was narrower, or the store was removed. Curate all the logs "
                "together with `run`."
            )
        fresh = turns.filter(pl.col("messages").is_not_null())
        todo = fresh.filter(pl.col("wanted") & ~there).select(pl.col("conversation_id").unique())
        if not todo.height:
            continue
        held.append(fresh.drop("outside").join(todo, on="conversation_id", how="semi").sort("conversation_id"))
        if sum(part.height for part in held) >= plan.settings.shard_rows:
            *whole, rest = _cut(pl.concat(held), plan.settings.shard_rows)
            yield from whole
            held = [rest]
    if held:
        yield from _cut(pl.concat(held), plan.settings.shard_rows)


def _cut(turns: pl.DataFrame, rows: int) -> list[pl.DataFrame]:
    """Pieces of about as many rows, cut between conversations (which are sorted)."""
    first = pl.col("_at").first().over("conversation_id")
    parts = turns.with_row_index("_at").with_columns(_piece=first // rows).drop("_at")
    return parts.partition_by("_piece", maintain_order=True, include_key=False)
