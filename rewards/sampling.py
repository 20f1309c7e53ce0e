"""Sample replies from a policy: sorted by length, in batches, each batch with a seed of its own.

A batch's seed comes from the recipe's seed and the ids in it, and finished batches are kept under `work`, so a run that
was cut off goes on with the same replies it would have had.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import polars as pl

from rewards.prompts import prompt_ids
from schemas.judgements import Candidate
from schemas.recipe import Decoding
from schemas.stage import Advance, no_progress


def sample_replies(
    model: Any,
    tokenizer: Any,
    prompts: pl.DataFrame,
    *,
    policy: str,
    replies: int,
    decoding: Decoding,
    seed: int,
    work: Path | None = None,
    advance: Advance = no_progress,
) -> pl.DataFrame:
    """Sample `replies` replies to each prompt.

    Args:
        model: Causal language model in evaluation mode.
        tokenizer: Its tokenizer, padding left.
        prompts: Columns `turn_id` and `messages` (already fitted, see `rewards.prompts.fit`).
        policy: Name for the `policy` column.
        replies: Samples a prompt.
        decoding: How to sample.
        seed: The recipe's seed.
        work: Directory for finished batches, or None to keep nothing.
        advance: Told the number of replies done.

    Returns:
        `schemas.judgements.Candidate` rows, ordered by turn and sample.
    """
    rendered = [
        (len(ids), turn_id, ids)
        for turn_id, messages in zip(prompts["turn_id"], prompts["messages"], strict=True)
        for ids in [prompt_ids(tokenizer, messages)]
    ]
    rendered.sort(key=lambda row: row[:2])
    frames, total = [], len(rendered) * replies
    prompts_at_once = max(1, decoding.batch_size // replies)
    for start in range(0, len(rendered), prompts_at_once):
        batch = [(turn_id, ids) for _, turn_id, ids in rendered[start : start + prompts_at_once]]
        label = "\x1f".join([str(seed), policy, str(replies), decoding.model_dump_json(), *(i for i, _ in batch)])
        digest = hashlib.sha256(label.encode()).hexdigest()
        kept = work / f"replies-{digest[:16]}.parquet" if work else None
        if kept is not None and kept.is_file():
            frame = pl.read_parquet(kept)
        else:
            frame = _generate(model, tokenizer, batch, replies, policy, decoding, int(digest[:8], 16))
            if kept is not None:
                draft = kept.with_suffix(".partial")
                frame.write_parquet(draft)
                draft.replace(kept)
        frames.append(frame)
        advance(min((start + prompts_at_once) * replies, total), total, "replies")
    sampled = pl.concat(frames) if frames else Candidate.create_empty()
    return Candidate.validate(sampled.sort("turn_id", "sample_index"))


def _generate(
    model: Any,
    tokenizer: Any,
    batch: list[tuple[str, list[int]]],
    replies: int,
    policy: str,
    decoding: Decoding,
    seed: int,
) -> pl.DataFrame:
    import torch
    from transformers import GenerationConfig

    padded = tokenizer.pad({"input_ids": [ids for _, ids in batch]}, return_tensors="pt").to(model.device)
    stops = {tokenizer.eos_token_id, *_as_list(model.generation_config.eos_token_id)} - {None}
    settings = GenerationConfig(
        max_new_tokens=decoding.max_new_tokens,
        do_sample=True,
        temperature=decoding.temperature,
        min_p=decoding.min_p,
        top_p=1.0,
        top_k=0,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=sorted(stops),
        return_dict_in_generate=True,
        output_logits=True,
    )
    with torch.random.fork_rng(), torch.inference_mode():
        torch.manual_seed(seed)
        # The prompt is read once for all its replies: the cache holds all but its last token, repeated per reply.
        prompt, mask = padded["input_ids"], padded["attention_mask"]  # [batch, prompt]
        places = (mask.cumsum(1) - 1).clamp(min=0)
        read = model(
            prompt[:, :-1], attention_mask=mask[:, :-1], position_ids=places[:, :-1], use_cache=True, logits_to_keep=1
        )
        cache = read.past_key_values
        cache.batch_repeat_interleave(replies)
        out = model.generate(
            input_ids=prompt.repeat_interleave(replies, 0),
            attention_mask=mask.repeat_interleave(replies, 0),
            past_key_values=cache,
            generation_config=settings,
        )
    jobs = [(turn_id, index) for turn_id, _ in batch for index in range(replies)]
    new = out.sequences[:, prompt.shape[1] :]  # [batch x replies, new]
    ended = torch.isin(new, torch.tensor(sorted(stops), device=new.device))
    # The token that ends a reply belongs to it; padding after it does not.
    counted = ended.cumsum(1) - ended.long() == 0
    logprob = torch.zeros(len(jobs), dtype=torch.float64)
    for step, logits in enumerate(out.logits):  # each [batch x replies, vocabulary], before temperature and min-p
        chosen = logits.float().log_softmax(-1).gather(1, new[:, step : step + 1]).squeeze(1)
        logprob += torch.where(counted[:, step], chosen, 0.0).double().cpu()
    texts = tokenizer.batch_decode(torch.where(counted, new, tokenizer.pad_token_id), skip_special_tokens=True)
    return pl.DataFrame(
        {
            "turn_id": [turn_id for turn_id, _ in jobs],
            "policy": policy,
            "sample_index": [index for _, index in jobs],
            "response": [text.strip() for text in texts],
            "logprob": logprob.clamp(max=0.0).tolist(),
        },
        schema=Candidate.create_empty().schema,
    )


def _as_list(value: int | list[int] | None) -> list[int | None]:
    return list(value) if isinstance(value, list) else [value]
