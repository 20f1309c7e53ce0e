"""The steps that look at one conversation at a time: scrub, embed, safety, language.

A task is a file of raw turns, whole conversations, a few thousand rows. `work` takes it through the steps in any
process, puts each step's results into the store, and leaves rows on which a step raises in quarantine: what fails is
halved until the conversation, then the row, is found that fails by itself.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from curation import embed, finder, language, safety, scrub
from curation.partition import write_private
from curation.store import Store, step_name
from schemas.curation_recipe import Curation, Embedding, Language, Safety, Scrub
from schemas.personas import Persona
from schemas.precision import Precision, use_bfloat16
from schemas.problems import Problem
from schemas.recipe import Recipe
from schemas.stage import sha256
from schemas.turns import MESSAGES, Quarantined

STEPS = ("scrub", "embed", "safety", "language")
SCRUBBED = ("messages", "response", "tool_calls", "user_key", "pii")


class Plan(NamedTuple):
    """What every worker is told.

    Attributes:
        recipe: The whole recipe.
        settings: Its section `curation`.
        key: Of the placeholders.
        personas: Characters by id.
        store: Directory of the store.
        names: Directory name of each step in the store.
        quarantine: Where rows go that a step raises on.
        input: The logs.
    """

    recipe: Recipe
    settings: Curation
    key: bytes
    personas: Mapping[str, Persona]
    store: Path
    names: Mapping[str, str]
    quarantine: Path
    input: str


def contents(settings: Curation) -> dict[str, str]:
    """Hashes of files and folders that settings name, by path: what is there may change."""
    named = (*settings.scrub.recognisers, settings.scrub.model, settings.embedding.model)
    return {path: sha256(Path(path)) for path in named if Path(path).exists()}


def names(recipe: Recipe, settings: Curation, key_name: str, held: Mapping[str, str]) -> dict[str, str]:
    """Directory name of each step in the store: a hash of all that decides what it makes, but for the rows.

    Args:
        recipe: Its precision counts.
        settings: The section `curation`.
        key_name: Stands for the key of the placeholders.
        held: From `contents`.
    """
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    of_scrub = [held.get(path) for path in (*settings.scrub.recognisers, settings.scrub.model)]
    scrubbed = step_name(
        "scrub", "scrub", settings.scrub.model_dump(mode="json", exclude={"key_file"}), of_scrub, key_name
    )
    embedded = step_name(
        "embed",
        "embed",
        scrubbed,
        settings.embedding.model_dump(mode="json"),
        held.get(settings.embedding.model),
        use_bfloat16(recipe.precision),
        device,
    )
    return {
        "scrub": scrubbed,
        "embed": embedded,
        "safety": step_name("safety", "safety", embedded, safety.scorer_name(settings.safety)),
        "language": step_name(
            "language", "language", scrubbed, settings.language.model_dump(mode="json", exclude={"keep"})
        ),
    }


def work(task: tuple[Plan, Path]) -> int:
    """Take a task's rows through the steps that they have not been through.

    Args:
        task: What every worker is told; file of raw turns with `row_key`, `bucket` and `wanted`, whole conversations.

    Returns:
        How many rows the task has.

    Raises:
        Problem: A step raises on every row, so that it is at fault and not the rows.
    """
    plan, path = task
    raw = pl.read_parquet(path)
    store = Store(plan.store)
    json_of = {name: getattr(plan.settings, name).model_dump_json() for name in ("embedding", "safety")}
    scrubbed = _step(plan, store, "scrub", raw, raw, _scrubber(plan), by="conversation_id")
    said = raw.drop("messages", "response", "tool_calls", "user_key").join(scrubbed, on="row_key", how="inner")
    vectors = _step(plan, store, "embed", raw, said, lambda: _embedder(json_of["embedding"], plan.recipe.precision))
    with_vectors = safety.takes_vectors(plan.settings.safety, plan.settings.embedding)
    seen = said.join(vectors, on="row_key", how="inner")
    scored = _step(
        plan, store, "safety", raw, seen, lambda: _scorer(json_of["safety"], plan.recipe.precision, with_vectors)
    )
    _step(
        plan,
        store,
        "language",
        raw,
        said.join(scored, on="row_key", how="semi"),
        lambda: _labeller(plan.settings.language),
    )
    return raw.height


Apply = Callable[[pl.DataFrame], pl.DataFrame]


def _step(
    plan: Plan,
    store: Store,
    step: str,
    raw: pl.DataFrame,
    rows: pl.DataFrame,
    load: Callable[[], Apply],
    by: str = "row_key",
) -> pl.DataFrame:
    """Results of one step for `rows`, from the store and, for those that are not there, from the step."""
    name, wanted = plan.names[step], rows.filter("wanted")
    known = store.read(name, rows["bucket"].unique(), wanted["row_key"])
    missing = wanted if known is None else wanted.join(known, on="row_key", how="anti")
    if not missing.height:
        return known if known is not None else rows.clear().select("row_key")
    apply, made, failed = load(), [], []
    for results, key, error in _isolated(apply, rows.join(missing, on=by, how="semi"), by):
        if results is not None:
            made.append(results.join(missing, on="row_key", how="semi"))
        else:
            failed.append((key, f"{step} failed on this turn with {error}."))
    if failed and not sum(part.height for part in made) and _fails_on_anything(apply, rows):
        raise Problem(f"step {step}: {failed[0][1]} It fails on a plain greeting too, so the step is at fault.")
    if failed:
        _quarantine(plan, step, raw, dict(failed))
    parts = [part for part in made if part.height]
    if parts:
        results = pl.concat(parts, how="vertical_relaxed")
        bucket = results.join(missing.select("row_key", "bucket"), on="row_key", maintain_order="left")["bucket"]
        store.write(name, results, bucket)
        parts = [results]
    frames = [*([known] if known is not None else []), *parts]
    return pl.concat(frames, how="vertical_relaxed") if frames else rows.clear().select("row_key")


def _isolated(apply: Apply, rows: pl.DataFrame, by: str) -> Iterator[tuple[pl.DataFrame | None, str, str]]:
    """The step over the rows in as few pieces as work, and each row that it raises on by itself, with the error's name.

    Pieces are whole conversations where the step looks at those: a row found to be at fault leaves its conversation,
    and the others go through together.
    """
    try:
        yield apply(rows), "", ""
        return
    except (Problem, MemoryError, OSError):
        raise  # of the machine or the recipe, not of a row
    except Exception as error:
        groups = rows[by].unique().sort()
        if len(groups) > 1:
            half = groups[: len(groups) // 2].implode()
            yield from _isolated(apply, rows.filter(pl.col(by).is_in(half)), by)
            yield from _isolated(apply, rows.filter(~pl.col(by).is_in(half)), by)
            return
        if rows.height == 1:
            yield None, rows["row_key"].item(), type(error).__name__
            return
    bad = []
    for row in rows.iter_slices(1):
        try:
            apply(row)
        except (Problem, MemoryError, OSError):
            raise
        except Exception as error:
            bad.append((row["row_key"].item(), type(error).__name__))
    left = rows.filter(~pl.col("row_key").is_in([key for key, _ in bad]))
    yield from ((None, key, error) for key, error in bad)
    if not bad:  # each by itself goes through, together they do not
        yield from ((apply(row), "", "") for row in rows.iter_slices(1))
    elif left.height:
        yield from _isolated(apply, left, by)


def _fails_on_anything(apply: Apply, rows: pl.DataFrame) -> bool:
    """Whether the step raises on a turn with nothing odd in it: then no row is at fault."""
    hello = [{"role": "user", "content": "Hello there!"}]
    empty = pl.lit(None, dtype=pl.String)
    columns = {"messages": pl.lit(pl.Series([hello], dtype=MESSAGES)).first(), "response": pl.lit("Good morning.")}
    columns |= {name: empty for name in ("tool_calls",) if name in rows.columns}
    try:
        apply(rows.head(1).with_columns(**columns))
    except Exception:
        return True
    return False


def no_quarantine() -> pl.DataFrame:
    """Of the columns that quarantined turns have until the end: `Quarantined`, their key and the step."""
    nothing = pl.lit(None, dtype=pl.String)
    return Quarantined.create_empty().with_columns(row_key=nothing, step=nothing)


def _quarantine(plan: Plan, step: str, raw: pl.DataFrame, errors: Mapping[str, str]) -> None:
    rows = raw.filter(pl.col("row_key").is_in(list(errors)))
    odd = [
        (Path(plan.input).name, f"turn {row['turn_id']}", errors[row["row_key"]], _json(row), row["row_key"], step)
        for row in rows.iter_rows(named=True)
    ]
    schema = no_quarantine().schema
    plan.quarantine.mkdir(mode=0o700, exist_ok=True)
    write_private(plan.quarantine / f"{step}-{min(errors)}.parquet", pl.DataFrame(odd, schema=schema, orient="row"))


def _json(row: Mapping[str, Any]) -> bytes:
    kept = {name: value for name, value in row.items() if name not in ("row_key", "bucket", "wanted", "content")}
    return json.dumps(kept, ensure_ascii=False, default=str).encode("utf-8", "surrogatepass")


# Models are loaded once in a process; settings go as JSON, which can be looked up.


def _scrubber(plan: Plan) -> Callable[[], Apply]:
    def load() -> Apply:
        find = _finder(plan.settings.scrub.model_dump_json(exclude={"key_file"}))
        replace = plan.settings.scrub.replace
        return lambda rows: scrub.scrub(rows, find, plan.key, plan.personas, replace).select("row_key", *SCRUBBED)

    return load


@cache
def _finder(settings: str) -> finder.Finder:
    return finder.Finder(Scrub.model_validate_json(settings))


@cache
def _embedder(settings: str, precision: Precision) -> Apply:
    vectors = embed.load(Embedding.model_validate_json(settings), precision)

    def apply(rows: pl.DataFrame) -> pl.DataFrame:
        user, reply = (vectors(texts) for texts in embed.said(rows))
        if not (np.isfinite(user).all() and np.isfinite(reply).all()):
            raise ValueError("not finite")
        width = user.shape[1]
        return rows.select(
            "row_key",
            pl.Series("user_vector", user, dtype=pl.Array(pl.Float32, width)),
            pl.Series("reply_vector", reply, dtype=pl.Array(pl.Float32, width)),
        )

    return apply


@cache
def _scorer(settings: str, precision: Precision, with_vectors: bool) -> Apply:
    scorer = safety.load_scorer(Safety.model_validate_json(settings), precision)
    unused = [] if with_vectors else ["user_vector", "reply_vector"]
    return lambda rows: safety.score(rows.drop(unused), scorer).select("row_key", "safety", "safety_sides")


def _labeller(settings: Language) -> Apply:
    return lambda rows: language.label(rows, settings).select("row_key", "language")
