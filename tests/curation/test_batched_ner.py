"""spaCy's ner over many texts at once: the same answers, in any company."""

from __future__ import annotations

import random
from typing import Any

import pytest

from curation import batched_ner
from curation.batched_ner import BatchedNer
from curation.engines import EMBEDDED, _load_spacy

PARTS = [
    "Sarah Miller met Tom in Paris on Friday",
    "I love the New York Times",
    "my boss Kevin Nakagawa works at Google",
    "yes",
    "She paid $5 to Dr. Okafor,  twice\n\n",
    "don't   ask",
    "George R.R. Martin wrote it in 1996",
    "the 3 founders: Bowman, Ortiz and White",
    "Bank of the West Coast and Harry Potter and the Half-Blood Prince on the third Monday of last year",
    "between ten and twenty thousand dollars for Van Der Berg & Sons of Cape Town, South",
    "THE NEW york knicks of Madison square Garden versus miami",
    "Lord of the Rings part",
    "😭 ask Priya about B-17",
    "\n",
]


@pytest.fixture(scope="module")
def pipeline() -> Any:
    return _load_spacy(EMBEDDED)


@pytest.fixture(scope="module")
def texts() -> list[str]:
    draw = random.Random(5)
    return ["", " ", *(". ".join(draw.choices(PARTS, k=draw.randint(1, 9))) for _ in range(200))]


def test_its_answers_are_those_of_spacy(pipeline: Any, texts: list[str]) -> None:
    assert BatchedNer.fits(pipeline)
    spacy = [[(e.start_char, e.end_char, e.label_) for e in doc.ents] for doc in pipeline.pipe(texts)]
    assert BatchedNer(pipeline).entities(texts) == spacy
    assert sum(map(len, spacy)) > 500


def test_neither_company_nor_order_changes_an_answer(
    pipeline: Any, texts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ner = BatchedNer(pipeline)
    whole = dict(zip(texts, ner.entities(texts), strict=True))
    shuffled = random.Random(6).sample(texts, len(texts))
    for size in (1, 7, 300):
        other = BatchedNer(pipeline)
        some = shuffled[:60] if size == 1 else shuffled
        for at in range(0, len(some), size):
            batch = some[at : at + size]
            assert other.entities(batch) == [whole[text] for text in batch]
    monkeypatch.setattr(batched_ner, "FORMS", 40)  # forms are forgotten and worked out again
    forgetful = BatchedNer(pipeline)
    assert [forgetful.entities([text])[0] for text in texts[:50]] == [whole[text] for text in texts[:50]]


def test_the_numbers_themselves_are_the_same_in_any_company(pipeline: Any) -> None:
    rows = [
        batched_ner.np.random.default_rng(n).normal(size=(1, 96)).astype("float32") for n in range(batched_ner.ROWS)
    ]
    ner = BatchedNer(pipeline)
    block = batched_ner.np.concatenate(rows)
    turned = batched_ner._product(block[::-1].copy(), ner._linear[0])[::-1]
    assert (batched_ner._product(block, ner._linear[0]) == turned).all()


def test_a_pipeline_of_another_build_is_left_to_spacy() -> None:
    import spacy

    other = spacy.blank("en")
    other.add_pipe("ner", config={"model": {"use_upper": False}})
    other.initialize()
    assert not BatchedNer.fits(other)
