"""Street addresses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recognised import shown

from curation.recognisers.addresses import addresses


@pytest.mark.parametrize(
    ("text", "personal"),
    [
        ("I'm at 12 Long Meadow Road, come", "12 Long Meadow Road"),
        ("im at 12 long meadow road", "12 long meadow road"),
        ("im at 12 long meadow road portland 97201 lol", "12 long meadow road portland 97201"),
        ("flat 3b, 12 long meadow rd", "flat 3b, 12 long meadow rd"),
        ("7 Tamarack Ct, Duluth, MN 55802", "7 Tamarack Ct, Duluth, MN 55802"),
        ("88 Pinto Lane Apt 4B, Tucson AZ", "88 Pinto Lane Apt 4B, Tucson AZ"),
        ("916 Cannery Row South, Tacoma, WA now", "916 Cannery Row South, Tacoma, WA"),
        ("14 Larkspur Close, Leeds LS8 2QX", "14 Larkspur Close, Leeds LS8 2QX"),
        ("Rose Cottage, Mill Lane, Nether Wallop", "Rose Cottage, Mill Lane, Nether Wallop"),
        ("42, 3rd Cross, Jasmine Layout, Bengaluru 560034", "42, 3rd Cross, Jasmine Layout, Bengaluru 560034"),
        ("House No 88, Sector 23, Chandigarh", "House No 88, Sector 23, Chandigarh"),
        ("moro na Rua Augusta, 1200, Campinas - SP", "Rua Augusta, 1200, Campinas - SP"),
        ("rua das flores 12", "rua das flores 12"),
        ("vivo en Calle Tecolote 36, Int. 4, Col. Los Pirules, Puebla, Pue.", None),
        ("calle 48 no. 317 x 21 y 23", "calle 48 no. 317 x 21 y 23"),
        ("j'habite 36 rue de la Paix, 75002 Paris", "36 rue de la Paix, 75002 Paris"),
        ("3 bis impasse du moulin", "3 bis impasse du moulin"),
        ("Hauptstraße 5a, 10115 Berlin", "Hauptstraße 5a, 10115 Berlin"),
        ("ich wohne in der hauptstraße 5", "hauptstraße 5"),
        ("Am alten Güterbahnhof 7b, 48377 Wettrungen", "Am alten Güterbahnhof 7b, 48377 Wettrungen"),
        ("Jl. Sudirman No. 12, RT 03/RW 05, Bandung", "Jl. Sudirman No. 12, RT 03/RW 05, Bandung"),
        ("Prinsengracht 263", "Prinsengracht 263"),
        ("ul. Miła 53", "ul. Miła 53"),
        ("Erzsébet tér 19.", "Erzsébet tér 19."),
        ("PSC 1437, Box 3833\nAPO AA 66791", "PSC 1437, Box 3833\nAPO AA 66791"),
        ("P.O. Box 123", "P.O. Box 123"),
        ("the corner of Fifth and Main", "the corner of Fifth and Main"),
        ("my address is 12 long meadow", "12 long meadow"),
        ("i live on Maple Hollow Street at 5", "Maple Hollow Street"),
    ],
)
def test_found(text: str, personal: str | None) -> None:
    assert shown(text, addresses) == [personal or text.removeprefix("vivo en ")]


@pytest.mark.parametrize(
    "text",
    [
        "10 people on the street, 2 dogs on my way",
        "have you seen 10 Cloverfield Lane? great movie",
        "Am Montag 5 Uhr, im Raum 5",
        "won 5 Super Bowls. Well, I guess",
        "I love The Conjuring 2, and Hereditary.",
        "Wall Street and Sesame Street",
        "in 1984 George Orwell wrote",
        "3 Golden Retrievers, Max and Bella",
        "a 2 lane road, 3 big road trips",
        "Apollo 13, Area 51, Route 66",
        "chapter 12 verse 3",
        "she came in at 3 and left",
    ],
)
def test_left_alone(text: str) -> None:
    assert shown(text, addresses) == []


def test_a_street_that_was_told_is_masked_again() -> None:
    assert shown("12 Berg Hollow Road. On berg hollow road it is quiet, Oak Street is loud", addresses) == [
        "12 Berg Hollow Road.",
        "berg hollow",
        "Oak Street",
    ]


_NAME = st.text("abcdefghijklmnopqrstuvwxyz", min_size=4, max_size=9).map(str.title)


@given(st.integers(1, 9999), _NAME, st.sampled_from(["Street", "Road", "Ave", "Lane", "Blvd", "Drive"]), _NAME)
def test_any_english_street_in_capitals_or_not(number: int, name: str, kind: str, town: str) -> None:
    whole = f"{number} {name} {kind}, {town}, OR 97201"
    assert shown(f"send it to {whole}", addresses) == [whole]
    assert shown(f"i live at {whole}".lower(), addresses) == [whole.lower()]
