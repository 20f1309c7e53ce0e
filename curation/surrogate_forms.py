"""Values that look like others: numbers, dates, mail, accounts and addresses in the form they were written in.

What comes out leads to nobody: telephone numbers are of ranges that are kept for fiction (North America 555-0100 to
555-0199; Ofcom's 01632 960 and 07700 900; the Bundesnetzagentur's 0171 39200 and 030 23125; Arcep's 01 99 00 and
06 39 98), elsewhere a nought stands where no subscriber's number has one; mail is at example.org (RFC 2606), addresses
of machines are of documentation's ranges (RFC 5737, 3849, 7042), and checksums of cards, accounts and documents fail.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Callable
from functools import partial

from curation.found import words
from curation.recognisers.accounts import accounts
from curation.recognisers.cards import cards
from curation.recognisers.checks import luhn, mod97, verhoeff
from curation.recognisers.national import NATIONAL
from curation.recognisers.national.brazil import is_cnpj, is_cpf
from curation.surrogate_words import BLOCKS, HANDLES, MONTHS, STREETS

Draw = Callable[[int], int]  # the next number below n, from the keyed hash of what is replaced

_DIGIT = re.compile(r"\d")
_LETTERS = re.compile(r"[^\W\d_]+")


def with_digits(shown: str, digits: str) -> str:
    """A text with its digits replaced one by one."""
    rest = iter(digits)
    return _DIGIT.sub(lambda match: next(rest, "0"), shown)


def styled(word: str, like: str) -> str:
    """A word in the case of another."""
    if like.isupper() and len(like) > 1:
        return word.upper()
    if like.islower():
        return word.lower()
    return word[:1].upper() + word[1:] if like[:1].isupper() else word


def _like(word: str, match: re.Match[str]) -> str:
    return styled(word, match[0])


def phone(shown: str, draw: Draw, languages: frozenset[str]) -> str:
    """A telephone number in the same form, of a range for fiction."""
    digits = "".join(str(unicodedata.digit(c)) for c in shown if c.isdecimal())
    tail = f"{draw(1000):03}"
    area = f"{2 + draw(8)}{draw(10)}{draw(10)}"
    if len(digits) < 5:  # in words
        return f"555-01{tail[1:]}"
    plans = [
        ("1", f"{area}55501{tail[1:]}", digits[:1] == "1"),
        ("", f"{area}55501{tail[1:]}", digits[:1] != "0" and "en" in languages),
        ("", f"55501{tail[1:]}", len(digits) == 7),
        ("44", f"7700900{tail}" if digits[2:3] == "7" else f"1632960{tail}", digits[:2] == "44"),
        ("0", f"7700900{tail}" if digits[1:2] == "7" else f"1632960{tail}", digits[:1] == "0" and "en" in languages),
        ("49", f"17139200{tail[1:]}" if digits[2:3] == "1" else f"3023125{tail}", digits[:2] == "49"),
        ("0", f"17139200{tail[1:]}" if digits[1:2] == "1" else f"3023125{tail}", "de" in languages),
        ("33", f"{'6' if digits[2:3] in ('6', '7') else '1'}{_french(digits[2:3], draw)}", digits[:2] == "33"),
        ("0", f"{'6' if digits[1:2] in ('6', '7') else '1'}{_french(digits[1:2], draw)}", "fr" in languages),
    ]
    for lead, number, fits in plans:
        if fits and len(lead + number) == len(digits):
            return with_digits(shown, lead + number)
    lead = digits[:2] if shown.lstrip("( ").startswith(("+", "00")) else ""
    drawn = "".join(str(draw(10)) for _ in digits)
    return with_digits(shown, (lead + "00" + drawn)[: len(digits)])


def _french(first: str, draw: Draw) -> str:
    return ("3998" if first in ("6", "7") else "9900") + f"{draw(10000):04}"


def number(shown: str, draw: Draw, kind: str) -> str:
    """A card, account or document: same letters' and digits' places, a checksum that fails where there is one."""
    if kind == "SSN":
        return with_digits(shown, "000" + "".join(str(draw(10)) for _ in range(len(shown))))
    kept = 2 if kind == "IBAN_CODE" else 1 if kind == "CREDIT_CARD" else 0
    drafts = [shown[:kept] + scrambled(shown[kept:], draw) for _ in range(12)]
    return min(drafts, key=_looks_real)


def _looks_real(draft: str) -> tuple[bool, float]:
    """Whether a checksum holds, and how sure our recognisers are of it."""
    signs = "".join(filter(str.isalnum, draft)).upper()
    digits = "".join(filter(str.isdecimal, draft))
    holds = any(check(digits) for check in (luhn, verhoeff, is_cpf, is_cnpj)) or (
        len(signs) > 4 and signs.isascii() and mod97(signs)
    )
    scores = [hit.score for finder in (cards, accounts, *NATIONAL) for hit in finder(draft)]
    return holds, max(scores, default=0.0)


def scrambled(shown: str, draw: Draw) -> str:
    """Other ASCII letters and digits in the same places; a letter of another script is an x."""

    def other(char: str) -> str:
        if char.isdecimal():
            return str(draw(10))
        if not char.isalpha():
            return char
        letters = string.ascii_uppercase if char.isupper() else string.ascii_lowercase
        return letters[draw(26)]

    return "".join(map(other, shown))


def handle(shown: str, draw: Draw) -> str:
    """An account name of the same form: words for letters, digits for digits."""
    worded = _LETTERS.sub(lambda match: styled(HANDLES[draw(len(HANDLES))], match[0]), shown)
    return _DIGIT.sub(lambda match: str(draw(10)), worded)


_AT = re.compile(r"\s*(?:@|[(\[{<]at[)\]}>]|\bat\b|\barroba\b|\bchiocciola\b|\barobase\b)\s*", re.IGNORECASE)
_DOT = re.compile(r"\s*(?:[(\[{<]dot[)\]}>]|\bdot\b|\bpunto\b|\bponto\b|\bpunkt\b|\.)\s*", re.IGNORECASE)


def mail(shown: str, draw: Draw) -> str:
    """A mail address at example.org, spelt in the same way."""
    at = _AT.search(shown)
    if not at:
        return f"{handle('x', draw)}@example.org"
    local, host = shown[: at.start()], shown[at.end() :]
    dot = _DOT.search(host)
    parts = _DOT.split(local)
    joints = [match[0] for match in _DOT.finditer(local)]
    made = "".join(handle(part, draw) + joint for part, joint in zip(parts, [*joints, ""], strict=True))
    return f"{made}{at[0]}example{dot[0] if dot else '.'}org"


_NETWORKS = re.compile(
    r"(?:https?://)?(?:www\.)?(?:instagram|facebook|fb|twitter|x|tiktok|snapchat|t|telegram|linkedin|github|vk|wa|paypal"
    r"|venmo|twitch|discord|reddit|youtube)\.(?:com|me|gg|tv|be)/",
    re.IGNORECASE,
)
_PLACES = words("u user users profile profiles in people member add id photos photo pics gallery albums posts com org")


def link(shown: str, draw: Draw) -> str:
    """A link of the same form: a network's host stays, any other is example.org."""
    network = _NETWORKS.match(shown)
    scheme = re.match(r"(?:https?://)?", shown)
    head = network[0] if network else (scheme[0] if scheme else "") + "example.org"
    rest = shown[len(head) :] if network else "".join(re.findall(r"(?<=[^/:])[/?#].*$", shown, re.DOTALL)[:1])
    return head + re.sub(r"[\w.-]+", lambda m: m[0] if m[0].lower() in _PLACES else handle(m[0], draw), rest)


def machine(shown: str, draw: Draw, kind: str) -> str:
    """An address of documentation's ranges."""
    if kind == "MAC_ADDRESS":
        digits = iter("00005E0053" + f"{draw(256):02X}")
        made = re.sub(r"[0-9A-Fa-f]", lambda match: next(digits, "0"), shown)
        return made.lower() if shown.islower() else made
    if ":" in shown:
        return f"2001:db8::{draw(65536):x}"
    return ("192.0.2", "198.51.100", "203.0.113")[draw(3)] + f".{1 + draw(254)}"


def date(shown: str, draw: Draw) -> str:
    """Another date in the same form; day and month stay below 13, so that either order is a date."""

    def other(match: re.Match[str]) -> str:
        digits = match[0]
        if len(digits) == 4:
            return str(int(digits) - 3 + draw(7))
        if len(digits) > 4:  # 19900503, 03051990
            year = re.search(r"(?:19|20)\d\d", digits)
            return digits if not year else re.sub(r"(?!(?:19|20)\d\d)\d\d", lambda _: f"{1 + draw(12):02}", digits)
        new = 1 + draw(9 if len(digits) == 1 else 12)
        return f"{new:0{len(digits)}}"

    moved = re.sub(r"\d+", other, shown)
    for months in MONTHS:
        named = re.compile(rf"(?<!\w)(?:{'|'.join(months)})(?!\w)", re.IGNORECASE)
        if named.search(moved):
            return named.sub(partial(_like, months[draw(12)]), moved)
    return moved


_KINDS = words(
    """street st avenue ave road rd boulevard blvd lane ln drive dr way court ct place pl close square sq gardens grove
    row mews terrace parkway park parks hill crescent highway hwy trail circle rue av bd allée chemin impasse quai cours
    route calle avenida avda paseo plaza carrera rua travessa praça alameda estrada via viale vicolo corso piazza largo
    strada jalan jl gg gang ul ulica apt apartment suite ste flat unit floor box po postfach no nr am im an in der den
    zum zur unter auf de la le les du des da do dos del della di of the and"""
)
_STEM = re.compile(
    r"(?i)(stra(?:ß|ss)e|str|gasse|weg|platz|allee|damm|ufer|straat|laan|plein|gracht|kade|gatan|gata|vägen|veien|vej"
    r"|katu|tie|utca)$"
)


def address(shown: str, draw: Draw, languages: frozenset[str]) -> str:
    """Another street, number and town in the same form."""
    spoken = next((language for language in sorted(languages) if language in STREETS), "en")
    script = "ko" if re.search(r"[가-힣]", shown) else "zh" if re.search(r"[路街巷道]\d", shown) else "ja"
    if re.search(r"[\u2e80-\uffdc]", shown):
        blocks = BLOCKS[script]
        shown = re.sub(r"[\u2e80-\ufaff가-힣][^\d０-９]*", lambda match: blocks[draw(len(blocks))], shown, count=1)
        return _DIGIT.sub(lambda match: str(1 + draw(9)), unicodedata.normalize("NFKC", shown))

    def other(match: re.Match[str]) -> str:
        word = match[0]
        if word[0].isdigit():
            return "".join(str(1 + draw(9)) if c.isdigit() else c for c in word)
        if word.lower() in _KINDS or len(word) == 1 or (word.islower() and len(word) < 4):
            return word
        stem = _STEM.search(word)
        if stem and stem.start() > 1:
            pool = STREETS["nl" if re.search("(?i)straat|laan|plein|gracht|kade", stem[0]) else "de"]
            return styled(pool[draw(len(pool))], word) + stem[0]
        return styled(STREETS[spoken][draw(len(STREETS[spoken]))], word)

    return re.sub(r"[^\W_]+", other, shown)


def made(kind: str, shown: str, draw: Draw, languages: frozenset[str]) -> str:
    """Something that looks like what is shown and is not it.

    Args:
        kind: Type of the data; what is no type of ours keeps the places of letters and digits.
        shown: As it was written.
        draw: The next number below n.
        languages: ISO 639-1 codes of the conversation.
    """
    if kind == "PHONE_NUMBER":
        return phone(shown, draw, languages)
    if kind in ("CREDIT_CARD", "IBAN_CODE", "SSN", "ID_NUMBER", "BANK_ACCOUNT"):
        return number(shown, draw, kind)
    if kind in ("IP_ADDRESS", "MAC_ADDRESS"):
        return machine(shown, draw, kind)
    if kind == "STREET_ADDRESS":
        return address(shown, draw, languages)
    simple: dict[str, Callable[[str, Draw], str]] = {
        "EMAIL_ADDRESS": mail,
        "HANDLE": handle,
        "URL": link,
        "DATE_OF_BIRTH": date,
    }
    return simple.get(kind, scrambled)(shown, draw)
