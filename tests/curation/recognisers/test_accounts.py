"""Bank accounts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recognised import hits, shown

from curation.recognisers.accounts import accounts, is_clabe, is_routing


@pytest.mark.parametrize(
    ("text", "kind", "personal"),
    [
        ("GB82 WEST 1234 5698 7654 32", "IBAN_CODE", "GB82 WEST 1234 5698 7654 32"),
        ("send it to gb82west12345698765432 please", "IBAN_CODE", "gb82west12345698765432"),
        ("IBAN: DE89 3704 0044 0532 0130 01", "IBAN_CODE", "DE89 3704 0044 0532 0130 01"),  # wrong, but said to be one
        ("routing number 021000021", "BANK_ACCOUNT", "021000021"),
        ("my account number is 12345678", "BANK_ACCOUNT", "12345678"),
        ("meine kontonummer ist 532013000", "BANK_ACCOUNT", "532013000"),
        ("12-34-56 12345678", "BANK_ACCOUNT", "12-34-56 12345678"),
        ("clabe 032180000118359719", "BANK_ACCOUNT", "032180000118359719"),
        ("口座番号は1234567です", "BANK_ACCOUNT", "1234567"),
        ("no rek bca 0123456789", "BANK_ACCOUNT", "0123456789"),
        ("ifsc SBIN0001234", "BANK_ACCOUNT", "SBIN0001234"),
    ],
)
def test_found(text: str, kind: str, personal: str) -> None:
    assert hits(text, accounts) == [(kind, personal)]


@pytest.mark.parametrize(
    "text", ["gb83west12345698765432", "021000021", "my bank is great", "i have 12 accounts", "in account of 2019"]
)
def test_left_alone(text: str) -> None:
    assert shown(text, accounts) == []


def test_check_digits_by_hand() -> None:
    # 0*3+2*7+1*1+0+0+0+0+2*7+1*1 = 30
    assert is_routing("021000021")
    assert not is_routing("021000022")
    assert not is_routing("991000021")
    # with weights 3 7 1, each modulo 10: 0 1 2 3 6 0 0 0 0 3 7 8 9 5 9 1 7 = 61, and 9 more make 70
    assert is_clabe("032180000118359719")
    assert not is_clabe("032180000118359718")


@given(st.text("0123456789", min_size=18, max_size=18), st.integers(0, 17), st.sampled_from(["", " ", "-"]))
def test_an_iban_in_any_grouping_and_not_with_one_digit_changed(account: str, place: int, separator: str) -> None:
    check = 98 - int(account + "131400") % 97  # DE is 13 14
    right = f"de{check:02d}{account}"
    grouped = separator.join(right[i : i + 4] for i in range(0, 22, 4))
    assert hits(f"so {grouped} ok", accounts) == [("IBAN_CODE", grouped)]
    place += 4
    wrong = right[:place] + str((int(right[place]) + 1) % 10) + right[place + 1 :]
    assert shown(f"so {wrong} ok", accounts) == []
