"""Who is who: mentions of one person, and names as they are compared."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.people import People, fold, name_words, undrawn


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("MARIA", "maria"),
        ("João Müller", "joao muller"),
        ("Jo\u0061\u0303o", "joao"),
        ("Zo\u200be\u0308", "zoe"),
        ("Ｍaria", "maria"),
        ("Straße", "strasse"),
        ("Łukasz", "lukasz"),
        ("Андрей", "андреи"),
        ("田中", "田中"),
    ],
)
def test_folding(text: str, folded: str) -> None:
    assert fold(text)[0] == folded


@given(st.text())
def test_every_folded_character_has_its_place(text: str) -> None:
    folded, places = fold(text)
    assert len(folded) == (len(text) if places is None else len(places))
    assert all(fold(text[place])[0] for place in (places or []))
    assert places is None or places == sorted(places)


def test_titles_particles_and_initials_are_no_names() -> None:
    assert name_words("Dr. Anna M. van der Berg") == ("anna", "berg")
    assert undrawn("mariaaa") == ("maria", "mariaa")
    assert undrawn("maria") == ()


def test_mentions_of_one_person() -> None:
    people = People(["Anna Kowalska", "Anna", "Kowalska", "Ben"])
    mentions = ["Anna Kowalska", "anna", "KOWALSKA", "Ms Kowalska", "Kowalska, Anna", "annaaa", "A. Kowalska"]
    assert {people.person(mention) for mention in mentions} == {"anna kowalska"}
    assert people.person("Ben") == "ben"


def test_a_name_that_fits_two_people_is_neither() -> None:
    people = People(["Anna Kowalska", "Anna Nowak", "Anna"])
    assert len({people.person(name) for name in ("Anna Kowalska", "Anna Nowak", "Anna")}) == 3
    assert people.person("Nowak") == people.person("Anna Nowak")


_NAMES = st.lists(st.lists(st.sampled_from(["anna", "maria", "kowalska", "nowak"]), min_size=1, max_size=3), max_size=8)


@given(_NAMES, st.randoms(use_true_random=False))
def test_the_order_of_names_changes_nobody(names: list[list[str]], chance: random.Random) -> None:
    mentions = [" ".join(name) for name in names]
    shuffled = chance.sample(mentions, len(mentions))
    one, other = People(mentions), People(shuffled)
    assert [one.person(name) for name in mentions] == [other.person(name) for name in mentions]
    for name in mentions:  # two people never become one by a third name
        assert set(name_words(name)) <= set(one.person(name).split())
