"""The steps `safety` and `language` on rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from curation.steps.rows import TEXTS, Row, texts
from schemas.recipe import Recipe

SCORES = pa.list_(pa.struct([("label", pa.string()), ("score", pa.float64())]))


class Safety:
    """`safety`, the scores by label, and `decision`: `keep`, `review` (a grey band, for people) or `drop`."""

    reads = TEXTS
    adds: ClassVar = {"safety": SCORES, "decision": pa.string()}
    changes = ()

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
    changes = ()

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
