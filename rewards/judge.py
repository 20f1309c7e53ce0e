"""The pointwise judge: one score a reply, trained with TRL's RewardTrainer on people's preferences.

Bradley-Terry: P(chosen over rejected) = sigmoid(score(chosen) - score(rejected)), with scores pulled towards zero mean
(Eisenstein et al. 2023, "Helping or Herding?"; TRL's `center_rewards_coefficient`).
It starts from the policy's own base.

A judge is the only thing a policy is ever trained against. `load_judge` opens nothing else: a model of user signals is
stored under another kind, has no `score`, and is refused here by name.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from rewards.models import device, inference_dtype, quiet_libraries, weights_version
from rewards.prompts import Message, dialogue_ids
from schemas.precision import Precision
from schemas.problems import Problem
from schemas.stage import Advance, no_progress, write_json

KIND = "pointwise"
CARD = "judge.json"
BATCH_TOKENS = 8192


class Judge(NamedTuple):
    """A loaded pointwise judge.

    Attributes:
        name: What scores are labelled with.
        version: Hash of its weights; scores compare within one version only.
        model: Sequence classifier with one output.
        tokenizer: Its tokenizer.
    """

    name: str
    version: str
    model: Any
    tokenizer: Any

    def score(
        self, messages: Sequence[Sequence[Message]], responses: Sequence[str], advance: Advance = no_progress
    ) -> np.ndarray:
        """Score replies.

        Args:
            messages: The prompt of each reply, persona first, user last.
            responses: The replies.
            advance: Told the number of replies done.

        Returns:
            float64 array, one reward a reply; higher is better, no unit.
        """
        import torch

        rendered = [dialogue_ids(self.tokenizer, m, r) for m, r in zip(messages, responses, strict=True)]
        order = sorted(range(len(rendered)), key=lambda i: len(rendered[i]))
        scores = np.zeros(len(rendered))
        start = 0
        while start < len(order):
            longest, end = 0, start
            while end < len(order) and (end - start + 1) * max(longest, len(rendered[order[end]])) <= BATCH_TOKENS:
                longest = max(longest, len(rendered[order[end]]))
                end += 1
            batch = order[start : max(end, start + 1)]
            padded = self.tokenizer.pad({"input_ids": [rendered[i] for i in batch]}, return_tensors="pt")
            with torch.inference_mode():
                out = self.model(**padded.to(self.model.device)).logits  # [batch, 1]
            scores[batch] = out[:, 0].double().cpu().numpy()
            start += len(batch)
            advance(start, len(order), "scores")
        return scores


def new_judge(model: str, frozen_layers: int = 0) -> tuple[Any, Any]:
    """A classifier with one output from a policy's weights, and its tokenizer, ready for RewardTrainer.

    The score head starts at zero: before training every reply scores the same, and no random head has to be unlearnt.

    Args:
        model: The policy's own base.
        frozen_layers: The embeddings and this many of the lowest layers are not trained; with 0 everything is.

    Raises:
        Problem: The model has no more layers than that.
    """
    import torch
    from transformers import AutoModelForSequenceClassification

    from rewards.models import load_tokenizer, resolve

    tokenizer = load_tokenizer(model)
    classifier = AutoModelForSequenceClassification.from_pretrained(resolve(model), num_labels=1, dtype=torch.float32)
    classifier.config.pad_token_id = tokenizer.pad_token_id
    torch.nn.init.zeros_(classifier.score.weight)
    body = classifier.base_model
    if frozen_layers >= len(body.layers):
        raise Problem(f"judge.frozen_layers: {model} has {len(body.layers)} layers; freeze fewer than that.")
    for part in (body.embed_tokens, *body.layers[:frozen_layers]) if frozen_layers else ():
        part.requires_grad_(False)
    return classifier, tokenizer


def save_card(directory: Path, *, name: str, trained_on: dict[str, str], figures: dict[str, Any]) -> None:
    """Write what the judge is beside its weights.

    Args:
        directory: Holds the saved model.
        name: Name of the judge.
        trained_on: sha256 of its data, by name.
        figures: Held-out accuracy, calibration, what style alone explains.
    """
    version = weights_version(directory)
    write_json(directory / CARD, {"kind": KIND, "name": name, "version": version, "data": trained_on, **figures})


def load_judge(directory: Path, precision: Precision) -> Judge:
    """Open a pointwise judge.

    Raises:
        Problem: The directory holds no judge, or something that must never score a policy.
    """
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    quiet_libraries()
    try:
        card = json.loads((directory / CARD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise Problem(f"{directory}: no {CARD} there; expected the directory of a trained judge.") from None
    if card.get("kind") != KIND:
        raise Problem(
            f"{directory}: holds a model of kind {card.get('kind')!r}; only a {KIND} judge may score replies. "
            "User signals may help choose samples, never reward them."
        )
    model = AutoModelForSequenceClassification.from_pretrained(directory, dtype=inference_dtype(precision))
    tokenizer = AutoTokenizer.from_pretrained(directory, padding_side="left")
    return Judge(card["name"], card["version"], model.to(device()).eval(), tokenizer)


def score_candidates(
    judge: Judge, candidates: pl.DataFrame, prompts: pl.DataFrame, advance: Advance = no_progress
) -> pl.DataFrame:
    """Score a table of candidates.

    Args:
        judge: The judge.
        candidates: `schemas.judgements.Candidate`.
        prompts: `turn_id`, `messages`.
        advance: Told the number of replies done.

    Returns:
        `schemas.judgements.ScoredCandidate`.
    """
    joined = candidates.join(prompts.select("turn_id", "messages"), on="turn_id", how="left", maintain_order="left")
    scores = judge.score(joined["messages"].to_list(), joined["response"].to_list(), advance)
    return candidates.with_columns(
        judge=pl.lit(judge.name), judge_version=pl.lit(judge.version), score=pl.Series(scores, dtype=pl.Float64)
    )
