"""Addresses of machines."""

from __future__ import annotations

import pytest
from recognised import hits, shown

from curation.recognisers.machines import machines


@pytest.mark.parametrize(
    ("text", "kind", "personal"),
    [
        ("my ip is 203.0.113.28", "IP_ADDRESS", "203.0.113.28"),
        ("203.0.113.28.", "IP_ADDRESS", "203.0.113.28"),
        ("2001:db8::1 here", "IP_ADDRESS", "2001:db8::1"),
        ("fe80::0202:b3ff:fe1e:8329", "IP_ADDRESS", "fe80::0202:b3ff:fe1e:8329"),
        ("mac 00:1A:2b:3C:4d:5E", "MAC_ADDRESS", "00:1A:2b:3C:4d:5E"),
        ("00-1a-2b-3c-4d-5e", "MAC_ADDRESS", "00-1a-2b-3c-4d-5e"),
        ("001a.2b3c.4d5e", "MAC_ADDRESS", "001a.2b3c.4d5e"),
    ],
)
def test_found(text: str, kind: str, personal: str) -> None:
    assert hits(text, machines) == [(kind, personal)]


@pytest.mark.parametrize(
    "text",
    [
        "127.0.0.1",
        "version 1.2.3.4",
        "v10.0.1.2",
        "1.2.3.4.5",
        "300.1.1.1",
        "at 10:30:15",
        "::",
        "12:30:45:10",
        "std::vec 2",
    ],
)
def test_left_alone(text: str) -> None:
    assert shown(text, machines) == []
