"""Quotas side by side: capping each persona by its share of the input, and the programme.

Both get the same synthetic traffic (personas by Zipf's law) and the same quotas, in one run. Counts and speed are gated
together: the run fails if the programme breaks a share, leaves a gap to its bound, keeps fewer turns than the naive cap
does where that happens to hold the shares, or is slow.

    python -m benchmarks.quotas [--rows 10000 100000 1000000]

With `--turns` the whole way is measured instead, from Parquet to chosen ids; `benchmarks.choosing` has more settings.

    python -m benchmarks.quotas --turns 10000000
"""

from __future__ import annotations

import argparse
import sys
import time
from fractions import Fraction

import numpy as np
import polars as pl

from benchmarks import choosing
from curation.quotas import CELL, solve
from schemas.curation_recipe import Band, Quotas

BANDS = Quotas(
    locales={"en-US": Band(max=0.5), "pt-BR": Band(min=0.3)},
    first_turns=Band(min=0.3, max=0.5),
    hard_turns=Band(min=0.4),
)
SECONDS = {10_000: 2.0, 100_000: 5.0, 1_000_000: 30.0}  # generous: shared machines


def traffic(rows: int, seed: int = 20) -> pl.DataFrame:
    """Cells of `rows` turns of personas whose popularity falls as 1 / rank, one locale for most of each one's turns."""
    random = np.random.default_rng(seed)
    personas = max(100, rows // 50)
    weight = 1 / np.arange(1, personas + 1)
    persona = random.choice(personas, rows, p=weight / weight.sum())
    home = np.where(random.random(rows) < 0.9, persona * 7, persona * 7 + 1) % 4
    return (
        pl.DataFrame(
            {
                "persona_id": persona,
                "locale": np.array(["en-US", "pt-BR", "de-DE", "ja-JP"])[home],
                "first": random.random(rows) < 0.2,
                "hard": np.where(random.random(rows) < 1 / 3, "hard", "other"),
            }
        )
        .with_columns(pl.format("p{}", "persona_id").alias("persona_id"))
        .group_by(CELL)
        .agg(supply=pl.len().cast(pl.Int64))
        .sort(CELL)
    )


def naive(cells: pl.DataFrame, share: float) -> pl.Series:
    """Every persona cut to its share of the input, its cells in proportion."""
    most = int(share * int(cells["supply"].sum()))
    whole = pl.col("supply").sum().over("persona_id")
    return cells.select(take=(pl.col("supply") * pl.min_horizontal(whole, most)) // whole)["take"]


def broken(cells: pl.DataFrame, take: pl.Series, quotas: Quotas) -> list[str]:
    """Shares that do not hold, counted without the code under test."""
    cells, total = cells.with_columns(take=take), int(take.sum())
    kept = {f"locale {name}": (band, cells.filter(locale=name)["take"].sum()) for name, band in quotas.locales.items()}
    kept["first turns"] = (quotas.first_turns, cells.filter("first")["take"].sum())
    kept["hard turns"] = (quotas.hard_turns, cells.filter(hard="hard")["take"].sum())
    kept["persona"] = (Band(max=quotas.max_persona_share), largest(cells, take))
    return [
        name
        for name, (band, count) in kept.items()
        if not Fraction(str(band.min)) * total <= count <= Fraction(str(band.max)) * total
    ]


def largest(cells: pl.DataFrame, take: pl.Series) -> int:
    """Turns of the persona that has most."""
    counts = cells.with_columns(take=take).group_by("persona_id").agg(pl.col("take").sum())
    return int(counts.select(pl.col("take").max().fill_null(0)).item())


def main() -> int:
    """Print the table; 1 if a gate does not hold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=list(SECONDS), help="rows of traffic")
    parser.add_argument("--turns", type=int, help="measure `choose_files` on this many turns instead")
    options = parser.parse_args()
    if options.turns:
        return choosing.measure(options.turns)
    failed = []
    print(
        f"{'rows':>9} {'cells':>8} {'quotas':8} {'how':10} {'kept':>8} {'gap':>4} {'largest':>8} {'seconds':>8}  broken"
    )
    for rows in options.rows:
        cells = traffic(rows)
        for name, quotas in (
            ("persona", Quotas()),
            ("all", BANDS),
            ("total", BANDS.model_copy(update={"total": rows // 50})),
        ):
            begun = time.perf_counter()
            cut = naive(cells, quotas.max_persona_share)
            between = time.perf_counter()
            plan = solve(cells, quotas)
            done = time.perf_counter()
            take = plan.cells["take"]
            for how, chosen, gap, seconds in (
                ("naive", cut, "", between - begun),
                ("programme", take, str(plan.gap), done - between),
            ):
                share = largest(cells, chosen) / max(int(chosen.sum()), 1)
                print(
                    f"{rows:>9,} {cells.height:>8,} {name:8} {how:10} {chosen.sum():>8,} {gap:>4} {share:>8.3%} "
                    f"{seconds:>8.2f}  {', '.join(broken(cells, chosen, quotas))}",
                    flush=True,
                )
            where = f"{rows:,} rows, {name}"
            failed += [f"{where}: broken: {quota}" for quota in broken(cells, take, quotas)]
            failed += [f"{where}: relaxed: {sentence}" for sentence in plan.relaxations]
            failed += [f"{where}: gap of {plan.gap} turns"] if plan.gap else []
            if not broken(cells, cut, quotas) and cut.sum() > plan.total and not quotas.total:
                failed.append(f"{where}: the naive cap keeps more")
            if done - between > SECONDS.get(rows, np.inf):
                failed.append(f"{where}: {done - between:.1f} s, expected at most {SECONDS[rows]}")
    print(*failed, sep="\n", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
