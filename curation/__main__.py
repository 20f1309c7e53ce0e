"""`python -m curation`: raw logs to curated turns (`run`, `refresh`)."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curation import privacy_eval, steps
from schemas.command_line import FAULT, ended_as_by_ctrl_c, fault, of_the_machine
from schemas.problems import Problem, nearest

if TYPE_CHECKING:
    from schemas.stage import Manifest


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: Words after `python -m curation`; None takes those of the process.

    Returns:
        0, or 2 for wrong input or a machine without room, 70 for a mistake of ours, 130 after Ctrl-C or SIGTERM.
    """
    parser = argparse.ArgumentParser("python -m curation", description="Raw logs to scrubbed, safe, varied turns.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="command")
    run = commands.add_parser("run", help="curate the logs of a recipe")
    refresh = commands.add_parser(
        "refresh", help="add fresh logs to an earlier run; what was worked on then is not worked on again"
    )
    for command in (run, refresh):
        command.add_argument("recipe", type=Path, metavar="RECIPE", help="YAML file, such as examples/quickstart.yaml")
        command.add_argument("--input", type=Path, metavar="PATH", help="logs, in place of the recipe's")
        command.add_argument("--format", metavar="NAME", help="what the logs look like, in place of the recipe's")
        command.add_argument(
            "--out", type=Path, metavar="DIR", help="where results go (default: curation/ in the run_dir)"
        )
        command.add_argument("--workers", type=int, metavar="N", help="processes, in place of the recipe's")
        command.set_defaults(previous=None)
    refresh.add_argument(
        "--from", dest="previous", type=Path, metavar="DIR", required=True, help="the earlier run, finished"
    )
    told = "measure on marked texts how much personal data stays readable"
    privacy_eval.add_arguments(commands.add_parser("privacy-eval", help=told))
    steps.add_commands(commands)
    given = parser.parse_args(arguments)
    try:
        if given.command in steps.COMMANDS:
            return steps.call(given)
        if given.command == "privacy-eval":
            return privacy_eval.run(given)
        with ended_as_by_ctrl_c():
            _run(given)
    except Problem as problem:
        print(*problem.sentences, sep="\n", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Stopped. Finished shards are kept: run the same command again to go on from there.", file=sys.stderr)
        return 130
    except Exception as error:
        sentence = of_the_machine(error, vars(given).get("out"))
        kept = " What is finished is kept." if given.command in ("run", "refresh") else ""
        print((sentence or fault(error)) + kept, file=sys.stderr)
        return 2 if sentence else FAULT
    return 0


def _run(given: argparse.Namespace) -> None:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    from curation.readers.formats import FORMATS
    from schemas.curation_recipe import HUB_FORMATS
    from schemas.personas import read_personas
    from schemas.reading import read_recipe

    recipe = read_recipe(given.recipe)
    settings = recipe.curation
    format = given.format or settings.format
    if format not in FORMATS:
        close = nearest(format, FORMATS)
        known = f"did you mean {close}?" if close else f"known are {', '.join(FORMATS)}."
        raise Problem(f"--format {format}: no such format; {known}")
    input = given.input or Path(settings.input)
    if not input.exists() and format not in HUB_FORMATS:
        raise Problem(
            f"{input}: no such file or directory; give logs with --input, or curation.input in {given.recipe}."
        )
    if given.workers is not None:
        if given.workers < 1:
            raise Problem(f"--workers {given.workers}: expected a whole number from 1 on.")
        recipe = recipe.model_copy(update={"curation": settings.model_copy(update={"workers": given.workers})})
    personas = read_personas(Path(settings.personas)) if settings.personas else {}
    out = given.out or Path(recipe.run_dir) / "curation"

    from curation import pipeline

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("curate", total=None, rate="")
        shown = [""]

        def advance(done: float, total: float | None = None, note: str = "") -> None:
            if note != shown[0]:  # each step has a speed of its own
                shown[0] = note
                progress.reset(task, total=total, completed=int(done))
            speed = progress.tasks[0].speed
            rate = f"{speed:,.0f} turns/s" if speed else ""
            progress.update(task, completed=done, total=total, description=note or None, rate=rate)

        manifest = pipeline.run(
            recipe, input=input, format=format, out=out, personas=personas, advance=advance, previous=given.previous
        )
    _show(manifest, out)


def _show(manifest: Manifest, out: Path) -> None:
    """Print where rows went, step by step and overall, and how far the choice is from the best possible.

    Reads `report.json`: `stages`, a list of `{stage, in, kept, dropped, quarantined}`; `quotas`, with `bound` and `gap`
    in turns and `relaxations` in sentences; `problems`, sentences about the input.
    """
    from rich.console import Console
    from rich.table import Table

    report: dict[str, Any] = json.loads((out / "report.json").read_bytes())
    rows = list(report.get("stages", []))
    if manifest.rows is not None:
        rows.append({"stage": "overall", **manifest.rows.model_dump(by_alias=True)})
    table = Table("stage", title=str(out))
    for place in ("in", "kept", "dropped", "quarantined"):
        table.add_column(place, justify="right")
    for row in rows:
        table.add_row(str(row["stage"]), *(f"{row.get(column.header, 0):,}" for column in table.columns[1:]))
    console = Console()
    console.print(table)
    quotas = report.get("quotas") or {}
    if quotas.get("gap") is not None:
        bound = int(quotas["bound"])
        console.print(f"Quota gap: {quotas['gap']:,} of {bound:,} turns that the quotas could allow at most.")
    for sentence in (*quotas.get("relaxations", []), *report.get("problems", [])):
        console.print(sentence, markup=False)
    console.print(f"What became of the rows, to look at: {out / 'report.html'}", markup=False, soft_wrap=True)


if __name__ == "__main__":
    sys.exit(main())
