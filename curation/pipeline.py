"""Every step of curation over one body of logs.

    run(recipe, input=Path("logs/"), format="turns", out=Path("runs/curation"), personas={}, advance=no_progress)

Reading comes first, whole, because a repeated id may stand anywhere. Then each shard goes through scrub, safety,
language and embed and is put under `work/` when it is finished, so that a kill costs one shard. Clusters,
near-duplicates and quotas see all turns at once, as ids, a few columns and vectors. None of the steps depends on the
order of rows or on what a shard holds, so neither does the result.

What a step raises on is one row: the shard is halved until the row is found, and the row is quarantined.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from curation import clusters, embed, finder, language, near_duplicates, placeholders, readers, safety, scrub, select
from curation.report import REPEATED, STEPS, Made, write_outputs, write_private
from schemas.personas import Persona
from schemas.problems import Problem
from schemas.recipe import Curation, Recipe
from schemas.stage import Advance, Manifest, Stage, open_stage, write_json
from schemas.turns import Quarantined


class Step(NamedTuple):
    """One step of a shard.

    Attributes:
        name: As in the report.
        apply: Adds columns, or changes some, for each row by itself.
        reason: Expression on the result: why a row is dropped, null where it stays.
    """

    name: str
    apply: Callable[[pl.DataFrame], pl.DataFrame]
    reason: pl.Expr


def run(
    recipe: Recipe, *, input: Path, format: str, out: Path, personas: Mapping[str, Persona], advance: Advance
) -> Manifest:
    """Curate logs.

    Args:
        recipe: Seed, precision and the section `curation`.
        input: Logs, in place of the recipe's.
        format: What they look like, in place of the recipe's.
        out: Where `turns/`, `dropped/`, `quarantine/`, `report.json` and the manifest go.
        personas: Characters by id.
        advance: Told how many turns have gone through the steps.

    Returns:
        The manifest; at once where `out` was finished for the same work.

    Raises:
        Problem: Input, recipe or models are not as expected.
    """
    settings = recipe.curation.model_copy(update={"input": input.name, "format": format})
    cast = json.dumps([personas[name].model_dump(mode="json") for name in sorted(personas)])
    known = hashlib.sha256(cast.encode()).hexdigest()
    inputs = {"input": input if input.exists() else str(input), "personas": known, "precision": recipe.precision}
    with open_stage(out, "curate", settings=settings, inputs=inputs, seed=recipe.seed) as stage:
        if stage.manifest is not None:
            return stage.manifest
        stage.work.chmod(0o700)  # raw logs lie here until the end
        key = placeholders.read_key(
            Path(settings.scrub.key_file) if settings.scrub.key_file else out.parent / "pseudonyms.key"
        )
        read = _read(stage.work / "read", input, format, settings, personas, advance)
        surplus = _repeated(stage.work / "read", read["shards"])
        # Shards scrubbed under another key are of no use: they would call the same person something else.
        done = stage.work / f"shards-{hmac.new(key, b'shards', hashlib.sha256).hexdigest()[:16]}"
        _shards(done, stage.work / "read", read, surplus, recipe, settings, key, personas, input.name, advance)
        return _finish(stage, done, read, surplus, recipe, settings, advance)


def _read(
    to: Path, input: Path, format: str, settings: Curation, personas: Mapping[str, Persona], advance: Advance
) -> dict[str, Any]:
    """Read everything into shards under `to`; what was read, as counts and problems."""
    if (to / "done.json").is_file():
        return dict(json.loads((to / "done.json").read_bytes()))
    shutil.rmtree(to, ignore_errors=True)
    to.mkdir()
    shards, problems = 0, []
    counts: Counter[str] = Counter()
    batches = readers.read(
        input,
        format,
        personas=personas,
        locale=settings.locale,
        max_line_bytes=settings.max_line_bytes,
        rows=settings.shard_rows,
    )
    for batch in batches:
        write_private(to / f"{shards:05}.turns.parquet", batch.turns)
        write_private(to / f"{shards:05}.dropped.parquet", batch.dropped)
        write_private(to / f"{shards:05}.quarantined.parquet", batch.quarantined)
        counts.update({"in": batch.records, "kept": batch.turns.height, "dropped": batch.dropped.height})
        counts.update({"quarantined": batch.quarantined.height})
        problems += batch.problems
        shards += 1
        advance(counts["in"], None, "reading")
    read = {"shards": shards, "rows": dict(counts), "problems": problems}
    write_json(to / "done.json", read)
    return read


def _repeated(read: Path, shards: int) -> pl.DataFrame:
    """Rows whose `turn_id` another row has already: all but the one with the smallest hash of its contents.

    Returns:
        `shard`, `row`, and `turn_id`: an id of its own for each, the hash of the repeated id and its number among them.
    """
    schema = {"shard": pl.Int64, "row": pl.UInt32, "turn_id": pl.String}
    ids = [
        pl.read_parquet(_turns(read, shard), columns=["turn_id"])
        .with_row_index("row")
        .with_columns(shard=pl.lit(shard))
        for shard in range(shards)
    ]
    again = pl.concat(ids).filter(pl.col("turn_id").is_duplicated()) if ids else pl.DataFrame(schema=schema)
    rows = []
    for (shard,), places in again.group_by("shard"):
        turns = pl.read_parquet(_turns(read, int(str(shard))))[places["row"]]
        for row, turn in zip(places["row"], turns.iter_rows(named=True), strict=True):
            content = hashlib.blake2b(
                json.dumps(turn, default=str, sort_keys=True).encode(), digest_size=16
            ).hexdigest()
            rows.append((turn["turn_id"], content, shard, row))
    surplus, number, before = [], 0, None
    for turn_id, _, shard, row in sorted(rows):
        number, before = (number + 1, before) if turn_id == before else (0, turn_id)
        if number:
            own = hashlib.blake2b(f"{turn_id}\x1f{REPEATED}\x1f{number}".encode(), digest_size=16).hexdigest()
            surplus.append((shard, row, own))
    return pl.DataFrame(surplus, schema=schema, orient="row")


def _turns(read: Path, shard: int) -> Path:
    return read / f"{shard:05}.turns.parquet"


def _shards(
    done: Path,
    read: Path,
    what: dict[str, Any],
    surplus: pl.DataFrame,
    recipe: Recipe,
    settings: Curation,
    key: bytes,
    personas: Mapping[str, Persona],
    source: str,
    advance: Advance,
) -> None:
    """Take every shard that is not finished through the steps."""
    shutil.rmtree(done / "partial", ignore_errors=True)
    done.mkdir(exist_ok=True)
    steps: list[Step] = []
    gone = 0
    for shard in range(what["shards"]):
        turns = pl.read_parquet(_turns(read, shard))
        twice = surplus.filter(pl.col("shard") == shard)["row"]
        turns = turns.with_row_index("row").filter(~pl.col("row").is_in(twice.implode())).drop("row")
        if not (done / f"{shard:05}").is_dir():
            steps = steps or _steps(recipe, settings, key, personas)
            (done / "partial").mkdir()
            _shard(done / "partial", turns, steps, source)
            (done / "partial").rename(done / f"{shard:05}")
        gone += turns.height
        advance(gone, what["rows"]["kept"] - surplus.height, f"shard {shard + 1} of {what['shards']}")


def _steps(recipe: Recipe, settings: Curation, key: bytes, personas: Mapping[str, Persona]) -> list[Step]:
    find = finder.Finder(settings.scrub)
    scorer = safety.load_scorer(settings.safety)
    vectors = embed.load(settings.embedding, recipe.precision)

    def embedded(turns: pl.DataFrame) -> pl.DataFrame:
        found = vectors(embed.said(turns))
        if not np.isfinite(found).all():
            raise ValueError("not finite")
        return turns.with_columns(pl.Series("embedding", found, dtype=pl.Array(pl.Float32, found.shape[1])))

    stays = pl.lit(None, dtype=pl.String)
    other = pl.when(language.unwanted(settings.language)).then(pl.format("language {} not kept", "language"))
    return [
        Step("scrub", lambda turns: scrub.scrub(turns, find, key, personas), stays),
        Step("safety", lambda turns: safety.score(turns, scorer), safety.drop_reason(settings.safety)),
        Step("language", lambda turns: language.label(turns, settings.language), other),
        Step("embed", embedded, stays),
    ]


def _shard(to: Path, turns: pl.DataFrame, steps: list[Step], source: str) -> None:
    """Take one shard through the steps; write what stays, what goes and how many."""
    dropped, quarantined, counts, seen = [], [], {}, {}
    for step in steps:
        came = turns.height
        parts = list(_isolated(step, turns))
        odd = [(source, f"turn {row['turn_id'].item()}", error, _json(row)) for row, error in parts if error]
        if came > 8 and len(odd) == came:
            raise Problem(
                f"step {step.name}: {odd[0][2]} That is so for all {came} turns of a shard, so the step is at fault."
            )
        turns = pl.concat([frame for frame, error in parts if not error] or [turns.clear()], how="diagonal_relaxed")
        if odd and turns.is_empty():
            turns = step.apply(turns)
        gone = turns.select("turn_id", stage=pl.lit(step.name), reason=step.reason).drop_nulls("reason")
        if step.name == "scrub":
            seen["pii"] = dict(
                turns.select(pl.col("pii").explode()).drop_nulls().unnest("pii").group_by("type").sum().iter_rows()
            )
        if step.name == "language":
            seen["languages"] = dict(turns.group_by("language").len().iter_rows())
        turns = turns.join(gone, on="turn_id", how="anti", maintain_order="left")
        counts[step.name] = {"in": came, "kept": turns.height, "dropped": gone.height, "quarantined": len(odd)}
        dropped.append(gone)
        quarantined += odd
    write_private(to / "turns.parquet", turns)
    write_private(to / "dropped.parquet", pl.concat(dropped))
    write_private(
        to / "quarantined.parquet", pl.DataFrame(quarantined, schema=Quarantined.create_empty().schema, orient="row")
    )
    write_json(to / "counts.json", {"stages": counts, **seen})


def _isolated(step: Step, turns: pl.DataFrame) -> Iterator[tuple[pl.DataFrame, str]]:
    """The step over the turns in as few pieces as work, and each turn that it raises on by itself, with a sentence."""
    try:
        yield step.apply(turns), ""
    except (Problem, MemoryError, OSError):
        raise  # of the machine or the recipe, not of a row
    except Exception as error:
        if turns.height <= 1:
            yield turns, f"{step.name} failed on this turn with {type(error).__name__}."
            return
        half = turns.height // 2
        yield from _isolated(step, turns[:half])
        yield from _isolated(step, turns[half:])


def _json(row: pl.DataFrame) -> bytes:
    return json.dumps(row.row(0, named=True), ensure_ascii=False, default=str).encode("utf-8", "surrogatepass")


def _finish(
    stage: Stage,
    done: Path,
    read: dict[str, Any],
    surplus: pl.DataFrame,
    recipe: Recipe,
    settings: Curation,
    advance: Advance,
) -> Manifest:
    """Take the steps that see all turns, and write what is left behind."""
    shards = [done / f"{shard:05}" for shard in range(read["shards"])]
    counts = {name: Counter[str]() for name in STEPS}
    counts["read"].update(read["rows"])
    unique = read["rows"]["kept"] - surplus.height
    counts["validate"].update({"in": read["rows"]["kept"], "kept": unique, "dropped": surplus.height})
    pii, languages = Counter[str](), Counter[str]()
    for shard in shards:
        told = json.loads((shard / "counts.json").read_bytes())
        pii.update(told["pii"])
        languages.update(told["languages"])
        for name, rows in told["stages"].items():
            counts[name].update(rows)

    small = ["turn_id", "persona_id", "locale", "turn_index"]
    turns = pl.concat([pl.read_parquet(shard / "turns.parquet", columns=small) for shard in shards])
    order = turns["turn_id"].arg_sort()
    vectors = _vectors(stage.work / "vectors", shards, np.argsort(order.to_numpy()))
    turns = turns[order]
    advance(turns.height, turns.height, "clusters")
    centres = clusters.fit(vectors, settings.clusters.count, recipe.seed)
    turns = turns.with_columns(
        cluster_id=pl.Series(clusters.assign(vectors, centres), dtype=pl.Int32),
        difficulty=pl.lit(None, dtype=pl.Float64),  # measured later, over replies of the current policy
    )
    counts["cluster"].update({"in": turns.height, "kept": turns.height})
    advance(turns.height, turns.height, "near-duplicates")
    alike = near_duplicates.find(
        turns["turn_id"], vectors, turns["cluster_id"].to_numpy(), settings.near_duplicates.similarity, recipe.seed
    )
    left = turns.join(alike, on="turn_id", how="anti", maintain_order="left")
    counts["near-duplicates"].update({"in": turns.height, "kept": left.height, "dropped": alike.height})
    advance(turns.height, turns.height, "quotas")
    choice = select.choose(left, settings.quotas, recipe.seed)
    counts["quotas"].update({"in": left.height, "kept": len(choice.chosen), "dropped": choice.dropped.height})

    chosen = left.filter(pl.col("turn_id").is_in(choice.chosen.implode()))
    dropped = pl.concat(
        [
            *(pl.read_parquet(path) for path in sorted((stage.work / "read").glob("*.dropped.parquet"))),
            surplus.select("turn_id", stage=pl.lit("validate"), reason=pl.lit(REPEATED)),
            *(pl.read_parquet(shard / "dropped.parquet") for shard in shards),
            alike.select("turn_id", stage=pl.lit("near-duplicates"), reason=pl.lit("near-duplicate")),
            choice.dropped.select("turn_id", stage=pl.lit("quotas"), reason="reason"),
        ]
    )
    quarantined = [*sorted((stage.work / "read").glob("*.quarantined.parquet"))]
    quarantined += [shard / "quarantined.parquet" for shard in shards]
    made = Made(
        counts, chosen, dropped, quarantined, pii, languages, len(centres), alike.height, choice.plan, read["problems"]
    )
    rows, report = write_outputs(stage.directory, [shard / "turns.parquet" for shard in shards], made, settings)
    return stage.finish(
        rows=rows, figures={name: report[name] for name in ("stages", "quotas", "embedded", "problems")}
    )


def _vectors(path: Path, shards: list[Path], places: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """Embeddings of all shards on disk, float32 [n, d], the i-th row at `places[i]`."""
    parts = [pl.read_parquet(shard / "turns.parquet", columns=["embedding"])["embedding"] for shard in shards[:1]]
    width = parts[0].to_numpy().shape[1]
    if not len(places):
        return np.zeros((0, width), dtype=np.float32)
    vectors = np.memmap(path, dtype=np.float32, mode="w+", shape=(len(places), width))
    at = 0
    for shard in shards:
        part = pl.read_parquet(shard / "turns.parquet", columns=["embedding"])["embedding"].to_numpy()
        vectors[places[at : at + len(part)]] = part
        at += len(part)
    return vectors
