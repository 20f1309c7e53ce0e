"""Logs to work: every record read and accounted for, repeated ids settled, whole conversations put together, keyed.

What is left under `work/read`:

    done.json       how many records came in and where they went, and sentences about whole files
    turns/BB        raw turns by bucket: a conversation is in one bucket, which its id's hash decides
    dropped/ quarantined/

Rows of an earlier run (`refresh`) come as they were judged then, without their text: its results are in the store.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from curation import readers
from curation.partition import spread, write_private
from curation.store import BUCKETS
from schemas.curation_recipe import Curation, Window
from schemas.personas import Persona
from schemas.problems import Problem
from schemas.stage import Advance, write_json
from schemas.turns import Turn

REPEATED = "repeated turn_id"
TEXT = ("messages", "response", "tool_calls", "user_key")  # columns that are raw until they are scrubbed
META = tuple(name for name in Turn.columns() if name not in TEXT)


class Intake(NamedTuple):
    """What was read.

    Attributes:
        directory: Where it lies.
        rows: `in`, `kept`, `dropped`, `quarantined` of reading.
        problems: Sentences about whole files and unknown personas.
        newest: Time of the newest turn, None without turns.
    """

    directory: Path
    rows: Counter[str]
    problems: list[str]
    newest: datetime | None

    def bucket(self, number: int) -> Path:
        """Raw turns of a bucket; the file is not there where the bucket is empty."""
        return self.directory / "turns" / f"{number:05}.parquet"


def read(
    to: Path,
    input: Path,
    format: str,
    settings: Curation,
    personas: Mapping[str, Persona],
    previous: Path | None,
    advance: Advance,
) -> Intake:
    """Read logs, once: what an attempt that was cut off had read whole is taken up again.

    Args:
        to: Directory for what is read.
        input, format: The logs.
        settings: The recipe's section.
        personas: Characters by id.
        previous: Directory of an earlier run whose turns come along.
        advance: Told how many turns were read.
    """
    if not (to / "done.json").is_file():
        shutil.rmtree(to, ignore_errors=True)
        to.mkdir(mode=0o700)
        counts: Counter[str] = Counter()
        problems: list[str] = []
        newest: list[datetime] = []

        def turns() -> Iterator[pl.DataFrame]:
            if previous is not None:
                for path in sorted((previous / "rows").glob("*.parquet")):
                    with _sound(previous):
                        carried = _carried(pl.read_parquet(path))
                    counts.update({"in": carried.height, "kept": carried.height})
                    newest.extend(carried["timestamp"].drop_nulls().top_k(1))
                    yield carried
            batches = readers.read(
                input,
                format,
                personas=personas,
                locale=settings.locale,
                max_line_bytes=settings.max_line_bytes,
                rows=settings.shard_rows,
            )
            for number, batch in enumerate(batches):
                for name, frame in (("dropped", batch.dropped), ("quarantined", batch.quarantined)):
                    if frame.height:
                        write_private(_made(to / name) / f"{number:05}.parquet", frame)
                counts.update({"in": batch.records, "kept": batch.turns.height, "dropped": batch.dropped.height})
                counts.update({"quarantined": batch.quarantined.height})
                problems.extend(batch.problems)
                newest.extend(batch.turns["timestamp"].drop_nulls().top_k(1))
                advance(counts["in"], None, "reading")
                yield _keyed(batch.turns)

        spread(turns(), to / "turns", "bucket")
        if previous is not None:
            with _sound(previous):
                _carry_over(previous, to, counts)
        told = {"rows": dict(counts), "problems": problems, "newest": max(newest).isoformat() if newest else None}
        write_json(to / "done.json", told)
    told = json.loads((to / "done.json").read_bytes())
    when = told["newest"] and datetime.fromisoformat(told["newest"])
    return Intake(to, Counter(told["rows"]), told["problems"], when)


def _made(path: Path) -> Path:
    path.mkdir(mode=0o700, exist_ok=True)
    return path


def _keyed(turns: pl.DataFrame) -> pl.DataFrame:
    """With `content`, a hash of the whole row, `row_key` (null so far) and `bucket`."""
    message = pl.concat_str(
        pl.element().struct.field("role"), pl.element().struct.field("content"), separator="\x1f", ignore_nulls=True
    )
    others = [
        pl.col(name).cast(pl.String).fill_null("\0") for name in turns.columns if name not in ("messages", "timestamp")
    ]
    packed = turns.select(
        pl.concat_str(
            *others,
            pl.col("timestamp").dt.timestamp("us").cast(pl.String),
            pl.col("messages").list.eval(message).list.join("\x1e"),
            separator="\x1d",
        )
    ).to_series()
    return turns.with_columns(
        pl.Series("content", [hashed(text) for text in packed], dtype=pl.String),
        pl.lit(None, dtype=pl.String).alias("row_key"),
        buckets(turns["conversation_id"]),
    )


@contextmanager
def _sound(previous: Path) -> Iterator[None]:
    """Tell in a sentence that an earlier run's tables are not as they should be."""
    try:
        yield
    except pl.exceptions.PolarsError as error:
        raise Problem(
            f"{previous}: what became of its rows cannot be read ({type(error).__name__}): files are damaged, or "
            "another version of these programs wrote them. Curate all the logs together with `run`."
        ) from None


def _carried(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows of an earlier run in the columns of raw ones, without text."""
    types = Turn.create_empty().schema
    return rows.select(
        *((pl.col(name) if name in META else pl.lit(None)).cast(types[name]).alias(name) for name in types),
        "content",
        "row_key",
        buckets(rows["conversation_id"]),
    )


def buckets(conversations: pl.Series) -> pl.Series:
    """Bucket of each conversation, by the hash of its id."""
    distinct = conversations.unique().to_list()
    numbers = [hashlib.blake2b(name.encode(), digest_size=1).digest()[0] % BUCKETS for name in distinct]
    return conversations.replace_strict(distinct, numbers, return_dtype=pl.Int64).alias("bucket")


def hashed(text: str) -> str:
    """32 hexadecimal digits that stand for a text."""
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _carry_over(previous: Path, to: Path, counts: Counter[str]) -> None:
    """What an earlier run dropped while reading, or quarantined, comes along too."""
    gone = pl.scan_parquet(previous / "dropped" / "*.parquet").filter(pl.col("stage").is_in(["read", "validate"]))
    dropped = gone.collect()
    if dropped.height:
        write_private(_made(to / "dropped") / "previous.parquet", dropped)
    counts.update({"in": dropped.height, "dropped": dropped.height})
    for path in sorted((previous / "quarantine").glob("*.parquet")):
        frame = pl.read_parquet(path)
        write_private(_made(to / "quarantined") / f"previous-{path.name}", frame)
        counts.update({"in": frame.height, "quarantined": frame.height})


def repeated(intake: Intake) -> pl.DataFrame:
    """Rows whose `turn_id` another row has already: all but the one with the smallest hash of its contents.

    Returns:
        `bucket`, `row` (in its file), and `turn_id`: an id of its own for each, the hash of the repeated id and its
        number among them.
    """
    schema = {"bucket": pl.Int64, "row": pl.UInt32, "turn_id": pl.String}
    paths = sorted((intake.directory / "turns").glob("*.parquet"))
    if not paths:
        return pl.DataFrame(schema=schema)
    counted = pl.scan_parquet(paths).group_by("turn_id").len().filter(pl.col("len") > 1)
    twice = counted.collect(engine="streaming")["turn_id"]
    found = [
        pl.scan_parquet(path, row_index_name="row")
        .select("row", "turn_id", "content", bucket=pl.lit(int(path.stem), dtype=pl.Int64))
        .filter(pl.col("turn_id").is_in(twice.implode()))
        .collect()
        for path in (paths if len(twice) else [])
    ]
    if not found:
        return pl.DataFrame(schema=schema)
    surplus = (
        pl.concat(found)
        .sort("turn_id", "content", "bucket", "row")
        .with_columns(number=pl.int_range(pl.len()).over("turn_id"))
        .filter(pl.col("number") > 0)
    )
    own = [hashed(f"{name}\x1f{REPEATED}\x1f{number}") for name, number in surplus.select("turn_id", "number").rows()]
    return surplus.select(pl.col("bucket"), pl.col("row").cast(pl.UInt32), pl.Series("turn_id", own, dtype=pl.String))


def conversations(
    intake: Intake, surplus: pl.DataFrame, window: Window, personas: Mapping[str, Persona]
) -> Iterator[tuple[int, pl.DataFrame]]:
    """Bucket by bucket, the turns that stay, each with its `row_key` and why the window leaves it out.

    Yields:
        Number of the bucket, and its turns with `content`, `row_key` and `outside` (reason, null inside the window).
    """
    names = {
        persona_id: hashed("\x1f".join([persona.name, *sorted(persona.allowed_names)]))
        for persona_id, persona in personas.items()
    }
    for number in range(BUCKETS):
        if not intake.bucket(number).is_file():
            continue
        gone = surplus.filter(pl.col("bucket") == number)["row"]
        turns = pl.read_parquet(intake.bucket(number)).with_row_index("row")
        turns = turns.filter(~pl.col("row").is_in(gone.implode())).drop("row")
        # A key holds all that may change what a row becomes: its conversation, and the personas in it, tell which words
        # are names.
        persona = pl.col("persona_id").replace_strict(names, default="", return_dtype=pl.String)
        parts = pl.concat_str("content", persona)
        whole = turns.filter(pl.col("row_key").is_null()).group_by("conversation_id").agg(parts.sort())
        wholes = whole.select(
            "conversation_id",
            pl.Series("_whole", [hashed("".join(rows)) for rows in whole["content"].to_list()], dtype=pl.String),
        )
        turns = turns.join(wholes, on="conversation_id", how="left", maintain_order="left")
        packed = turns.select(pl.concat_str("content", pl.col("_whole").fill_null(""))).to_series()
        keys = pl.Series("_key", [hashed(text) for text in packed], dtype=pl.String)
        yield (
            number,
            turns.with_columns(row_key=pl.coalesce("row_key", keys), outside=_outside(window, intake.newest)).drop(
                "_whole"
            ),
        )


def _outside(window: Window, newest: datetime | None) -> pl.Expr:
    """Why the near-policy window leaves a turn out; null inside it."""
    reason: Any = pl.lit(None, dtype=pl.String)
    if window.model_versions is not None:
        named = pl.col("model_version").is_in(list(window.model_versions))
        reason = pl.when(~named).then(pl.lit("model version not in the window")).otherwise(reason)
    end = window.as_of or newest
    if window.max_age_days is not None and end is not None:
        old = pl.col("timestamp") < end - timedelta(days=window.max_age_days)
        reason = pl.when(old).then(pl.lit(f"older than {window.max_age_days:g} days")).otherwise(reason)
    return reason


def previous_run(directory: Path) -> Path:
    """A finished run that fresh traffic can be added to.

    Raises:
        Problem: It is none.
    """
    if not (directory / "manifest.json").is_file() or not (directory / "rows").is_dir():
        raise Problem(
            f"{directory}: no finished curation run is there (no manifest.json or no rows/); give the directory of one."
        )
    return directory
