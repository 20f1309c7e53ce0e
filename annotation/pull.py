"""Pull: what annotators have said so far, as tables by the project's schemas.

A pull of annotation that goes on is a snapshot: it takes the place of the last one in the same directory, whole or not
at all. The same answers give the same tables, byte for byte.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from annotation import datasets, pages, responses
from annotation.agreement import agree
from annotation.api import Api
from annotation.projects.image import with_agreement
from annotation.projects.project import Project
from annotation.projects.values import frame
from annotation.state import State
from schemas.judgements import Answer
from schemas.problems import Problem
from schemas.stage import Advance, Manifest, Rows, no_progress, open_stage, read_manifest

ANSWERS, COMPARISONS, PREFERENCES = "answers.parquet", "comparisons.parquet", "preferences.parquet"
MIN_AGREEMENT = 0.6  # as in the recipe
KEY = ("record_id", "annotator")
ORDER = ("comparison_id", "record_id", "turn_id", "annotator", "question")


def pull(
    api: Api,
    project: Project,
    out: Path,
    state: State,
    round_: str | None = None,
    *,
    min_agreement: float = MIN_AGREEMENT,
    advance: Advance = no_progress,
) -> Manifest:
    """Write a project's answers.

    Comparisons are also folded into preferences (`annotation.agreement`). Votes and ties move personas' shares, so the
    largest is told (`figures["largest_persona_share"]`); whoever trains on them caps them again at that door, as
    `training.improving` does.

    Args:
        api: An owner's account.
        project: The project.
        out: Directory for the tables: not there yet, empty, or an earlier pull of the same project and round.
        state: Where expected answers are kept.
        round_: Name of the round.
        min_agreement: Least share of votes for the preferred reply.
        advance: Told of records that were read.

    Returns:
        The manifest. Its rows are submitted responses: kept in the project's table, or dropped from it with a reason
        (`figures["dropped"]`); all of them are in `answers.parquet`.

    Raises:
        Problem: The server is not there, has no such project, or gave less than it counts; `out` holds something else.
    """
    datasets.check_round(round_)
    settings: dict[str, str | float | None] = {"project": project.name, "round": round_, "version": project.version}
    before = _earlier(out, settings)
    places = datasets.list_datasets(api, project, round_)
    if not places:
        raise Problem(
            f"{api.url}: nothing of project {project.name}" + (f", round {round_}," if round_ else "") + " is there; "
            f"push first: `python -m annotation push --turns DIR --project {project.name}`."
        )
    total = sum(pages.count(api, place.id) for place in places)
    said = responses.read(api, project, places, state.seal, lambda seen: advance(seen, total, "reading"))
    advance(total, total, "writing")
    gold = dict(state.gold().iter_rows())
    answers = frame(list(responses.answers(project, said.rows, gold)), Answer)
    made = project.outputs([row for row in said.rows if row["record_id"] not in gold])
    tables = {**made.tables, ANSWERS: answers}
    sentences, carried = [], 0
    if before:
        accounts = set(responses.accounts(api).values())
        tables, carried, gone = _carried(out, tables, accounts)
        if gone:
            sentences.append(
                f"{carried} responses of {', '.join(gone)}, whose accounts are no longer on the server, are taken over "
                "from the pull before."
            )
    dropped = {**said.left_out, **made.left_out}
    both = tables[ANSWERS].select(KEY).unique()
    dropped["gold"] = both.filter(pl.col("record_id").is_in(list(gold))).height
    dropped["answered again by the same annotator"] = said.again
    submitted = len(said.rows) + said.again + sum(said.left_out.values()) + carried
    kept = sum(table.height for name, table in tables.items() if name != ANSWERS)
    dropped["left out of the pull before"] = submitted - kept - sum(dropped.values())
    dropped = {reason: count for reason, count in dropped.items() if count}
    figures: dict[str, Any] = {
        "datasets": [place.label for place in places],
        "records": said.records,
        "drafts": said.drafts,
        "discarded": said.discarded,
        "dropped": dropped,
        "annotators": sorted(tables[ANSWERS]["annotator"].unique()),
        "problems": sentences,
    }
    if COMPARISONS in tables:
        settings["min_agreement"] = min_agreement
        agreed = agree(tables[COMPARISONS], min_agreement)
        tables[PREFERENCES] = agreed.preferences
        figures |= {
            "preferences": agreed.preferences.height,
            "not_agreed": dict(agreed.dropped.group_by("reason").len().sort("reason").iter_rows()),
            "pairwise_agreement": agreed.pairwise_agreement,
            "largest_persona_share": largest_share(agreed.preferences),
        }
    return _write(out, settings, tables, Rows(in_=submitted, kept=kept, dropped=sum(dropped.values())), figures)


def largest_share(rows: pl.DataFrame) -> float | None:
    """Share of the persona with the most rows; None where there are none."""
    return float(rows["persona_id"].value_counts()["count"].max()) / rows.height if rows.height else None  # type: ignore[arg-type]


def _earlier(out: Path, settings: Mapping[str, object]) -> bool:
    """Whether `out` holds an earlier pull of the same.

    Raises:
        Problem: It holds something else.
    """
    if not out.exists() and _aside(out, "old").exists():  # killed between the two moves of `_write`
        os.replace(_aside(out, "old"), out)
    if not out.exists():
        return False
    if not out.is_dir():
        raise Problem(f"{out}: is a file; expected a directory for what was answered.")
    manifest = read_manifest(out)
    if manifest is None:
        if any(out.iterdir()):
            raise Problem(f"{out}: holds something else than a pull; give a directory that is empty or not there yet.")
        return False
    if manifest.stage != "pull" or any(manifest.settings.get(key) != settings[key] for key in ("project", "round")):
        raise Problem(f"{out}: holds {manifest.stage} of other work; give --out another directory.")
    return True


def _carried(
    out: Path, tables: dict[str, pl.DataFrame], accounts: set[str]
) -> tuple[dict[str, pl.DataFrame], int, list[str]]:
    """Tables with what the earlier pull holds of annotators whose accounts are gone, and their answers with them.

    Returns:
        The tables, how many responses were taken over, and whose.
    """
    earlier = pl.read_parquet(out / ANSWERS)
    gone = sorted(set(earlier["annotator"]) - accounts)
    if not gone:
        return tables, 0, []
    merged = {}
    for name, table in tables.items():
        rows = pl.read_parquet(out / name).filter(pl.col("annotator").is_in(gone)).select(table.columns)
        both = pl.concat([table, rows.cast(dict(table.schema))])  # type: ignore[arg-type]
        merged[name] = with_agreement(both) if "agreed" in both.columns else both
    count = earlier.filter(pl.col("annotator").is_in(gone)).select(KEY).unique().height
    return merged, count, gone


def _write(
    out: Path, settings: Mapping[str, object], tables: dict[str, pl.DataFrame], rows: Rows, figures: dict[str, object]
) -> Manifest:
    """Write the tables beside the old ones and put them in their place, readable by their owner alone.

    Raises:
        Problem: They cannot be written; the old ones are as they were.
    """
    fresh, old = _aside(out, "partial"), _aside(out, "old")
    for left_over in (fresh, old):
        shutil.rmtree(left_over, ignore_errors=True)
    try:
        fresh.mkdir(mode=0o700, parents=True)
        with open_stage(fresh, "pull", settings=settings, inputs={}, seed=0) as stage:
            for name, table in sorted(tables.items()):
                table.sort([key for key in ORDER if key in table.columns]).write_parquet(fresh / name)
                (fresh / name).chmod(0o600)
            manifest = stage.finish(rows, figures)
        if out.exists():
            os.replace(out, old)
        os.replace(fresh, out)
    except (OSError, pl.exceptions.PolarsError) as error:
        shutil.rmtree(fresh, ignore_errors=True)
        code = re.search(r"\(os error (\d+)\)", str(error))  # as Polars tells it
        why = os.strerror(int(code[1])) if code else getattr(error, "strerror", None) or "cannot be written"
        raise Problem(f"{out}: {why}. Make room, or give --out another directory; nothing was changed there.") from None
    shutil.rmtree(old, ignore_errors=True)
    return manifest


def _aside(out: Path, what: str) -> Path:
    """A directory beside `out`."""
    return out.absolute().with_name(f".{out.absolute().name}.{what}")
