"""RL: the reference follows as an EMA, survives a resume, and only a judge can reward."""

from __future__ import annotations

import inspect
import shutil

import polars as pl
import pytest
import torch
from safetensors.torch import load_file
from tests_support import save_judge

from rewards.trainers import COMPLETE, last_checkpoint
from schemas import recipe
from schemas.problems import Problem
from schemas.stage import no_progress
from training import grpo
from training.grpo import REFERENCE, EmaReference, train_grpo

SETTINGS = recipe.RL(
    batch_size=8,
    steps=4,
    save_steps=2,
    learning_rate=1e-2,
    ema_alpha=0.25,
    decoding=recipe.Decoding(max_new_tokens=4),
)
PROMPTS = pl.DataFrame(
    {
        "prompt": [
            [{"role": "system", "content": "A pirate."}, {"role": "user", "content": f"ahoy {i}"}] for i in range(40)
        ]
    }
)


def train(model, judge, directory, **more):
    return train_grpo(
        model,
        PROMPTS,
        judge,
        settings=SETTINGS,
        out=directory / "model",
        work=directory / "work",
        precision="float32",
        seed=3,
        advance=more.pop("advance", no_progress),
    )


@pytest.fixture(scope="module")
def judge(tiny_model, tmp_path_factory):
    return save_judge(tiny_model, tmp_path_factory.mktemp("judge"))


def test_the_reference_moves_by_alpha_each_step():
    reference, policy = torch.nn.Linear(1, 1, bias=False), torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.constant_(reference.weight, 0.0)
    torch.nn.init.constant_(policy.weight, 1.0)
    ema = EmaReference(reference, 0.25, None)
    for step, expected in enumerate([0.25, 0.4375, 0.578125]):  # 1 - 0.75 ** n
        ema.on_step_end(None, None, None, model=policy)
        assert reference.weight.item() == pytest.approx(expected), step
    with pytest.raises(ValueError, match="float32"):
        EmaReference(reference.to(torch.bfloat16), 0.25, None)


def test_a_run_that_was_cut_off_ends_with_the_same_policy_and_reference(tiny_model, judge, tmp_path):
    """Stop after step 3 (the checkpoint is of step 2), resume, and compare with a run that was never stopped."""

    class CutOff(Exception):
        pass

    def stop(done, total=None, note=""):
        if done == 3:
            raise CutOff

    train(tiny_model, judge, tmp_path / "whole")
    with pytest.raises(CutOff):
        train(tiny_model, judge, tmp_path / "cut", advance=stop)
    assert last_checkpoint(tmp_path / "cut" / "work").name == "checkpoint-2"
    train(tiny_model, judge, tmp_path / "cut")

    for file in ("model/model.safetensors", f"work/checkpoints/checkpoint-4/{REFERENCE}"):
        whole, resumed = load_file(tmp_path / "whole" / file), load_file(tmp_path / "cut" / file)
        start = load_file(f"{tiny_model}/model.safetensors")
        for name in whole:
            assert torch.allclose(whole[name], resumed[name], atol=1e-6), (file, name)
        moved = max((whole[name] - start[name]).abs().max().item() for name in whole if name in start)
        assert moved > 1e-4, f"{file} never moved, so the comparison says nothing"


def test_a_checkpoint_without_its_mark_is_not_trusted(tmp_path):
    for step, complete in ((2, True), (4, False)):
        path = tmp_path / "checkpoints" / f"checkpoint-{step}"
        path.mkdir(parents=True)
        if complete:
            (path / COMPLETE).touch()
    assert last_checkpoint(tmp_path).name == "checkpoint-2"
    assert not (tmp_path / "checkpoints" / "checkpoint-4").exists()


def test_a_reward_comes_in_by_a_judges_directory_alone(tiny_model, judge, tmp_path):
    assert list(inspect.signature(train_grpo).parameters)[:3] == ["model", "prompts", "judge"]
    assert not [name for name in inspect.signature(train_grpo).parameters if "reward" in name]
    signal = tmp_path / "signal"
    shutil.copytree(judge, signal)
    (signal / "judge.json").write_text('{"kind": "signal", "name": "p_continue", "version": "1"}')
    with pytest.raises(Problem, match="never reward"):
        train(tiny_model, signal, tmp_path / "t")


def test_style_is_logged_without_weight():
    logged = {}

    class FakeScores:
        def score(self, prompts, replies):
            return [1.0, 2.0]

    rewarded = grpo.reward_function(FakeScores())(
        [[], []],
        [[{"content": "hi 🎉"}], [{"content": "one two three"}]],
        log_metric=lambda name, value: logged.update({name: value}),
    )
    assert rewarded == [1.0, 2.0]
    assert logged["style/emoji"] == 0.5
    assert logged["style/words"] == 2.5
