"""How toxic a text sounds, by label.

`detoxify` is the real scorer, with a checkpoint of yours. The embedded one is alt-profanity-check: linear, over
words; it hears words and not intent, and says so in every report. Either over-blocks banter, so only what is above
`drop_above` goes; the band below it stays and is counted for people to look at.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import polars as pl

from schemas.problems import Problem
from schemas.recipe import Safety
from schemas.turns import SCORES

Scores = dict[str, npt.NDArray[np.float64]]
WORDS = "alt-profanity-check"
DECIMALS = 4  # of a score: what is left does not depend on which texts shared a batch


class Scorer(Protocol):
    """What scores texts.

    Attributes:
        name: For the report.
        embedded: Whether it stands in for a better one.
    """

    name: str
    embedded: bool

    def score(self, texts: Sequence[str]) -> Scores:
        """Scores from 0 (harmless) to 1, one array per label, as long as `texts`."""
        ...


def load_scorer(settings: Safety) -> Scorer:
    """The recipe's scorer.

    Raises:
        Problem: The checkpoint is not there, is another file than the recipe says, or cannot be loaded offline.
    """
    return _Detoxify(settings) if settings.scorer == "detoxify" else _Words()


def scorer_name(settings: Safety) -> str:
    """What the scorer is called in reports."""
    return WORDS if settings.scorer == "embedded" else f"detoxify:{settings.checkpoint_sha256}"


class _Words:
    name, embedded = WORDS, True

    def score(self, texts: Sequence[str]) -> Scores:
        from profanity_check import predict_prob

        found = predict_prob(list(texts)) if texts else np.zeros(0)
        return {"toxicity": np.asarray(found, dtype=np.float64)}


class _Detoxify:
    embedded = False
    batch = 32  # texts

    def __init__(self, settings: Safety) -> None:
        path = Path(settings.checkpoint or "")  # the recipe has seen to it that there is one
        if not path.is_file():
            raise Problem(f"curation.safety.checkpoint: {path}: no such file; give a Detoxify checkpoint.")
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest != settings.checkpoint_sha256:
            raise Problem(
                f"curation.safety.checkpoint: {path} has sha256 {digest}, the recipe says "
                f"{settings.checkpoint_sha256}; "
                "a checkpoint is code, so it was not opened. Get the right file, or mend checkpoint_sha256."
            )
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
        from detoxify import Detoxify

        try:
            self._model = Detoxify(checkpoint=str(path))
        except (OSError, RuntimeError, KeyError, AttributeError, ValueError) as error:
            raise Problem(
                f"curation.safety.checkpoint: {path} did not load ({type(error).__name__}); its "
                f"config.arch.args.model_type "
                "has to name a local folder with config.json and the tokenizer's files."
            ) from None
        self.name = scorer_name(settings)

    def score(self, texts: Sequence[str]) -> Scores:
        labels = self._model.class_names
        rows = np.zeros((len(texts), len(labels)))
        by_length = sorted(range(len(texts)), key=lambda row: (len(texts[row]), texts[row]))
        for begin in range(0, len(texts), self.batch):
            part = by_length[begin : begin + self.batch]
            found = self._model.predict([texts[row] for row in part])
            rows[part] = np.column_stack([found[label] for label in labels])
        return {label: rows[:, column] for column, label in enumerate(labels)}


def score(turns: pl.DataFrame, scorer: Scorer) -> pl.DataFrame:
    """Add `safety`: the higher of the user's last message and the reply, by label.

    Returns:
        The rows in the same order.
    """
    said = turns.select(pl.col("messages").list.last().struct.field("content"), "response")
    texts = said.to_series(0).to_list() + said.to_series(1).to_list()
    highest = {
        label: np.round(np.maximum(values[: turns.height], values[turns.height :]), DECIMALS)
        for label, values in scorer.score(texts).items()
    }
    rows = [
        [{"label": label, "score": float(values[row])} for label, values in highest.items()]
        for row in range(turns.height)
    ]
    return turns.with_columns(pl.Series("safety", rows, dtype=SCORES))


def worst() -> pl.Expr:
    """The highest score of a turn's labels."""
    return pl.col("safety").list.eval(pl.element().struct.field("score")).list.max()


def drop_reason(settings: Safety) -> pl.Expr:
    """Why a scored turn is dropped, null where it stays: the label that scored highest and the bound."""
    by_score = pl.element().sort_by(pl.element().struct.field("score"), descending=True, maintain_order=True).first()
    label = pl.col("safety").list.eval(by_score.struct.field("label")).list.first()
    reason = pl.concat_str(label, pl.lit(f" above {settings.drop_above}"))
    return pl.when(worst() > settings.drop_above).then(reason)


def decision(settings: Safety) -> pl.Expr:
    """`keep`, `review` or `drop` for each scored turn."""
    drop, look = worst() > settings.drop_above, worst() > settings.review_above
    return pl.when(drop).then(pl.lit("drop")).when(look).then(pl.lit("review")).otherwise(pl.lit("keep"))
