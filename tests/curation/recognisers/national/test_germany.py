"""Germany."""

from __future__ import annotations

import pytest
from recognised import shown

from curation.recognisers.national.germany import german_numbers, is_card, is_pension, is_tax_id


@pytest.mark.parametrize(
    ("text", "personal"),
    [
        ("meine steuer-id ist 86095742719", "86095742719"),
        ("86 095 742 719", "86 095 742 719"),
        ("T220001293", "T220001293"),
        ("mein perso ist L01X00T47", "L01X00T47"),
        ("15 070649 C 103", "15 070649 C 103"),
    ],
)
def test_found(text: str, personal: str) -> None:
    assert shown(text, german_numbers) == [personal]


@pytest.mark.parametrize("text", ["86095742718", "T220001294", "L01X00T47", "15 070649 C 104", "am 3.10.1990"])
def test_left_alone(text: str) -> None:
    assert shown(text, german_numbers) == []


def test_by_hand() -> None:
    # T is 29: 29*7+2*3+2*1+0+0+0+1*7+2*3+9*1 = 233, which ends in 3
    assert is_card("T220001293")
    # 1 5 0 7 0 6 4 9 03 10 with weights 2 1 2 5 7 1 2 1 2 1 2 1, sums of digits: 2+5+0+8+0+6+8+9+0+3+2+0 = 43
    assert is_pension("15070649C103")
    assert is_tax_id("86095742719")
    assert not is_tax_id("12345678903"[:10] + "0")
