"""Supervised fine-tuning on the best of k, with TRL's SFTTrainer; the loss is on the reply alone."""

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


def train_sft(
    model: str,
    rows: pl.DataFrame,
    *,
    settings: recipe.SFT,
    out: Path,
    work: Path,
    precision: Precision,
    seed: int,
    advance: Advance,
) -> dict[str, Any]:
    """Fine-tune a policy.

    Args:
        model: Where it starts.
        rows: Column `messages`, in TRL's conversational format; the last message is the reply to learn.
        settings: The recipe's section.
        out: Directory for the model.
        work: Directory for checkpoints.
        precision: The recipe's.
        seed: The recipe's.
        advance: Told the steps done.

    Returns:
        Training's figures, `rows`, and `too_long`: rows over `max_length`, which were left out.
    """
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    from rewards.trainers import arguments, by_length, fit, last_checkpoint

    quiet_libraries()
    tokenizer = load_tokenizer(model)
    # Prompt and completion apart, so that the loss needs no generation marks in the chat template.
    pairs, lengths = [], []
    for messages in rows["messages"].to_list():
        length = len(dialogue_ids(tokenizer, messages[:-1], messages[-1]["content"]))
        if length <= settings.max_length:
            pairs.append({"prompt": messages[:-1], "completion": messages[-1:]})
            lengths.append(length)
    if not pairs:
        raise Problem(f"sft.max_length: none of {rows.height} rows fits {settings.max_length} tokens; raise it.")
    trainer = SFTTrainer(
        model=resolve(model),
        args=arguments(
            SFTConfig,
            settings,
            work=work,
            precision=precision,
            seed=seed,
            max_length=settings.max_length,
            completion_only_loss=True,
            model_init_kwargs={"dtype": "float32"},
        ),
        train_dataset=Dataset.from_list([pairs[row] for row in by_length(lengths, settings.batch_size, seed)]),
        processing_class=tokenizer,
    )
    figures = fit(trainer, out=out, work=work, advance=advance, resume=last_checkpoint(work))
    return {"training": figures, "rows": len(pairs), "too_long": rows.height - len(pairs)}
