"""Addresses in Japanese, Korean and Chinese: from the large to the small, without capitals or commas to go by.

Japanese: prefecture, town and ward by their last sign (都道府県, 市区町村郡), then a name and numbers between dashes
or 丁目, 番地, 号, and the house's name and flat. Korean: province and town (시, 도, 군, 구), then a road (로, 길, 가,
거리) or a village (동, 읍, 면, 리) with a number, and building and flat (동, 호, 층). Chinese: a road (路, 街, 巷, 道)
and a number (号). Japanese postcodes count after 〒.

Left alone: towns and roads without a number, which everybody speaks of.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from curation.found import Found
from curation.recognisers.digits import has_digit

_DIGITS = r"[0-9０-９一二三四五六七八九十]{1,4}"
_DASH = r"[-−ー－‐–のノ]"
_PATTERNS = [
    re.compile(
        r"(?:〒\s?[0-9０-９]{3}[-−－][0-9０-９]{4}\s*)?(?:[一-龥]{1,3}[都道府県])?\s?"
        r"(?:[一-龥ぁ-んァ-ヶヶ々]{1,6}[市区町村郡]\s?){1,3}[一-龥ぁ-んァ-ヶ々ー]{0,14}?\s?[0-9０-９]{1,4}"
        rf"(?:(?:丁目|番地?|号|{_DASH})[0-9０-９]{{0,4}}){{0,4}}(?:号室?)?"
        r"(?:[ 　](?:[一-龥ァ-ヶーA-Za-zぁ-ん]{2,14})[ 　]?[0-9０-９]{2,4}(?:号室?|室)?)?"
    ),
    re.compile(r"〒\s?[0-9０-９]{3}[-−－]?[0-9０-９]{4}"),
    re.compile(
        r"(?:(?:서울|부산|대구|인천|광주|대전|울산|세종|경기|강원|충북|충남|전북|전남|경북|경남|제주)\s)?"
        r"(?:[가-힣]{1,7}(?:특별시|광역시|특별자치시|특별자치도|시|도|군|구)\s?){1,3}(?:[가-힣]{1,8}(?:읍|면|동"
        r"|리)\s?){0,2}"
        r"(?:[가-힣0-9]{1,12}(?:대로|로|길|동|리|가"
        r"|거리)\s?)(?:[가-힣0-9]{1,8}길\s?)?(?:지하\s?)?\d{1,4}(?:-\d{1,4})?(?:번길|번지"
        r"|호|길)?(?:\s?\d{1,4}(?:-\d{1,4})?(?![\d층호동]))?"
        r"(?:,?\s?(?:\d{1,4}동(?:\s?\d{1,4}호)?|\d{1,4}호|(?:지하\s?)?\d{1,3}층|옥탑(?:방)?|반지하"
        r"|[가-힣A-Za-z]{2,10}(?:아파트|빌라|빌딩|타워)"
        r"(?:\s?\d{1,4}동)?(?:\s?\d{1,4}호)?)){0,2}(?:\s?\([가-힣0-9, ]{1,20}\))?"
    ),
    re.compile(r"(?:[가-힣]{1,10}(?:아파트|빌라|오피스텔))\s?\d{1,4}동\s?\d{1,4}호"),
    re.compile(
        r"(?:[一-龥]{2,8}[省市区县])*[一-龥]{1,10}[路街巷道][0-9０-９]{1,5}[号號](?:[一-龥]{0,6}[0-9０-９]{1,4}[室楼栋单元]){0,3}"
    ),
]


def asian_addresses(text: str) -> Iterator[Found]:
    """Addresses in Japanese, Korean and Chinese."""
    if text.isascii() or not has_digit(text):
        return
    for pattern in _PATTERNS:
        for match in pattern.finditer(text):
            yield Found(match.start(), match.start() + len(match[0].rstrip()), "STREET_ADDRESS", 0.6)
