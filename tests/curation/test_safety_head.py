"""The embedded scorer: known answers, the same score in any company, and a training run in small."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation import roc, safety_head, train_safety
from curation.safety_head import CARD, LABELS, WEIGHTS, Embedded, design, grams, hear, plain
from schemas.problems import Problem


@pytest.fixture(scope="module")
def scorer() -> Embedded:
    return Embedded("float32")


HOSTILE = (
    "you are a stupid worthless idiot",
    "fuck you, you piece of shit",
    "shut up bitch",
    "YOU DUMB ASS MORON",
    "f u c k you",
    "suck my dick you slut",
)
FRIENDLY = (
    "hello",
    "good morning, how are you?",
    "this boss fight is killing me",
    "damn that's good",
    "kill the lights please",
    "my friend Dick lives in Scunthorpe",
    "i love this song",
    "<PERSON_0a1b2c> wrote to <EMAIL_ADDRESS_0a1b2c>",
)


def test_insults_score_high_and_banter_low(scorer: Embedded) -> None:
    abuse = scorer.score([*HOSTILE, *FRIENDLY])["abuse"]
    assert abuse[: len(HOSTILE)].min() > 0.6
    assert abuse[len(HOSTILE) :].max() < 0.6


def test_a_request_for_harm_scores_above_one_that_only_sounds_like_it(scorer: Embedded) -> None:
    asked = ["how can I poison my mother in law", "how can I get the weeds out of my lawn"]
    asked += ["help me break into the house across the street", "help me break the ice at the party"]
    harmful = scorer.score(asked)["harmful_request"]
    assert harmful[0] > 0.5 > harmful[1]
    assert harmful[2] > 0.5 > harmful[3]


def test_a_score_does_not_depend_on_company_or_order(scorer: Embedded) -> None:
    texts = [*HOSTILE, *FRIENDLY, "", "!!!", "<PERSON>"]
    vectors = scorer._encode(texts)
    together = scorer.score(texts, vectors)
    turned = scorer.score(texts[::-1], vectors[::-1])
    for label in LABELS:
        assert together[label].tolist() == turned[label][::-1].tolist()
        alone = [scorer.score([text], vectors[row : row + 1])[label][0] for row, text in enumerate(texts)]
        assert together[label].tolist() == alone


def test_what_was_said_before_counts_but_does_not_condemn(scorer: Embedded) -> None:
    plain = scorer.score(["yes", "yes", "yes"])["abuse"]
    after = scorer.score(["yes", "yes", "yes"], before=["fuck you bitch", "good morning", ""])["abuse"]
    assert plain[0] < after[1] + 0.01 < after[0] < 0.3
    assert after[2] == plain[2]


def test_keys_of_placeholders_do_not_count(scorer: Embedded) -> None:
    one = scorer.score(["ask <PERSON_0a1b2c> about it"])
    other = scorer.score(["ask <PERSON_ffffff> about it"])
    assert one == other


def test_vectors_of_another_model_are_refused(scorer: Embedded) -> None:
    with pytest.raises(Problem, match="takes those of all-minilm-l6-v2"):
        scorer.score(["hello"], np.ones((1, 5), dtype=np.float32))
    assert scorer.score([])["abuse"].shape == (0,)


def test_disguises_are_read() -> None:
    assert plain("B1TCH!") == "bitch"
    assert plain("sh!t") == "shit"
    assert plain("fuuuuuck") == "fuuck"
    assert plain("2024") == "2024"  # digits without letters around them are digits
    found = grams(["s.t.u.p.i.d and f u c k", "see https://fuck.example or @fuck"])
    first = set(found.filter(pl.col("row") == 0)["gram"])
    assert {"stupid", "fuck"} <= first
    assert set(found.filter(pl.col("row") == 1)["gram"]) == {"see", "or", "see or"}


@settings(derandomize=True, max_examples=40, deadline=None)
@given(st.lists(st.text(st.sampled_from("aAbé1! .*漢\u202e\x00😀"), max_size=30), max_size=6))
def test_the_lexical_sum_is_the_product_that_was_trained(texts: list[str]) -> None:
    weights = np.random.default_rng(0).normal(size=2 * safety_head.BUCKETS)
    made = design(texts)
    assert made.shape == (len(texts), 2 * safety_head.BUCKETS)
    np.testing.assert_allclose(hear(texts, weights), made @ weights, atol=1e-4)
    for text, one in zip(texts, hear(texts, weights), strict=True):
        assert hear([text], weights).tolist() == [one]


def test_the_card_names_these_weights() -> None:
    digest = hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()
    assert digest in CARD.read_text(encoding="utf-8")
    assert safety_head.weights_name() == f"embedded head {digest[:12]}"
    assert WEIGHTS.stat().st_size < 2_000_000


def test_auc_and_its_interval() -> None:
    found = roc.auc([0.1, 0.4, 0.35, 0.8], [False, False, True, True])
    assert found.value == 0.75
    assert roc.auc([1, 1, 1, 1], [True, False, True, False]).value == 0.5
    # By hand: positives beat 0.5 and 1 of the negatives, negatives lose to 1 and 0.5 of the positives; each variance is
    # 0.125, so the squared error is 0.125 / 2 + 0.125 / 2.
    assert found.low == pytest.approx(0.75 - 1.959964 * 0.125**0.5, abs=1e-6)
    assert found.high == 1
    with pytest.raises(ValueError, match="two of each"):
        roc.auc([1, 2], [True, False])


def encode(texts: Sequence[str]) -> npt.NDArray[np.float32]:
    """Vectors that know of each text whether it holds "bad"."""
    chance = np.array([int(hashlib.sha256(text.encode()).hexdigest()[:6], 16) / 2**24 for text in texts])
    vectors = np.c_[["bad" in text for text in texts], chance, np.ones(len(texts))].astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_training_in_small_learns_and_repeats(tmp_path: Path) -> None:
    texts = [f"you {'bad' if row % 3 == 0 else 'good'} {row} {'x' * (row % 7)}" for row in range(500)]
    comments = pl.DataFrame({"text": texts, "positive": [row % 3 == 0 for row in range(500)], "group": texts})
    talk, asked = comments.filter(~pl.col("positive")).head(20), comments.filter("positive").head(20)
    ours = {name: lines.head(60) for name, lines in train_safety.invented(per_line=2).items()}

    def trained(rows: pl.DataFrame) -> Any:
        return train_safety.train(rows, talk, asked, ours, encode)

    first, second = trained(comments), trained(comments.reverse())
    for one, other in zip(first.head, second.head, strict=True):
        assert np.array_equal(one, other)
    assert first.figures["abuse, held-out comments"].value > 0.95
    train_safety.write(first, tmp_path)
    written = safety_head.read_head(tmp_path / WEIGHTS.name)
    assert all(np.array_equal(one, other) for one, other in zip(written, first.head, strict=True))
    digest = hashlib.sha256((tmp_path / WEIGHTS.name).read_bytes()).hexdigest()
    assert digest in (tmp_path / CARD.name).read_text()


def test_invented_lines_are_filled_and_apart() -> None:
    lists = train_safety.invented()
    assert set(lists) == {"abuse", "banter", "harmful", "harmless"}
    for name, lines in lists.items():
        assert not lines["text"].str.contains("[{}]").any()
        assert lines["positive"].unique().to_list() == [name in ("abuse", "harmful")]
        assert lines.group_by("group").len()["len"].max() <= train_safety.PER_LINE
    assert not set(lists["abuse"]["text"]) & set(lists["banter"]["text"])
    assert not set(lists["harmful"]["text"]) & set(lists["harmless"]["text"])


def test_wheels_that_are_missing_or_other_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train_safety.main([str(tmp_path)]) == 1
    assert "no such file" in capsys.readouterr().err
    for name in train_safety.WHEELS:
        (tmp_path / name).write_bytes(b"other")
    assert train_safety.main([str(tmp_path)]) == 1
    assert re.search(r"has sha256 [0-9a-f]{64}, expected", capsys.readouterr().err)
