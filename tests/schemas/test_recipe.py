"""A recipe with mistakes gets one sentence each; every recipe that is shipped loads."""

from __future__ import annotations

import pytest
from conftest import ROOT

from schemas.problems import Problem
from schemas.reading import read_recipe
from schemas.recipe import Recipe

WRONG = """\
name: Quick Start
sed: 3
seed: twenty
policy:
  modle: x
  max_prompt_tokens: -4
curation:
  format: turn
  quotas:
    max_persona_share: 3
    locales:
      pt-BR: {min: 0.5, max: 0.2}
    max_persona_share: 0.03
judge: {learning_rate: 5, learnig_rate: 1}
rl: {beta: 0, user_signal_weight: 1}
sft: 4
learning_rate: 3
sample: {languages: en}
"""

# line, key path, and a piece of what the sentence has to say
MISTAKES = [
    (1, "name:", "found 'Quick Start'"),
    (2, "sed:", "did you mean seed?"),
    (3, "seed:", "integer"),
    (5, "policy.modle:", "did you mean policy.model?"),
    (6, "policy.max_prompt_tokens:", "greater than 0, found -4"),
    (8, "curation.format:", "did you mean 'turns'?"),
    (12, "curation.quotas.locales.pt-BR:", "min 0.5 is above max 0.2"),
    (13, "curation.quotas.max_persona_share:", "twice"),
    (14, "judge.learnig_rate:", "did you mean judge.learning_rate?"),
    (14, "judge.learning_rate:", "less than 1, found 5"),
    (15, "rl.beta:", "greater than 0"),
    (15, "rl.user_signal_weight:", "unknown key"),
    (16, "sft:", "expected a section"),
    (17, "learning_rate:", "did you mean judge.learning_rate?"),
    (18, "sample.languages:", "expected a list"),
]


def test_every_mistake_gets_one_sentence_with_line_and_key(tmp_path):
    path = tmp_path / "wrong.yaml"
    path.write_text(WRONG)
    with pytest.raises(Problem) as raised:
        read_recipe(path)
    sentences = raised.value.sentences
    assert len(sentences) == len(MISTAKES)
    for sentence, (line, key, piece) in zip(sentences, MISTAKES, strict=True):
        assert f"line {line}: {key}" in sentence
        assert piece in sentence


@pytest.mark.parametrize(
    ("text", "piece"),
    [
        ("name: [x", "not valid YAML"),
        ("- a\n- b\n", "expected a mapping"),
        ("", "expected a mapping"),
        ("seed: 1\n", "name: missing"),
        ("name: x\nrl: {batch_size: 10, generations: 4}\n", "not a multiple"),
        ("name: x\ncuration: {safety: {scorer: detoxify}}\n", "needs checkpoint"),
        ("name: x\ncuration: {safety: {labels: {abuse: {drop: 1}}}}\n", "known here: drop_above, review_above"),
        ("name: x\ncuration: {language: {keep: [english]}}\n", r"keep\.0: expected an ISO 639 code such as en"),
        ("name: x\ncuration: {scrub: {languages: []}}\n", "expected at least one"),
        ("name: x\ncuration: {locale: english}\n", "expected a BCP-47 locale such as pt-BR, found 'english'"),
    ],
)
def test_a_recipe_that_cannot_be_read_says_why(tmp_path, text, piece):
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    with pytest.raises(Problem, match=piece):
        read_recipe(path)


def test_a_missing_file_and_a_wrong_encoding_get_a_sentence(tmp_path):
    with pytest.raises(Problem, match="no such file"):
        read_recipe(tmp_path / "none.yaml")
    path = tmp_path / "latin.yaml"
    path.write_bytes("name: caf\xe9".encode("latin-1"))
    with pytest.raises(Problem, match="UTF-8"):
        read_recipe(path)


def test_paths_start_from_the_recipe_and_names_of_data_sets_stay_names(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text("name: x\ncuration: {input: logs, personas: p.yaml}\n")
    read = read_recipe(path)
    assert read.curation.input == str(tmp_path / "logs")
    assert read.curation.personas == str(tmp_path / "p.yaml")
    assert read.policy.model == Recipe(name="x").policy.model
    (tmp_path / "ner").mkdir()
    path.write_text("name: x\ncuration: {scrub: {model: ner}, embedding: {model: some/name}}\n")
    read = read_recipe(path)
    assert (read.curation.scrub.model, read.curation.embedding.model) == (str(tmp_path / "ner"), "some/name")
    path.write_text("name: x\ncuration: {input: some/name, format: lmsys}\n")
    assert read_recipe(path).curation.input == "some/name"


def test_user_signals_cannot_be_named_as_reward():
    fields = set(Recipe.model_fields["rl"].annotation.model_fields)
    assert not {name for name in fields if "signal" in name or "reward" in name or "judge" in name}


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.yaml")), ids=lambda path: path.name)
def test_every_shipped_recipe_loads(path):
    if path.name != "personas.yaml":
        assert read_recipe(path).name
