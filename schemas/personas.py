"""Persona: a character, its voice, and the names that belong to it."""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from schemas.problems import Problem
from schemas.turns import LOCALE_PATTERN


class Persona(BaseModel):
    """A character.

    Attributes:
        persona_id: Stable identifier, used in turns and quotas.
        name: What it is called.
        locale: BCP-47 tag of the language it speaks.
        description: One sentence for people.
        system_prompt: What the model is told.
        traits: Traits that annotators check replies against.
        allowed_names: Names that are the persona's own and its world's, never personal data.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    persona_id: str = Field(min_length=1)
    name: str = Field(min_length=1)
    locale: str = Field(pattern=LOCALE_PATTERN)
    description: str = ""
    system_prompt: str = Field(min_length=1)
    traits: tuple[str, ...] = ()
    allowed_names: tuple[str, ...] = ()


def read_personas(path: Path) -> dict[str, Persona]:
    """Read a YAML list of personas.

    Args:
        path: File that holds a list, or a mapping with the one key `personas`.

    Returns:
        Personas by `persona_id`.

    Raises:
        Problem: One sentence for each persona that is not as it should be.
    """
    try:
        loaded = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    except FileNotFoundError:
        raise Problem(f"{path}: no such file; expected a YAML list of personas.") from None
    except UnicodeDecodeError as error:
        raise Problem(f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8.") from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise Problem(f"{path}, line {line}: not valid YAML ({error.problem}).") from None
    rows = loaded.get("personas") if isinstance(loaded, dict) else loaded
    if not isinstance(rows, list) or not rows:
        raise Problem(f"{path}: expected a list of personas, each with persona_id, name, locale and system_prompt.")
    personas: dict[str, Persona] = {}
    sentences = []
    for number, row in enumerate(rows, start=1):
        try:
            persona = Persona.model_validate(row)
        except ValidationError as error:
            for mistake in error.errors(include_input=False, include_url=False):
                key = ".".join(str(part) for part in mistake["loc"]) or "persona"
                sentences.append(f"{path}, persona {number}: {key}: {mistake['msg']}.")
            continue
        if persona.persona_id in personas:
            sentences.append(f"{path}, persona {number}: persona_id {persona.persona_id!r} is taken; ids are unique.")
        personas[persona.persona_id] = persona
    if sentences:
        raise Problem(*sentences)
    return personas
