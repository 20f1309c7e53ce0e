"""Addresses in Japanese, Korean and Chinese."""

from __future__ import annotations

import pytest
from recognised import shown

from curation.recognisers.asian_addresses import asian_addresses


@pytest.mark.parametrize(
    ("text", "personal"),
    [
        ("東京都渋谷区神南1-2-3です", "東京都渋谷区神南1-2-3"),
        ("住所は神奈川県横浜市港南区2丁目7-15だよ", "神奈川県横浜市港南区2丁目7-15"),
        ("東京都緑川区桜台3-12-8 コーポ若葉203", "東京都緑川区桜台3-12-8 コーポ若葉203"),
        ("〒150-0041", "〒150-0041"),
        ("서울시 강남구 테헤란로 12", "서울시 강남구 테헤란로 12"),
        ("경기도 솔내시 느티나무로 118, 105동 1203호인데", "경기도 솔내시 느티나무로 118, 105동 1203호"),
        ("대전광역시 동구 반포대길 116 (경숙김정마을)", "대전광역시 동구 반포대길 116 (경숙김정마을)"),
        ("北京市中山路12号", "北京市中山路12号"),
    ],
)
def test_found(text: str, personal: str) -> None:
    assert shown(text, asian_addresses) == [personal]


@pytest.mark.parametrize(
    "text", ["東京都渋谷区に住んでる", "3月4日に市場で", "강남구에서 3시에 봐", "5丁目の夕日", "plain 12 text"]
)
def test_left_alone(text: str) -> None:
    assert shown(text, asian_addresses) == []
