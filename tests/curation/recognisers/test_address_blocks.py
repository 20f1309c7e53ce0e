"""Addresses told by their postcode."""

from __future__ import annotations

import pytest
from recognised import shown

from curation.recognisers.address_blocks import address_blocks


@pytest.mark.parametrize(
    "address",
    [
        "Vila Sofia Alves, 13, Mangabeiras, 15736-819 Albuquerque / SC",
        "Koskikatu 25, 00100 Helsinki",
        "avenue Barre, 65463 Deschamps",
        "Flat 56w, Charlene Mission, Alberthaven, G35 4DS",
        "65/42, Pathak Chowk, Jabalpur-232309",
        "2/405 Smith Mew, Nicholastown, WA, 2129",
        "Parzerhof 9\n5526 Sankt Veit",
        "Dobrovského 1394, 305 60 Krásná Hora nad Vltavou",
        "Rua Gomes, S/N, 5622-415 Peso da Régua",
    ],
)
def test_found(address: str) -> None:
    assert shown(f"it's {address}", address_blocks) == [address]


@pytest.mark.parametrize(
    "text",
    [
        "Apollo 13, Houston, 1970 Nixon",
        "Batman Begins, The Prestige, 2008 The Dark Knight",
        "I live in Paris, 75001",
        "in June, 20000 people came",
        "Portland, OR 97201",
    ],
)
def test_left_alone(text: str) -> None:
    assert shown(text, address_blocks) == []
