"""Choosing turns at scale: from Parquet to chosen ids, with time and memory gated and every share counted again.

Synthetic traffic (personas by Zipf's law, a home locale for nine in ten turns, difficulty known for four in five) is
written to Parquet first; that is not counted. `choose_files` then runs in a process of its own, so that its peak memory
is its own. The answer is checked without the code under test: which ids were chosen, each share of them, and that each
turn is either chosen or dropped for a reason.

    python -m benchmarks.choosing [--turns 10000000] [--seconds 60] [--gib 4]
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import polars as pl

from schemas.curation_recipe import Band, Quotas

PERSONAS = 20_000
LOCALES = [f"{first}{second}-{first.upper()}{second.upper()}" for first in "ab" for second in "abcdefghij"]
QUOTAS = Quotas(
    locales={LOCALES[0]: Band(min=0.05), LOCALES[1]: Band(min=0.1), **{name: Band(max=0.04) for name in LOCALES[2:6]}},
    first_turns=Band(min=0.25, max=0.3),
    hard_turns=Band(min=0.35),
)
STEP = 1_000_000


def traffic(to: Path, turns: int, seed: int) -> None:
    """Parquet files of a million turns each."""
    random = np.random.default_rng(seed)
    weight = 1 / np.arange(1, PERSONAS + 1) ** 0.9
    names = pl.Series([f"persona-{number:05}" for number in range(PERSONAS)])
    for number, at in enumerate(range(0, turns, STEP)):
        rows = min(STEP, turns - at)
        ids = pl.Series([value.tobytes() for value in random.integers(0, 256, (rows, 16), dtype=np.uint8)])
        persona = random.choice(PERSONAS, rows, p=weight / weight.sum())
        home = random.random(rows) < 0.9
        locale = np.where(home, persona * 7 % len(LOCALES), random.integers(0, len(LOCALES), rows))
        pl.DataFrame(
            {
                "turn_id": ids.bin.encode("hex"),
                "persona_id": names.gather(persona),
                "locale": pl.Series(LOCALES).gather(locale),
                "turn_index": pl.Series(random.geometric(0.2, rows) - 1, dtype=pl.Int32),
                "difficulty": random.gamma(2, 0.3, rows),
                "cluster_id": pl.Series(random.integers(0, 3_000, rows), dtype=pl.Int32),
            }
        ).with_columns(
            difficulty=pl.when(pl.lit(pl.Series(random.random(rows) < 0.8))).then("difficulty")
        ).write_parquet(to / f"{number:03}.parquet")


def counted(source: Path, made: Path) -> list[str]:
    """What is wrong with the answer."""
    chosen = pl.read_parquet(made / "chosen.parquet").with_columns(turn=pl.col("turn_id").str.decode("hex"))
    dropped = pl.read_parquet(made / "dropped.parquet")
    total, wrong = chosen.height, []
    rows = pl.scan_parquet(source).select(pl.len()).collect().item()
    if total + dropped.height != rows or dropped["reason"].null_count():
        wrong.append(f"{rows:,} turns came in, {total:,} were chosen, {dropped.height:,} dropped with a reason")
    del dropped
    kept = pl.scan_parquet(source).join(chosen.lazy().select("turn_id", "hard"), on="turn_id", how="inner")
    kept = kept.select("persona_id", "locale", "hard", first=pl.col("turn_index") == 0).collect(engine="streaming")
    if kept.height != total:
        wrong.append(f"{total:,} ids were chosen, {kept.height:,} of them are in the input")
    counts = {f"locale {name}": (band, kept.filter(locale=name).height) for name, band in QUOTAS.locales.items()}
    counts["first turns"] = (QUOTAS.first_turns, int(kept["first"].sum()))
    counts["hard turns"] = (QUOTAS.hard_turns, kept.filter(hard="hard").height)
    most = kept.group_by("persona_id").len()["len"].max()
    counts["persona"] = (Band(max=QUOTAS.max_persona_share), int(most) if isinstance(most, int) else 0)
    for name, (band, count) in counts.items():
        print(f"  {name}: {count / max(total, 1):.4%} of {total:,}, {band.min:.0%} to {band.max:.0%}")
        if not Fraction(str(band.min)) * total <= count <= Fraction(str(band.max)) * total:
            wrong.append(f"{name} is broken: {count:,} of {total:,}")
    return wrong


def measure(turns: int, seed: int = 20, most_seconds: float = 60, most_gib: float = 4) -> int:
    """Make traffic, choose from it, count again; 1 if a gate does not hold."""
    with tempfile.TemporaryDirectory() as scratch:
        source, made = Path(scratch) / "traffic", Path(scratch) / "chosen"
        source.mkdir()
        traffic(source, turns, seed)
        command = [sys.executable, "-m", "benchmarks.choosing", "--seed", str(seed), "--choose"]
        begun = time.perf_counter()
        run = subprocess.run([*command, str(source), str(made)], stdout=subprocess.PIPE, text=True, check=True)
        seconds = time.perf_counter() - begun
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        gib, cpu = used.ru_maxrss / 2**20, used.ru_utime + used.ru_stime
        plan = json.loads(run.stdout)
        print(f"{turns:,} turns, {PERSONAS:,} personas, {len(LOCALES)} locales: {plan['total']:,} chosen")
        print(f"  {seconds:.1f} s ({cpu:.1f} s of processors), peak {gib:.2f} GiB, gap {plan['gap']}")
        failed = counted(source, made)
    failed += [f"relaxed: {sentence}" for sentence in plan["relaxed"]]
    failed += [f"gap of {plan['gap']} turns"] if plan["gap"] else []
    failed += [f"{seconds:.1f} s, expected at most {most_seconds:g}"] if seconds > most_seconds else []
    failed += [f"{gib:.2f} GiB, expected at most {most_gib:g}"] if gib > most_gib else []
    print(*failed, sep="\n", file=sys.stderr)
    return 1 if failed else 0


def main() -> int:
    """Print the figures; 1 if a gate does not hold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=10_000_000, help="turns of traffic")
    parser.add_argument("--seed", type=int, default=20, help="seed of the traffic and of the choice")
    parser.add_argument("--seconds", type=float, default=60, help="most time it may take")
    parser.add_argument("--gib", type=float, default=4, help="most memory it may take")
    parser.add_argument("--choose", nargs=2, type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.choose:
        from curation.select import choose_files

        plan = choose_files(options.choose[0], QUOTAS, options.seed, options.choose[1])
        print(json.dumps({"total": plan.total, "gap": plan.gap, "relaxed": plan.relaxations}))
        return 0
    return measure(options.turns, options.seed, options.seconds, options.gib)


if __name__ == "__main__":
    sys.exit(main())
