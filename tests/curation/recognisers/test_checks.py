"""Check digits: public examples, and that one wrong digit is always told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.recognisers.checks import luhn, mod11_10, mod97, verhoeff


@pytest.mark.parametrize(
    ("check", "right"),
    [
        (luhn, "79927398713"),  # the worked example of ISO/IEC 7812's annex in most textbooks
        (luhn, "4111111111111111"),
        (mod97, "GB82WEST12345698765432"),  # SWIFT's registry
        (mod97, "DE89370400440532013000"),
        (mod97, "FR1420041010050500013M02606"),
        (verhoeff, "2363"),  # 236 has check digit 3
        (verhoeff, "999941057058"),  # UIDAI's test number
        (mod11_10, "86095742719"),  # Bundeszentralamt für Steuern
    ],
)
def test_public_examples(check, right: str) -> None:
    assert check(right)
    last = str((int(right[-1]) + 1) % 10)
    assert not check(right[:-1] + last)


def test_luhn_by_hand() -> None:
    # 7 9 9 2 7 3 9 8 7 1, doubled from the right: 7 18>9 9 4 7 6 9 16>7 7 2; their sum is 67, so the check digit is 3.
    assert [d for d in "0123456789" if luhn("7992739871" + d)] == ["3"]


@given(st.text("0123456789", min_size=5, max_size=18), st.data())
def test_one_wrong_digit_is_told(digits: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(digits)))
    for check in (luhn, verhoeff, mod11_10):
        right = next(digits + d for d in "0123456789" if check(digits + d))
        wrong = str((int(right[place]) + data.draw(st.integers(1, 9))) % 10)
        assert not check(right[:place] + wrong + right[place + 1 :])


@given(st.text("0123456789", min_size=5, max_size=15), st.integers(0, 13))
def test_verhoeff_tells_neighbours_that_changed_places(digits: str, place: int) -> None:
    right = next(digits + d for d in "0123456789" if verhoeff(digits + d))
    place %= len(right) - 1
    swapped = right[:place] + right[place + 1] + right[place] + right[place + 2 :]
    assert verhoeff(swapped) == (swapped == right)
