"""Brazil."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recognised import shown

from curation.recognisers.national.brazil import brazilian_numbers, is_cnpj, is_cpf


@pytest.mark.parametrize(
    ("text", "personal"),
    [
        ("meu cpf é 529.982.247-25", "529.982.247-25"),
        ("52998224725", "52998224725"),
        ("529.982.247-26", "529.982.247-26"),  # mistyped, known by its form
        ("11.222.333/0001-81", "11.222.333/0001-81"),
        ("11222333000181", "11222333000181"),
        ("12.ABC.345/01DE-35", "12.ABC.345/01DE-35"),
        ("rg 12.345.678-X", "12.345.678-X"),
    ],
)
def test_found(text: str, personal: str) -> None:
    assert shown(text, brazilian_numbers) == [personal]


@pytest.mark.parametrize(
    "text", ["52998224726", "11111111111", "111.111.111-11", "12.345.678 pessoas", "11222333000182"]
)
def test_left_alone(text: str) -> None:
    assert shown(text, brazilian_numbers) == []


def test_by_hand() -> None:
    # 5*10+2*9+9*8+9*7+8*6+2*5+2*4+4*3+7*2 = 295; 295 % 11 = 9; 11 - 9 = 2
    # 5*11+2*10+9*9+9*8+8*7+2*6+2*5+4*4+7*3+2*2 = 347; 347 % 11 = 6; 11 - 6 = 5
    assert is_cpf("52998224725")
    assert not is_cpf("52998224752")
    assert is_cnpj("11222333000181")
    assert is_cnpj("12ABC34501DE35")  # the example of the rule that brings letters


@given(st.text("0123456789", min_size=9, max_size=9).filter(lambda d: len(set(d)) > 1), st.integers(9, 10))
def test_one_wrong_check_digit(digits: str, place: int) -> None:
    right = next(f"{digits}{check:02d}" for check in range(100) if is_cpf(f"{digits}{check:02d}"))
    wrong = right[:place] + str((int(right[place]) + 1) % 10) + right[place + 1 :]
    for number in (right, f"{right[:3]}.{right[3:6]}.{right[6:9]}-{right[9:]}", f"{right[:3]} {right[3:]}"):
        assert shown(f"é {number} tá", brazilian_numbers) == [number]
    assert not is_cpf(wrong)
