"""Scores of turns, and what follows from them: keep, drop, or people."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from curation import safety
from schemas.curation_recipe import Bounds, Embedding, Safety
from schemas.problems import Problem
from schemas.review import SafetyCase
from schemas.turns import MESSAGES, SCORES

Score = st.floats(0, 1).map(lambda value: round(value, safety.DECIMALS))
Bound = st.sampled_from([0.1, 0.25, 0.5, 0.8, 1.0])
RANK = {"keep": 0, "review": 1, "drop": 2}


def said(*pairs: tuple[str, str], locale: str = "en-US") -> pl.DataFrame:
    messages = [[{"role": "system", "content": "s"}, {"role": "user", "content": user}] for user, _ in pairs]
    return pl.DataFrame(
        {
            "turn_id": [f"{row:032x}" for row in range(len(pairs))],
            "locale": [locale] * len(pairs),
            "messages": pl.Series(messages, dtype=MESSAGES),
            "response": [reply for _, reply in pairs],
        }
    )


def scored(*rows: tuple[str, dict[str, float]]) -> pl.DataFrame:
    """Scored turns: locale and scores of each."""
    safe = [[{"label": label, "score": value} for label, value in scores.items()] for _, scores in rows]
    return pl.DataFrame({"locale": [locale for locale, _ in rows], "safety": pl.Series(safe, dtype=SCORES)})


def decisions(frame: pl.DataFrame, recipe: Safety) -> list[str]:
    return frame.select(safety.decision(recipe)).to_series().to_list()


def reasons(frame: pl.DataFrame, recipe: Safety) -> list[str | None]:
    return frame.select(safety.drop_reason(recipe)).to_series().to_list()


class Two:
    name, embedded = "two", False

    def score(self, texts: list[str], vectors: Any = None, before: Any = None) -> dict[str, Any]:
        return {"insult": np.array([0.2, 0.7, 0.1, 0.2]), "threat": np.array([0.1, 0.1, 0.9, 0.65])}


def test_the_higher_of_message_and_reply_counts() -> None:
    turns = safety.score(said(("a", "b"), ("c", "d")), Two())
    assert turns["safety"].to_list() == [
        [{"label": "insult", "score": 0.2}, {"label": "threat", "score": 0.9}],
        [{"label": "insult", "score": 0.7}, {"label": "threat", "score": 0.65}],
    ]
    assert turns["safety_sides"].to_list()[0] == [
        {"label": "insult", "user": 0.2, "reply": 0.1},
        {"label": "threat", "user": 0.1, "reply": 0.9},
    ]
    assert turns["turn_id"].to_list() == said(("a", "b"), ("c", "d"))["turn_id"].to_list()


def test_three_answers_and_the_label_that_gave_them() -> None:
    turns = safety.score(said(("a", "b"), ("c", "d")), Two())
    strict = Safety(drop_above=0.6, review_above=0.5)
    assert decisions(turns, strict) == ["drop", "drop"]
    assert reasons(turns, strict) == ["threat above 0.6", "insult above 0.6"]
    grey = Safety(drop_above=0.8, review_above=0.5)
    assert decisions(turns, grey) == ["drop", "review"]
    assert reasons(turns, grey) == ["threat above 0.8", None]
    found = safety.cases(turns, grey)
    assert SafetyCase.validate(found).rows() == [(f"{1:032x}", "insult", 0.7, "user", "en-US")]
    assert decisions(turns, Safety(drop_above=0.95, review_above=0.9)) == ["keep", "keep"]


def test_a_reply_is_a_case_too() -> None:
    turns = safety.score(said(("a", "b"), ("c", "d")), Two())
    found = safety.cases(turns, Safety(drop_above=0.95, review_above=0.65))
    assert found.select("label", "score", "side").rows() == [("threat", 0.9, "reply"), ("insult", 0.7, "user")]


def test_vectors_in_the_turns_reach_the_scorer_in_order() -> None:
    class Sees:
        name, embedded = "sees", True

        def score(self, texts: list[str], vectors: Any = None, before: Any = None) -> dict[str, Any]:
            assert texts == ["a", "c", "b", "d"]
            return {"x": vectors[:, 0].astype(float)}

    column = pl.Array(pl.Float32, 1)
    turns = said(("a", "b"), ("c", "d")).with_columns(
        user_vector=pl.Series(np.array([[0.5], [0.25]], dtype=np.float32), dtype=column),
        reply_vector=pl.Series(np.array([[0.125], [0.75]], dtype=np.float32), dtype=column),
    )
    assert safety.score(turns, Sees())["safety"].to_list() == [
        [{"label": "x", "score": 0.5}],
        [{"label": "x", "score": 0.75}],
    ]
    assert safety.takes_vectors(Safety(), Embedding())
    assert not safety.takes_vectors(Safety(), Embedding(model="other"))
    assert not safety.takes_vectors(Safety(scorer="detoxify", model="original"), Embedding())


def test_the_users_message_before_the_last_goes_along() -> None:
    class Sees:
        name, embedded = "sees", True

        def score(self, texts: list[str], vectors: Any = None, before: Any = None) -> dict[str, Any]:
            assert before == ["first", "", "", ""]
            return {"x": np.zeros(len(texts))}

    roles = [("system", "s"), ("user", "older"), ("user", "first"), ("assistant", "reply"), ("user", "last")]
    long = [{"role": role, "content": content} for role, content in roles]
    turns = said(("a", "b"), ("c", "d"))
    safety.score(turns.with_columns(messages=pl.Series([long, turns["messages"][1].to_list()], dtype=MESSAGES)), Sees())


def test_a_score_that_is_no_number_is_the_rows_fault() -> None:
    class Nan:
        name, embedded = "nan", True

        def score(self, texts: list[str], vectors: Any = None, before: Any = None) -> dict[str, Any]:
            return {"x": np.full(len(texts), np.nan)}

    with pytest.raises(ValueError, match="not finite"):
        safety.score(said(("a", "b")), Nan())


@settings(derandomize=True, max_examples=60, deadline=None)
@given(Score, Score, Bound, Bound)
def test_a_higher_score_is_never_judged_milder(one: float, other: float, first: float, second: float) -> None:
    recipe = Safety(drop_above=max(first, second), review_above=min(first, second))
    low, high = decisions(scored(("en-US", {"abuse": min(one, other)}), ("en-US", {"abuse": max(one, other)})), recipe)
    assert RANK[low] <= RANK[high]


@settings(derandomize=True, max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from(["abuse", "threat", "harmful_request"]), Score, min_size=1), Bound, Bound)
def test_dropped_means_that_a_score_is_above_its_bound(scores: dict[str, float], first: float, second: float) -> None:
    recipe = Safety(drop_above=max(first, second), review_above=min(first, second))
    bounds = {label: recipe.bounds(label, "en-US", True) for label in scores}
    over = any(value > bounds[label][0] for label, value in scores.items())
    grey = any(value > bounds[label][1] for label, value in scores.items())
    frame = scored(("en-US", scores))
    assert decisions(frame, recipe) == ["drop" if over else "review" if grey else "keep"]
    assert (reasons(frame, recipe)[0] is not None) == over


@settings(derandomize=True, max_examples=60, deadline=None)
@given(
    st.dictionaries(st.sampled_from(["abuse", "threat"]), Bound),
    st.dictionaries(st.sampled_from(["abuse", "any"]), Bound),
    st.dictionaries(st.sampled_from(["abuse", "any"]), Bound),
    Score,
)
def test_the_narrowest_rule_decides(
    labels: dict[str, float], language: dict[str, float], locale: dict[str, float], value: float
) -> None:
    recipe = Safety(
        drop_above=1,
        review_above=1,
        labels={name: Bounds(drop_above=bound) for name, bound in labels.items()},
        locales={
            "pt": {name: Bounds(drop_above=bound) for name, bound in language.items()},
            "pt-BR": {name: Bounds(drop_above=bound) for name, bound in locale.items()},
            "en-US": {},
        },
        other_languages=Bounds(drop_above=0.8),
    )
    chain = [locale.get("abuse"), locale.get("any"), language.get("abuse"), language.get("any"), 0.8]
    bound = next(found for found in chain if found is not None)
    at_home = labels.get("abuse", 1.0)
    abroad = next(found for found in chain[2:] if found is not None)
    frame = scored(*((tag, {"abuse": value}) for tag in ("pt-BR", "en-US", "pt-PT", "de-DE", "en-GB")))
    expected = ["drop" if value > limit else "keep" for limit in (bound, at_home, abroad, 0.8, at_home)]
    assert decisions(frame, recipe) == expected


def test_bounds_by_default() -> None:
    recipe = Safety()
    assert recipe.bounds("abuse", "en-GB", True) == (0.95, 0.6)
    assert recipe.bounds("harmful_request", "en-GB", True) == (1, 0.9)
    assert recipe.bounds("abuse", "ko-KR", False) == (1, 0.95)
    stricter = Safety(labels={"threat": Bounds(drop_above=0.4)})
    assert stricter.bounds("threat", "en-GB", True) == (0.4, 0.4)  # an empty band, not a turned one
    assert stricter.bounds("harmful_request", "en-GB", True) == (1, 0.9)


def test_a_language_that_the_scorer_does_not_speak_is_not_dropped() -> None:
    frame = scored(("de-DE", {"abuse": 0.99}), ("en-IN", {"abuse": 0.99}), ("de-DE", {"abuse": 0.9}))
    assert decisions(frame, Safety()) == ["review", "drop", "keep"]
    multilingual = Safety(scorer="detoxify", model="multilingual")
    frame = scored(("de-DE", {"abuse": 0.99}), ("pt-BR", {"abuse": 0.99}))
    assert decisions(frame, multilingual) == ["review", "drop"]
    own = Safety(scorer="detoxify", checkpoint="x", checkpoint_sha256="0" * 64)
    assert decisions(frame, own) == ["drop", "drop"]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"drop_above": 0.5, "review_above": 0.6}, "review_above is higher"),
        ({"labels": {"threat": {"drop_above": 0.5, "review_above": 0.6}}}, "review_above is higher"),
        ({"locales": {"Brazil": {}}}, "not a BCP-47 locale"),
        ({"scorer": "detoxify"}, "needs checkpoint and checkpoint_sha256, or model"),
        ({"scorer": "detoxify", "checkpoint": "x"}, "needs checkpoint and checkpoint_sha256, or model"),
        ({"scorer": "detoxify", "model": "original", "checkpoint": "x"}, "expected one of them"),
    ],
)
def test_recipes_that_cannot_be_meant(given: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        Safety.model_validate(given)


def test_a_shard_is_decided_as_its_rows_are() -> None:
    chance = np.random.default_rng(0).random((700, 2)).round(safety.DECIMALS)
    locales = ["en-US", "de-DE", "pt-BR"]
    rows = [(locales[row % 3], {"abuse": a, "harmful_request": b}) for row, (a, b) in enumerate(chance.tolist())]
    recipe = Safety(locales={"pt": {"any": Bounds(drop_above=0.5)}})
    expected = []
    for locale, scores in rows:
        bounds = {label: recipe.bounds(label, locale, locale == "en-US") for label in scores}
        drop = any(scores[label] > bounds[label][0] for label in scores)
        expected.append("drop" if drop else "review" if any(scores[b] > bounds[b][1] for b in scores) else "keep")
    assert decisions(scored(*rows), recipe) == expected


def test_bounds_that_would_do_nothing_are_refused():
    safety.check_labels(Safety(labels={"abuse": Bounds(drop_above=0.4)}, locales={"pt": {"any": Bounds()}}))
    safety.check_labels(Safety(scorer="detoxify", model="original", labels={"threat": Bounds(drop_above=0.4)}))
    with pytest.raises(Problem, match="bounds for threat"):
        safety.check_labels(Safety(locales={"pt": {"threat": Bounds(drop_above=0.4)}}))
