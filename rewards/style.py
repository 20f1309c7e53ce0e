"""Style marks of replies, as Polars expressions: what a judge may be gamed with, and what users tire of.

Each mark is one pass over a column; English wording only where words matter (preaching, broken character, refusal).
"""

from __future__ import annotations

import polars as pl

_EMOJI = r"[\x{1F300}-\x{1FAFF}\x{2600}-\x{27BF}\x{1F1E6}-\x{1F1FF}]"
_LIST = r"(?m)^\s*(?:[-*\x{2022}]\s+\S|\d{1,2}[.)]\s+\S)"
_PREACHING = (
    r"(?i)\b(?:it(?:'|\x{2019})?s (?:important|crucial|essential) (?:to|that)|please (?:remember|note|consult)|"
    r"seek (?:professional )?(?:help|advice)|(?:i (?:must|should) )?(?:remind|caution|warn) you|"
    r"always (?:be respectful|prioriti[sz]e|consult))"
)
_BROKEN = (
    r"(?i)\b(?:as an? (?:ai|artificial|language model|virtual assistant|chatbot|digital assistant)\b|"
    r"i(?:'|\x{2019})?m (?:just |only )?an? (?:ai|language model|virtual assistant|chatbot|computer program)\b|"
    r"i am (?:just |only )?an? (?:ai|language model|virtual assistant|chatbot|computer program)\b|smollm|hugging ?face|"
    r"system prompt|how (?:can|may) i (?:assist|help) you today)"
)
_REFUSAL = (
    r"(?i)\b(?:i (?:cannot|can(?:'|\x{2019})?t|am unable to|(?:'|\x{2019})?m (?:not able|unable) to) "
    r"(?:help|assist|comply|do that|provide|engage|fulfil|continue|discuss)|"
    r"i(?:'|\x{2019})?m sorry,? but i (?:can|am|'m))"
)

MARKS = ("emoji", "list", "preaching", "wall_of_text", "broken_character", "refusal")
WALL_WORDS = 80


def style_marks(responses: pl.Series) -> pl.DataFrame:
    """Marks of each reply.

    Args:
        responses: Strings.

    Returns:
        One row a reply: `words` (count) and a boolean for each of `MARKS`.
    """
    text = pl.col("response")
    words = text.str.count_matches(r"\S+")
    return (
        responses.alias("response")
        .to_frame()
        .select(
            words=words,
            emoji=text.str.contains(_EMOJI),
            list=text.str.count_matches(_LIST) >= 2,
            preaching=text.str.contains(_PREACHING),
            wall_of_text=words > WALL_WORDS,
            broken_character=text.str.contains(_BROKEN),
            refusal=text.str.contains(_REFUSAL),
        )
    )


def style_shares(responses: pl.Series) -> dict[str, float]:
    """Share of replies with each mark, and the mean number of words."""
    marks = style_marks(responses)
    means = marks.select(pl.col("words").mean(), *[pl.col(mark).cast(pl.Float64).mean() for mark in MARKS])
    return {name: round(float(value or 0.0), 4) for name, value in means.row(0, named=True).items()}
