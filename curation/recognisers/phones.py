"""Telephone numbers written in digits, in any country's grouping.

A number counts by its form: a plus or a bracket in front, a nought in front, or groups of two digits and more between
spaces, dots, dashes or slashes; or by a word before it ("call", "my number is", "whatsapp", "電話", "nomor hp"), in
which case seven digits in any form are enough. Extensions belong to it. ITU-T E.164 allows 15 digits.

The library `phonenumbers` was tried as the judge and left out: it refuses what people write ("467 3395" without an
area code, numbers kept for fiction, one digit too few), which would all stay readable, and accepts any ten digits
anyway.

Left alone: dates, times, years from and to, amounts with a currency or a unit, round numbers, numbers with decimals,
rows of small numbers (scores, lottery). Other finders claim cards, accounts and documents: where both see one, the
longer or surer names it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from curation.found import Found, any_of
from curation.recognisers.digits import Run, runs

_DASH = r"[-\u2010-\u2015/ ]"
_YEAR = r"(?:1[5-9]|20)\d\d"
_DATE = re.compile(
    rf"(?:{_YEAR}[-/.]\d{{1,2}}[-/.]\d{{1,2}}|\d{{1,2}}[-/.]\d{{1,2}}[-/.](?:(?:1[5-9]|20)\d\d|\d\d)"
    rf"|{_YEAR}(?: ?{_DASH} ?{_YEAR}){{1,5}}|\d{{1,2}} {_YEAR})(?:[ T]+\d{{1,2}})?"
    rf"(?:[- /]{{1,3}}\d{{1,2}}[-/.]\d{{1,2}}(?:[-/.]\d{{2,4}})?)?"
)
_PHONE = any_of(
    r"""
    phone mobile mob cell(?:phone)? fax office desk call(?:ed|ing)? text(?:ed|ing)? ring reach whats\s?app wassup
    sms tel number num no contact handy handynummer telefon tel[eé]fono telefone fone celular cel n[uú]mero numero
    nomor nomer hp wa telp telpon nmr rufnummer nummer numéro portable appelle ligue liga zap llama llámame marca
    ruf melde dial landline pager hotline my\s\# tel\# 電話(?:番号)? 携帯(?:番号)? 番号 ケータイ 전화(?:번호)?
    번호 연락(?:처)? 핸드폰 폰
    """
)
CALLED = re.compile(
    rf"(?<![^\W\d_]){_PHONE}['’]?s?(?![A-Za-zÀ-ɏ])\W{{0,4}}(?:\w{{1,20}}\W{{1,4}}){{0,3}}(?:は|은|는|が)?\s?$",
    re.IGNORECASE,
)
_AMOUNT_BEFORE = re.compile(
    r"[$€£¥₩₹#]\s*$|\b(?:usd|eur|gbp|rp|rs|inr|brl|mxn|r)\.?\s*$|[$€£¥₩₹]\s?[\d.,]{1,12}\s?-\s?$", re.IGNORECASE
)
_AMOUNT_AFTER = re.compile(
    r"\s*(?:[$€£¥₩₹%°円원]|(?:dollars?|euros?|pounds?|yen|won|bucks|people|million|billion|thousand|km|kg|miles"
    r"|years|views"
    r"|followers|points|subscribers|copies|steps|calories|feet|meters|metres|sq|square|light|tickets|votes"
    r"|times|seconds"
    r"|pesos|reais|rupees|rupiah)\b)",
    re.IGNORECASE,
)


def phones(text: str) -> Iterator[Found]:
    """Telephone numbers in digits."""
    for run in runs(text):
        score = _score(text, run)
        if score:
            extension = _EXTENSION.match(text, run.end)
            yield Found(run.start, extension.end() if extension else run.end, "PHONE_NUMBER", score)


_EXTENSION = re.compile(r" ?(?:x|ext\.?|extension|poste|ramal|durchwahl|anexo) ?\d{1,6}(?!\w)", re.IGNORECASE)


def _score(text: str, run: Run) -> float:
    """How surely a run is a phone number; 0 where it is something else."""
    length, shown, groups = len(run.digits), run.shown, run.groups
    before = max(0, run.start - 60)
    called = CALLED.search(text, before, run.start) is not None
    if not 6 <= length <= 17 or is_not_a_number(text, run):
        return 0
    if shown[0] in "+＋" and length >= 7:
        return 0.9
    if called and length >= 6:
        return 0.85
    if length < 7:
        return 0
    if shown[0] in "(（" and len(groups) > 1:
        return 0.8
    widths = [len(group) for group in groups]
    if len(groups) > 1 and max(widths) > 1 and not _is_a_row(run, widths):
        return 0.7
    if len(groups) == 1 and 9 <= length <= 15 and (run.digits[0] == "0" or length in (10, 11)):
        return 0.6
    return 0


def _is_a_row(run: Run, widths: list[int]) -> bool:
    """Whether the groups are small numbers in a row: scores, lottery numbers, times."""
    if len(widths) == len(run.digits):
        return True
    separators = set(re.findall(r"\D+", run.shown.strip("+() ")))
    pairs = widths.count(2) + widths.count(1) == len(widths)
    return pairs and not (len(separators) == 1 and len(widths) in (4, 5) and (len(widths) == 4 or run.digits[0] == "0"))


def is_not_a_number(text: str, run: Run) -> bool:
    """Whether a run of digits is a date, an amount or a round number: nobody's number of anything."""
    if _DATE.fullmatch(run.shown.strip("() ")) or _AMOUNT_AFTER.match(text, run.end):
        return True
    if _AMOUNT_BEFORE.search(text, max(0, run.start - 20), run.start):
        return True
    groups = run.groups
    if len(groups) == 2 and "." in run.shown and (len(groups[0]) < 3 or len(groups[1]) > 4):
        return True  # 3.14159265
    # 10 000 000, 1.234.567
    thousands = len(groups) > 1 and {len(group) for group in groups[1:]} == {3} and len(groups[0]) < 4
    return run.digits.endswith("00000") or (thousands and (run.digits.endswith("000") or _one_dot(run.shown)))


def _one_dot(shown: str) -> bool:
    return set(re.findall(r"\D", shown)) == {"."} and shown.count(".") > 1
