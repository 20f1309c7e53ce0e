"""A folder as annotation tool: tasks as JSON lines to read, answers as JSON lines to write.

    tasks.jsonl            one task a line: task_id, messages, response_a, response_b (not which model wrote them)
    answers/NAME.jsonl     one judgement a line:
                           {"task_id": "...", "annotator": "...", "preference": "a", "strength": 2, "reasons": ["in
                           character"]}

`preference` is a, b or tie; `strength` 1 to 3, and 0 for a tie. The last answer of an annotator to a task counts.
"""

from __future__ import annotations

import hashlib
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from annotation.backend import Progress
from schemas.judgements import AnnotationTask, Comparison


class Answer(BaseModel):
    """One line of an answers file."""

    model_config = ConfigDict(extra="forbid")

    task_id: str
    annotator: str = Field(min_length=1)
    preference: Literal["a", "b", "tie"]
    strength: int = Field(1, ge=0, le=3)
    reasons: list[str] = []
    seconds: float = Field(0.0, ge=0)
    timestamp: datetime | None = None

    @model_validator(mode="after")
    def _tie(self) -> Answer:
        if self.preference == "tie":
            self.strength = 0
        elif self.strength == 0:
            raise ValueError("strength 0 is for ties; expected 1 to 3")
        return self


class Folder:
    """An annotation backend on disk; readable by its owner alone.

    Attributes:
        where: The directory.
        problems: A sentence for each answer of the last read that could not be taken.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.where = str(directory)
        self.problems: list[str] = []
        (directory / "answers").mkdir(parents=True, exist_ok=True)
        directory.chmod(0o700)

    def push(self, tasks: pl.DataFrame) -> int:
        before = self.tasks()
        new = AnnotationTask.validate(tasks).join(before, on="task_id", how="anti")
        every = pl.concat([before, new]).sort("task_id")
        draft = self.directory / "tasks.parquet.partial"
        every.write_parquet(draft)
        draft.replace(self.directory / "tasks.parquet")
        shown = every.select("task_id", "messages", "response_a", "response_b")
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in shown.iter_rows(named=True))
        (self.directory / "tasks.jsonl").write_text(lines, encoding="utf-8")
        return new.height

    def tasks(self) -> pl.DataFrame:
        path = self.directory / "tasks.parquet"
        return pl.read_parquet(path) if path.is_file() else AnnotationTask.create_empty()

    def submit(self, answers: list[dict[str, object]]) -> None:
        path = self.directory / "answers" / "submitted.jsonl"
        torn = path.is_file() and not path.read_bytes().endswith(b"\n")  # by a kill; what follows must not be torn too
        with path.open("a", encoding="utf-8") as file:
            file.write("\n" * torn)
            for answer in answers:
                file.write(Answer.model_validate(answer).model_dump_json() + "\n")
            file.flush()
            os.fsync(file.fileno())

    def progress(self, votes: int) -> Progress:
        given = self.pull().group_by("task_id").len()["len"].clip(upper_bound=votes).sum()
        return Progress(int(given), self.tasks().height * votes)

    def pull(self) -> pl.DataFrame:
        tasks = self.tasks()
        known = set(tasks["task_id"])
        answers: dict[tuple[str, str], dict[str, Any]] = {}
        self.problems = []
        for path in sorted((self.directory / "answers").glob("*.jsonl")):
            for number, line in enumerate(path.read_bytes().splitlines(), start=1):
                if not line.strip():
                    continue
                try:
                    answer = Answer.model_validate_json(line)
                except ValidationError as error:
                    first = error.errors(include_input=False, include_url=False)[0]
                    key = ".".join(str(part) for part in first["loc"]) or "line"
                    self.problems.append(f"{path.name}, line {number}: {key}: {first['msg']}; the line is left out.")
                    continue
                if answer.task_id not in known:
                    self.problems.append(f"{path.name}, line {number}: task_id is not one of tasks.jsonl; left out.")
                    continue
                row = answer.model_dump()
                row["timestamp"] = (answer.timestamp or datetime.fromtimestamp(path.stat().st_mtime, UTC)).astimezone(
                    UTC
                )
                answers[answer.task_id, answer.annotator] = row
        if not answers:
            return Comparison.create_empty()
        given = pl.DataFrame(
            list(answers.values()), schema_overrides={"strength": pl.Int8, "reasons": pl.List(pl.String)}
        )
        ids = [
            hashlib.sha256(f"{t}\x1f{a}".encode()).hexdigest()[:32]
            for t, a in given.select("task_id", "annotator").rows()
        ]
        joined = given.with_columns(
            comparison_id=pl.Series(ids), timestamp=pl.col("timestamp").cast(pl.Datetime("us", "UTC"))
        ).join(tasks, on="task_id")
        return Comparison.validate(joined.select(Comparison.column_names()).sort("comparison_id"))
