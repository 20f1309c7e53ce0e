"""Numbers of bank accounts: IBAN, US routing, CLABE, British sort codes, Indian IFSC, and numbers said to be one.

An IBAN is told by its form and its check digits (ISO 13616); one that fails them is still masked where it is written
in capitals with its country's length or after the word. A US routing number (ABA: weights 3 7 1, divisible by 10) and
any other account number need the word for it near by, in the languages of the sample: nine digits alone are anything.
A CLABE (Mexico, 18 digits, weights 3 7 1) is rare enough by chance to stand alone. BIC and IFSC name a bank's branch:
they are masked where they go with an account, after their name.

Left alone: names of banks, amounts, balances.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from curation.found import Found, any_of
from curation.recognisers.checks import mod97, weighted
from curation.recognisers.digits import LATIN, has_digit, pieces, runs

_IBAN = re.compile(rf"(?<![{LATIN}])(?P<country>[A-Z]{{2}})[ -]?\d{{2}}(?=[ -]?[A-Z0-9])", re.IGNORECASE)
# Length by country (SWIFT's IBAN registry), for those whose check digits do not hold.
_LENGTHS = {
    country: length
    for length, countries in {
        15: "NO", 16: "BE", 18: "DK FI FO GL NL", 19: "MK SI", 20: "AT BA EE KZ LT LU XK", 21: "CH CR HR LI LV",
        22: "BG BH DE GB GE IE ME RS VA", 23: "AE GI IL IQ TL", 24: "AD CZ ES MD PK RO SA SE SK TN VG", 25: "LY PT ST",
        26: "IS TR", 27: "BI DJ FR GR IT MC MR SM", 28: "AL AZ BY CY DO GT HU LB NI PL SV", 29: "BR EG PS QA UA",
        30: "JO KW MU", 31: "MT SC", 33: "RU",
    }.items()
    for country in countries.split()
}  # fmt: skip
_RESTS = {
    country: re.compile(rf"(?:[ -]?[A-Z0-9]){{{length - 4}}}(?![{LATIN}])", re.IGNORECASE)
    for country, length in _LENGTHS.items()
}
_WORD = re.compile(r"[A-Za-z0-9]{1,34}(?![A-Za-z0-9])")
_ACCOUNT = any_of(
    r"""account acct a/c routing aba iban bic swift sort\scode ifsc clabe konto(?:nummer)? blz bankleitzahl conta
    ag[êe]ncia pix cuenta compte rib rekening norek rek nomor\srekening 口座(?:番号)? 계좌(?:번호)? bank"""
)
_FILLER = (
    r"(?:[\W_]{1,4}(?:number|no|nr|num|n[ºo°]|code|is|es|e|é|ist|my|the|in|bei|at|it['’]?s|and|bca|bri|bni"
    r"|mandiri|nya|saya"
    r"|は|は、|은|는))"
)
_SAID = re.compile(rf"(?<![^\W\d_]){_ACCOUNT}{_FILLER}{{0,5}}[\W_]{{0,4}}(?:は|은|는|が)?\s?$", re.IGNORECASE)
_SORT_CODE = re.compile(r"(?<![\w-])\d{2}-\d{2}-\d{2},?\s{1,3}\d{8}(?![\w-])")
_BANK_CODE = re.compile(
    r"\b(?:bic|swift)(?:[\W_]{1,4}(?:code|is|:)){0,2}[\W_]{1,4}(?P<bic>[A-Z]{6}[A-Z0-9]{2}(?:[A-Z0-9]{3})?)(?!\w)"
    r"|\b(?P<ifsc>[A-Z]{4}0[A-Z0-9]{6})(?!\w)",
    re.IGNORECASE,
)


def accounts(text: str) -> Iterator[Found]:
    """IBAN, CLABE, IFSC and BIC; routing, account and sort code numbers by the word before them."""
    if not has_digit(text):
        return
    for match in _IBAN.finditer(text):
        rest = _RESTS.get(match["country"].upper())
        whole = rest.match(text, match.end()) if rest else None
        if whole is None and mod97_of_word(text, match.start()):
            whole = _WORD.match(text, match.end())
        if whole:
            shown = text[match.start() : whole.end()]
            right = shown.isascii() and mod97(re.sub(r"[ -]", "", shown).upper())
            if right or shown.isupper() or _said(text, match.start()):
                yield Found(match.start(), whole.end(), "IBAN_CODE", 1.0 if right else 0.6)
    for match in _BANK_CODE.finditer(text):
        kind = "bic" if match["bic"] else "ifsc"
        if kind == "bic" or any(c.isdigit() for c in match[kind][5:]):
            yield Found(*match.span(kind), "BANK_ACCOUNT", 0.6)
    for match in _SORT_CODE.finditer(text):
        yield Found(*match.span(), "BANK_ACCOUNT", 0.7)
    for run in runs(text):
        clabe = next((piece for piece in pieces(run, 18, 18) if is_clabe(piece.digits)), None)
        if clabe:
            yield Found(clabe.start, clabe.end, "BANK_ACCOUNT", 0.8)
        elif len(run.digits) <= 20 and _said(text, run.start):
            yield Found(run.start, run.end, "BANK_ACCOUNT", 0.95 if is_routing(run.digits) else 0.9)


def mod97_of_word(text: str, start: int) -> bool:
    """Whether a word without spaces has the check digits of an IBAN, whatever its length."""
    word = _WORD.match(text, start)
    return word is not None and 15 <= len(word[0]) <= 34 and mod97(word[0].upper())


def is_routing(digits: str) -> bool:
    """Whether nine digits are a US routing number: a Federal Reserve district, and ABA's check digit."""
    district = int(digits[:2])
    return (
        len(digits) == 9
        and (district <= 12 or 21 <= district <= 32 or 61 <= district <= 72 or district == 80)
        and weighted(digits, (3, 7, 1) * 3) % 10 == 0
    )


def is_clabe(digits: str) -> bool:
    """Whether 18 digits are a Mexican CLABE: weights 3 7 1, each product modulo 10."""
    total = sum(int(d) * weight % 10 for d, weight in zip(digits[:17], (3, 7, 1) * 6, strict=False))
    return len(digits) == 18 and (10 - total % 10) % 10 == int(digits[17])


def _said(text: str, start: int) -> bool:
    return _SAID.search(text, max(0, start - 60), start) is not None
