"""Persona violation and rewrite: is the reply in character, what does it break, how badly, and how should it read.

Argilla's labels are the same for all records of a dataset while traits differ by persona, so that traits are numbered:
the card lists them, the labels say "trait 1" to "trait 8", and an answer holds the trait itself.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

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
    free_text,
    one_of,
    question,
    text_field,
)
from annotation.projects.stages import of_turns, source, turns
from annotation.projects.values import answers, frame, listed
from schemas.judgements import Rewrite
from schemas.personas import Persona

YES, NO = "yes", "no"
TRAITS = 8
RULES = {
    "breaks the fourth wall": "Says it is an AI, a model or in a chat",
    "speaks for the user": "Speaks or acts for the user",
    "contradicts its description": "Contradicts what the character is",
    "wrong voice": "Does not sound like the character",
    "wrong language": "Is in another language than it should be",
    "forgets what was said": "Forgets or contradicts what was said before",
    "refuses or preaches": "Refuses or preaches without need",
}
SEVERITIES = {"1": "Slightly: few would notice", "2": "Clearly", "3": "Gravely: the illusion is gone"}


def load(directory: Path) -> Source:
    """Turns of a finished curated run."""
    return source(turns(directory), {})


def show(row: Mapping[str, Any], character: Persona | None) -> Json:
    return {**showing.common_fields(row, character), "reply": row["response"]}


def suggest(row: Mapping[str, Any]) -> dict[str, Json]:
    """The reply itself, so that an annotator mends it and does not write it anew."""
    return {"rewrite": {"value": row["response"]}} if row["response"] else {}


def answer(values: Mapping[str, Any], origin: Mapping[str, Any]) -> dict[str, str]:
    """Numbers of traits to the traits; what is in character breaks nothing."""
    given = answers(values, PROJECT.questions)
    if given["in_character"] == YES:
        return {**given, "violations": "[]", "severity": "0"}
    traits = {f"trait {n}": trait for n, trait in enumerate(origin.get("traits") or [], start=1)}
    broken = sorted(traits.get(label, label) for label in listed(given["violations"]))
    return {"severity": "1", **given, "violations": json.dumps(broken, ensure_ascii=False)}


def outputs(rows: list[Json]) -> Outputs:
    """Rewrites; a reply that was left as it is has itself as its rewrite, so that the rate of violations is there."""
    table, empty = [], 0
    for row in rows:
        reply, given = row["fields"]["reply"], row["values"]
        rewrite = given.get("rewrite", reply)
        if not rewrite:
            empty += 1
            continue
        table.append(
            {
                **{name: row[name] for name in ("turn_id", "annotator", "persona_id", "messages")},
                "response": reply,
                "violations": listed(given["violations"]),
                "severity": int(given["severity"]),
                "rewrite": rewrite,
            }
        )
    left_out = {"an empty reply was not rewritten": empty} if empty else {}
    return Outputs({"rewrites.parquet": frame(table, Rewrite).sort("turn_id", "annotator")}, left_out)


PROJECT = Project(
    name="violation",
    votes=2,
    least_votes=1,
    key="in_character",
    fields=(
        text_field("persona", "The character, as the model was told"),
        text_field("traits", "Its traits", required=False),
        chat_field("conversation", "The conversation"),
        text_field("reply", "The reply to judge"),
    ),
    questions=(
        question("in_character", "Is the reply in character?", one_of({YES: "Yes", NO: "No"}), required=True),
        question(
            "violations",
            "If not, what does it break?",
            # Traits first, so that the key of each is its number.
            any_of({**{f"trait {n}": f"Trait {n}" for n in range(1, TRAITS + 1)}, **RULES}),
            required=False,
            description="Traits are numbered as in the list of its traits.",
        ),
        question("severity", "How badly?", one_of(SEVERITIES), required=False),
        question(
            "rewrite",
            "How should it read?",
            free_text(),
            required=False,
            description="Mend the reply where it breaks character; leave it as it is otherwise.",
        ),
        COMMENT,
    ),
    metadata=COMMON_METADATA,
    own=("traits",),
    load=load,
    rows=of_turns,
    show=show,
    suggest=suggest,
    answer=answer,
    outputs=outputs,
)
