"""A bar for long work, on standard error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from schemas.stage import Advance


@contextmanager
def bar(name: str) -> Iterator[Advance]:
    """Show how far work is, and how fast; what it is given are counts and notes of ours, never messages."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(name, total=None, rate="")

        def advance(done: float, total: float | None = None, note: str = "") -> None:
            speed = progress.tasks[0].speed
            rate = f"{speed:,.0f} records/s" if speed else ""
            progress.update(task, completed=done, total=total, description=f"{name}: {note}", rate=rate)

        yield advance
