"""How much planted personal data stays readable after scrubbing, on the bundled sample.

    python -m benchmarks.pii

Ours beside Presidio as it comes, with the same spaCy model, in one run. A planted span counts as leaked when any letter
or digit of it is outside every finding. The patterns were tuned on this sample's misses: the figures show regressions,
they promise nothing for other chats. Exits with 1 where ours leaks more than Presidio as it comes.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import polars as pl

from curation.finder import Finder
from schemas.recipe import Scrub

EXAMPLES = Path(__file__).parent.parent / "examples"


def planted() -> pl.DataFrame:
    """One row a planted span: text it stands in, locale, start, end, type."""
    turns = pl.read_parquet(EXAMPLES / "traffic.parquet").select(
        "conversation_id",
        "turn_index",
        "locale",
        user=pl.col("messages").list.last().struct.field("content"),
        assistant="response",
    )
    gold = pl.read_parquet(EXAMPLES / "traffic_gold.parquet").join(turns, on=["conversation_id", "turn_index"])
    text = pl.when(pl.col("role") == "user").then("user").otherwise("assistant")
    return gold.select("locale", "start", "end", "type", text=text)


def leaked(text: str, start: int, end: int, found: list[tuple[int, int]]) -> bool:
    """Whether a letter or digit of the span is outside every finding."""
    return any(text[i].isalnum() and not any(a <= i < b for a, b in found) for i in range(start, end))


def main() -> int:
    """Print leaks by type for both; 1 where ours leaks more."""
    spans = planted()
    texts = spans["text"].unique(maintain_order=True).to_list()
    english = dict(spans.select("text", pl.col("locale").str.starts_with("en")).iter_rows())
    find = Finder(Scrub())
    began = time.perf_counter()
    ours = find(texts, [english[text] for text in texts])
    seconds = {"ours": time.perf_counter() - began}
    found = {"ours": {t: [(f.start, f.end) for f in hits] for t, hits in zip(texts, ours, strict=True)}}

    from presidio_analyzer import AnalyzerEngine, BatchAnalyzerEngine

    batch = BatchAnalyzerEngine(analyzer_engine=AnalyzerEngine(nlp_engine=find._engine, supported_languages=["en"]))
    began = time.perf_counter()
    theirs = list(batch.analyze_iterator(texts, "en", batch_size=256))
    seconds["presidio"] = time.perf_counter() - began
    found["presidio"] = {t: [(r.start, r.end) for r in hits] for t, hits in zip(texts, theirs, strict=True)}

    rows = [
        {"type": kind, **{who: leaked(text, start, end, hits[text]) for who, hits in found.items()}}
        for text, start, end, kind in spans.select("text", "start", "end", "type").iter_rows()
    ]
    table = pl.DataFrame(rows)
    shares = table.group_by("type").agg(pl.len().alias("planted"), *[pl.col(who).mean().round(3) for who in found])
    total = {who: float(table[who].mean()) for who in found}  # type: ignore[arg-type]
    with pl.Config(tbl_rows=20, tbl_hide_dataframe_shape=True):
        print(shares.sort("type"))
    for who in found:
        print(f"{who}: {total[who]:.1%} of {table.height} spans leak; {len(texts) / seconds[who]:.0f} texts/s")
    return int(total["ours"] > total["presidio"])


if __name__ == "__main__":
    sys.exit(main())
