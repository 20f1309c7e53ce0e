"""What an annotation project is: what annotators see, what they are asked, and what their answers become.

A project is given as Argilla takes it (fields, questions, metadata, as JSON), with two functions: `show` makes the
fields of a record from a row of ours, `outputs` makes tables by the project's schemas from what was answered. Names of
questions are those of `schemas.judgements.Answer`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from schemas.personas import Persona

Json = dict[str, Any]

_WRAPPED = re.compile(r"(?<=\S)\n(?=[^\s#>*+-]|\*{1,2}\w)(?!\d+\. )")  # a line's end that ends no paragraph or item


class Source(NamedTuple):
    """Rows to be annotated, read a batch at a time.

    Attributes:
        plan: One row a record, light: `record_id`, `turn_id`, `locale`, `policy`, and `votes` and `gold` where they are
            given.
        batches: Makes an iterator over the whole rows: what `plan` has, `persona_id`, `cluster_id`, `difficulty`,
            `first_turn`, `messages` and the project's own columns. Rows may be more than the plan's.
        left_out: Rows that are nothing for this project, by reason.
    """

    plan: pl.DataFrame
    batches: Callable[[], Iterator[pl.DataFrame]]
    left_out: dict[str, int]


class Outputs(NamedTuple):
    """What answers become.

    Attributes:
        tables: Checked tables by file name.
        left_out: Submitted responses that are in none of them, by reason. Their answers are in `answers.parquet`.
    """

    tables: dict[str, pl.DataFrame]
    left_out: dict[str, int]


class Project(NamedTuple):
    """An annotation project.

    Attributes:
        name: On the command line.
        votes: Annotators a record, unless told otherwise.
        least_votes: Fewer than these make no sense here.
        key: The question that gold is about, and whose answers agreement is measured on first.
        fields, questions, metadata: As Argilla's API takes them.
        own: The columns, beyond the common ones, that are not shown and have to come back with the answers.
        load: Reads a finished stage.
        rows: Makes rows of a table such as a stage holds, in which only what `load` cannot do without must be.
        show: From a row and its persona to the record's fields, by name.
        suggest: From a row to suggestions by question: `value`, `score`, `agent`.
        answer: From a response's values, by question, to answers as `Answer.value` has them, by question.
        outputs: From responses (a row each: what the record came from, `values` of `answer`, who, when) to tables.
    """

    name: str
    votes: int
    least_votes: int
    key: str
    fields: tuple[Json, ...]
    questions: tuple[Json, ...]
    metadata: tuple[Json, ...]
    own: tuple[str, ...]
    load: Callable[[Path], Source]
    rows: Callable[[pl.LazyFrame], pl.LazyFrame]
    show: Callable[[Mapping[str, Any], Persona | None], Json]
    suggest: Callable[[Mapping[str, Any]], dict[str, Json]]
    answer: Callable[[Mapping[str, Any], Mapping[str, Any]], dict[str, str]]
    outputs: Callable[[list[Json]], Outputs]

    @property
    def guidelines(self) -> str:
        """Markdown for annotators, with its version at the end."""
        text = (resources.files("annotation.projects") / "guidelines" / f"{self.name}.md").read_text(encoding="utf-8")
        flowing = _WRAPPED.sub(" ", text.rstrip())
        return f"{flowing}\n\n---\nVersion {short_hash(text)} of these guidelines.\n"

    @property
    def version(self) -> str:
        """Hash of what decides how records and answers are read: names, types and options, not how they are worded."""
        asked = [
            (
                item["name"],
                item["settings"]["type"],
                [option["value"] for option in item["settings"].get("options", [])],
            )
            for item in (*self.fields, *self.questions)
        ]
        return short_hash(json.dumps(asked))


def short_hash(text: str) -> str:
    """12 hexadecimal digits of a text's sha256."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


# Markdown is off wherever a message may stand. HTML in it is another matter: see `showing.as_shown`.


def text_field(name: str, title: str, *, required: bool = True) -> Json:
    return {"name": name, "title": title, "required": required, "settings": {"type": "text", "use_markdown": False}}


def chat_field(name: str, title: str) -> Json:
    return {"name": name, "title": title, "required": True, "settings": {"type": "chat", "use_markdown": False}}


def image_field(name: str, title: str) -> Json:
    return {"name": name, "title": title, "required": False, "settings": {"type": "image"}}


def question(name: str, title: str, settings: Json, *, required: bool, description: str | None = None) -> Json:
    return {"name": name, "title": title, "required": required, "description": description, "settings": settings}


def options(choices: Mapping[str, str]) -> list[Json]:
    """Options of a question, from value to what is shown."""
    return [{"value": value, "text": text} for value, text in choices.items()]


def one_of(choices: Mapping[str, str]) -> Json:
    return {"type": "label_selection", "options": options(choices)}


def any_of(choices: Mapping[str, str]) -> Json:
    return {"type": "multi_label_selection", "options": options(choices), "visible_options": max(3, len(choices))}


def free_text() -> Json:
    return {"type": "text", "use_markdown": False}


def metadata(name: str, title: str, kind: str = "terms", *, hidden: bool = False) -> Json:
    return {"name": name, "title": title, "settings": {"type": kind}, "visible_for_annotators": not hidden}


COMMON_METADATA = (
    metadata("persona_id", "Persona"),  # the client wants names that no field has
    metadata("locale", "Locale"),
    metadata("cluster", "Topic cluster", "integer"),
    metadata("difficulty", "Difficulty", "float"),
    metadata("first_turn", "First turn"),
    metadata("policy", "Policy", hidden=True),
)
COMMENT = question("comment", "Anything else?", free_text(), required=False)
