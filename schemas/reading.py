"""Read a recipe, or say what is wrong with it: one sentence a mistake, with key path and line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from schemas.curation_recipe import HUB_FORMATS, LANGUAGE_PATTERN, SHA256_PATTERN
from schemas.problems import Problem, nearest
from schemas.recipe import Recipe
from schemas.turns import LOCALE_PATTERN

Key = tuple[str, ...]


def read_recipe(path: Path) -> Recipe:
    """Read and check a recipe.

    Args:
        path: YAML file.

    Returns:
        The recipe, with paths made absolute.

    Raises:
        Problem: One sentence for each mistake, in the order of the file.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise Problem(f"{path}: no such file; expected a recipe in YAML, such as examples/quickstart.yaml.") from None
    except IsADirectoryError:
        raise Problem(f"{path}: is a directory; expected a recipe in YAML.") from None
    except UnicodeDecodeError as error:
        raise Problem(f"{path}: byte {error.start} is not UTF-8; save the recipe as UTF-8.") from None
    try:
        root = yaml.compose(text, Loader=yaml.CSafeLoader)
        loaded = yaml.load(text, Loader=yaml.CSafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise Problem(f"{path}, line {line}: not valid YAML: {error.problem}.") from None
    except (yaml.YAMLError, ValueError) as error:
        raise Problem(f"{path}: not valid YAML: {type(error).__name__}.") from None
    if not isinstance(root, yaml.MappingNode) or not isinstance(loaded, dict):
        raise Problem(
            f"{path}: expected a mapping of sections (name, seed, policy, curation, ...), found something else."
        )

    lines = dict(_lines(root))
    mistakes = [
        (line, f"{path}, line {line}: {'.'.join(key)}: the key stands twice; remove one.")
        for key, line in _repeated(root)
    ]
    try:
        recipe = Recipe.model_validate(loaded)
    except ValidationError as error:
        errors = error.errors(include_url=False)
        inside = {found["loc"][:-1] for found in errors}
        for found in errors:
            key = tuple(str(part) for part in found["loc"])
            if found["type"] == "too_short" and found["loc"] in inside:
                continue  # its items are wrong, which is told
            line = _line(key, lines)
            mistakes.append((line, f"{path}, line {line}: {_sentence(key, found)}"))
    if mistakes:
        raise Problem(*[sentence for _, sentence in sorted(mistakes)])
    return _absolute(recipe, path.parent)


def _absolute(recipe: Recipe, start: Path) -> Recipe:
    """The recipe with its paths from the recipe's directory made absolute, so that nobody else has to know it."""

    def place(written: str | None) -> str | None:
        return None if written is None else str((start / written).resolve())

    def found(model: str) -> str:
        """A model's folder where there is one, else its name as it stands."""
        return str((start / model).resolve()) if (start / model).is_dir() else model

    curation = recipe.curation
    named = curation.format in HUB_FORMATS and not (start / curation.input).exists()
    changed = curation.model_copy(
        update={
            "input": curation.input if named else place(curation.input),
            "personas": place(curation.personas),
            "store": place(curation.store),
            "difficulty": place(curation.difficulty),
            "scrub": curation.scrub.model_copy(
                update={
                    "key_file": place(curation.scrub.key_file),
                    "model": found(curation.scrub.model),
                    "recognisers": tuple(str((start / path).resolve()) for path in curation.scrub.recognisers),
                }
            ),
            "embedding": curation.embedding.model_copy(update={"model": found(curation.embedding.model)}),
            "safety": curation.safety.model_copy(
                update={key: place(getattr(curation.safety, key)) for key in ("checkpoint", "folder")}
            ),
        }
    )
    policy = recipe.policy.model_copy(update={"model": found(recipe.policy.model)})
    return recipe.model_copy(update={"run_dir": place(recipe.run_dir), "curation": changed, "policy": policy})


def _lines(node: yaml.Node, key: Key = ()) -> Iterator[tuple[Key, int]]:
    """Line of each key, from 1."""
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            inner = (*key, str(name.value))
            yield inner, name.start_mark.line + 1
            yield from _lines(value, inner)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield (*key, str(index)), value.start_mark.line + 1


def _repeated(node: yaml.Node, key: Key = ()) -> Iterator[tuple[Key, int]]:
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for name, value in node.value:
            inner = (*key, str(name.value))
            if inner in seen:
                yield inner, name.start_mark.line + 1
            seen.add(inner)
            yield from _repeated(value, inner)


def _line(key: Key, lines: dict[Key, int]) -> int:
    """Line of the key, or of the nearest section around it that is written down."""
    while key and key not in lines:
        key = key[:-1]
    return lines.get(key, 1)


def known_keys(section: Key) -> list[str]:
    """Keys that a section of the recipe may have."""
    model: Any = Recipe
    for part in section:
        if get_origin(model) is dict:  # keys of a dictionary are the recipe's own
            model = get_args(model)[1]
            continue
        field = model.model_fields.get(part) if isinstance(model, type) and issubclass(model, BaseModel) else None
        if field is None:
            return []
        model = field.annotation
    return list(model.model_fields) if isinstance(model, type) and issubclass(model, BaseModel) else []


def _all_keys(model: type[BaseModel] = Recipe, at: Key = ()) -> Iterator[Key]:
    for name, field in model.model_fields.items():
        yield (*at, name)
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _all_keys(field.annotation, (*at, name))


_FORMS = {
    LOCALE_PATTERN: "a BCP-47 locale such as pt-BR",
    LANGUAGE_PATTERN: "an ISO 639 code such as en",
    SHA256_PATTERN: "64 hexadecimal digits",
}


def _sentence(key: Key, found: Any) -> str:
    path = ".".join(key) or "recipe"
    kind, context = found["type"], found.get("ctx", {})
    if kind == "extra_forbidden":
        close = nearest(key[-1], known_keys(key[:-1]))
        if close:
            return f"{path}: unknown key; did you mean {'.'.join((*key[:-1], close))}?"
        elsewhere = next((known for known in _all_keys() if known[-1] == key[-1]), None)
        if elsewhere:
            return f"{path}: unknown key here; did you mean {'.'.join(elsewhere)}?"
        known = ", ".join(known_keys(key[:-1]))
        return f"{path}: unknown key; known here: {known}."
    if kind == "missing":
        return f"{path}: missing; every recipe needs it."
    given = found["input"]
    shown = (
        f"{given!r}" if isinstance(given, str | int | float | bool) and len(repr(given)) <= 60 else type(given).__name__
    )
    if kind == "literal_error":
        close = nearest(str(given), [word.strip("'") for word in context["expected"].replace(" or ", ", ").split(", ")])
        return f"{path}: {shown} is not one of {context['expected']}" + (f"; did you mean {close!r}?" if close else ".")
    if kind == "value_error":
        return f"{path}: {context['error']}."
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        return f"{path}: expected a section with keys ({', '.join(known_keys(key)) or 'any'}), found {shown}."
    if kind == "too_short":
        return f"{path}: expected at least one; leave the key out for all."
    if kind == "tuple_type":
        return f"{path}: expected a list such as [a, b], found {shown}."
    if kind == "string_pattern_mismatch" and context["pattern"] in _FORMS:
        return f"{path}: expected {_FORMS[context['pattern']]}, found {shown}."
    wanted = found["msg"].removeprefix("Input should be ").removeprefix("Input should ")
    return f"{path}: expected {wanted}, found {shown}."
