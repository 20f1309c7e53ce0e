"""The steps that look at all rows at once: `duplicates`, `cluster`, `quotas`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import polars as pl
import pyarrow as pa

from curation.readers.records import Misfit
from curation.steps.rows import TEXTS, Row, checked_text, frame, row_id, texts
from schemas.recipe import Recipe

Vectors = np.ndarray[Any, np.dtype[np.float32]]


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
    """Ids, texts and vectors of rows, for what looks at all of them at once."""

    def __init__(self, recipe: Recipe) -> None:
        from curation import embed

        self._ids, self._locale = _Ids(), recipe.curation.locale
        self._embed = embed.load(recipe.curation.embedding, recipe.precision)
        self._said: list[pl.DataFrame] = []
        self._user, self._reply = [self._embed([])], [self._embed([])]

    def check(self, row: Row) -> None:
        texts(row)
        self._ids.check(row)

    def gather(self, rows: Sequence[Row]) -> None:
        from curation import embed

        self._ids.gather(rows)
        user, reply = embed.said(frame(rows, self._locale))
        both = self._embed([*user, *reply])  # a text stands on both sides, and is embedded once
        self._user.append(both[: len(rows)])
        self._reply.append(both[len(rows) :])
        self._said.append(pl.DataFrame([_told(row) for row in rows], schema=_TOLD, orient="row"))
        self._said[-1] = self._said[-1].with_columns(pl.Series("user", user), pl.Series("reply", reply))

    @property
    def ids(self) -> list[str]:
        """Ids in the order in which they came."""
        return self._ids.all

    def sorted(self) -> tuple[pl.DataFrame, Vectors, Vectors]:
        """Rows in order of their ids, and both vectors of each: what is found does not depend on the order of rows."""
        empty = pl.DataFrame(schema={**_TOLD, "user": pl.String, "reply": pl.String})
        rows = pl.concat([empty, *self._said]).with_columns(pl.Series("turn_id", self.ids, dtype=pl.String))
        order = rows["turn_id"].arg_sort()
        places = order.to_numpy()
        return rows[order], np.concatenate(self._user)[places], np.concatenate(self._reply)[places]


# What tells which of several turns survives; see `duplicates.rank`.
_TOLD = {
    "is_text": pl.Boolean,
    "conversation_id": pl.String,
    "thumb": pl.Int64,
    "continued": pl.Boolean,
    "history": pl.Int64,
    "tool_calls": pl.String,
}


def _told(row: Row) -> tuple[Any, ...]:
    conversation, thumb, continued = row.get("conversation_id"), row.get("thumb"), row.get("continued")
    return (
        row.get("text") is not None,
        row_id(row) if conversation is None else str(conversation),
        thumb if _is_whole(thumb) else None,
        continued if isinstance(continued, bool) else None,
        len(row.get("messages") or ()),
        None if row.get("tool_calls") is None else "called",
    )


class Duplicates:
    """`group`, the id of the row that survives of those that say the same, and `survives`, whether it is this one.

    Texts are compared with texts, and turns with turns.
    """

    reads = (*TEXTS, "conversation_id", "thumb", "continued", "tool_calls")
    adds: ClassVar = {"group": pa.string(), "survives": pa.bool_()}
    changes = ()

    def __init__(self, recipe: Recipe) -> None:
        self._rows, self._recipe = _Embedded(recipe), recipe
        self.check, self.gather = self._rows.check, self._rows.gather

    def answers(self) -> list[Row]:
        from curation import duplicates

        settings, seed = self._recipe.curation.near_duplicates, self._recipe.seed
        rows, user, reply = self._rows.sorted()
        is_text = rows["is_text"].to_numpy()
        texts, turns = rows.filter("is_text"), rows.filter(~pl.col("is_text"))
        found = pl.concat(
            [
                duplicates.find_texts(texts["turn_id"], texts["user"], user[is_text], settings, seed),
                duplicates.find(turns, user[~is_text], reply[~is_text], settings, seed),
            ]
        )
        groups = dict(found.select("turn_id", "duplicate_of").iter_rows())
        return [{"group": groups.get(id, id), "survives": id not in groups} for id in self._rows.ids]


class Cluster:
    """`cluster_id`, from 0."""

    reads = TEXTS
    adds: ClassVar = {"cluster_id": pa.int32()}
    changes = ()

    def __init__(self, recipe: Recipe) -> None:
        self._rows, self._recipe = _Embedded(recipe), recipe
        self.check, self.gather = self._rows.check, self._rows.gather

    def answers(self) -> list[Row]:
        from curation import clusters, embed

        rows, user, reply = self._rows.sorted()
        vectors = embed.turn_vectors(user, reply)
        count = self._recipe.curation.clusters.count
        found = clusters.assign(vectors, clusters.fit(vectors, count, self._recipe.seed))
        by_id = dict(zip(rows["turn_id"], found.tolist(), strict=True))
        return [{"cluster_id": by_id[id]} for id in self._rows.ids]


class Quotas:
    """`chosen`, and `reason`: what keeps the row out, null where it was chosen.

    Attributes:
        plan: What the quotas came to, once there are answers.
    """

    reads = ("id", "turn_id", "persona_id", "locale", "turn_index", "difficulty", "cluster_id")
    adds: ClassVar = {"chosen": pa.bool_(), "reason": pa.string()}
    changes = ()

    def __init__(self, recipe: Recipe) -> None:
        self._recipe, self._ids = recipe, _Ids()
        self._rows: list[tuple[Any, ...]] = []
        self.plan: Any = None

    def check(self, row: Row) -> None:
        for key in ("persona_id", "locale"):
            if not isinstance(row.get(key), str) or not row[key]:
                raise Misfit(f"no {key}; quotas are by persona, locale and turn.")
            checked_text(row[key], key)
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
