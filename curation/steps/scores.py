"""The steps `safety` and `language` on rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import pyarrow as pa

from curation.steps.rows import TEXTS, Row, checked_text, frame, texts
from schemas.recipe import Recipe

SCORES = pa.list_(pa.struct([("label", pa.string()), ("score", pa.float64())]))


class Safety:
    """`safety`, the scores by label, and `decision`: `keep`, `review` (a grey band, for people) or `drop`."""

    reads = (*TEXTS, "locale")
    adds: ClassVar = {"safety": SCORES, "decision": pa.string()}
    changes = ()

    def __init__(self, recipe: Recipe) -> None:
        from curation import safety

        self._settings, self._locale = recipe.curation.safety, recipe.curation.locale
        safety.check_labels(self._settings)
        self._scorer = safety.load_scorer(self._settings, recipe.precision)

    def check(self, row: Row) -> None:
        texts(row)
        if row.get("locale") is not None:
            checked_text(row["locale"], "locale")

    def __call__(self, rows: Sequence[Row]) -> Sequence[Row]:
        from curation import safety

        scored = safety.score(frame(rows, self._locale), self._scorer)
        return scored.select("safety", decision=safety.decision(self._settings)).to_dicts()


class Language:
    """`language`, an ISO 639 code or `und`, and `language_confidence`, 0 to 1."""

    reads = TEXTS
    adds: ClassVar = {"language": pa.string(), "language_confidence": pa.float64()}
    changes = ()

    def __init__(self, recipe: Recipe) -> None:
        self._least = recipe.curation.language.min_confidence

    def check(self, row: Row) -> None:
        texts(row)

    def __call__(self, rows: Sequence[Row]) -> Sequence[Row]:
        from curation.language import UNDETERMINED, detect

        found = detect(["\n".join(text for _, text in texts(row)) for row in rows])
        return [
            {
                "language": code if confidence >= self._least else UNDETERMINED,
                "language_confidence": round(confidence, 4),
            }
            for code, confidence in found
        ]
