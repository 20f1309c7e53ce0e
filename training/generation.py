"""One turn of the flywheel on disk: where its stages are, which recipe it follows, which model is its parent.

RUN_DIR/NAME/ledger.sqlite                 every verdict so far
RUN_DIR/NAME/pseudonyms.key                keys the placeholders of personal data
RUN_DIR/NAME/generation-001/generation.json   number and parent, fixed when it was begun
RUN_DIR/NAME/generation-001/curate/...     one directory a stage
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from schemas.problems import Problem
from schemas.recipe import Recipe
from schemas.stage import Stage, open_stage, read_manifest, write_json
from training import ledger


class Waiting(Exception):
    """The loop stops here until people have done their part.

    Attributes:
        sentence: What it waits for and how to go on.
    """

    def __init__(self, sentence: str) -> None:
        self.sentence = sentence
        super().__init__(sentence)


class Generation(NamedTuple):
    """A generation that was begun.

    Attributes:
        recipe: The recipe.
        number: From 1.
        parent: Model it starts from and is compared with.
        directory: Where its stages are.
    """

    recipe: Recipe
    number: int
    parent: str
    directory: Path

    @property
    def ledger(self) -> Path:
        return self.directory.parent / "ledger.sqlite"

    @contextmanager
    def stage(self, name: str, *, settings: dict[str, Any], reads: Sequence[str]) -> Iterator[Stage]:
        """Open a stage that reads earlier ones.

        Args:
            name: Name of the stage.
            settings: What of the recipe it depends on.
            reads: Names of the stages it reads.
        """
        inputs: dict[str, Path | str] = {earlier: self.directory / earlier for earlier in reads}
        inputs["parent"] = self.parent
        with open_stage(self.directory / name, name, settings=settings, inputs=inputs, seed=self.recipe.seed) as stage:
            yield stage


def home(recipe: Recipe) -> Path:
    """Directory of a product line; made for its owner alone, since it holds people's messages."""
    return Path(recipe.run_dir) / recipe.name


def generations(directory: Path) -> list[Path]:
    """Generations that were begun, in order."""
    return sorted(path for path in directory.glob("generation-[0-9][0-9][0-9]") if (path / "generation.json").is_file())


def finished(directory: Path) -> bool:
    """Whether a generation has its verdict."""
    return read_manifest(directory / "release") is not None


def current(recipe: Recipe, *, begin: bool = False, another: bool = False) -> Generation | None:
    """The newest generation of a product line.

    Args:
        recipe: The recipe.
        begin: Begin the first where there is none.
        another: Begin the next where the newest is finished.

    Returns:
        It, or None where there is none and none is begun.

    Raises:
        Problem: `another` while the newest is not finished.
    """
    directory = home(recipe)
    begun = generations(directory)
    if another and begun and not finished(begun[-1]):
        raise Problem(f"{begun[-1]}: this generation has no verdict yet; resume it before beginning another.")
    if not begun and not begin:
        return None
    if not begun or another:
        number = len(begun) + 1
        released = [r for r in ledger.releases(directory / "ledger.sqlite", recipe.name) if r.decision == "release"]
        parent = released[-1].model if released else recipe.policy.model
        target = directory / f"generation-{number:03d}"
        target.mkdir(parents=True, exist_ok=True)
        directory.chmod(0o700)
        write_json(target / "generation.json", {"number": number, "parent": parent, "recipe": recipe.name})
        begun.append(target)
    try:
        fixed = json.loads((begun[-1] / "generation.json").read_text(encoding="utf-8"))
        return Generation(recipe, int(fixed["number"]), str(fixed["parent"]), begun[-1])
    except (ValueError, KeyError):
        raise Problem(f"{begun[-1] / 'generation.json'}: not readable as ours; move the generation away.") from None
