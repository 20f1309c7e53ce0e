"""The trust report at scale: a million answers by two hundred annotators, beside the libraries for it.

Invented annotators of known accuracy, one of whom always takes the reply shown first, answer records of a pairwise
project; that is not counted. `annotation.report.measure` and the page then run in a process of their own, so that their
peak memory is their own. Gates: every record and answer is counted, accuracies on gold are inside their intervals as
often as they should be, the one with a side is found and nearly nobody else, and time and memory stay below bounds. In
the same run, on parts of the same answers: crowd-kit's Dawid-Skene, and evalica's alpha with its bootstrap.

    pip install -c constraints.txt '.[bench]'
    python -m benchmarks.agreement [--answers 1000000] [--seconds 30] [--gib 4]
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import polars as pl

ANNOTATORS, VOTES = 200, 3
LOCALES = ["de-DE", "en-GB", "ja-JP", "pt-BR"]
VALUES = ["a", "b", "tie"]
TENTH = 30_000  # records for crowd-kit, so that it ends in a minute
PART = 5_000  # records for evalica, which wants a matrix of annotators by records


def accuracies(seed: int) -> np.ndarray:
    """Probability of the right answer, by annotator."""
    return np.random.default_rng(seed).uniform(0.55, 0.95, ANNOTATORS)


def invent(answers: int, seed: int) -> pl.DataFrame:
    """`schemas.judgements.Answer` on one question."""
    random = np.random.default_rng(seed + 1)
    records = answers // VOTES
    n = records * VOTES
    record = np.repeat(np.arange(records), VOTES)
    who = (random.integers(0, ANNOTATORS, records)[:, None] + np.array([0, 17, 91])).ravel() % ANNOTATORS
    true = random.choice(3, records, p=[0.4, 0.4, 0.2])
    wrong = (true[record] + random.integers(1, 3, n)) % 3
    said = np.where(random.random(n) < accuracies(seed)[who], true[record], wrong)
    first = random.integers(0, 2, records)[record]
    said = np.where(who == 0, first, said)
    gold = random.random(records) < 0.02
    ids = pl.Series([value.tobytes() for value in random.integers(0, 256, (records, 16), dtype=np.uint8)])
    ids = ids.bin.encode("hex").gather(record)
    names = pl.Series([f"annotator-{number:03}" for number in range(ANNOTATORS)])
    values = pl.Series(VALUES)
    table = pl.DataFrame(
        {
            "record_id": ids,
            "turn_id": ids,
            "locale": pl.Series(LOCALES).gather(record % len(LOCALES)),
            "value": values.gather(said),
            "annotator": names.gather(who),
            "seconds": random.gamma(3, 10, n),
            "timestamp": pl.Series(random.integers(0, 10**12, n) + 1_780_000_000_000_000).cast(
                pl.Datetime("us", "UTC")
            ),
            "gold": values.gather(true).gather(record),
            "first_shown": values.gather(first),
        }
    )
    fixed = {"project": "pairwise", "question": "preference", "persona_id": "mira"}
    known = pl.when(pl.lit(pl.Series(gold[record]))).then("gold")
    return table.with_columns(known, **{name: pl.lit(value) for name, value in fixed.items()})


def report(pulled: Path) -> None:
    """What the process of its own does."""
    from annotation.report import measure
    from annotation.report_page import page

    begun = time.perf_counter()
    found = measure(pulled)
    seconds = time.perf_counter() - begun
    html = page(found, "benchmark")
    found.annotators.write_parquet(pulled / "annotators.parquet")
    overview = found.overview.row(0, named=True)
    alpha = found.agreement.filter(locale="all").row(0, named=True)
    told = {"seconds": seconds, "page": len(html), **overview, "alpha": alpha["alpha"], "low": alpha["low"]}
    print(json.dumps({**told, "consensus": found.consensus.height, "high": alpha["high"]}))


def wrong(told: dict[str, float], answers: pl.DataFrame, people: pl.DataFrame, seed: int) -> list[str]:
    """What the report does not tell as it is."""
    failed = []
    counts = {"answers": answers.height, "records": answers["record_id"].n_unique(), "annotators": ANNOTATORS}
    counts["consensus"] = counts["records"]
    counts["gold"] = answers.filter(pl.col("gold").is_not_null())["record_id"].n_unique()
    failed += [
        f"{name}: {told[name]:,} told, {count:,} there are" for name, count in counts.items() if told[name] != count
    ]
    if people["records"].sum() != answers.height:
        failed.append(f"{people['records'].sum():,} answers by annotator")
    honest = people.sort("annotator")[1:]
    right = pl.Series(accuracies(seed)[1:])
    covered = ((honest["gold_low"] < right) & (right < honest["gold_high"])).mean()
    print(f"  accuracy on gold: inside its 95 % interval for {covered:.1%} of annotators")
    if not 0.9 <= covered <= 0.99:  # type: ignore[operator]
        failed.append(f"accuracy on gold is inside its interval for {covered:.1%}")
    sided = pl.col("notes").list.contains("is drawn to the reply shown first")
    noted = people.filter(sided)["annotator"].to_list()
    others = people.filter(~pl.col("notes").list.set_difference(["is often wrong on gold questions"]).list.len().eq(0))
    print(f"  drawn to the first: {noted}; {others.height} of {ANNOTATORS} have a note beside that on gold")
    if noted != ["annotator-000"]:
        failed.append(f"drawn to the first: {noted}")
    return failed


def libraries(answers: pl.DataFrame) -> list[str]:
    """The same by crowd-kit and evalica: times, and what differs."""
    from annotation.alpha import alpha
    from annotation.consensus import dawid_skene

    failed = []
    ids = answers["record_id"].unique().sort()
    some = answers.filter(pl.col("record_id").is_in(ids[:TENTH].implode()))
    unknown = some.with_columns(gold=pl.lit(None, dtype=pl.String))
    begun = time.perf_counter()
    ours = dawid_skene(unknown, right=0, wrong=0)
    seconds = time.perf_counter() - begun
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # crowd-kit uses what pandas will take away
        from crowdkit.aggregation.classification.dawid_skene import DawidSkene

        frame = some.select(task="record_id", worker="annotator", label="value").to_pandas()
        begun = time.perf_counter()
        theirs = DawidSkene(n_iter=ours.rounds, tol=0).fit_predict_proba(frame)
        theirs_seconds = time.perf_counter() - begun
    apart = np.abs(theirs.loc[ours.records.to_list(), ours.values.to_list()].to_numpy() - ours.posterior).max()
    print(f"  Dawid-Skene of {some.height:,} answers, {ours.rounds} rounds: {seconds:.1f} s")
    print(f"  crowd-kit's, as many rounds: {theirs_seconds:.1f} s")
    print(f"  posteriors differ by {apart:.5f} at most without a prior")
    if apart > 0.01:
        failed.append(f"posteriors differ from crowd-kit's by {apart:.4f}")

    import evalica

    part = answers.filter(pl.col("record_id").is_in(ids[:PART].implode()))
    counts = part.group_by("record_id").agg((pl.col("value") == value).sum().alias(value) for value in VALUES)
    table = counts.select(VALUES).to_numpy()
    begun = time.perf_counter()
    found = alpha(table, "nominal")
    seconds = time.perf_counter() - begun
    codes = part.with_columns(pl.col("value").replace_strict(dict(zip(VALUES, range(3), strict=True))))
    matrix = codes.pivot("record_id", index="annotator", values="value").drop("annotator").to_pandas()
    begun = time.perf_counter()
    other = evalica.alpha_bootstrap(matrix, distance="nominal", n_resamples=2000, random_state=0)
    theirs_seconds = time.perf_counter() - begun
    print(f"  alpha of {PART:,} records, 2,000 resamples: {seconds:.2f} s; evalica: {theirs_seconds:.2f} s")
    print(
        f"  {found.value:.6f} ({found.low:.3f} to {found.high:.3f}); evalica {other.alpha:.6f} "
        f"({other.low:.3f} to {other.high:.3f}, over pairs)"
    )
    if abs(found.value - other.alpha) > 1e-9:  # type: ignore[operator]
        failed.append(f"alpha is {found.value}, evalica's {other.alpha}")
    return failed


def main() -> int:
    """Print the figures; 1 if a gate does not hold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--answers", type=int, default=1_000_000, help="how many")
    parser.add_argument("--seed", type=int, default=4, help="of the answers")
    parser.add_argument("--seconds", type=float, default=30, help="most processor time it may take")
    parser.add_argument("--gib", type=float, default=4, help="most memory it may take")
    parser.add_argument("--report", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.report:
        report(given.report)
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        answers = invent(given.answers, given.seed)
        answers.write_parquet(Path(scratch) / "answers.parquet")
        command = [sys.executable, "-m", "benchmarks.agreement", "--report", scratch]
        begun = time.perf_counter()
        run = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        seconds = time.perf_counter() - begun
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        gib, cpu = used.ru_maxrss / 2**20, used.ru_utime + used.ru_stime
        told = json.loads(run.stdout)
        print(f"{answers.height:,} answers to {told['records']:,} records by {ANNOTATORS} annotators")
        print(f"  report {told['seconds']:.1f} s; with start and page {seconds:.1f} s, {cpu:.1f} s of processors")
        print(f"  peak {gib:.2f} GiB")
        print(
            f"  alpha {told['alpha']:.4f} ({told['low']:.4f} to {told['high']:.4f}); page {told['page']:,} characters"
        )
        failed = wrong(told, answers, pl.read_parquet(Path(scratch) / "annotators.parquet"), given.seed)
    failed += [f"{cpu:.1f} s of processors, expected at most {given.seconds:g}"] if cpu > given.seconds else []
    failed += [f"{gib:.2f} GiB, expected at most {given.gib:g}"] if gib > given.gib else []
    failed += libraries(answers)
    print(*failed, sep="\n", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
