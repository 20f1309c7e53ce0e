"""Train the pointwise judge on people's preferences, with TRL's RewardTrainer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from rewards.judge import Judge, load_judge, new_judge, save_card
from rewards.models import quiet_libraries
from rewards.prompts import dialogue_ids
from rewards.statistics import expected_calibration_error, explained_by, pair_accuracy
from rewards.style import style_marks
from schemas import recipe
from schemas.precision import Precision
from schemas.problems import Problem
from schemas.stage import Advance


def train_judge(
    model: str,
    train: pl.DataFrame,
    held_out: pl.DataFrame,
    *,
    settings: recipe.Judge,
    out: Path,
    work: Path,
    name: str,
    trained_on: dict[str, str],
    precision: Precision,
    seed: int,
    advance: Advance,
) -> dict[str, Any]:
    """Train a judge and measure it on held-out pairs.

    Args:
        model: The policy's own base.
        train, held_out: `schemas.judgements.Preference`.
        settings: The recipe's section.
        out: Directory for the judge.
        work: Directory for checkpoints.
        name: Name of the judge.
        trained_on: sha256 of the data, for the judge's card.
        precision: The recipe's.
        seed: The recipe's.
        advance: Told the steps done.

    Returns:
        Figures: training's own, held-out `accuracy`, `calibration_error`, `style_explains` (R squared of length and
        style marks alone), `too_long` (pairs dropped).
    """
    from datasets import Dataset
    from trl import RewardConfig, RewardTrainer

    from rewards.trainers import arguments, by_length, fit, last_checkpoint

    quiet_libraries()
    classifier, tokenizer = new_judge(model, settings.frozen_layers)
    lengths = [
        max(len(dialogue_ids(tokenizer, prompt, side[0]["content"])) for side in (good, bad))
        for prompt, good, bad in train.select("prompt", "chosen", "rejected").iter_rows()
    ]
    fitting = [row for row, length in enumerate(lengths) if length <= settings.max_length]
    kept = train[fitting][by_length([lengths[row] for row in fitting], settings.batch_size, seed)]
    if kept.is_empty():
        raise Problem(
            f"judge.max_length: none of {train.height} preferences fits {settings.max_length} tokens; raise it, "
            "or lower policy.max_prompt_tokens."
        )
    trainer = RewardTrainer(
        model=classifier,
        args=arguments(
            RewardConfig,
            settings,
            work=work,
            precision=precision,
            seed=seed,
            max_length=settings.max_length,
            center_rewards_coefficient=settings.centre,
        ),
        train_dataset=Dataset.from_list(kept.select("prompt", "chosen", "rejected").to_dicts()),
        processing_class=tokenizer,
    )
    figures = fit(trainer, out=out, work=work, advance=advance, resume=last_checkpoint(work))
    save_card(out, name=name, trained_on=trained_on, figures={})
    measured = measure(load_judge(out, precision), held_out, seed=seed)
    save_card(out, name=name, trained_on=trained_on, figures=measured)
    return {"training": figures, **measured, "pairs": kept.height, "too_long": train.height - kept.height}


def measure(judge: Judge, held_out: pl.DataFrame, *, seed: int) -> dict[str, Any]:
    """Held-out accuracy, calibration, and how much style alone explains.

    Args:
        judge: The judge.
        held_out: `schemas.judgements.Preference` from conversations it was not trained on; may be empty.
        seed: Of the bootstrap.
    """
    if held_out.is_empty():
        return {"accuracy": None, "calibration_error": None, "style_explains": None}
    prompts = held_out["prompt"].to_list() * 2
    replies = pl.concat([held_out["chosen"], held_out["rejected"]]).list.first().struct.field("content")
    scores = judge.score(prompts, replies.to_list())
    chosen, rejected = np.split(scores, 2)
    features = style_marks(replies).select(pl.all().cast(pl.Float64)).to_numpy()
    return {
        "accuracy": pair_accuracy(chosen, rejected, seed=seed).model_dump(),
        "calibration_error": round(expected_calibration_error(chosen, rejected), 4),
        "style_explains": round(explained_by(features, scores), 4),
    }
