"""The finder: recognisers, table and engine together; engines by recipe; recognisers of one's own."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from curation import engines, finder
from curation.finder import Finder, merged
from curation.found import Found
from curation.recognisers.names import Entity
from schemas.curation_recipe import Scrub
from schemas.problems import Problem
from schemas.reading import read_recipe

CHAT = [
    "hi im sarah, hello",
    "MARCO WHERE R U",
    "my boss Kevin Nakagawa is at kevin@example.com or 0171 2345678",
    "tell Xiomara and jake i said hi",
    "nothing to see here",
    "Ayer vi a Guadalupe en la plaza",
    "",
    "she lives at 12 Long Meadow Road with Priya Raghunathan",
    "\ud800 broken Mary Smith",
    "so good 😭😭 ok",
]


@pytest.fixture(scope="module")
def find() -> Finder:
    return Finder(Scrub())


def shown(find: Finder, text: str, tag: bool = True) -> list[str]:
    return [text[hit.start : hit.end] for hit in find([text], [tag])[0]]


def test_every_kind_is_found_and_says_what_found_it(find: Finder) -> None:
    text = "Kevin Nakagawa: kevin@example.com, my name is kev"
    hits = find([text], [True])[0]
    assert [(hit.type, text[hit.start : hit.end]) for hit in hits] == [
        ("PERSON", "Kevin Nakagawa"),
        ("EMAIL_ADDRESS", "kevin@example.com"),
        ("PERSON", "kev"),
    ]
    assert all(hit.recogniser and 0 < hit.score <= 1 for hit in hits)


def test_nothing_depends_on_company_order_or_batch(find: Finder, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = random.Random(3)
    texts = [". ".join(draw.choices(CHAT, k=draw.randint(1, 4))) for _ in range(120)]
    tag = [draw.random() < 0.7 for _ in texts]
    whole = find(texts, tag)
    assert find(texts[::-1], tag[::-1]) == whole[::-1]
    assert [find([text], [yes])[0] for text, yes in zip(texts[:20], tag, strict=False)] == whole[:20]
    monkeypatch.setattr(finder, "BLOCK", 7)
    monkeypatch.setattr(engines, "BATCH", 3)
    assert find(texts, tag) == whole


def test_what_the_engine_is_not_asked_about_would_not_have_changed(find: Finder) -> None:
    asked: list[str] = []
    plain = find.engine.entities

    class Listening:
        languages = find.languages

        def entities(self, texts: Sequence[str]) -> list[list[Entity]]:
            asked.extend(texts)
            return plain(texts)

    listening = Finder.__new__(Finder)
    listening.__dict__.update(find.__dict__, engine=Listening())
    listening(CHAT, [True] * len(CHAT))
    assert "nothing to see here" not in asked
    assert "" not in asked
    assert "Marco where r u" in asked


def test_a_long_text_is_looked_through_in_pieces(find: Finder) -> None:
    text = "so we talked on and on. " * 1000 + "Then Nikhil Okonkwo came." + " and so on" * 2000
    assert shown(find, text) == ["Nikhil Okonkwo"]
    pieces = list(engines._pieces(text))
    assert "".join(piece for _, piece in pieces) == text
    assert all(text[at : at + len(piece)] == piece for at, piece in pieces)
    assert max(len(piece) for _, piece in pieces) <= engines.LONGEST
    assert [len(piece) for _, piece in engines._pieces("a" * 12_000)] == [5000, 5000, 2000]


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 12), st.floats(0, 1)), max_size=12))
def test_merging_covers_all_and_overlaps_nowhere(spans: list[tuple[int, int, float]]) -> None:
    found = [Found(start, start + length + 1, "PERSON", score) for start, length, score in spans]
    whole = merged(found)
    covered = {i for item in whole for i in range(item.start, item.end)}
    assert covered == {i for item in found for i in range(item.start, item.end)}
    assert all(left.end <= right.start for left, right in pairwise(whole))


RECOGNISERS = """
recognizers:
  - name: Badges
    supported_entity: BADGE
    patterns: [{name: badge, regex: 'blue-(?:owl|fox)', score: 0.3}]
    context: [badge]
"""


def test_recognisers_of_ones_own_from_yaml(tmp_path: Path) -> None:
    path = tmp_path / "ours.yaml"
    path.write_text(RECOGNISERS, encoding="utf-8")
    own = Finder(Scrub(recognisers=(str(path),)))
    text = "take my badge blue-owl along"
    assert [(hit.type, text[hit.start : hit.end], hit.recogniser) for hit in own([text], [True])[0]] == [
        ("BADGE", "blue-owl", "Badges")
    ]
    assert own(["what a blue-owl"], [True]) == [[]]  # without its context word it is not sure enough
    path.write_text("recognizers: [{name: 3}]", encoding="utf-8")
    with pytest.raises(Problem, match=r"ours.yaml: \w+; expected a list `recognizers`"):
        Finder(Scrub(recognisers=(str(path),)))
    with pytest.raises(Problem, match="no such file"):
        Finder(Scrub(recognisers=(str(tmp_path / "none.yaml"),)))


def test_paths_of_recognisers_are_from_the_recipe(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("name: x\ncuration: {scrub: {recognisers: [ours.yaml]}}", encoding="utf-8")
    assert read_recipe(recipe).curation.scrub.recognisers == (str(tmp_path / "ours.yaml"),)


def tiny_tagger(folder: Path) -> str:
    """A token classification model with random weights."""
    import torch
    from transformers import BertConfig, BertForTokenClassification, BertTokenizerFast

    letters = "abcdefghijklmnopqrstuvwxyz"
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters)]
    (folder / "vocab.txt").write_text("\n".join(vocabulary), encoding="utf-8")
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    torch.manual_seed(2)
    labels = {0: "O", 1: "B-PER", 2: "I-PER"}
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        id2label=labels,
        label2id={label: number for number, label in labels.items()},
    )
    BertForTokenClassification(config).save_pretrained(folder)
    return str(folder)


def test_a_transformers_model_by_path(tmp_path: Path) -> None:
    model = tiny_tagger(tmp_path)
    own = Finder(Scrub(engine="transformers", model=model, languages=("en", "pt")))
    assert own.languages == {"en", "pt"}
    assert not own.embedded
    texts = ["we met Xyzzil there", "\ud800 odd", "Xyzzil " * 400]
    entities = own.engine.entities(texts)
    assert all(
        0 <= one.start < one.end <= len(text) for text, some in zip(texts, entities, strict=True) for one in some
    )
    assert any(one.person for some in entities for one in some)
    assert own.engine.entities(texts) == entities
    assert len(own(texts, [True] * 3)) == 3


def test_an_engine_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="no spaCy model"):
        Finder(Scrub(model="nowhere_model"))
    with pytest.raises(Problem, match="transformers could not load 'nobody/nothing' from disk"):
        Finder(Scrub(engine="transformers", model="nobody/nothing"))
    with pytest.raises(Problem, match="gliner is not installed; pip install gliner"):
        Finder(Scrub(engine="gliner", model="nobody/nothing"))
    with pytest.raises(ValidationError, match="needs a model of its own"):
        Scrub(engine="gliner")


def test_an_engine_that_fails_on_everything_masks_nothing_quietly(find: Finder) -> None:
    class Broken:
        languages = find.languages

        def entities(self, texts: Sequence[str]) -> list[list[Entity]]:
            raise RuntimeError("out of memory")

    broken = Finder.__new__(Finder)
    broken.__dict__.update(find.__dict__, engine=Broken())
    texts = [f"My neighbour Kevin Miller lives at number {number}." for number in range(12)]
    with pytest.raises(RuntimeError):
        broken(texts, [True] * len(texts))


def test_a_machine_without_memory_is_no_fault_of_a_text(find: Finder) -> None:
    class Full:
        languages = find.languages

        def entities(self, texts: Sequence[str]) -> list[list[Entity]]:
            raise MemoryError

    full = Finder.__new__(Finder)
    full.__dict__.update(find.__dict__, engine=Full())
    with pytest.raises(MemoryError):
        full(["My neighbour Kevin Miller is here."], [True])
