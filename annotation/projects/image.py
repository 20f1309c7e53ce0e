"""Image turns: was an image wanted, and is the prompt it was made from any good. At least three people look at each."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
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
    chat_field,
    image_field,
    one_of,
    question,
    text_field,
)
from annotation.projects.stages import of_turns, source, turns
from annotation.projects.values import answers, frame
from schemas.judgements import ImageReview
from schemas.personas import Persona

WANTED = {"asked for": "Asked for", "helpful": "Not asked for, but helpful", "unwanted": "Unwanted"}
GOOD, POOR, NONE = "yes", "no", "no image"
IMAGE_TOOL = r'(?i)"name"\s*:\s*"[^"]*(?:image|picture|photo|draw|paint|selfie|illustrat)[^"]*"'
LONGEST_IMAGE = 5_000_000  # characters of a data URL, as Argilla takes it
_WRAPPERS = ("", "arguments", "function", "function.arguments")  # say nothing to who reads the call
_SHOWN = re.compile(r"data:image/(?:avif|gif|jpeg|jpg|png|webp);base64,[A-Za-z0-9+/=]+")


def load(directory: Path) -> Source:
    """Turns of a finished curated run in which the character called a tool that makes images."""
    rows = turns(directory, ["tool_calls"])
    called = pl.col("tool_calls").str.contains(IMAGE_TOOL).fill_null(False)
    others = rows.select((~called).sum()).collect().item()
    return source(rows.filter(called), {"no image was made in the turn": others} if others else {})


def show(row: Mapping[str, Any], character: Persona | None) -> Json:
    """The call as it was made; the image only where the call carries it.

    An image elsewhere stays a link in the text: a browser that fetched it would tell another host what is being read.
    """
    fields = {**showing.common_fields(row, character), "reply": row["response"], "call": readable(row["tool_calls"])}
    carried = _SHOWN.search(row["tool_calls"])
    if carried and len(carried[0]) <= LONGEST_IMAGE:
        fields["image"] = carried[0]
    return fields


def readable(calls: str) -> str:
    """Tool calls a line a value, long data cut short; what is not JSON stays as it is."""
    try:
        loaded = json.loads(calls)
    except (ValueError, RecursionError):
        return calls
    return "\n".join(_lines(loaded, "")) or calls


def _lines(value: Any, name: str) -> Iterator[str]:
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            yield f"{name}: {value}"
            return
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _lines(inner, str(key) if name in _WRAPPERS else f"{name}.{key}")
    elif isinstance(value, list):
        for place, inner in enumerate(value, start=1):
            label = f"{name} {place}".strip() if len(value) > 1 else name
            yield from _lines(inner, label)
    else:
        text = value if isinstance(value, str) else json.dumps(value)
        yield f"{name}: {_SHOWN.sub('(the image)', text)}"


def suggest(row: Mapping[str, Any]) -> dict[str, Json]:
    return {}


def answer(values: Mapping[str, Any], origin: Mapping[str, Any]) -> dict[str, str]:
    return answers(values, PROJECT.questions)


def outputs(rows: list[Json]) -> Outputs:
    """Reviews; reviewers of a turn agree where all of them said the same of whether it was wanted."""
    table = [
        {
            "turn_id": row["turn_id"],
            "annotator": row["annotator"],
            "wanted": row["values"]["wanted"],
            "prompt_good": {GOOD: True, POOR: False}.get(row["values"]["prompt_good"]),
            "agreed": None,
        }
        for row in rows
    ]
    return Outputs({"image_reviews.parquet": with_agreement(frame(table, ImageReview))}, {})


def with_agreement(reviews: pl.DataFrame) -> pl.DataFrame:
    """Reviews, each told whether the reviewers of its turn agree; with one reviewer nobody knows."""
    same = pl.col("wanted").n_unique().over("turn_id") == 1
    agreed = pl.when(pl.len().over("turn_id") > 1).then(same)
    return ImageReview.validate(reviews.with_columns(agreed=agreed).sort("turn_id", "annotator"))


PROJECT = Project(
    name="image",
    votes=3,
    least_votes=3,
    key="wanted",
    fields=(
        text_field("persona", "The character, as the model was told"),
        text_field("traits", "Its traits", required=False),
        chat_field("conversation", "The conversation"),
        text_field("reply", "The reply"),
        text_field("call", "The image it asked for"),
        image_field("image", "The image"),
    ),
    questions=(
        question("wanted", "Was an image wanted here?", one_of(WANTED), required=True),
        question(
            "prompt_good",
            "Does the image's prompt fit the scene?",
            one_of({GOOD: "Yes", POOR: "No", NONE: "No image was made"}),
            required=True,
        ),
        COMMENT,
    ),
    metadata=COMMON_METADATA,
    own=(),
    load=load,
    rows=partial(of_turns, extra=["tool_calls"]),
    show=show,
    suggest=suggest,
    answer=answer,
    outputs=outputs,
)
