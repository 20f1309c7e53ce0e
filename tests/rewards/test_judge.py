"""The judge: learns what people prefer, scores the same whatever the batch, and nothing else may stand in for it."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards.judge import load_judge, new_judge
from rewards.judge_training import train_judge
from rewards.trainers import by_length
from schemas import recipe
from schemas.judgements import Preference
from schemas.problems import Problem
from schemas.stage import no_progress


def preferences(n):
    def reply(text):
        return [{"role": "assistant", "content": text}]

    rows = [
        {
            "turn_id": f"{i:032x}",
            "persona_id": str(i),
            "prompt": [{"role": "system", "content": "A pirate."}, {"role": "user", "content": f"hello {i}"}],
            "chosen": reply(f"aye aye {i * 7 % 11} sailor"),
            "rejected": reply(f"{i * 5 % 13} no"),
            "margin": 1.0,
            "agreement": 1.0,
            "annotators": 3,
            "simulated": True,
        }
        for i in range(n)
    ]
    return pl.DataFrame(rows, schema=Preference.create_empty().schema)


@pytest.fixture(scope="module")
def trained(tiny_model, tmp_path_factory):
    directory = tmp_path_factory.mktemp("judge")
    data = preferences(40)
    figures = train_judge(
        tiny_model,
        data.head(32),
        data.tail(8),
        settings=recipe.Judge(batch_size=8, learning_rate=3e-3, epochs=4, max_length=100),
        out=directory / "model",
        work=directory / "work",
        name="test",
        trained_on={"preferences": "0" * 64},
        precision="float32",
        seed=1,
        advance=no_progress,
    )
    return directory / "model", figures


def test_it_learns_what_was_preferred(trained):
    _, figures = trained
    # Equal scores at the start: Bradley-Terry's loss is log 2, which the zero head makes exact.
    assert figures["training"]["first_loss"] == pytest.approx(np.log(2), abs=1e-3)
    assert figures["accuracy"]["value"] == 1.0
    assert figures["accuracy"]["n"] == 8
    assert figures["pairs"] == 32


def test_frozen_layers_stay_as_they_are_and_the_others_move(tiny_model):
    classifier, _ = new_judge(tiny_model, frozen_layers=1)
    trained = {name for name, weights in classifier.named_parameters() if weights.requires_grad}
    assert any("layers.1." in name for name in trained)
    assert "score.weight" in trained
    assert not [name for name in trained if "layers.0." in name or "embed" in name]
    with pytest.raises(Problem, match="freeze fewer"):
        new_judge(tiny_model, frozen_layers=2)


@given(st.lists(st.integers(1, 500), max_size=60), st.integers(1, 16), st.integers(0, 9))
def test_rows_of_one_length_share_a_batch_and_none_is_lost(lengths, size, seed):
    order = by_length(lengths, size, seed)
    assert sorted(order) == list(range(len(lengths)))
    padded = sum(size * max(lengths[i] for i in order[s : s + size]) for s in range(0, len(order) // size * size, size))
    ranked = sorted(lengths)
    assert padded == sum(size * ranked[s + size - 1] for s in range(0, len(order) // size * size, size))


def test_scores_do_not_depend_on_the_batch(trained):
    judge = load_judge(trained[0], "float32")
    prompts = [
        [{"role": "system", "content": "A pirate."}, {"role": "user", "content": "hi " * n}] for n in range(1, 30)
    ]
    replies = ["aye " * (30 - n) for n in range(1, 30)]
    together = judge.score(prompts, replies)
    alone = [judge.score([p], [r])[0] for p, r in zip(prompts, replies, strict=True)]
    assert together == pytest.approx(alone, abs=1e-4)


def test_a_model_of_user_signals_is_refused_by_name(trained, tmp_path):
    (tmp_path / "judge.json").write_text(json.dumps({"kind": "signal", "name": "p_continue", "version": "1"}))
    with pytest.raises(Problem, match="never reward"):
        load_judge(tmp_path, "float32")
    with pytest.raises(Problem, match=r"no judge\.json"):
        load_judge(tmp_path / "none", "float32")


def test_pairs_that_fit_nowhere_get_a_sentence(tiny_model, tmp_path):
    with pytest.raises(Problem, match=r"judge\.max_length"):
        train_judge(
            tiny_model,
            preferences(4),
            preferences(1),
            settings=recipe.Judge(max_length=3),
            out=tmp_path / "m",
            work=tmp_path / "w",
            name="t",
            trained_on={},
            precision="float32",
            seed=1,
            advance=no_progress,
        )
