"""`python -m annotation`: the server people annotate in, what goes in and what comes out."""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from annotation.commands import COMMANDS
from schemas.problems import Problem

FAULT = 70  # as sysexits.h has it
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
        with _ended_as_by_ctrl_c():
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
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else type(error).__name__
        place = error.filename or "A file"
        print(f"{place}: {why}. Mend that, and run the same command again.", file=sys.stderr)
        return 2
    except Exception as error:
        print(_fault(error), file=sys.stderr)
        return FAULT


@contextmanager
def _ended_as_by_ctrl_c() -> Iterator[None]:
    """SIGTERM, as schedulers send it, ends a command as Ctrl-C does."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _fault(error: Exception) -> str:
    """Where an error of ours comes from, without its text: libraries put values into theirs, and so messages."""
    import traceback

    house = Path(__file__).parent.parent
    ours = tuple(str(house / package) for package in ("annotation", "schemas"))
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(ours)]
    last = frames[-1] if frames else None
    place = f"{Path(last.filename).relative_to(house)}, line {last.lineno} ({last.name})" if last else "a library"
    return (
        f"{type(error).__name__} in {place}: a mistake of these programs, not of yours; please report this sentence. "
        "The error's own text is left out, since it may hold messages."
    )


if __name__ == "__main__":
    sys.exit(main())
