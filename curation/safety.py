"""How unsafe a turn is, by label, and what follows: keep, drop, or a grey band that goes to people.

`detoxify` is the real scorer: one of its five models, or a checkpoint of yours. The embedded one (`safety_head`) is a
small head on sentence embeddings, and says so in every report. Either hears abuse in banter now and then, so only
what is above `drop_above` goes; what lies between `review_above` and it stays, and is handed to people as
`SafetyCase`. The bounds may differ by label, locale and language (`schemas.recipe.Safety.bounds`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt
import polars as pl

from curation.safety_head import ENCODER, LABELS, LANGUAGES, Embedded, Vectors, weights_name
from schemas.curation_recipe import Embedding, Safety
from schemas.precision import Precision
from schemas.problems import Problem
from schemas.review import SafetyCase
from schemas.turns import SCORES

Scores = dict[str, npt.NDArray[np.float64]]
DECIMALS = 4  # of a score: what is left does not depend on which texts shared a batch
SIDES = pl.List(pl.Struct({"label": pl.String, "user": pl.Float64, "reply": pl.Float64}))
MULTILINGUAL = ("en", "es", "fr", "it", "pt", "ru", "tr")  # what Detoxify's multilingual model was trained on


class Scorer(Protocol):
    """What scores texts.

    Attributes:
        name: For the report.
        embedded: Whether it stands in for a better one.
    """

    name: str
    embedded: bool

    def score(
        self, texts: Sequence[str], vectors: Vectors | None = None, before: Sequence[str] | None = None
    ) -> Scores:
        """Scores from 0 (harmless) to 1, one array per label, as long as `texts`.

        Args:
            texts: Messages.
            vectors: Their embeddings by `ENCODER`, where there are any; a scorer may do without.
            before: What the same person said before each, "" for nothing; a scorer may do without.
        """
        ...


def load_scorer(settings: Safety, precision: Precision = "auto") -> Scorer:
    """The recipe's scorer.

    Raises:
        Problem: The checkpoint is not there, is another file than the recipe says, or cannot be loaded offline.
    """
    if settings.scorer == "embedded":
        return Embedded(precision)
    from curation.safety_detoxify import Detoxify

    return Detoxify(settings, precision)


def check_labels(settings: Safety) -> None:
    """Refuse bounds for labels that the embedded scorer does not have: they would do nothing.

    Raises:
        Problem: A label is none of its.
    """
    named = {*settings.labels, *(label for rules in settings.locales.values() for label in rules if label != "any")}
    if settings.scorer == "embedded" and (unknown := sorted(named.difference(LABELS))):
        raise Problem(
            f"curation.safety: bounds for {', '.join(unknown)}, which the embedded scorer does not tell; it has "
            f"{', '.join(LABELS)}."
        )


def scorer_name(settings: Safety) -> str:
    """What the scorer is called in reports."""
    if settings.scorer == "embedded":
        return weights_name()
    return f"detoxify:{settings.model or settings.checkpoint_sha256}"


def languages(settings: Safety) -> tuple[str, ...] | None:
    """Languages that the scorer was trained on; None where only the checkpoint's owner knows."""
    if settings.scorer == "embedded":
        return LANGUAGES
    if settings.checkpoint:
        return None
    return MULTILINGUAL if settings.model == "multilingual" else ("en",)


def takes_vectors(settings: Safety, embedding: Embedding) -> bool:
    """Whether the run's embeddings are the ones that the scorer was trained on, so that it need not make its own."""
    return settings.scorer == "embedded" and embedding.model == ENCODER


def score(turns: pl.DataFrame, scorer: Scorer) -> pl.DataFrame:
    """Add `safety`, the higher score of the user's last message and the reply by label, and `safety_sides`, both.

    The user's message before the last goes along as context.

    Args:
        turns: With `messages` and `response`. Columns `user_vector` and `reply_vector` (arrays of float32), where
            they are there, must be the two messages' embeddings by `ENCODER`.
        scorer: From `load_scorer`.

    Returns:
        The rows in the same order.

    Raises:
        ValueError: A score is not a number.
    """
    said = turns.select(user=pl.col("messages").list.last().struct.field("content"), reply="response")
    texts = [*said["user"].to_list(), *said["reply"].to_list()]
    users = pl.element().filter(pl.element().struct.field("role") == "user").struct.field("content")
    earlier = pl.col("messages").list.eval(users).list.get(-2, null_on_oob=True).fill_null("")
    before = [*turns.select(earlier).to_series().to_list(), *[""] * turns.height]
    vectors = None
    if {"user_vector", "reply_vector"} <= set(turns.columns):
        vectors = np.vstack([turns["user_vector"].to_numpy(), turns["reply_vector"].to_numpy()])
    found = {label: np.round(values, DECIMALS) for label, values in scorer.score(texts, vectors, before).items()}
    if not all(np.isfinite(values).all() for values in found.values()):
        raise ValueError("not finite")
    both = [
        pl.struct(
            label=pl.lit(label),
            user=pl.Series(values[: turns.height], dtype=pl.Float64),
            reply=pl.Series(values[turns.height :], dtype=pl.Float64),
        )
        for label, values in found.items()
    ]
    higher = pl.struct(
        label=pl.element().struct.field("label"),
        score=pl.max_horizontal(pl.element().struct.field("user"), pl.element().struct.field("reply")),
    )
    scored = turns.with_columns(safety_sides=pl.concat_list(both).cast(SIDES))
    return scored.with_columns(safety=pl.col("safety_sides").list.eval(higher).cast(SCORES))


def worst() -> pl.Expr:
    """The highest score of a turn's labels."""
    return pl.col("safety").list.eval(pl.element().struct.field("score")).list.max()


def decision(settings: Safety) -> pl.Expr:
    """`keep`, `review` or `drop` for each scored turn: the worst over its labels."""
    level = _verdict(settings).struct.field("level")
    return pl.when(level == 2).then(pl.lit("drop")).when(level == 1).then(pl.lit("review")).otherwise(pl.lit("keep"))


def drop_reason(settings: Safety) -> pl.Expr:
    """Why a scored turn is dropped, null where it stays: the highest label above its bound, and the bound."""
    verdict = _verdict(settings)
    reason = pl.concat_str(verdict.struct.field("label"), pl.lit(" above "), verdict.struct.field("drop"))
    return pl.when(verdict.struct.field("level") == 2).then(reason)


def cases(turns: pl.DataFrame, settings: Safety) -> pl.DataFrame:
    """The scored turns that people are to look at, as `SafetyCase`, ordered by id.

    Args:
        turns: From `score`, with `turn_id` and `locale`.
        settings: The recipe's.
    """
    grey = turns.select("turn_id", "locale", "safety_sides", verdict=_verdict(settings)).unnest("verdict")
    sides = pl.col("safety_sides").struct
    grey = grey.filter(pl.col("level") == 1).explode("safety_sides").filter(sides.field("label") == pl.col("label"))
    side = pl.when(sides.field("reply") > sides.field("user")).then(pl.lit("reply")).otherwise(pl.lit("user"))
    return SafetyCase.validate(grey.select("turn_id", "label", "score", side=side, locale="locale").sort("turn_id"))


def _verdict(settings: Safety) -> pl.Expr:
    """The label that decides, as {label, score, drop, level}; level 0 keeps, 1 goes to people, 2 drops."""
    spoken = languages(settings)
    language = pl.col("locale").str.split("-").list.first()
    narrow = sorted(settings.locales, key=lambda locale: (-locale.count("-"), locale))
    rules = [(language == locale if "-" not in locale else pl.col("locale") == locale, locale) for locale in narrow]
    chosen = _pick(settings, "und", spoken is None)
    if spoken is not None:
        chosen = pl.when(language.is_in(spoken)).then(_pick(settings, "und", True)).otherwise(chosen)
    for condition, locale in reversed(rules):
        known = spoken is None or locale.split("-")[0] in spoken
        chosen = pl.when(condition).then(_pick(settings, locale, known)).otherwise(chosen)
    return chosen


def _pick(settings: Safety, locale: str, spoken: bool) -> pl.Expr:
    named = {*settings.labels, "harmful_request", *(label for rules in settings.locales.values() for label in rules)}
    label, value = pl.element().struct.field("label"), pl.element().struct.field("score")

    def bound(which: int) -> pl.Expr:
        found = pl.lit(settings.bounds("", locale, spoken)[which], dtype=pl.Float64)
        for name in sorted(named):
            found = pl.when(label == name).then(settings.bounds(name, locale, spoken)[which]).otherwise(found)
        return found

    # One number by which to order: the level counts first, then the score. Only what goes element by element stands
    # inside `list.eval`: sorting structs there crashes Polars 2.1.
    level = (value > bound(0)).cast(pl.Float64) + (value > bound(1)).cast(pl.Float64)
    order = pl.col("safety").list.eval(level * 2 + value)
    place = order.list.arg_max()
    chosen = pl.col("safety").list.get(place, null_on_oob=True)
    return pl.struct(
        label=chosen.struct.field("label"),
        score=chosen.struct.field("score"),
        drop=pl.col("safety").list.eval(bound(0)).list.get(place, null_on_oob=True),
        level=((order.list.max() - chosen.struct.field("score")) / 2).round(0).cast(pl.Int8),
    )
