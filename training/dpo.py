"""A small DPO patch, with TRL's DPOTrainer.

Sigmoid loss (Rafailov et al. 2023) beside a little SFT loss on the chosen reply, which keeps a small patch from
lowering the likelihood of both sides (Pang et al. 2024, "Iterative Reasoning Preference Optimization").
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from rewards.models import load_tokenizer, quiet_libraries, resolve
from rewards.prompts import dialogue_ids
from schemas import recipe
from schemas.precision import Precision
from schemas.problems import Problem
from schemas.stage import Advance


def train_dpo(
    model: str,
    pairs: pl.DataFrame,
    *,
    settings: recipe.DPO,
    out: Path,
    work: Path,
    precision: Precision,
    seed: int,
    advance: Advance,
) -> dict[str, Any]:
    """Patch a policy with preference pairs.

    Args:
        model: Where it starts, and the reference it is held to.
        pairs: Columns `prompt`, `chosen`, `rejected`, in TRL's conversational format.
        settings: The recipe's section.
        out: Directory for the model.
        work: Directory for checkpoints.
        precision: The recipe's.
        seed: The recipe's.
        advance: Told the steps done.

    Returns:
        Training's figures, `pairs`, and `too_long`: pairs over `max_length`, which were left out.
    """
    from datasets import Dataset
    from trl import DPOConfig, DPOTrainer

    from rewards.trainers import arguments, by_length, fit, last_checkpoint

    quiet_libraries()
    tokenizer = load_tokenizer(model)
    rows, lengths = [], []
    for row in pairs.select("prompt", "chosen", "rejected").to_dicts():
        sides = (row["chosen"], row["rejected"])
        length = max(len(dialogue_ids(tokenizer, row["prompt"], side[0]["content"])) for side in sides)
        if length <= settings.max_length:
            rows.append(row)
            lengths.append(length)
    if not rows:
        raise Problem(f"dpo.max_length: none of {pairs.height} pairs fits {settings.max_length} tokens; raise it.")
    losses = ["sigmoid", "sft"] if settings.sft_weight else ["sigmoid"]
    trainer = DPOTrainer(
        model=resolve(model),
        args=arguments(
            DPOConfig,
            settings,
            work=work,
            precision=precision,
            seed=seed,
            max_length=settings.max_length,
            beta=settings.beta,
            loss_type=losses,
            loss_weights=[1.0, settings.sft_weight][: len(losses)],
            model_init_kwargs={"dtype": "float32"},
        ),
        train_dataset=Dataset.from_list([rows[row] for row in by_length(lengths, settings.batch_size, seed)]),
        processing_class=tokenizer,
    )
    figures = fit(trainer, out=out, work=work, advance=advance, resume=last_checkpoint(work))
    return {"training": figures, "pairs": len(rows), "too_long": pairs.height - len(rows)}
