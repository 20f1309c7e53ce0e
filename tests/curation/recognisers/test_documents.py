"""Documents by the word before them, and long numbers."""

from __future__ import annotations

import pytest
from recognised import shown

from curation.recognisers.documents import documents, is_vin


@pytest.mark.parametrize(
    ("text", "personal"),
    [
        ("my passport number is X1234567", "X1234567"),
        ("passport C01X00T47 expired", "C01X00T47"),
        ("driver's license D123-4567-8901", "D123-4567-8901"),
        ("licence: 6940579", "6940579"),
        ("mein reisepass ist C4F7XK123", "C4F7XK123"),
        ("パスポートはTK1234567です", "TK1234567"),
        ("nomor ktp saya 3174012345", "3174012345"),
        ("plate is ABC 1234", "ABC 1234"),
        ("F162823540116", "F162823540116"),
        ("1M8GDM9AXKP042788", "1M8GDM9AXKP042788"),
        ("order 12345-AB please", "12345-AB"),
        ("123456789", "123456789"),
    ],
)
def test_found(text: str, personal: str) -> None:
    assert shown(text, documents) == [personal]


@pytest.mark.parametrize(
    "text",
    [
        "i lost my passport in 2019",
        "a 747 and an A380",
        "in order to win 3 of 5",
        "10000000 people",
        "2020-06-20",
        "case 12",
    ],
)
def test_left_alone(text: str) -> None:
    assert shown(text, documents) == []


def test_a_vehicle_number_with_one_sign_changed() -> None:
    assert is_vin("1M8GDM9AXKP042788")
    assert not is_vin("1M8GDM9AXKP042789")
    assert not is_vin("11111111111111111")
