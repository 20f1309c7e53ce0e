"""Toxicity scores: labels, the band, and a checkpoint that is checked before it is opened."""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from curation import safety
from schemas.problems import Problem
from schemas.recipe import Safety
from schemas.turns import MESSAGES


def said(*pairs: tuple[str, str]) -> pl.DataFrame:
    messages = [[{"role": "system", "content": "s"}, {"role": "user", "content": user}] for user, _ in pairs]
    return pl.DataFrame(
        {"messages": pl.Series(messages, dtype=MESSAGES), "response": [reply for _, reply in pairs]},
    )


def test_the_higher_of_message_and_reply_counts() -> None:
    scorer = safety.load_scorer(Safety())
    assert scorer.embedded
    turns = safety.score(said(("have a nice day", "you too"), ("hello", "fuck you, you stupid shit")), scorer)
    mild, harsh = turns.select(safety.worst()).to_series()
    assert mild < 0.3
    assert harsh > 0.95
    reasons = turns.select(safety.drop_reason(Safety())).to_series().to_list()
    assert reasons == [None, "toxicity above 0.95"]


def test_the_label_with_the_highest_score_names_the_reason() -> None:
    class Two:
        name, embedded = "two", False

        def score(self, texts: list[str]) -> dict[str, Any]:
            return {"insult": np.array([0.2, 0.7, 0.1, 0.2]), "threat": np.array([0.1, 0.1, 0.9, 0.65])}

    turns = safety.score(said(("a", "b"), ("c", "d")), Two())
    assert turns["safety"].to_list() == [
        [{"label": "insult", "score": 0.2}, {"label": "threat", "score": 0.9}],
        [{"label": "insult", "score": 0.7}, {"label": "threat", "score": 0.65}],
    ]
    reasons = turns.select(safety.drop_reason(Safety(drop_above=0.6, review_above=0.5))).to_series().to_list()
    assert reasons == ["threat above 0.6", "insult above 0.6"]
    kept = turns.select(safety.drop_reason(Safety(drop_above=0.9, review_above=0.5))).to_series().to_list()
    assert kept == [None, None]  # the grey band stays


def test_an_empty_shard_is_scored() -> None:
    assert safety.score(said(("a", "b")).clear(), safety.load_scorer(Safety())).height == 0


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Detoxify checkpoint of a tiny random BERT."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizer

    folder = tmp_path_factory.mktemp("bert")
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "you", "are", "nice", "bad"]
    (folder / "vocab.txt").write_text("\n".join(vocabulary))
    BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=9, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, num_labels=2
    )
    config.save_pretrained(folder)
    model = BertForSequenceClassification(config)
    arch = {
        "model_type": str(folder),
        "model_name": "BertForSequenceClassification",
        "tokenizer_name": "BertTokenizer",
        "num_classes": 2,
    }
    path = folder / "toxic.ckpt"
    dataset = {"args": {"classes": ["toxic", "threat"]}}
    torch.save({"config": {"arch": {"args": arch}, "dataset": dataset}, "state_dict": model.state_dict()}, path)
    return path


def settings(path: Path, digest: str | None = None) -> Safety:
    digest = digest or hashlib.sha256(path.read_bytes()).hexdigest()
    return Safety(scorer="detoxify", checkpoint=str(path), checkpoint_sha256=digest)


def test_detoxify_from_a_checkpoint(checkpoint: Path) -> None:
    scorer = safety.load_scorer(settings(checkpoint))
    assert not scorer.embedded
    texts = ["you are nice", "bad", "you are bad bad bad", "nice"] * 20
    scores = scorer.score(texts)
    assert list(scores) == ["toxicity", "threat"]
    assert all(values.shape == (80,) and ((values > 0) & (values < 1)).all() for values in scores.values())
    alone = [scorer.score([text])["threat"][0] for text in texts[:4]]
    np.testing.assert_allclose(scores["threat"][:4], alone, atol=1e-5)


def test_a_checkpoint_of_another_hash_is_not_opened(tmp_path: Path) -> None:
    opened = tmp_path / "opened"

    class Opens:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (opened,))

    path = tmp_path / "evil.ckpt"
    path.write_bytes(pickle.dumps(Opens()))
    with pytest.raises(Problem, match="was not opened"):
        safety.load_scorer(settings(path, "0" * 64))
    assert not opened.exists()
    with pytest.raises(Problem, match="no such file"):
        safety.load_scorer(settings(tmp_path / "none.ckpt", "0" * 64))
