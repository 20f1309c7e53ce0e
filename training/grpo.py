"""RL against the judge: GRPO with clip, KL and an EMA reference, with TRL's GRPOTrainer.

GRPO (Shao et al. 2024) with the token-level loss of DAPO (Yu et al. 2025, TRL's default) and rewards scaled by the
batch: scaling by the group turns reward noise into advantages (facts from TRL 1.16).

The reward is a `rewards.judge.Judge` and nothing else: the only argument a reward can come in by is a judge's
directory, and `load_judge` opens no other kind of model. Style marks are logged beside it, with no weight.

The reference follows the policy as an exponential moving average. TRL's own is not in its checkpoints, so a resumed run
would be held to the model on disk again; `EmaReference` is saved with each checkpoint and restored.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
from transformers import TrainerCallback

from rewards.judge import Judge, load_judge
from rewards.models import load_tokenizer, quiet_libraries, resolve
from rewards.style import MARKS, style_marks
from schemas import recipe
from schemas.precision import Precision
from schemas.stage import Advance

REFERENCE = "ema_reference.safetensors"


class EmaReference(TrainerCallback):
    """Moves the reference model towards the policy after each step: reference += alpha (policy - reference).

    The reference has to be float32: in bfloat16 small steps round to nothing and it stands still.

    Attributes:
        reference: The trainer's reference model.
        alpha: Share of the way, each step.
        resume: Checkpoint to restore the reference from, or None at the first start.
    """

    def __init__(self, reference: Any, alpha: float, resume: Path | None) -> None:
        kinds = {str(p.dtype) for p in reference.parameters()}
        if kinds != {"torch.float32"}:
            raise ValueError(f"the EMA reference needs float32 weights, found {sorted(kinds)}")
        self.reference, self.alpha, self.resume = reference, alpha, resume

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if self.resume is None:
            return
        import torch
        from safetensors.torch import load_file

        saved = load_file(self.resume / REFERENCE)
        with torch.no_grad():
            for name, weights in self.reference.named_parameters():
                weights.copy_(saved[name])

    def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        import torch

        with torch.no_grad():
            for old, new in zip(self.reference.parameters(), model.parameters(), strict=True):
                old.lerp_(new.to(old), self.alpha)

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        from safetensors.torch import save_file

        directory = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        weights = {name: p.detach().contiguous().clone() for name, p in self.reference.named_parameters()}
        save_file(weights, directory / REFERENCE)


def reward_function(judge: Judge) -> Any:
    """The judge as TRL calls it, with style marks logged beside the reward."""

    def judge_score(prompts: list[Any], completions: list[Any], log_metric: Any = None, **_: Any) -> list[float]:
        replies = [completion[0]["content"].strip() for completion in completions]
        if log_metric is not None:
            marks = style_marks(pl.Series(replies)).select(pl.all().cast(pl.Float64).mean()).row(0, named=True)
            for name in ("words", *MARKS):
                log_metric(f"style/{name}", marks[name])
        return [float(score) for score in judge.score(prompts, replies)]

    return judge_score


def train_grpo(
    model: str,
    prompts: pl.DataFrame,
    judge: Path,
    *,
    settings: recipe.RL,
    out: Path,
    work: Path,
    precision: Precision,
    seed: int,
    advance: Advance,
) -> dict[str, Any]:
    """Train a policy against a judge.

    Args:
        model: Where it starts.
        prompts: Column `prompt`, in TRL's conversational format, already fitted to the prompt's length.
        judge: Directory of a pointwise judge.
        settings: The recipe's section.
        out: Directory for the model.
        work: Directory for checkpoints.
        precision: The recipe's.
        seed: The recipe's.
        advance: Told the steps done.

    Returns:
        Training's figures (reward, KL, clip ratio, style) and `prompts`.
    """
    from datasets import Dataset
    from trl import GRPOConfig, GRPOTrainer

    from rewards.trainers import arguments, fit, last_checkpoint

    quiet_libraries()
    resume = last_checkpoint(work)
    trainer = GRPOTrainer(
        model=resolve(model),  # a path: TRL loads the reference from it, not from the object it is given
        reward_funcs=reward_function(load_judge(judge, precision)),
        args=arguments(
            GRPOConfig,
            settings,
            work=work,
            precision=precision,
            seed=seed,
            max_steps=settings.steps,
            num_generations=settings.generations,
            num_iterations=settings.iterations,
            max_completion_length=settings.decoding.max_new_tokens,
            temperature=settings.decoding.temperature,
            min_p=settings.decoding.min_p,
            beta=settings.beta,
            epsilon=settings.clip,
            scale_rewards="batch",
            model_init_kwargs={"dtype": "float32"},
        ),
        train_dataset=Dataset.from_list(prompts.select("prompt").to_dicts()),
        processing_class=load_tokenizer(model),
    )
    trainer.add_callback(EmaReference(trainer.ref_model, settings.ema_alpha, resume))
    figures = fit(trainer, out=out, work=work, advance=advance, resume=resume)
    return {"training": figures, "prompts": prompts.height}
