"""Turn the flywheel: plan, run, watch, resume.

    python -m training.cycle validate examples/quickstart.yaml     what is wrong with the recipe, a sentence a mistake
    python -m training.cycle plan examples/quickstart.yaml         what each stage will read, write and cost
    python -m training.cycle run examples/quickstart.yaml          begin, or go on; --next begins the next generation
    python -m training.cycle status examples/quickstart.yaml       where it is
    python -m training.cycle resume examples/quickstart.yaml       go on after a stop

Exit codes: 0 done, 2 wrong input or no server (a sentence says what), 3 waiting for people, 130 stopped by Ctrl-C.
"""

from __future__ import annotations

import argparse
import errno
import fcntl
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.markdown import Markdown
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from schemas.curation_recipe import HUB_FORMATS
from schemas.personas import read_personas
from schemas.problems import Problem
from schemas.reading import read_recipe
from schemas.recipe import Recipe
from schemas.stage import Advance, Manifest, read_manifest
from training.generation import Generation, Waiting, current, finished, home
from training.plan import plan_table

console = Console()
errors = Console(stderr=True)


class Step(NamedTuple):
    """A stage of the cycle.

    Attributes:
        name: Its name and directory.
        does: What it does, in a few words.
        run: From a generation to a manifest; returns at once where the stage is done.
    """

    name: str
    does: str
    run: Callable[[Generation, Advance], Manifest]


def steps() -> list[Step]:
    """The stages in order. Imported here, so that `--help`, `plan` and `status` stay fast."""
    from training import annotating, evaluation, gathering, improving, judging

    return [
        Step("curate", "scrub, filter, balance", gathering.curate),
        Step("sample", "two replies a prompt", gathering.sample),
        Step("annotate", "compare the replies", annotating.annotate),
        Step("judge", "train the judge", judging.judge),
        Step("score", "best of k, difficulty", judging.score),
        Step("sft", "learn the best replies", improving.sft),
        Step("dpo", "preference patch", improving.dpo),
        Step("rl", "GRPO against the judge", improving.rl),
        Step("evaluate", "release against parent", evaluation.evaluate),
        Step("experiment", "A/B test", evaluation.experiment),
        Step("release", "verdict", evaluation.release),
    ]


def run(generation: Generation) -> None:
    """Run every stage that is not done, with a progress bar for each."""
    with _alone(generation), _bars() as progress:
        for step in steps():
            task = progress.add_task(f"{step.name}: {step.does}", total=None, note="")

            def advance(done: float, total: float | None = None, note: str = "", task: int = task) -> None:
                progress.update(task, completed=done, total=total, note=note)  # type: ignore[arg-type]

            before = read_manifest(generation.directory / step.name) is not None
            manifest = step.run(generation, advance)
            progress.update(
                task, total=1, completed=1, note="done before" if before else f"done in {manifest.seconds:.0f} s"
            )


def show_report(generation: Generation) -> None:
    """Print the report of a finished generation."""
    report = generation.directory / "release" / "report.md"
    console.print(Markdown(report.read_text(encoding="utf-8")))


def show_status(generation: Generation) -> None:
    """Print where the generation is."""
    table = Table("stage", "state", "rows in", "kept", "seconds")
    waiting = False
    for name in _names():
        manifest = read_manifest(generation.directory / name)
        if manifest:
            rows = manifest.rows
            counts = (str(rows.in_), str(rows.kept)) if rows else ("", "")
            table.add_row(name, "done", *counts, f"{manifest.seconds:.0f}")
        else:
            begun = (generation.directory / name).is_dir() and not waiting
            table.add_row(name, "begun" if begun else "to do", "", "", "")
            waiting = True
    console.print(f"{generation.recipe.name}, generation {generation.number}, parent {generation.parent}")
    console.print(table)


def _names() -> list[str]:
    from training.report import STAGES_BEFORE_RELEASE

    return [*STAGES_BEFORE_RELEASE, "release"]


def check_files(recipe: Recipe, path: Path) -> None:
    """Check that what a recipe names is there.

    Raises:
        Problem: One sentence for each thing that is not.
    """
    sentences = []
    source = Path(recipe.curation.input)
    if not source.exists() and recipe.curation.format not in HUB_FORMATS:
        sentences.append(f"{path}: curation.input: {source} is not there; expected a file or directory of logs.")
    if recipe.curation.personas:
        try:
            read_personas(Path(recipe.curation.personas))
        except Problem as problem:
            sentences += [f"{path}: curation.personas: {sentence}" for sentence in problem.sentences]
    if sentences:
        raise Problem(*sentences)


def _bars() -> Progress:
    return Progress(
        TextColumn("{task.description:36}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
        console=console,
    )


@contextmanager
def _alone(generation: Generation) -> Iterator[None]:
    """Keep a second cycle off the same generation."""
    with (generation.directory / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Problem(f"{generation.directory}: another cycle is running here; wait for it, or stop it.") from None
        yield


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m training.cycle", description="Turn the flywheel.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (
        ("validate", "check a recipe"),
        ("plan", "show what each stage reads, writes and costs"),
        ("run", "run a generation, or go on with it"),
        ("status", "show where a generation is"),
        ("resume", "go on with a generation that was begun"),
    ):
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("recipe", type=Path, help="recipe in YAML")
        if name == "run":
            command.add_argument(
                "--next", action="store_true", help="begin the next generation once the last is finished"
            )
    given = parser.parse_args(arguments)
    try:
        return _do(given)
    except Problem as problem:
        for sentence in problem.sentences:
            errors.print(sentence, style="red", markup=False, soft_wrap=True)
        return 2
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC):
            raise
        errors.print(
            f"{error.filename}: {error.strerror}; the cycle needs to write there.", markup=False, soft_wrap=True
        )
        return 2
    except Waiting as waiting:
        console.print(waiting.sentence, style="yellow", markup=False, soft_wrap=True)
        return 3
    except KeyboardInterrupt:
        errors.print(
            f"Stopped. Go on with: python -m training.cycle resume {given.recipe}", markup=False, soft_wrap=True
        )
        return 130


def _do(given: argparse.Namespace) -> int:
    recipe = read_recipe(given.recipe)
    check_files(recipe, given.recipe)
    if given.command == "validate":
        console.print(f"{given.recipe}: no mistakes found.", markup=False, soft_wrap=True)
        return 0
    if given.command == "plan":
        console.print(plan_table(recipe))
        return 0
    begin = given.command == "run"
    generation = current(recipe, begin=begin, another=begin and given.next)
    if generation is None:
        raise Problem(f"{home(recipe)}: no generation was begun here; use `run` to begin one.")
    if given.command == "status":
        show_status(generation)
        return 0
    if not finished(generation.directory):
        console.print(f"{recipe.name}, generation {generation.number}, parent {generation.parent}", markup=False)
    run(generation)
    show_report(generation)
    return 0


if __name__ == "__main__":
    sys.exit(main())
