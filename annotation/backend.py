"""The protocol behind which an annotation tool stands.

Whatever tool people work in, the cycle only pushes tasks, asks how many votes are missing, and pulls what was said.
Pushing twice is the same as once, so a cycle that was killed may do it again.
"""

from __future__ import annotations

from typing import Protocol

import polars as pl


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

    def missing(self, votes: int) -> int:
        """How many judgements are still wanted until every task has `votes` of them, by different annotators."""
        ...

    def submit(self, answers: list[dict[str, object]]) -> None:
        """Put in judgements: `task_id`, `annotator`, `preference`, `strength`, `reasons`, `seconds`, `timestamp`."""
        ...

    def pull(self) -> pl.DataFrame:
        """All judgements, as `schemas.judgements.Comparison`."""
        ...
