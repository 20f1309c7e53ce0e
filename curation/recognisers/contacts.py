"""What leads to a person: mail, links, account names, numbers. Each recogniser is a function from a text to findings.

Nothing here needs a model, so it holds in every language. Every pattern has bounded repetitions (a long message
cannot make one run away) and each function looks for a cheap sign first (a digit, an @), because most chat has none.

Not done: numbers written as words.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from curation.found import CLAUSE_END, NOT_A_NAME, Found, any_of, words

# Mail -----------------------------------------------------------------------------------------------------------------

# Letters of mail addresses and numbers' neighbours: not \w, for Japanese and Korean go on without a space.
_L = r"A-Za-z0-9À-ɏ_"
_MAIL = re.compile(rf"(?<![{_L}.+-])[{_L}.+-]{{1,64}}@[{_L}-]{{1,63}}(?:\.[{_L}-]{{1,63}}){{1,5}}")
_HOSTS = any_of(
    "gmail googlemail hotmail outlook yahoo ymail icloud proton(?:mail)? gmx aol live naver daum hanmail qq uol bol web"
)
_AT = r"(?:\(at\)|\[at\]|\{at\}|<at>|\bat\b|\barroba\b|\bchiocciola\b|\barobase\b|@)"
_DOT = r"(?:\(dot\)|\[dot\]|\{dot\}|<dot>|\bdot\b|\bpunto\b|\bponto\b|\bpunkt\b|\.)"
_SPELT_MAIL = re.compile(
    rf"(?<![{_L}.+-])(?P<name>[{_L}+-][{_L}.+-]{{1,63}}(?: {{0,2}}{_DOT} {{0,2}}[{_L}+-]{{1,40}}){{0,2}}) "
    rf"{{0,2}}(?P<at>{_AT}) {{0,2}}(?:[{_L}-]{{2,40}} {{0,2}}{_DOT} {{0,2}})?"
    rf"(?P<host>(?P<known>{_HOSTS})|[\w-]{{2,63}}) {{0,2}}(?:(?P<dot>{_DOT}) {{0,2}}(?:co {{0,2}}{_DOT} {{0,2}})?"
    rf"(?:com|net|org|edu|info|io|[a-z]{{2}})\b|(?(known)\b|(?!)))",
    re.IGNORECASE,
)
_NOT_A_MAILBOX = words(
    """it me us them you him her look looking shop shopping work works working is am are was were one that this stuff
    things be here there someone anyone stream live available book books and or"""
)


def emails(text: str) -> Iterator[Found]:
    """Mail addresses, also as `name at host dot com` or `name (at) host . com`."""
    if "@" in text:
        for match in _MAIL.finditer(text):
            yield Found(*match.span(), "EMAIL_ADDRESS", 1.0)
    for match in _SPELT_MAIL.finditer(text) if _has(text, ("at", "@", "arroba", "chiocciola", "arobase")) else ():
        # "I buy it at shop.com" is no address: a bare "at" needs a spelt dot or a mail provider.
        bare_at, bare_dot = match["at"].lower() == "at", match["dot"] in (".", None)
        if match["name"].lower() not in _NOT_A_MAILBOX and (match["known"] or not (bare_at and bare_dot)):
            yield Found(*match.span(), "EMAIL_ADDRESS", 0.8)


def _has(text: str, signs: tuple[str, ...]) -> bool:
    lowered = text.lower()
    return any(sign in lowered for sign in signs)


# Links and handles ----------------------------------------------------------------------------------------------------

_LINK = re.compile(
    r"(?<![\w@])(?:https?://|www\.)?(?:[\w.-]{1,80}(?::[^\s/@]{1,80})?@)?[\w-]{1,63}(?:\.[\w-]{1,63}){1,5}"
    r"(?::\d{2,5})?[/?#][^\s<>\"']{0,2000}"
)
_PROFILE = re.compile(
    any_of(
        """instagram facebook fb twitter x tiktok snapchat t telegram linkedin onlyfans github vk wa paypal venmo twitch
        discord reddit steamcommunity youtube"""
    )
    + r"\.(?:com|me|gg|tv|be)/(?!p/|watch|search|explore|r/|status/)@?[\w.+-]{2,}"
    r"|/[\w.-]{3,}/(?:photos?|pics|gallery|albums?|videos?|posts|wishlist)\b|/(?:cv|resume|portfolio|about-?me"
    r"|me)(?:\b|$)"
    r"|/(?:u|user|users|profile|profiles|in|people|member|add|id)/[\w.@+-]{2,}|/@\w|~\w|:[^/]{1,80}@"
    r"|[?&#](?:e-?mail|user(?:name|_?id)?|uid|token|auth|key|session|phone|name|account|id)=",
    re.IGNORECASE,
)
_HANDLE = re.compile(rf"(?<![{_L}@./])@[{_L}][{_L}.]{{1,29}}(?<!\.)")
_DISCORD = re.compile(r"(?<![\w#])[\w.]{2,32}#\d{4}(?!\w)")
_NETWORK = any_of(
    r"""insta(?:gram)? ig snap(?:chat)? sc discord telegram tg tik\s?tok twitter skype kik line we\s?chat kakao(?:talk)?
    whats\s?app facebook fb steam psn xbox gamertag reddit twitch handle user\s?name usuario usuário benutzername
    pseudo"""
)
_NAMED_HANDLE = re.compile(
    rf"\b(?:(?P<mine>my|mine|mein|mi|meu|mon|il mio|add me on|find me on|hit me up on|follow me on)\s+)?(?:{_NETWORK})"
    r"(?:\s+(?:id|name|handle|user(?:name)?|account|tag))?\s*(?P<link>:|=|->|\bis\b|\bes\b|\bist\b|\bé\b|\best\b"
    r"|\bè\b|は|\bas\b)\s*"
    r"@?(?P<handle>[A-Za-z0-9_][\w.-]{2,29})",
    re.IGNORECASE,
)


def links(text: str) -> Iterator[Found]:
    """Links that lead to a person: profiles, user names, mail, tokens. A link to a page is nobody's data."""
    if "/" in text or "?" in text:
        for match in _LINK.finditer(text):
            if _PROFILE.search(match[0]):
                yield Found(match.start(), match.start() + len(match[0].rstrip(".,;:!?)")), "URL", 0.8)


def handles(text: str) -> Iterator[Found]:
    """Account names: `@x`, `x#1234`, `my insta is x`, `snap: x`."""
    if "@" in text:
        for match in _HANDLE.finditer(text):
            yield Found(*match.span(), "HANDLE", 0.7)
    if "#" in text:
        for match in _DISCORD.finditer(text):
            yield Found(*match.span(), "HANDLE", 0.7)
    for match in _NAMED_HANDLE.finditer(text):
        handle = match["handle"].rstrip(".-")
        marked = any(c.isdigit() or c in "_." for c in handle)
        # "my twitter is full of bots", "Facebook is down": a plain word counts after a colon or where its clause ends.
        ends = CLAUSE_END.match(text, match.start("handle") + len(handle)) is not None
        if (marked and (match["mine"] or match["link"] in ":=")) or (ends and match["link"] in ":=") or (
            match["mine"] and ends and handle.lower() not in NOT_A_NAME
        ):  # fmt: skip
            yield Found(match.start("handle"), match.start("handle") + len(handle), "HANDLE", 0.7)


# Numbers --------------------------------------------------------------------------------------------------------------

_IPV4 = re.compile(rf"(?<![{_L}.])(?:\d{{1,3}}\.){{3}}\d{{1,3}}(?![{_L}.]*\d)")
_IPV6 = re.compile(r"(?<![\w:])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{1,4}(?![\w:])")
_IBAN = re.compile(
    rf"(?<![{_L}])[A-Z]{{2}}\d{{2}}(?: ?[A-Z0-9]{{4}}){{2,7}}(?: ?[A-Z0-9]{{1,3}})?(?![{_L}])", re.IGNORECASE
)
_ID = re.compile(rf"(?<![{_L}])[A-Z]{{1,3}}-?\d{{6,14}}[A-Z]?(?![{_L}])")
_PAPER = any_of(
    r"""passport licen[cs]e ssn social\ssecurity account member policy customer order pin rut dni cpf rg nik ktp nif
    personalausweis matr[ií]cula"""
)
_SAID = re.compile(
    rf"{_PAPER}\W{{1,4}}(?:(?:number|no|nr|num|n[ºo°]|code|id|is|es|é|ist|my|to|the|card)\W{{1,4}}){{0,4}}$",
    re.IGNORECASE,
)
_RUN = re.compile(
    rf"(?<![{_L}.])(?<!\d,)[+(]{{0,2}}\d(?:[ \t\u00a0().\-\u2010-\u2015/]{{0,3}}\d){{5,21}}"
    rf"(?: ?(?:x|ext\.?) ?\d{{1,6}})?(?![{_L}]|[,.]\d)"
)
_SSN = re.compile(r"\d{3}[- ]\d{2}[- ]\d{4}")
_CPF = re.compile(r"\d{3}\.\d{3}\.\d{3}-\d{2}")
_DASH = r"[-\u2010-\u2015/ ]"
_YEAR = r"(?:1[5-9]|20)\d\d"
_DATE = re.compile(
    rf"(?:{_YEAR}[-/.]\d{{1,2}}[-/.]\d{{1,2}}|\d{{1,2}}[-/.]\d{{1,2}}[-/.](?:19|20)?\d\d|{_YEAR} ?{_DASH} "
    rf"?{_YEAR})(?:[ T]+\d{{1,2}})?"
)
_PHONE = any_of(
    r"""phone mobile cell fax office desk call text ring reach whats\s?app sms tel number contact handy telefon
    tel[eé]fono telefone celular cel num[eé]ro numero nomor hp wa 電話 携帯 전화 번호 연락"""
)
_CALLED = re.compile(rf"{_PHONE}\W{{0,4}}(?:\w{{1,20}}\W{{1,4}}){{0,3}}$", re.IGNORECASE)
_AMOUNT_BEFORE = re.compile(r"[$€£¥₩₹]\s*$|\b(?:usd|eur|gbp|rp|rs)\.?\s*$", re.IGNORECASE)
_AMOUNT_AFTER = re.compile(
    r"\s*(?:[$€£¥₩₹%°]|(?:dollars?|euros?|pounds?|yen|won|people|million|billion|thousand|km|kg|miles|years|views"
    r"|followers|points)\b)",
    re.IGNORECASE,
)


def numbers(text: str) -> Iterator[Found]:
    """Phones, cards (Luhn), IBAN (mod 97), addresses of machines, numbers of documents and accounts."""
    if not any(c.isdigit() for c in text):
        return
    taken = []
    for pattern in (_IPV4, _IPV6):
        for match in pattern.finditer(text):
            if _is_ip(match[0]):
                taken.append(match.span())
                yield Found(*match.span(), "IP_ADDRESS", 0.9)
    for match in _IBAN.finditer(text):
        checked = mod97(match[0])
        if checked or (match[0].isupper() and sum(c.isdigit() for c in match[0]) > 8):
            yield Found(*match.span(), "IBAN_CODE", 1.0 if checked else 0.5)
    for match in _ID.finditer(text):
        yield Found(*match.span(), "ID_NUMBER", 0.5)
    for match in _RUN.finditer(text):
        kind = None if any(a < match.end() and match.start() < b for a, b in taken) else _number(text, match)
        if kind:
            yield Found(*match.span(), kind, 0.9 if kind != "ID_NUMBER" else 0.5)


def _number(text: str, match: re.Match[str]) -> str | None:
    shown = match[0]
    digits = "".join(c for c in shown if c.isdigit())
    before = text[max(0, match.start() - 60) : match.start()]
    if _SSN.fullmatch(shown):
        return "SSN"
    if _CPF.fullmatch(shown):
        return "ID_NUMBER"
    if 12 <= len(digits) <= 19 and luhn(digits) and len(set(digits)) > 1:
        return "CREDIT_CARD"
    if _SAID.search(before):
        return "ID_NUMBER"
    if _DATE.fullmatch(shown) or _AMOUNT_BEFORE.search(before) or _AMOUNT_AFTER.match(text, match.end()):
        return None
    groups = re.findall(r"\d+", shown)
    if ({len(group) for group in groups[1:]} == {3} and digits.endswith("000")) or digits.endswith("00000"):
        return None  # 10 000 000
    called = _CALLED.search(before) is not None
    if 7 <= len(digits) <= 15 and (shown[0] in "+(" or called or (len(groups) > 1 and max(map(len, groups)) > 1)):
        return "PHONE_NUMBER"
    if 9 <= len(digits) <= 15 and (digits[0] == "0" or len(digits) in (10, 11)):
        return "PHONE_NUMBER"
    return "ID_NUMBER" if len(digits) >= 8 else None


def luhn(digits: str) -> bool:
    """Whether the check digit of a card number holds (ISO/IEC 7812)."""
    doubled = [int(d) * (1 + place % 2) for place, d in enumerate(reversed(digits))]
    return sum(d - 9 * (d > 9) for d in doubled) % 10 == 0


def mod97(iban: str) -> bool:
    """Whether the check digits of an IBAN hold (ISO 13616)."""
    packed = iban.replace(" ", "")
    return int("".join(str(int(c, 36)) for c in packed[4:] + packed[:4])) % 97 == 1


def _is_ip(shown: str) -> bool:
    try:
        ipaddress.ip_address(shown)
    except ValueError:
        return False
    return True
