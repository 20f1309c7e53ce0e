"""What curation leaves behind: `turns/`, `dropped/`, `quarantine/`, `rows/`, `report.json`.

Turns are written bucket by bucket: only ids of chosen and of dropped rows are held for all of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import polars as pl

from curation import choosing, embed, finder, intake, rowsteps, safety
from curation.card import write_card
from curation.choosing import Chosen
from curation.explorer_files import write_explorer_files
from curation.intake import REPEATED, Intake
from curation.outcomes import Outcomes
from curation.partition import spread, write_private
from curation.report_page import write_page
from curation.store import Store
from schemas.curation_recipe import Curation
from schemas.review import SafetyCase
from schemas.stage import Rows, write_json
from schemas.turns import CuratedTurn, DroppedTurn, Quarantined

STEPS = ("read", "validate", "window", *rowsteps.STEPS, *choosing.STEPS)
PART_ROWS = 20_000


def write_outputs(
    to: Path,
    read: Intake,
    surplus: pl.DataFrame,
    judged: Outcomes,
    chosen: Chosen,
    plan: rowsteps.Plan,
    store: Store,
) -> tuple[Rows, dict[str, Any]]:
    """Write everything but the manifest.

    Args:
        to: The stage's directory.
        read: What came in.
        surplus: Rows that repeat another's id.
        judged: What the row-level steps came to.
        chosen: What stays in the end.
        plan: As the workers were told.
        store: Results of the row-level steps.

    Returns:
        Where rows went overall, and the report.
    """
    settings = plan.settings
    _write_rows(to / "rows", judged, chosen)
    kept, review = _write_turns(to / "turns", judged, chosen, plan, store)
    dropped = _write_dropped(to / "dropped", read, surplus, to / "rows")
    quarantined = _write_quarantine(to / "quarantine", read, judged)

    counts = {"read": read.rows, **judged.counts, **chosen.counts}
    stages = [{"stage": name, **_checked(counts[name])} for name in STEPS]
    if broken := [after["stage"] for before, after in pairwise(stages) if before["kept"] != after["in"]]:
        raise AssertionError(f"rows are lost before {broken[0]}")
    rows = Rows.model_validate(
        {"in": stages[0]["in"], "kept": kept, "dropped": dropped.height, "quarantined": quarantined}
    )
    taken = chosen.rows.filter(pl.col("stage").is_null())
    largest = taken.group_by("persona_id").len()["len"].sort(descending=True).head(1).sum()
    report = {
        "rows": rows.model_dump(by_alias=True),
        "stages": stages,
        "dropped": dropped.group_by("stage", "reason").len("count").sort("stage", "reason").to_dicts(),
        "pii": dict(sorted(judged.pii.items())),
        "safety": {
            "scorer": safety.scorer_name(settings.safety),
            "embedded": settings.safety.scorer == "embedded",
            "answers": {answer: judged.answers[answer] for answer in ("keep", "review", "drop")},
            "review_band": review,
        },
        "languages": dict(sorted(judged.languages.items())),
        "clusters": len(chosen.titles),
        "near_duplicates": chosen.counts["near-duplicates"]["dropped"],
        "quotas": {
            "total": chosen.plan.total,
            "value": chosen.plan.value,
            "bound": chosen.plan.bound,
            "gap": chosen.plan.gap,
            "largest_persona_share": largest / max(1, taken.height),
            "prices": chosen.plan.prices.to_dicts(),
            "relaxations": chosen.plan.relaxations,
            "gave_way": chosen.plan.gave_way,
        },
        "embedded": _embedded(settings),
        "problems": list(read.problems),
        "name": plan.recipe.name,
        "seed": plan.recipe.seed,
        # With the place of the logs, so that a recipe made of it in the explorer can be run.
        "recipe": settings.model_dump(mode="json", exclude={"workers", "store", "shard_rows"}) | {"input": plan.input},
    }
    write_json(to / "report.json", report)
    index = pl.scan_parquet(to / "rows" / "*.parquet")
    write_explorer_files(
        to,
        index,
        personas=plan.personas,
        titles=chosen.titles,
        texts=partial(_texts, index, plan, store),
        seed=plan.recipe.seed,
    )
    write_page(to)
    write_card(to)
    return rows, report


def _texts(index: pl.LazyFrame, plan: rowsteps.Plan, store: Store, ids: Sequence[str]) -> pl.DataFrame:
    """`turn_id`, `said` and `response` of turns, scrubbed; those that never were are left out."""
    wanted = index.filter(pl.col("turn_id").is_in(list(ids))).select("turn_id", "conversation_id", "row_key").collect()
    buckets = intake.buckets(wanted["conversation_id"]).unique()
    found = store.read(plan.names["scrub"], buckets, wanted["row_key"])
    if found is None:
        return pl.DataFrame(schema={"turn_id": pl.String, "said": pl.String, "response": pl.String})
    said = pl.col("messages").list.last().struct.field("content")
    return wanted.join(found, on="row_key").select("turn_id", "response", said=said)


def _buckets(judged: Outcomes) -> Iterator[tuple[int, pl.DataFrame]]:
    for path in sorted(judged.directory.glob("*.parquet")):
        yield int(path.stem), pl.read_parquet(path)


def _write_rows(to: Path, judged: Outcomes, chosen: Chosen) -> None:
    """Every turn that was read, without its text, and what became of it."""
    to.mkdir(mode=0o700)
    late = chosen.rows.drop("persona_id", "row_key")
    for bucket, rows in _buckets(judged):
        here = late.filter(pl.col("bucket") == bucket).drop("bucket")
        joined = rows.drop("bucket").join(here, on="turn_id", how="left", maintain_order="left", suffix="_late")
        joined = joined.with_columns(
            stage=pl.coalesce("stage", "stage_late"), reason=pl.coalesce("reason", "reason_late")
        )
        write_private(to / f"{bucket:05}.parquet", joined.drop("stage_late", "reason_late"))


def _write_turns(to: Path, judged: Outcomes, chosen: Chosen, plan: rowsteps.Plan, store: Store) -> tuple[int, int]:
    """Write the chosen turns in order of id, in parts of one size, and which of them people are to look at."""
    to.mkdir()
    taken = chosen.rows.filter(pl.col("stage").is_null()).select("turn_id", "cluster_id", "difficulty", "bucket")
    taken = taken.with_columns(_part=pl.int_range(pl.len()) // PART_ROWS)
    columns = CuratedTurn.create_empty().columns
    cases: list[pl.DataFrame] = [SafetyCase.create_empty()]

    def turns() -> Iterator[pl.DataFrame]:
        for bucket, rows in _buckets(judged):
            wanted = taken.filter(pl.col("bucket") == bucket).drop("bucket")
            rows = rows.join(wanted, on="turn_id", how="inner")
            if rows.height:
                for step in ("scrub", "safety"):
                    results = store.read(plan.names[step], [bucket], rows["row_key"])
                    if results is None:
                        raise AssertionError(f"results of {step} are gone from the store")
                    rows = rows.join(results, on="row_key", how="inner")
                cases.append(safety.cases(rows, plan.settings.safety))
                yield rows.select(*columns, "_part")

    parts = to.parent / "work" / "parts"
    spread(turns(), parts, "_part")
    count = 0
    for number in range(max(1, -(-taken.height // PART_ROWS))):
        path = parts / f"{number:05}.parquet"
        part = pl.read_parquet(path).sort("turn_id") if path.is_file() else CuratedTurn.create_empty()
        CuratedTurn.validate(part, cast=True).write_parquet(to / f"part-{number:05}.parquet")
        count += part.height
    if count != taken.height:
        raise AssertionError(f"{taken.height - count} chosen turns are not in the store")
    (to.parent / "review").mkdir()
    review = SafetyCase.validate(pl.concat(cases).sort("turn_id"))
    review.write_parquet(to.parent / "review" / "part-00000.parquet")
    return count, review.height


def _write_dropped(to: Path, read: Intake, surplus: pl.DataFrame, rows: Path) -> pl.DataFrame:
    to.mkdir()
    dropped = pl.concat(
        [
            *(pl.read_parquet(path) for path in sorted((read.directory / "dropped").glob("*.parquet"))),
            surplus.select("turn_id", stage=pl.lit("validate"), reason=pl.lit(REPEATED)),
            *(
                pl.read_parquet(path, columns=["turn_id", "stage", "reason"]).drop_nulls("stage")
                for path in sorted(rows.glob("*.parquet"))
            ),
        ]
    )
    dropped = DroppedTurn.validate(_with_own_ids(dropped).sort("turn_id"))
    dropped.write_parquet(to / "part-00000.parquet")
    return dropped


def _with_own_ids(dropped: pl.DataFrame) -> pl.DataFrame:
    """Each row with an id of its own: one that was dropped before comes again in logs that overlap, or of one name."""
    while dropped["turn_id"].is_duplicated().any():
        dropped = dropped.sort("turn_id", "stage", "reason")
        again = ~dropped["turn_id"].is_first_distinct()
        ids = [intake.hashed(f"{id}\x1fagain") for id in dropped["turn_id"].filter(again)]
        dropped = pl.concat(
            [dropped.filter(~again), dropped.filter(again).with_columns(turn_id=pl.Series(ids, dtype=pl.String))]
        )
    return dropped


def _write_quarantine(to: Path, read: Intake, judged: Outcomes) -> int:
    to.mkdir(mode=0o700)
    columns = list(Quarantined.columns())
    frames = (pl.read_parquet(path) for path in sorted((read.directory / "quarantined").glob("*.parquet")))
    count = 0
    for frame in chain(frames, [judged.quarantined.select(columns)]):
        if frame.height:
            write_private(to / f"part-{len(list(to.iterdir())):05}.parquet", Quarantined.validate(frame))
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
