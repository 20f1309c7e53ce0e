"""Mail addresses, as they are and as people hide them: "jo at gmail dot com", "lena(at)web.de", "jo.smith at gmail".

With an @ and a dot after it there is no doubt. Spelt out, the words for @ and dot of the sample's languages count
("arroba", "chiocciola", "ät", "アット", "골뱅이"; "punto", "ponto", "Punkt", "titik", "ドット", "닷"), and so do
"underscore" and "dash" in the name. "At" is an ordinary word, so between words it wants a dot spelt as a word and an
ending that domains have, or a well-known mail provider; and a name that is no ordinary word ("look at gmail").

Left alone: pages of shops and firms ("I buy it at amazon.com"); addresses that leave the provider out ("jo.smith at
the usual").
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from curation.found import NOT_A_NAME, Found, any_of, words
from curation.recognisers.digits import LATIN

_PLAIN = re.compile(rf"(?<![{LATIN}.+-])[{LATIN}.+'-]{{1,64}}[@＠][{LATIN}-]{{1,63}}(?:\.[{LATIN}-]{{1,63}}){{1,5}}")
_HOSTS = any_of(
    r"""
    gmail googlemail g\s?mail hotmail outlook yahoo ymail icloud proton(?:mail)? gmx aol live msn naver daum
    hanmail qq 163 uol bol terra rediff(?:mail)? orange wanadoo laposte free\.fr web\.de t-online mail\.ru yandex
    ezweb docomo softbank
    """
)
_AT = (
    r"(?:[(\[{<*_-] ?(?:at|a|@|ät|arroba) ?[)\]}>*_-]|\b(?:at|ät|arr?oba|chiocciola|arobase?|snabel-?a|malpa"
    r"|klammeraffe"
    r"|et)\b|[@＠]|アット(?:マーク)?|골뱅이|앳)"
)
_DOT = (
    r"(?:[(\[{<*_-] ?(?:dot|punkt|punto|ponto|point|\.) ?[)\]}>*_-]|\b(?:dot|punto|ponto|punkt|point|titik)\b"
    r"|[.．]|ドット|닷|점)"
)
_JOINT = (
    rf"(?:{_DOT}|\b(?:underscore|under score|dash|hyphen|minus|guion bajo|underline|tiret|bindestrich|unterstrich)\b)"
)
_SPELT = re.compile(
    rf"(?<![{LATIN}.+-])(?P<name>[{LATIN}+-][{LATIN}.+-]{{1,63}}(?: {{0,2}}{_JOINT} {{0,2}}[{LATIN}+-]{{1,40}}){{0,3}})"
    rf" {{0,2}}(?P<at>{_AT}) {{0,2}}(?:[{LATIN}-]{{2,40}} {{0,2}}{_DOT} {{0,2}})?"
    rf"(?P<host>(?P<known>{_HOSTS})|[{LATIN}-]{{2,63}})"
    rf" {{0,2}}(?:(?P<dot>{_DOT}) {{0,2}}(?:com? {{0,2}}{_DOT} {{0,2}})?(?:com|net|org|edu|info|io|me"
    rf"|[a-z]{{2}})(?![{LATIN}])"
    rf"|(?(known)(?: com)?(?![{LATIN}])|(?!)))",
    re.IGNORECASE,
)
_NOT_A_MAILBOX = NOT_A_NAME | words(
    """
    it me us them you him her look looking looked shop shopping shops work working works is am are was were one
    that this stuff things be here there someone anyone stream live available book books and or found find bought
    buy order ordered read site page visit check see watch mail email e-mail account address inbox message write
    sign up online meet start sold post posted store details info more log login chat news arrive stay best all
    users people service
    """
)


def emails(text: str) -> Iterator[Found]:
    """Mail addresses, also as `name at host dot com` or `name (at) host . com`."""
    plain: list[tuple[int, int]] = []
    if "@" in text or "＠" in text:
        for match in _PLAIN.finditer(text):
            plain.append(match.span())
            yield Found(*match.span(), "EMAIL_ADDRESS", 1.0)
    elif not _may_spell(text):
        return
    for match in _SPELT.finditer(text):
        if any(start < match.end() and match.start() < end for start, end in plain):
            continue
        # "I buy it at shop.com" is no address: a bare "at" needs a spelt dot or a mail provider.
        bare_at, bare_dot = match["at"].lower() in ("at", "et"), (match["dot"] or ".").lower() in (".", "point")
        if match["host"].lower() in NOT_A_NAME:
            continue
        if match["name"].lower() not in _NOT_A_MAILBOX and (match["known"] or not (bare_at and bare_dot)):
            yield Found(*match.span(), "EMAIL_ADDRESS", 0.8)


def _may_spell(text: str) -> bool:
    """Whether a text without @ can hold an address: a sign for "at", with a provider or a word for "dot"."""
    lowered = text.lower()
    if " at " in lowered or " et " in lowered or "\nat " in lowered:
        return any(sign in lowered for sign in _DOTS)
    return any(sign in lowered for sign in _ATS)


_ATS = (
    *("arroba", "aroba", " ät ", "chiocciola", "arobas", "snabel", "malpa", "klammeraffe", "アット", "골뱅이", "앳"),
    *("(at", "[at", "{at", "<at", "-at-", "*at*", "_at_", "( at", "[ at", "(a)", "[a]", "(ät", "[ät"),
)
_DOTS = (
    *(" dot ", "dot com", "punto", "ponto", "punkt", " point ", "titik", "ドット", "닷", "점", "(dot", "[dot", "{dot"),
    *(
        "gmail",
        "googlemail",
        "g mail",
        "hotmail",
        "outlook",
        "yahoo",
        "ymail",
        "icloud",
        "proton",
        "gmx",
        "at aol",
        "at live",
    ),
    *(
        "at msn",
        "naver",
        "at daum",
        "hanmail",
        "at qq",
        "at 163",
        "at uol",
        "at bol",
        "at terra",
        "rediff",
        "at orange",
    ),
    *("wanadoo", "laposte", "yandex", "ezweb", "docomo", "softbank", "at web", "t-online", *_ATS),
)
