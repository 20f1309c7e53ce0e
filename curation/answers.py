"""The answers of curation's steps to rows that are worked on alone: texts by their id, or turns.

A row is either a text (`id`, `text`) or a turn (`turn_id`, `messages`, `response`; see `schemas.turns.Turn`), of which
the user's last message and the reply count. What a step adds to it are the columns that it names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Protocol

import numpy as np
import polars as pl
import pyarrow as pa

from curation.readers.records import Misfit
from schemas.problems import Problem
from schemas.recipe import Recipe

Row = Mapping[str, Any]
TEXTS = ("id", "turn_id", "text", "messages", "response")


class RowStep(Protocol):
    """A step that answers each row by itself.

    Attributes:
        reads: Keys that it looks at.
        adds: Columns that it adds or replaces.
    """

    reads: ClassVar[Sequence[str]]
    adds: ClassVar[Mapping[str, pa.DataType]]

    def check(self, row: Row) -> None:
        """Raise `Misfit` where the row is not what the step reads."""
        ...

    def __call__(self, rows: Sequence[Row]) -> Sequence[Row]:
        """What is added to each row."""
        ...


class WholeStep(Protocol):
    """A step that answers when it has seen all rows; see `RowStep`."""

    reads: ClassVar[Sequence[str]]
    adds: ClassVar[Mapping[str, pa.DataType]]

    def check(self, row: Row) -> None: ...

    def gather(self, rows: Sequence[Row]) -> None:
        """Take in rows that have been checked."""
        ...

    def answers(self) -> Sequence[Row]:
        """What is added to each row, in the order in which they were gathered."""
        ...


def row_id(row: Row) -> str:
    """The id of a row: `id`, or `turn_id`."""
    found = row.get("id") if row.get("id") is not None else row.get("turn_id")
    if isinstance(found, bool) or not isinstance(found, str | int) or found == "":
        raise Misfit("no id; expected a text or a whole number under `id`, or `turn_id`.")
    return str(found)


def texts(row: Row) -> list[tuple[str, str]]:
    """What was said in a row, each with where it stands: `text`, or `user` and `response`."""
    if row.get("text") is not None:
        return [("text", _text(row["text"], "text"))]
    messages = row.get("messages")
    if messages is None or row.get("response") is None:
        raise Misfit("no text; expected `text`, or a turn's `messages` and `response`.")
    if not isinstance(messages, list) or not messages:
        raise Misfit("`messages` is not a list of messages with role and content.")
    for message in messages:
        if not isinstance(message, Mapping) or not isinstance(message.get("role"), str):
            raise Misfit("a message without a role; expected {role, content}.")
        _text(message.get("content"), "content of a message")
    if messages[-1]["role"] != "user":
        raise Misfit("the last of `messages` is not the user's; the reply belongs into `response`.")
    return [("user", messages[-1]["content"]), ("response", _text(row["response"], "response"))]


def _text(value: Any, key: str) -> str:
    if not isinstance(value, str):
        raise Misfit(f"the {key} is not a text.")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Misfit(f"the {key} holds half a character (a lone surrogate), which no text file can.") from None
    return value


SCORES = pa.list_(pa.struct([("label", pa.string()), ("score", pa.float64())]))


class Safety:
    """`safety`, the scores by label, and `decision`: `keep`, `review` (a grey band, for people) or `drop`."""

    reads = TEXTS
    adds: ClassVar = {"safety": SCORES, "decision": pa.string()}

    def __init__(self, recipe: Recipe) -> None:
        from curation import safety

        self._settings = recipe.curation.safety
        self._scorer = safety.load_scorer(self._settings)
        self._decimals = safety.DECIMALS

    def check(self, row: Row) -> None:
        texts(row)

    def __call__(self, rows: Sequence[Row]) -> list[Row]:
        said, owner = _flat(rows)
        highest = {}
        for label, scores in self._scorer.score(said).items():
            best = np.zeros(len(rows))
            np.maximum.at(best, owner, scores)
            highest[label] = np.round(best, self._decimals)
        worst = np.max([*highest.values()], axis=0)
        bounds = np.array([self._settings.review_above, self._settings.drop_above])
        decisions = np.array(["keep", "review", "drop"])[np.searchsorted(bounds, worst, side="left")]
        return [
            {
                "safety": [{"label": label, "score": float(scores[row])} for label, scores in highest.items()],
                "decision": str(decisions[row]),
            }
            for row in range(len(rows))
        ]


class Language:
    """`language`, an ISO 639 code or `und`, and `language_confidence`, 0 to 1."""

    reads = TEXTS
    adds: ClassVar = {"language": pa.string(), "language_confidence": pa.float64()}

    def __init__(self, recipe: Recipe) -> None:
        self._least = recipe.curation.language.min_confidence

    def check(self, row: Row) -> None:
        texts(row)

    def __call__(self, rows: Sequence[Row]) -> list[Row]:
        from curation.language import UNDETERMINED, detect

        found = detect(["\n".join(text for _, text in texts(row)) for row in rows])
        return [
            {
                "language": code if confidence >= self._least else UNDETERMINED,
                "language_confidence": round(confidence, 4),
            }
            for code, confidence in found
        ]


def _flat(rows: Sequence[Row]) -> tuple[list[str], np.ndarray[Any, np.dtype[np.int64]]]:
    """All texts of rows, and which row each is of."""
    pairs = [(text, number) for number, row in enumerate(rows) for _, text in texts(row)]
    return [text for text, _ in pairs], np.array([number for _, number in pairs], dtype=np.int64)


class _Ids:
    """Ids of rows; one that comes again is a misfit."""

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self.all: list[str] = []

    def check(self, row: Row) -> None:
        found = row_id(row)
        if found in self._seen:
            raise Misfit("its id was there before; every row needs its own.")
        self._seen.add(found)

    def gather(self, rows: Sequence[Row]) -> None:
        self.all += [row_id(row) for row in rows]


class _Embedded:
    """Ids and vectors of rows, for what looks at all of them at once."""

    def __init__(self, recipe: Recipe) -> None:
        from curation import embed

        self.ids, self.seed = _Ids(), recipe.seed
        self._embed = embed.load(recipe.curation.embedding, recipe.precision)
        self._vectors = [self._embed([])]

    def check(self, row: Row) -> None:
        texts(row)
        self.ids.check(row)

    def gather(self, rows: Sequence[Row]) -> None:
        self.ids.gather(rows)
        self._vectors.append(self._embed(["\n".join(text for _, text in texts(row)) for row in rows]))

    def sorted(self) -> tuple[pl.Series, np.ndarray[Any, np.dtype[np.float32]]]:
        """Ids in order, and their vectors: what is found does not depend on the order of rows."""
        ids = pl.Series("turn_id", self.ids.all, dtype=pl.String)
        order = ids.arg_sort()
        return ids.gather(order), np.concatenate(self._vectors)[order.to_numpy()]


class Duplicates:
    """`group`, the id of the row that survives of those that say the same, and `survives`, whether it is this one."""

    reads = TEXTS
    adds: ClassVar = {"group": pa.string(), "survives": pa.bool_()}

    def __init__(self, recipe: Recipe) -> None:
        self._rows, self._recipe = _Embedded(recipe), recipe
        self.check, self.gather = self._rows.check, self._rows.gather

    def answers(self) -> list[Row]:
        from curation import clusters, near_duplicates

        settings, seed = self._recipe.curation, self._recipe.seed
        ids, vectors = self._rows.sorted()
        near = clusters.assign(vectors, clusters.fit(vectors, settings.clusters.count, seed))
        found = near_duplicates.find(ids, vectors, near, settings.near_duplicates.similarity, seed)
        groups = dict(found.select("turn_id", "duplicate_of").iter_rows())
        return [{"group": groups.get(id, id), "survives": id not in groups} for id in self._rows.ids.all]


class Cluster:
    """`cluster_id`, from 0."""

    reads = TEXTS
    adds: ClassVar = {"cluster_id": pa.int32()}

    def __init__(self, recipe: Recipe) -> None:
        self._rows, self._recipe = _Embedded(recipe), recipe
        self.check, self.gather = self._rows.check, self._rows.gather

    def answers(self) -> list[Row]:
        from curation import clusters

        ids, vectors = self._rows.sorted()
        count = self._recipe.curation.clusters.count
        found = clusters.assign(vectors, clusters.fit(vectors, count, self._recipe.seed))
        by_id = dict(zip(ids, found.tolist(), strict=True))
        return [{"cluster_id": by_id[id]} for id in self._rows.ids.all]


class Quotas:
    """`chosen`, and `reason`: what keeps the row out, null where it was chosen.

    Attributes:
        plan: What the quotas came to, once there are answers.
    """

    reads = ("id", "turn_id", "persona_id", "locale", "turn_index", "difficulty", "cluster_id")
    adds: ClassVar = {"chosen": pa.bool_(), "reason": pa.string()}

    def __init__(self, recipe: Recipe) -> None:
        self._recipe, self._ids = recipe, _Ids()
        self._rows: list[tuple[Any, ...]] = []
        self.plan: Any = None

    def check(self, row: Row) -> None:
        for key in ("persona_id", "locale"):
            if not isinstance(row.get(key), str) or not row[key]:
                raise Misfit(f"no {key}; quotas are by persona, locale and turn.")
            _text(row[key], key)
        if not _is_whole(row.get("turn_index")) or row["turn_index"] < 0:
            raise Misfit("no turn_index; expected a whole number, 0 for a first turn.")
        difficulty = row.get("difficulty")
        if difficulty is not None and (isinstance(difficulty, bool) or not isinstance(difficulty, int | float)):
            raise Misfit("the difficulty is not a number.")
        if row.get("cluster_id") is not None and not _is_whole(row["cluster_id"]):
            raise Misfit("the cluster_id is not a whole number.")
        self._ids.check(row)

    def gather(self, rows: Sequence[Row]) -> None:
        self._ids.gather(rows)
        self._rows += [tuple(row.get(key) for key in self.reads[2:]) for row in rows]

    def answers(self) -> list[Row]:
        from curation import select

        schema = {
            "persona_id": pl.String,
            "locale": pl.String,
            "turn_index": pl.Int64,
            "difficulty": pl.Float64,
            "cluster_id": pl.Int64,
        }
        turns = pl.DataFrame(self._rows, schema=schema, orient="row").with_columns(
            pl.col("cluster_id").fill_null(-1), turn_id=pl.Series(self._ids.all, dtype=pl.String)
        )
        choice = select.choose(turns, self._recipe.curation.quotas, self._recipe.seed)
        self.plan = choice.plan
        reasons = dict(choice.dropped.select("turn_id", "reason").iter_rows())
        return [{"chosen": id not in reasons, "reason": reasons.get(id)} for id in self._ids.all]


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**31


def isolated(step: RowStep, rows: Sequence[Row]) -> Iterator[Row | str]:
    """Answers to rows; for one that the step fails on, a sentence without message text.

    Raises:
        Problem: The machine or the recipe is at fault, not a row.
    """
    try:
        yield from step(rows)
    except (Problem, MemoryError, OSError):
        raise
    except Exception as error:
        if len(rows) <= 1:
            yield f"the step failed on it with {type(error).__name__}."
            return
        half = len(rows) // 2
        yield from isolated(step, rows[:half])
        yield from isolated(step, rows[half:])
