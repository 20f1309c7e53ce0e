"""Sampled replies: the log probability is the policy's own, prompts fit, a resume samples the same."""

from __future__ import annotations

import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rewards.models import load_policy, load_tokenizer
from rewards.prompts import fit, prompt_ids
from rewards.sampling import sample_replies
from schemas.precision import use_bfloat16
from schemas.problems import Problem
from schemas.recipe import Decoding


def prompts(n=5):
    return pl.DataFrame(
        {
            "turn_id": [f"{i:032x}" for i in range(n)],
            "messages": [
                [{"role": "system", "content": "You are a pirate."}, {"role": "user", "content": "ahoy " * (i + 1)}]
                for i in range(n)
            ],
        }
    )


@pytest.fixture(scope="module")
def policy(tiny_model):
    return load_policy(tiny_model, "float32"), load_tokenizer(tiny_model)


def sample(policy, frame, **more):
    model, tokenizer = policy
    more = {"replies": 3, "decoding": Decoding(max_new_tokens=5, batch_size=6), "seed": 1, **more}
    return sample_replies(model, tokenizer, frame, policy="p", **more)


def test_logprob_is_what_the_policy_gives_the_reply_alone(policy):
    """Recomputed one by one, without padding, cache or batch, from the tokens of replies that read back unchanged."""
    model, tokenizer = policy
    replies = sample(policy, prompts(), replies=12, decoding=Decoding(max_new_tokens=2, batch_size=24))
    checked = 0
    for turn_id, response, logprob in replies.select("turn_id", "response", "logprob").iter_rows():
        messages = prompts().filter(turn_id=turn_id)["messages"].to_list()[0]
        start = prompt_ids(tokenizer, messages)
        reply = tokenizer(response, add_special_tokens=False)["input_ids"]
        if len(reply) != 2:  # whitespace at the ends was stripped, or it stopped early
            continue
        with torch.inference_mode():
            logits = model(torch.tensor([start + reply])).logits[0, len(start) - 1 : -1].log_softmax(-1)
        again = logits[torch.arange(2), torch.tensor(reply)].sum().item()
        checked += abs(again - logprob) < 1e-3
    assert checked >= 8


def test_order_of_prompts_changes_nothing(policy):
    assert sample(policy, prompts()).equals(sample(policy, prompts().reverse()))


def test_a_resume_takes_finished_batches_up(policy, tmp_path):
    whole = sample(policy, prompts(), work=tmp_path)
    kept = sorted(tmp_path.glob("*.parquet"))
    assert len(kept) == 3
    kept[1].unlink()
    assert sample(policy, prompts(), work=tmp_path).equals(whole)


def test_replies_of_one_prompt_differ(policy):
    assert sample(policy, prompts(1), replies=6)["response"].n_unique() > 1


@settings(max_examples=40, deadline=None)
@given(turns=st.lists(st.integers(1, 30), min_size=1, max_size=9), room=st.integers(20, 200))
def test_a_fitted_prompt_keeps_persona_and_last_message(policy, turns, room):
    tokenizer = policy[1]
    roles = ["user" if (len(turns) - i) % 2 else "assistant" for i in range(len(turns))]
    messages = [{"role": "system", "content": "You are a pirate."}]
    messages += [{"role": role, "content": "ahoy " * n} for role, n in zip(roles, turns, strict=True)]
    fitted = fit(tokenizer, messages, room)
    if fitted is None:
        assert len(prompt_ids(tokenizer, [messages[0], messages[-1]])) > room
        return
    assert fitted[0] == messages[0]
    assert fitted[-1] == messages[-1]
    assert len(prompt_ids(tokenizer, fitted)) <= room
    assert fitted[1:] == messages[len(messages) - len(fitted) + 1 :]
    assert fitted[1]["role"] == "user" or fitted == messages  # a greeting stays only where nothing was dropped


def test_models_that_are_not_there_get_a_sentence(tmp_path):
    with pytest.raises(Problem, match="could not be loaded"):
        load_policy(str(tmp_path / "none"), "float32")
    with pytest.raises(Problem, match="could not be loaded"):
        load_tokenizer("nobody/has-this-model")


def test_precision_is_what_the_recipe_says_or_the_machine_has():
    assert use_bfloat16("bfloat16")
    assert not use_bfloat16("float32")
    assert use_bfloat16("auto") in (True, False)
