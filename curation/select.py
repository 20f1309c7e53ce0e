"""Choose turns: quotas say how many of each cell, difficulty and variety say which.

Nothing here depends on the order of rows: ties go by the hash of the turn. `choose` works on a frame, `choose_files`
on Parquet of any size, a part of the personas at a time; both choose the same turns.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from curation.quotas import Plan, solve
from schemas.curation_recipe import Quotas
from schemas.problems import Problem
from schemas.turns import hash_fraction

COLUMNS = {
    "turn_id": pl.String,
    "persona_id": pl.String,
    "locale": pl.String,
    "turn_index": pl.Int64,
    "difficulty": pl.Float64,
    "cluster_id": pl.Int64,
}
UNMEASURED = ("difficulty", "cluster_id")
BANDS = ("hard", "other", "unknown")
PART = 1_000_000  # rows that `choose_files` works on at once, unless one persona has more


class Choice(NamedTuple):
    """What was chosen.

    Attributes:
        chosen: `turn_id` of the chosen turns, sorted.
        dropped: `turn_id`, `reason` and `hard` of all others, sorted by `turn_id`.
        plan: How many turns of each cell, what each quota costs, what had to be relaxed.
        hard: For each chosen turn whether it is `hard`, `other` or `unknown`, as `recheck` needs it later: the hard
            third of what is left after people have discarded some is another one.
    """

    chosen: pl.Series
    dropped: pl.DataFrame
    plan: Plan
    hard: pl.Series


def choose(turns: pl.DataFrame, settings: Quotas, seed: int) -> Choice:
    """Choose the turns that count for most among those sets that meet the quotas.

    A turn is hard if it is in the top third of its stratum (persona x locale x first turn or not) by difficulty, among
    those whose difficulty is known; thirds are rounded, and a turn alone in its stratum is not hard. Within a cell the
    clusters take turns, each giving its hardest first; turns of unknown difficulty come last.

    Args:
        turns: `turn_id`, `persona_id`, `locale`, `turn_index`; where they are there, `difficulty` (null where unknown)
            and `cluster_id`; a row for each turn.
        settings: The quotas.
        seed: The recipe's seed.

    Raises:
        Problem: A column is missing or of another type.
    """
    source = _source(turns.lazy(), "turns")
    names = Names.of(source)
    ranked = _ranked(source.select(*names.codes()).collect(), seed)
    plan = solve(names.cells([_count(ranked)]), settings)
    chosen, dropped = _divide(ranked, names.takes(plan))
    chosen = chosen.sort("turn_id")
    return Choice(chosen["turn_id"], dropped.sort("turn_id"), plan, chosen["hard"])


def recheck(kept: pl.DataFrame, settings: Quotas, seed: int) -> Choice:
    """Of what is left after people have discarded some, the largest part in which all quotas hold again.

    Args:
        kept: As for `choose`, and `hard` as `Choice` has it where the settings ask for hard turns.
        settings: The quotas, without their margin: nothing more is discarded after this. Where quotas were relaxed when
            the turns were chosen, give `Plan.relaxed`.
        seed: The recipe's seed.

    Raises:
        Problem: A column is missing, or no part meets all the quotas; with a sentence for each that cannot hold.
    """
    asks = settings.hard_turns.min > 0 or settings.hard_turns.max < 1 or settings.weights.hard_turns != 1
    if asks and "hard" not in kept.columns:
        raise Problem("kept turns: no column hard; expected hard, other or unknown for each, as it was when chosen.")
    source = _source(kept.lazy(), "kept turns")
    names = Names.of(source)
    band = pl.lit(BANDS.index("unknown"), dtype=pl.Int64)
    if asks:
        if odd := set(kept["hard"].cast(pl.String).unique()) - set(BANDS):
            raise Problem(f"kept turns: hard has {len(odd)} other values; expected hard, other or unknown.")
        band = pl.lit(kept["hard"].cast(pl.Enum(BANDS)).to_physical().cast(pl.Int64))
    ranked = _ranked(source.select(*names.codes(), band=band).collect(), seed)
    plan = solve(names.cells([_count(ranked)]), settings.model_copy(update={"expected_discards": 0.0}))
    if plan.relaxations:
        raise Problem(
            f"{kept.height:,} kept turns cannot meet the quotas again: {'; '.join(plan.relaxations)}. "
            "Keep more turns, or set the quotas to what they can be relaxed to."
        )
    chosen, dropped = _divide(ranked, names.takes(plan))
    chosen = chosen.sort("turn_id")
    return Choice(chosen["turn_id"], dropped.sort("turn_id"), plan, chosen["hard"])


def choose_files(
    turns: Path | Sequence[Path], settings: Quotas, seed: int, to: Path, rows: int = PART, costs: bool = True
) -> Plan:
    """Choose as `choose` does, from Parquet to Parquet, with memory that does not grow with the input.

    Args:
        turns: Parquet file, directory of such files, or several files; columns as for `choose`.
        settings: The quotas.
        seed: The recipe's seed.
        to: Directory to make, for `chosen.parquet` (`turn_id`, `hard`) and `dropped.parquet` (`turn_id`, `reason`),
            both in the order of persona, locale, first turn or not, difficulty. Made whole or not at all.
        rows: Rows at once: memory grows with it, or with the persona that has most; results do not change.
        costs: As for `solve`.

    Returns:
        The plan.

    Raises:
        Problem: A file cannot be read, or a column is missing or of another type.
    """
    if to.exists():
        raise Problem(f"{to}: is there already; expected the name of a directory to make.")
    source = _scan(turns)
    names = Names.of(source)
    to.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=to.parent, prefix=f".{to.name}-") as scratch:
        work = Path(scratch)
        nothing = _ranked(source.head(0).select(*names.codes()).collect(), seed)
        parts, counts = [], [_count(nothing)]
        for number, part in enumerate(_split(source, names, work / "parts", rows)):
            ranked = _ranked(pl.read_parquet(part, hive_partitioning=False), seed)
            counts.append(_count(ranked))
            parts.append(work / f"{number:05}.parquet")
            ranked.write_parquet(parts[-1], compression="lz4", statistics=False)
            shutil.rmtree(part)
        plan = solve(names.cells(counts), settings, costs)
        takes = names.takes(plan)
        made = work / "made"
        made.mkdir()
        for number, part in enumerate(parts):
            for name, frame in zip(("chosen", "dropped"), _divide(pl.read_parquet(part), takes), strict=True):
                frame.write_parquet(made / f"{name}-{number:05}.parquet", compression="lz4", statistics=False)
            part.unlink()
        for name, frame in zip(("chosen", "dropped"), _divide(nothing, takes), strict=True):
            pieces = [pl.scan_parquet(path) for path in sorted(made.glob(f"{name}-*"))]
            pl.concat([frame.lazy(), *pieces]).sink_parquet(made / f"{name}.parquet", compression="zstd")
            for path in made.glob(f"{name}-*"):
                path.unlink()
        made.rename(to)
    return plan


class Names(NamedTuple):
    """Personas and locales, sorted; rows hold their numbers.

    Attributes:
        personas: `persona_id`.
        rows: Turns of each persona.
        locales: BCP-47 tags.
    """

    personas: pl.Series
    rows: pl.Series
    locales: pl.Series

    @classmethod
    def of(cls, source: pl.LazyFrame) -> Names:
        """Count them."""
        found = source.group_by("persona_id", "locale").len().collect(engine="streaming")
        people = found.group_by("persona_id").agg(pl.col("len").sum()).sort("persona_id")
        names = cls(people["persona_id"], people["len"], found["locale"].unique().sort())
        for name, series in (("persona_id", names.personas), ("locale", names.locales)):
            if series.null_count():
                raise Problem(f"{name}: null in some turns; expected a value in each. Drop or fill those turns.")
        return names

    def codes(self) -> list[pl.Expr]:
        """What of each turn is needed, with its stratum (persona x locale x first turn or not) as one number."""
        persona = pl.col("persona_id").cast(pl.Enum(self.personas)).to_physical().cast(pl.Int64)
        locale = pl.col("locale").cast(pl.Enum(self.locales)).to_physical().cast(pl.Int64)
        stratum = (persona * len(self.locales) + locale) * 2 + (pl.col("turn_index") == 0)
        return [
            pl.col("turn_id"),
            stratum.alias("stratum"),
            pl.col("difficulty").fill_nan(None),
            pl.col("cluster_id").fill_null(-1),
        ]

    def cells(self, counts: list[pl.DataFrame]) -> pl.DataFrame:
        """The cells as `solve` takes them, sorted."""
        supply = pl.concat(counts)
        stratum, band = supply["cell"].to_numpy() // 3, supply["cell"].to_numpy() % 3
        place = stratum // 2
        return pl.DataFrame(
            {
                "persona_id": self.personas.gather(place // max(len(self.locales), 1)),
                "locale": self.locales.gather(place % max(len(self.locales), 1)),
                "first": stratum % 2 == 1,
                "hard": pl.Series(BANDS).gather(band),
                "supply": supply["supply"],
            }
        )

    def takes(self, plan: Plan) -> pl.DataFrame:
        """How many turns of each cell the plan takes, and why not more; cells as numbers."""
        return plan.cells.select(
            cell=(
                (
                    pl.col("persona_id").cast(pl.Enum(self.personas)).to_physical().cast(pl.Int64) * len(self.locales)
                    + pl.col("locale").cast(pl.Enum(self.locales)).to_physical().cast(pl.Int64)
                )
                * 2
                + pl.col("first")
            )
            * 3
            + pl.col("hard").cast(pl.Enum(BANDS)).to_physical().cast(pl.Int64),
            take="take",
            reason=pl.col("reason").cast(pl.Categorical),
        )


def _source(turns: pl.LazyFrame, where: str) -> pl.LazyFrame:
    """The columns that are needed, checked."""
    schema = turns.collect_schema()
    columns = []
    for name, dtype in COLUMNS.items():
        found = schema.get(name)
        if found is None and name not in UNMEASURED:
            raise Problem(
                f"{where}: no column {name}; expected {', '.join(COLUMNS)}, of which the last two may be missing."
            )
        good = {
            pl.String: found in (pl.String, pl.Categorical, pl.Enum),
            pl.Int64: found is not None and (found.is_integer() or found == pl.Null),
            pl.Float64: found is not None and (found.is_numeric() or found == pl.Null),
        }[dtype]
        if found is not None and not good:
            raise Problem(f"{where}: column {name} is {found}; expected {dtype}.")
        columns.append(pl.lit(None, dtype=dtype).alias(name) if found is None else pl.col(name).cast(dtype))
    return turns.select(*columns)


def _scan(turns: Path | Sequence[Path]) -> pl.LazyFrame:
    paths = [turns] if isinstance(turns, Path) else list(turns)
    files = [file for path in paths for file in (sorted(path.glob("**/*.parquet")) if path.is_dir() else [path])]
    where = ", ".join(str(path) for path in paths[:3])
    if not files:
        raise Problem(f"{where}: no Parquet files here; expected one or more.")
    try:
        return _source(pl.scan_parquet(files), where)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise Problem(f"{where}: cannot be read as Parquet ({type(error).__name__}).") from error


def _split(source: pl.LazyFrame, names: Names, to: Path, rows: int) -> list[Path]:
    """Files of some `rows` turns each, a persona in one alone, in the order of personas."""
    before = names.rows.cum_sum() - names.rows
    width = 2 * len(names.locales)
    first = (
        pl.DataFrame({"part": before // rows}).with_row_index("persona").group_by("part").agg(pl.col("persona").min())
    )
    edges = first.sort("persona")["persona"].cast(pl.Int64) * width
    part = pl.col("stratum").cast(pl.Int64)
    to.mkdir()
    source.select(*names.codes()).with_columns(part=pl.lit(edges).search_sorted(part, side="right")).sink_parquet(
        pl.PartitionBy(to, key="part", include_key=False), mkdir=True, compression="lz4", statistics=False
    )
    return sorted(to.iterdir(), key=lambda part: int(part.name.split("=")[1]))


def _ranked(turns: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Sorted by stratum and difficulty, each turn with its cell and its place in it; see `choose`.

    With `band`, the turns' places in `BANDS` are given; otherwise they come from the difficulty.
    """
    given = ["band"] if "band" in turns.columns else []
    order, down = ["stratum", *given, "difficulty", "fraction"], [False, *(False for _ in given), True, False]
    turns = turns.with_columns(fraction=hash_fraction(seed, "select", turns["turn_id"]))
    turns = turns.sort(order, descending=down, nulls_last=True)
    if turns.select(pl.all_horizontal(pl.col(name).eq_missing(pl.col(name).shift()) for name in order).any()).item():
        turns = turns.sort([*order, "turn_id"], descending=[*down, False], nulls_last=True)  # 53 bits: hardly ever
    stratum = turns["stratum"].to_numpy()
    if given:
        band = turns["band"].to_numpy()
    else:
        known = turns["difficulty"].is_not_null().to_numpy()
        place, group = _places(stratum)
        measured = np.bincount(group, weights=known).astype(np.int64)[group] if len(group) else group
        band = np.where(known, np.where((place + 1) * 3 <= measured + 1, 0, 1), 2)
    cell = stratum * 3 + band
    _, of_cell = _places(cell)
    # Clusters take turns: the n-th of each cluster comes before the n + 1st of any.
    lap = np.empty(len(cell), dtype=np.int64)
    order_ = np.lexsort((turns["cluster_id"].to_numpy(), of_cell))
    lap[order_], _ = _places(of_cell[order_], turns["cluster_id"].to_numpy()[order_])
    order_ = np.lexsort((lap, of_cell))
    place = np.empty(len(cell), dtype=np.int64)
    place[order_], _ = _places(of_cell[order_])
    return turns.select("turn_id", cell=pl.Series(cell, dtype=pl.Int64), place=pl.Series(place, dtype=pl.UInt32))


def _places(*keys: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Of sorted rows, the place within those of equal keys, and the number of that group; both from 0."""
    rows = np.arange(len(keys[0]))
    new = np.zeros(len(rows), dtype=bool)
    new[:1] = True
    for key in keys:
        new[1:] |= key[1:] != key[:-1]
    group = np.cumsum(new) - 1
    return rows - np.flatnonzero(new)[group] if len(rows) else rows, group


def _count(ranked: pl.DataFrame) -> pl.DataFrame:
    return ranked.group_by("cell").agg(supply=pl.len().cast(pl.Int64)).sort("cell")


def _divide(ranked: pl.DataFrame, takes: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The chosen turns with their band, and the others with the reason and theirs."""
    judged = ranked.join(takes, on="cell", how="left", maintain_order="left")
    taken = pl.col("place") < pl.col("take")
    band = pl.lit(pl.Series(BANDS)).gather(pl.col("cell") % 3)
    return (
        judged.filter(taken).select("turn_id", hard=band),
        judged.filter(~taken).select("turn_id", pl.col("reason").cast(pl.String), hard=band),
    )
