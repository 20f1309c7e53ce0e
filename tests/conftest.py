"""What tests share: no way out to the network, and a tiny chat model made on the spot.

The tiny model is a real Llama with SmolLM2's tokenizer and random weights, given by path like any model of a user's. It
stands where only the mechanics are tested; what a real model does is tested with SmolLM2 itself.
"""

from __future__ import annotations

import os
import runpy
from pathlib import Path

import hypothesis
import pytest
from tests_server import fresh_server, server  # noqa: F401 (fixtures for all tests)

ROOT = Path(__file__).parent.parent
OFFLINE = ROOT / "tests" / "offline"

hypothesis.settings.register_profile("house", deadline=None)  # tests are never timed: machines are busy
hypothesis.settings.load_profile("house")
os.environ["HF_HUB_OFFLINE"] = "1"
runpy.run_path(str(OFFLINE / "sitecustomize.py"))


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Path of a two-layer Llama with random weights."""
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    from rewards.models import EMBEDDED, quiet_libraries, resolve

    tokenizer = AutoTokenizer.from_pretrained(resolve(EMBEDDED))
    quiet_libraries()
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=2048,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        tie_word_embeddings=True,
    )
    path = tmp_path_factory.mktemp("tiny-llama")
    LlamaForCausalLM(config).save_pretrained(path)
    tokenizer.save_pretrained(path)
    return str(path)
