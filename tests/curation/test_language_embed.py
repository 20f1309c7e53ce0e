"""Languages, and vectors that do not depend on which texts share a batch."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from curation import embed, language
from schemas.curation_recipe import Embedding, Language
from schemas.problems import Problem
from schemas.turns import MESSAGES


def said(user: list[str], reply: list[str]) -> pl.DataFrame:
    messages = [[{"role": "system", "content": "s"}, {"role": "user", "content": text}] for text in user]
    return pl.DataFrame({"messages": pl.Series(messages, dtype=MESSAGES), "response": reply})


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("what are you doing this evening?", "en"),
        ("o que você vai fazer hoje à noite?", "pt"),
        ("was machst du heute Abend?", "de"),
        ("今日は何をしていますか", "ja"),
        ("오늘 저녁에 뭐 해요?", "ko"),
        ("ok", "und"),
        ("12345 <PERSON_3f2a9c> :)", "und"),
        ("", "und"),
    ],
)
def test_languages(text: str, code: str) -> None:
    assert language.detect([text])[0][0] == code


def test_only_sure_and_unwanted_languages_go() -> None:
    turns = said(
        ["what are you doing this evening?", "was machst du heute Abend?", "hm"], ["nothing much", "nichts", "ok"]
    )
    labelled = language.label(turns, Language())
    assert labelled["language"].to_list() == ["en", "de", "und"]
    reasons = labelled.select(x=language.drop_reason(Language(keep=("en",))))["x"].to_list()
    assert [reason is None for reason in reasons] == [True, False, True]
    assert reasons[1] == "language de not kept"
    assert labelled.with_columns(x=language.drop_reason(Language()))["x"].null_count() == labelled.height
    assert set(language.label(turns, Language(min_confidence=1.0))["language"]) <= {"und", "en", "de"}


def test_the_key_does_not_reach_the_vectors() -> None:
    turns = said(["I am <PERSON_3f2a9c>", "a < b"], ["Hi <PERSON_3f2a9c>", "$1 <x_1>"])
    assert embed.said(turns) == (["I am <PERSON>", "a < b"], ["Hi <PERSON>", "$1 <x_1>"])


def test_a_turn_is_the_sum_of_its_messages() -> None:
    user = np.array([[1, 0], [0.6, 0.8], [1, 0]], dtype=np.float32)
    reply = np.array([[0, 1], [0.6, 0.8], [-1, 0]], dtype=np.float32)
    both = embed.turn_vectors(user, reply)
    np.testing.assert_allclose(both, [[0.5**0.5, 0.5**0.5], [0.6, 0.8], [-1, 0]], atol=1e-6)
    assert both.dtype == np.float32


@pytest.fixture(scope="module")
def vectors() -> embed.Embed:
    return embed.load(Embedding(batch_size=8), "float32")


TEXTS = [f"{'so ' * (n % 7)}I saw {n} {'birds over the grey sea and ' * (n % 5)}sang" for n in range(40)]


def test_vectors_mean_something(vectors: embed.Embed) -> None:
    cat, kitten, tax = vectors(["a cat sleeps", "a kitten is sleeping", "tax forms are due in April"])
    assert cat.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm([cat, kitten, tax], axis=1), 1, atol=1e-5)
    assert cat @ kitten > 0.6 > 0.3 > cat @ tax


def test_a_text_has_the_same_bits_in_any_company(vectors: embed.Embed) -> None:
    together = vectors(TEXTS)
    order = np.random.default_rng(0).permutation(len(TEXTS))
    apart = np.zeros_like(together)
    for part in np.array_split(order, 7):
        apart[part] = vectors([TEXTS[row] for row in part])
    assert np.array_equal(together, apart)
    assert np.array_equal(vectors([TEXTS[3], TEXTS[3]]), together[[3, 3]])


def test_the_same_bits_in_bfloat16_and_on_two_threads() -> None:
    import torch

    vectors = embed.load(Embedding(batch_size=8), "bfloat16")
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = vectors(TEXTS)
        torch.set_num_threads(2)
        assert np.array_equal(vectors(TEXTS[::-1])[::-1], one)
    finally:
        torch.set_num_threads(threads)


def test_as_sentence_transformers_has_them(vectors: embed.Embed) -> None:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(embed._folder(embed.EMBEDDED), device="cpu")
    theirs = model.encode(TEXTS, normalize_embeddings=True)
    np.testing.assert_allclose((theirs * vectors(TEXTS)).sum(axis=1), 1, atol=1e-5)
    rough = embed.load(Embedding(), "bfloat16")(TEXTS)
    assert ((theirs * rough).sum(axis=1) > 0.999).all()


def test_nothing_to_embed(vectors: embed.Embed) -> None:
    assert vectors([]).shape == (0, 384)


def test_a_model_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(Problem, match="did not load"):
        embed.load(Embedding(model="./no-such-folder"))
