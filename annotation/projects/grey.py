"""Grey band: turns that the safety scorer is not sure of. Keep, or remove?"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from annotation.projects import showing
from annotation.projects.project import (
    COMMENT,
    COMMON_METADATA,
    Json,
    Outputs,
    Project,
    Source,
    any_of,
    chat_field,
    metadata,
    one_of,
    question,
    text_field,
)
from annotation.projects.stages import finished, of_turns, scan, source, turns
from annotation.projects.values import answers, frame, listed
from schemas.personas import Persona
from schemas.review import SafetyDecision

DECISIONS = {"keep": "Keep: harmless in this chat", "remove": "Remove: harmful", "unsure": "I cannot tell"}
HARMS = {
    "abuse": "Insults, threats or hate against a person or a group",
    "harmful request": "Asks for, or gives, help to do harm",
    "self-harm": "Self-harm or suicide",
    "sexual": "Sexual content that does not belong here",
    "minors": "A minor in sexual or other danger",
    "private data": "Somebody's private data",
    "other": "Something else",
}
WHOSE = {"user": "the user's last message", "reply": "the reply"}


def load(directory: Path) -> Source:
    """Cases of a finished curated run with their turns, but for those whose turn another rule dropped."""
    rows = turns(directory)
    files = finished(directory, "review/*.parquet", "a finished run of `python -m curation run`")
    cases = scan(files, ["turn_id", "label", "score", "side"]).collect()
    joined = rows.join(cases.lazy(), on="turn_id", maintain_order="left")
    gone = cases.height - joined.select(pl.len()).collect().item()
    return source(joined, {"the turn was dropped by another rule": gone} if gone else {})


def show(row: Mapping[str, Any], character: Persona | None) -> Json:
    """The turn and what the scorer heard in which message; not how sure it was, which would lead."""
    heard = f"{row['label'].replace('_', ' ')}, in {WHOSE[row['side']]}"
    return {**showing.common_fields(row, character), "reply": row["response"], "heard": heard}


def suggest(row: Mapping[str, Any]) -> dict[str, Json]:
    return {}


def answer(values: Mapping[str, Any], origin: Mapping[str, Any]) -> dict[str, str]:
    return answers(values, PROJECT.questions)


def outputs(rows: list[Json]) -> Outputs:
    """Decisions, one an annotator and turn."""
    same = ("turn_id", "annotator", "persona_id", "locale", "label", "score", "side", "seconds", "timestamp")
    table = [
        {
            **{name: row[name] for name in same},
            "decision": row["values"]["decision"],
            "harms": listed(row["values"]["harms"]),
        }
        for row in rows
    ]
    return Outputs({"safety_decisions.parquet": frame(table, SafetyDecision).sort("turn_id", "annotator")}, {})


PROJECT = Project(
    name="grey",
    votes=2,
    least_votes=1,
    key="decision",
    fields=(
        text_field("persona", "The character, as the model was told"),
        text_field("traits", "Its traits", required=False),
        chat_field("conversation", "The conversation"),
        text_field("reply", "The reply"),
        text_field("heard", "Why it is here"),
    ),
    questions=(
        question("decision", "May the model learn from this turn?", one_of(DECISIONS), required=True),
        question("harms", "What harm is in it?", any_of(HARMS), required=False),
        COMMENT,
    ),
    metadata=(
        *COMMON_METADATA,
        metadata("label", "What the scorer heard"),
        metadata("side", "In whose message"),
        metadata("score", "The scorer's score", "float", hidden=True),
    ),
    own=("label", "score", "side"),
    load=load,
    rows=partial(of_turns, extra=["label", "score", "side"]),
    show=show,
    suggest=suggest,
    answer=answer,
    outputs=outputs,
)
