"""Mexico."""

from __future__ import annotations

import pytest
from recognised import shown

from curation.recognisers.national.mexico import is_curp, mexican_numbers


@pytest.mark.parametrize(
    ("text", "personal"),
    [
        ("mi curp es BOXW310820HNERXN09", "BOXW310820HNERXN09"),
        ("boxw310820hnerxn09", "boxw310820hnerxn09"),
        ("rfc GODE561231GR8", "GODE561231GR8"),
        ("GODE-561231-GR8", "GODE-561231-GR8"),
    ],
)
def test_found(text: str, personal: str) -> None:
    assert shown(text, mexican_numbers) == [personal]


@pytest.mark.parametrize("text", ["BOXW311320HNERXN09", "GODE561331GR8", "HOLA123456", "el 31 de agosto"])
def test_left_alone(text: str) -> None:
    assert shown(text, mexican_numbers) == []


def test_one_wrong_sign() -> None:
    right = "BOXW310820HNERXN09"  # the example that RENAPO's instructions work through
    assert is_curp(right)
    assert not is_curp("BOXW310820HNERXN08")
    assert not is_curp("BOXW310820HNERXM09")
