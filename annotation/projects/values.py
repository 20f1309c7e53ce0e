"""Values of Argilla's responses to values of ours, and rows to checked tables."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import dataframely as dy
import polars as pl

from annotation.projects.project import Json


def answers(values: Mapping[str, Any], questions: Sequence[Json]) -> dict[str, str]:
    """Answers by question, as text.

    A question that takes several labels and was left open is answered with none of them. Texts left empty, and choices
    left open, are not answers. Rankings are left to the project.
    """
    given = {}
    for asked in questions:
        name, kind = asked["name"], asked["settings"]["type"]
        value = values.get(name)
        if kind == "multi_label_selection":
            given[name] = json.dumps(sorted(value or []), ensure_ascii=False)
        elif kind != "ranking" and value not in (None, ""):
            given[name] = str(value)
    return given


def listed(value: str) -> list[str]:
    """Labels of an answer to a question that takes several."""
    return list(json.loads(value))


def frame(rows: list[Json], schema: type[dy.Schema]) -> pl.DataFrame:
    """A table checked by its schema."""
    empty = schema.create_empty()
    return schema.validate(pl.DataFrame(rows, schema=empty.schema) if rows else empty)
