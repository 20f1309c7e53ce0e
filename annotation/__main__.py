"""`python -m annotation`: the server people annotate in, what goes in and what comes out."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from annotation.commands import COMMANDS
from schemas.command_line import FAULT, ended_as_by_ctrl_c, fault, of_the_machine
from schemas.problems import Problem

BROKEN_PIPE = 141  # what reads the output has gone, as `head` does


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: Words after `python -m annotation`; None takes those of the process.

    Returns:
        0, or 2 for wrong input or a machine without room, 70 for a mistake of ours, 130 after Ctrl-C or SIGTERM.
    """
    words = sys.argv[1:] if arguments is None else list(arguments)
    parser = argparse.ArgumentParser("python -m annotation", description="People's judgements, in Argilla.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="command")
    for name, what in COMMANDS.items():
        command = commands.add_parser(name, help=what, description=f"{what[0].upper()}{what[1:]}.")
        if words[:1] == [name]:  # the others' modules are not needed
            command.add_argument(
                "--home",
                type=Path,
                metavar="DIR",
                help="the server's home (default: FLYWHEEL_ANNOTATION_HOME, or a place among the user's data)",
            )
            importlib.import_module(f"annotation.commands.{name}").add_arguments(command)
    given = parser.parse_args(words)
    try:
        with ended_as_by_ctrl_c():
            status = importlib.import_module(f"annotation.commands.{given.command}").run(given) or 0
            sys.stdout.flush()
            return status
    except Problem as problem:
        print(*problem.sentences, sep="\n", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Stopped. The same command again goes on from there.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing is flushed into it at the end
        return BROKEN_PIPE
    except Exception as error:
        sentence = of_the_machine(error)
        print(sentence or fault(error), file=sys.stderr)
        return 2 if sentence else FAULT


if __name__ == "__main__":
    sys.exit(main())
