"""Detoxify: files that are checked before they are opened, found or asked for, and scores like its own."""

from __future__ import annotations

import hashlib
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.toxicity import tiny_checkpoint
from curation import safety
from curation.safety_detoxify import FILES
from schemas.curation_recipe import DetoxifyModel, Safety
from schemas.problems import Problem

TEXTS = ["you are nice", "bad", "you are bad bad bad", "nice", "", "you " * 40]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_checkpoint(tmp_path_factory.mktemp("bert"))


def recipe(path: Path, digest: str | None = None) -> Safety:
    digest = digest or hashlib.sha256(path.read_bytes()).hexdigest()
    return Safety(scorer="detoxify", checkpoint=str(path), checkpoint_sha256=digest)


def test_scores_are_detoxifys_own(checkpoint: Path) -> None:
    from detoxify import Detoxify

    scorer = safety.load_scorer(recipe(checkpoint), "float32")
    assert not scorer.embedded
    theirs = Detoxify(checkpoint=str(checkpoint))
    scores = scorer.score(TEXTS)
    assert list(scores) == ["toxicity", "threat"]
    for label, values in scores.items():
        np.testing.assert_allclose(values, [theirs.predict(text)[label] for text in TEXTS], atol=1e-4)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_scores_do_not_depend_on_company_or_order(checkpoint: Path, precision: Any) -> None:
    scorer = safety.load_scorer(recipe(checkpoint), precision)
    together = scorer.score([*TEXTS * 30, "nice bad"])["threat"]
    turned = scorer.score(TEXTS[::-1])["threat"][::-1]
    alone = [scorer.score([text])["threat"][0] for text in TEXTS]
    assert together[: len(TEXTS)].tolist() == turned.tolist() == alone
    assert scorer.score([])["threat"].shape == (0,)


def test_a_text_longer_than_the_model_is_cut(checkpoint: Path) -> None:
    assert 0 < safety.load_scorer(recipe(checkpoint)).score(["bad " * 5000])["threat"][0] < 1


class Opens:
    """Leaves a mark when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.mark,))


def test_a_checkpoint_of_another_hash_is_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "evil.ckpt"
    path.write_bytes(pickle.dumps(Opens(tmp_path / "opened")))
    with pytest.raises(Problem, match="was not opened"):
        safety.load_scorer(recipe(path, "0" * 64))
    with pytest.raises(Problem, match="no such file"):
        safety.load_scorer(recipe(tmp_path / "none.ckpt", "0" * 64))
    named = tmp_path / Path(FILES["original"]).name
    path.rename(named)
    with pytest.raises(Problem, match=r"its name says c1212f89\.\.\.; .* was not opened"):
        safety.load_scorer(Safety(scorer="detoxify", model="original", folder=str(tmp_path)))
    assert not (tmp_path / "opened").exists()


@pytest.mark.parametrize("model", list(FILES))
def test_a_model_that_is_not_here_says_what_to_get_and_where_to_put_it(model: DetoxifyModel, tmp_path: Path) -> None:
    with pytest.raises(Problem) as told:
        safety.load_scorer(Safety(scorer="detoxify", model=model, folder=str(tmp_path)))
    assert FILES[model] in str(told.value)
    assert str(tmp_path) in str(told.value)


def test_a_named_model_is_found_in_the_folder_and_in_torchs_cache(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    monkeypatch.setitem(FILES, "original-small", f"v0/tiny-{digest[:8]}.ckpt")
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    shutil.copy(checkpoint, tmp_path / "hub" / "checkpoints" / f"tiny-{digest[:8]}.ckpt")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    cached = safety.load_scorer(Safety(scorer="detoxify", model="original-small"))
    folder = Safety(scorer="detoxify", model="original-small", folder=str(tmp_path / "hub" / "checkpoints"))
    assert cached.name == "detoxify:original-small"
    assert safety.load_scorer(folder).score(["bad"]) == cached.score(["bad"])
    with pytest.raises(Problem, match="the recipe says 000"):
        safety.load_scorer(folder.model_copy(update={"checkpoint_sha256": "0" * 64}))


def test_a_base_model_that_is_not_here_is_named(checkpoint: Path, tmp_path: Path) -> None:
    import torch

    loaded = torch.load(checkpoint, weights_only=False)
    loaded["config"]["arch"]["args"]["model_type"] = "bert-base-nowhere"
    path = tmp_path / "other.ckpt"
    torch.save(loaded, path)
    with pytest.raises(Problem, match="tokenizer of bert-base-nowhere are not here"):
        safety.load_scorer(recipe(path))
    for name in ("config.json", "vocab.txt", "tokenizer_config.json", "tokenizer.json"):
        (tmp_path / "bert-base-nowhere").mkdir(exist_ok=True)
        if (checkpoint.parent / name).is_file():
            shutil.copy(checkpoint.parent / name, tmp_path / "bert-base-nowhere")
    scorer = safety.load_scorer(recipe(path).model_copy(update={"folder": str(tmp_path)}))
    assert 0 < scorer.score(["bad"])["toxicity"][0] < 1


def test_a_file_that_is_no_checkpoint_is_told(tmp_path: Path) -> None:
    path = tmp_path / "text.ckpt"
    path.write_text("not a pickle")
    with pytest.raises(Problem, match="did not load"):
        safety.load_scorer(recipe(path))
