"""The protocol behind which an annotation tool stands.

Whatever tool people work in, the cycle only pushes tasks, asks how many votes are in, and pulls what was said.
Pushing twice is the same as once, so a cycle that was killed may do it again.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import polars as pl


class Progress(NamedTuple):
    """How far people are.

    Attributes:
        given: Judgements that are in; where a tool only counts, those beyond what a task needs are among them.
        wanted: Judgements until every task that was pushed has all of its own.
    """

    given: int
    wanted: int


class Backend(Protocol):
    """An annotation tool.

    Attributes:
        where: What to tell people: a path, an address.
        problems: A sentence for each thing that went wrong with single tasks or answers.
    """

    where: str
    problems: list[str]

    def push(self, tasks: pl.DataFrame) -> int:
        """Offer tasks (`schemas.judgements.AnnotationTask`); those already there stay as they are.

        Returns:
            How many are new.
        """
        ...

    def tasks(self) -> pl.DataFrame:
        """All tasks that were pushed."""
        ...

    def progress(self, votes: int) -> Progress:
        """How far people are with `votes` judgements of every task, by different annotators. Asking costs little."""
        ...

    def submit(self, answers: list[dict[str, object]]) -> None:
        """Put in judgements: `task_id`, `annotator`, `preference`, `strength`, `reasons`, `seconds`, `timestamp`."""
        ...

    def pull(self) -> pl.DataFrame:
        """All judgements, as `schemas.judgements.Comparison`."""
        ...
