"""Prompts from curated turns: split by conversation, in the policy's languages, fitted, under the persona cap."""

from __future__ import annotations

from typing import NamedTuple

import polars as pl

from curation.quotas import cap
from rewards.models import load_tokenizer
from rewards.prompts import fit
from schemas.problems import Problem
from schemas.turns import hash_fraction
from training.generation import Generation

TRAIN, HELD_OUT = "train", "held_out"
SPARE = 4  # turns looked at for each prompt wanted


class Drawn(NamedTuple):
    """Prompts and where the turns went.

    Attributes:
        prompts: `turn_id`, `conversation_id`, `persona_id`, `locale`, `split`, `messages` (fitted), ordered by turn_id.
        looked_at: Turns that were looked at.
        too_long: Turns whose persona and last message alone are too long for the policy.
    """

    prompts: pl.DataFrame
    looked_at: int
    too_long: int


def draw(generation: Generation, purpose: str, count: int, split: str | None = None) -> Drawn:
    """Draw prompts; the same purpose and seed draw the same.

    Args:
        generation: The generation, curated.
        purpose: Names the draw.
        count: Prompts wanted at most.
        split: `train`, `held_out`, or None for both.

    Raises:
        Problem: Too few turns to keep every persona under its cap.
    """
    recipe = generation.recipe
    turns = pl.scan_parquet(generation.directory / "curate" / "turns" / "*.parquet")
    if recipe.sample.languages is not None:
        turns = turns.filter(pl.col("language").is_in(recipe.sample.languages))
    ids = turns.select("turn_id", "conversation_id").collect().sort("turn_id")
    held_out = hash_fraction(recipe.seed, "held out", ids["conversation_id"]) < recipe.sample.held_out_share
    ids = ids.with_columns(
        split=pl.when(held_out).then(pl.lit(HELD_OUT)).otherwise(pl.lit(TRAIN)),
        lot=hash_fraction(recipe.seed, purpose, ids["turn_id"]),
    )
    if split is not None:
        ids = ids.filter(split=split)
    looked_at = ids.sort("lot", "turn_id").head(SPARE * count)
    rows = (
        turns.select("turn_id", "conversation_id", "persona_id", "locale", "messages")
        .join(looked_at.lazy().select("turn_id", "split"), on="turn_id")
        .collect()
        .sort("turn_id")
    )
    tokenizer = load_tokenizer(generation.parent)
    fitted = [fit(tokenizer, messages, recipe.policy.max_prompt_tokens) for messages in rows["messages"].to_list()]
    rows = rows.with_columns(pl.Series("messages", fitted, dtype=rows.schema["messages"], strict=False))
    usable = rows.filter(pl.col("messages").is_not_null())
    share = recipe.curation.quotas.max_persona_share
    chosen = cap(usable.select("turn_id", "persona_id"), share, recipe.seed, purpose, total=count)
    prompts = usable.filter(pl.col("turn_id").is_in(chosen.implode())).sort("turn_id")
    if prompts.is_empty():
        raise Problem(
            f"{purpose}: {usable.height} turns of {usable['persona_id'].n_unique()} personas to draw from, too few to "
            f"keep each persona at or under {share:.0%}; curate more, or raise curation.quotas.max_persona_share."
        )
    columns = ["turn_id", "conversation_id", "persona_id", "locale", "split", "messages"]
    return Drawn(prompts.select(columns), rows.height, rows.height - usable.height)
