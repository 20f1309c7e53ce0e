"""What commands share: how they end, how they tell what is nobody's input, where what can be made again is kept."""

from __future__ import annotations

import errno
import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FAULT = 70  # exit code of a mistake of ours, as sysexits.h has it
HOUSE = Path(__file__).parent.parent
PACKAGES = ("schemas", "curation", "rewards", "annotation", "training", "apps")


@contextmanager
def ended_as_by_ctrl_c() -> Iterator[None]:
    """SIGTERM, as schedulers send it, ends a command as Ctrl-C does."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def of_the_machine(error: Exception, out: Path | None = None) -> str | None:
    """What the machine does not allow, in a sentence; None where it is not at fault.

    Args:
        error: Any error.
        out: What is written to, where the error names no file.
    """
    code = re.search(r"\(os error (\d+)\)", str(error))  # as Polars tells it
    if not isinstance(error, OSError | MemoryError) and not code:
        return None
    number = int(code[1]) if code else getattr(error, "errno", None)
    why = os.strerror(number) if number else type(error).__name__
    todo = "Give a path that you may read and write"
    if isinstance(error, MemoryError) or number in (errno.ENOMEM, errno.ENOSPC, errno.EDQUOT):
        todo = "Make room"
    place = getattr(error, "filename", None) or out or "A file"
    return f"{place}: {why}. {todo}, and run the same command again."


def fault(error: Exception) -> str:
    """Where an error of ours comes from, without its text: libraries put values into theirs, and so messages."""
    import traceback

    ours = tuple(f"{HOUSE / package}{os.sep}" for package in PACKAGES)
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(ours)]
    last = frames[-1] if frames else None
    place = f"{Path(last.filename).relative_to(HOUSE)}, line {last.lineno} ({last.name})" if last else "a library"
    return (
        f"{type(error).__name__} in {place}: a mistake of these programs, not of yours; please report this sentence. "
        "The error's own text is left out, since it may hold messages."
    )


def cache_dir() -> Path:
    """Where what can be made again is kept: `$XDG_CACHE_HOME/character-flywheel`, by default under `~/.cache`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "character-flywheel"
