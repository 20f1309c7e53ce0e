"""Wallets: examples of the Bitcoin proposals that define the checksums."""

from __future__ import annotations

import pytest
from recognised import shown

from curation.recognisers.wallets import wallets

RIGHT = [
    "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",  # the genesis block's
    "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",  # BIP 173
    "BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4",
    "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0",  # BIP 350
]


@pytest.mark.parametrize("address", [*RIGHT, "0x52908400098527886E0F7030069857D2E4169EE7"])
def test_found(address: str) -> None:
    assert shown(f"send it to {address}, thanks", wallets) == [address]


@pytest.mark.parametrize("address", RIGHT)
def test_one_sign_changed(address: str) -> None:
    for place in range(5, len(address)):
        other = "9" if address[place] != "9" else "8"
        assert shown(address[:place] + other + address[place + 1 :], wallets) == []


def test_left_alone() -> None:
    assert (
        shown(
            "0x5290840009852788 and 1111111111111111111111111111 and commit 52908400098527886e0f7030069857d2", wallets
        )
        == []
    )
