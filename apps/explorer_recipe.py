"""Save quotas as a recipe: the run's own settings with other quotas, and where they came from."""

from __future__ import annotations

import re
import shlex
from datetime import datetime
from pathlib import Path

import yaml
from pydantic import ValidationError

from apps.explorer_run import Run
from schemas.curation_recipe import HUB_FORMATS, Quotas
from schemas.problems import Problem
from schemas.recipe import Recipe

FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\.ya?ml")


def recipe_text(run: Run, quotas: Quotas, when: datetime) -> str:
    """The recipe as YAML.

    Settings at their defaults are left out. Paths are absolute, so that the file works wherever it is put.

    Args:
        run: The run whose other settings stay.
        quotas: The new quotas.
        when: Goes into the comment at the top.

    Raises:
        Problem: No recipe may ask for these quotas.
    """
    section = run.report.recipe.model_copy(update={"quotas": quotas})
    curation = section.model_dump(mode="json", exclude_defaults=True)
    shares = {"max_persona_share": quotas.max_persona_share, **curation.get("quotas", {})}
    written = {
        "name": run.report.name,
        "seed": run.report.seed,
        "run_dir": str(run.directory.resolve().parent),
        "curation": {"input": section.input, **curation, "quotas": shares},
    }
    try:
        Recipe.model_validate(written)
    except ValidationError as error:
        raise Problem(
            f"These quotas cannot be a recipe: {error.errors()[0]['msg'].removeprefix('Value error, ')}."
        ) from None
    body = yaml.safe_dump(written, sort_keys=False, allow_unicode=True, width=110)
    return (
        f"# Quotas chosen in the quota explorer on {when:%Y-%m-%d %H:%M} UTC.\n"
        f"# From the run in {_line(run.directory.resolve())}\n"
        "# Only curation.quotas differs from that run; what is not named here has its default.\n" + body
    )


def save_recipe(folder: Path, name: str, text: str, *, replace: bool) -> Path:
    """Write a recipe; a file that is there stays unless it may be replaced.

    Args:
        folder: Where.
        name: File name.
        text: The recipe.
        replace: Whether it may take the place of a file of that name.

    Returns:
        Its path.

    Raises:
        Problem: The name is not that of a recipe, the file is there, or it cannot be written.
    """
    if not FILE_NAME.fullmatch(name):
        raise Problem(
            f"{name!r} is not a name for a recipe; expected letters, digits, dots, dashes or underscores, "
            "ending in .yaml."
        )
    path = folder / name
    try:
        if replace:
            draft = path.with_name(name + ".partial")
            draft.write_text(text, encoding="utf-8")
            draft.replace(path)
        else:
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
    except FileExistsError:
        raise Problem(f"{path}: is there already, and was left as it is; give another name, or tick Replace.") from None
    except OSError as error:
        raise Problem(f"{path}: cannot be written ({error.strerror}); download the recipe instead.") from None
    return path


def run_command(run: Run, path: Path) -> str:
    """What to type to curate again with a saved recipe; `LOGS` stands where the run does not say where its logs lie."""
    out = run.directory.resolve().parent / f"curated-{path.stem}"
    logs = "" if knows_logs(run) else " --input LOGS"
    return f"python -m curation run {shlex.quote(str(path))}{logs} --out {shlex.quote(str(out))}"


def knows_logs(run: Run) -> bool:
    """Whether the run says where its logs lie, wherever a recipe is put."""
    return Path(run.report.recipe.input).is_absolute() or run.report.recipe.format in HUB_FORMATS


def _line(path: Path) -> str:
    return re.sub(r"[^\x20-\x7e\u00a0-\ud7ff]", "?", str(path))
