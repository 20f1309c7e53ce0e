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
        self._locale = recipe.curation.locale
        self._vectors = [self._embed([])]

    def check(self, row: Row) -> None:
        texts(row)
        self.ids.check(row)

    def gather(self, rows: Sequence[Row]) -> None:
        self.ids.gather(rows)
        self._vectors.append(self._vectors_of(rows))

    def _vectors_of(self, rows: Sequence[Row]) -> np.ndarray[Any, np.dtype[np.float32]]:
        from curation import embed

        user, reply = embed.said(frame(rows, self._locale))
        both = self._embed([*user, *reply])
        return embed.turn_vectors(both[: len(rows)], both[len(rows) :])

    def sorted(self) -> tuple[pl.Series, np.ndarray[Any, np.dtype[np.float32]]]:
        """Ids in order, and their vectors: what is found does not depend on the order of rows."""
        ids = pl.Series("turn_id", self.ids.all, dtype=pl.String)
        order = ids.arg_sort()
        return ids.gather(order), np.concatenate(self._vectors)[order.to_numpy()]


class Duplicates:
    """`group`, the id of the row that survives of those that say the same, and `survives`, whether it is this one."""

    reads = TEXTS
    adds: ClassVar = {"group": pa.string(), "survives": pa.bool_()}
    changes = ()

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
    changes = ()

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
