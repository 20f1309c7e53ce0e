"""What every TRL trainer here shares: arguments, progress, and checkpoints that can be trusted after `kill -9`.

transformers writes a checkpoint file by file, so one that was cut off looks like a checkpoint. Ours get a mark once all
of it is on disk; at a start, what has no mark is removed and training goes on from the last that has.
"""

from __future__ import annotations

import gc
import random
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from transformers import PrinterCallback, TrainerCallback

from rewards.models import device
from schemas.precision import Precision, use_bfloat16
from schemas.recipe import Optimiser, Supervised
from schemas.stage import Advance

COMPLETE = "complete"


def arguments(
    config: type[Any], settings: Optimiser, *, work: Path, precision: Precision, seed: int, **more: Any
) -> Any:
    """Training arguments from a recipe's section.

    Args:
        config: TRL's configuration class.
        settings: The section.
        work: Directory for checkpoints.
        precision: The recipe's.
        seed: The recipe's.
        **more: What only this trainer has.
    """
    if isinstance(settings, Supervised):
        more |= {"num_train_epochs": settings.epochs, "train_sampling_strategy": "sequential"}
    micro = settings.micro_batch_size or settings.batch_size
    return config(
        output_dir=str(work / "checkpoints"),
        learning_rate=settings.learning_rate,
        lr_scheduler_type="linear",
        per_device_train_batch_size=micro,
        gradient_accumulation_steps=settings.batch_size // micro,
        save_strategy="steps",
        save_steps=settings.save_steps,
        save_total_limit=2,
        logging_steps=1,
        report_to="none",
        disable_tqdm=True,
        use_cpu=device() == "cpu",
        bf16=use_bfloat16(precision),
        activation_checkpointing=False,
        dataloader_pin_memory=False,
        seed=seed,
        data_seed=seed,
        **more,
    )


def by_length(lengths: Sequence[int], batch_size: int, seed: int) -> list[int]:
    """An order in which every batch holds rows of about one length, so that little of it is padding.

    Args:
        lengths: Tokens of each row.
        batch_size: Rows a step.
        seed: The recipe's.

    Returns:
        Row numbers: sorted by length, cut into batches, batches shuffled (a short last one stays last). For trainers
        that take rows in order (`train_sampling_strategy="sequential"`).
    """
    order = sorted(range(len(lengths)), key=lambda row: (lengths[row], row))
    batches = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    short = [batches.pop()] if batches and len(batches[-1]) < batch_size else []
    random.Random(seed).shuffle(batches)
    return [row for batch in batches + short for row in batch]


def last_checkpoint(work: Path) -> Path | None:
    """The newest complete checkpoint; incomplete ones are removed."""
    complete = []
    for path in (work / "checkpoints").glob("checkpoint-*"):
        if (path / COMPLETE).is_file():
            complete.append((int(path.name.rpartition("-")[2]), path))
        else:
            shutil.rmtree(path)
    return max(complete)[1] if complete else None


class _Progress(TrainerCallback):
    def __init__(self, advance: Advance) -> None:
        self.advance = advance

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.advance(state.global_step, state.max_steps, "steps")


class _MarkComplete(TrainerCallback):
    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        (Path(args.output_dir) / f"checkpoint-{state.global_step}" / COMPLETE).touch()


def fit(trainer: Any, *, out: Path, work: Path, advance: Advance, resume: Path | None) -> dict[str, float]:
    """Train, from the last complete checkpoint where there is one, and save model and tokenizer.

    Args:
        trainer: A TRL trainer.
        out: Directory for the model.
        work: Directory given to `arguments`.
        advance: Told the optimiser steps done.
        resume: From `last_checkpoint(work)`.

    Returns:
        Mean of each logged figure over the last quarter of the steps, `steps`, and the first and last loss.
    """
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(_Progress(advance))
    trainer.add_callback(_MarkComplete())
    trainer.train(resume_from_checkpoint=str(resume) if resume else None)
    trainer.save_model(str(out))
    (out / "training_args.bin").unlink(missing_ok=True)  # a pickle, with paths of this machine in it
    figures = _figures(trainer.state.log_history)
    figures["steps"] = trainer.state.global_step
    trainer.model = trainer.model_wrapped = trainer.optimizer = None
    gc.collect()
    return figures


def _figures(history: list[dict[str, Any]]) -> dict[str, float]:
    steps = [row for row in history if "loss" in row]
    if not steps:
        return {}
    tail = steps[-max(1, len(steps) // 4) :]
    skip = re.compile(r"epoch|step|learning_rate|num_tokens|step_time|_runtime")
    names = [name for name in tail[-1] if not skip.search(name)]
    figures = {name: round(sum(float(row.get(name, 0.0)) for row in tail) / len(tail), 5) for name in names}
    return {"first_loss": round(float(steps[0]["loss"]), 5), **figures}
