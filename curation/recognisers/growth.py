"""What may follow a street in an address: flats, towns, regions, countries and postcodes, in any order people use.

Countries are those that chat of the sample's locales names most, regions those of the United States, Canada and
Australia, which addresses there are hardly ever without. Elsewhere a capitalised town and a postcode do.
"""

from __future__ import annotations

import re

from curation.found import NOT_A_NAME, any_of, words
from curation.recognisers.streets import CAP, HERE_AND_THERE, SMALL, STATE_CODES, UNIT, WORD

# Ústí nad Labem, Stratford upon Avon, Châlons sur Marne
TOWN_SMALL = rf"(?:{SMALL}|(?:nad|pod|u|v|pri|ob|sur|sous|lès|en|upon|on|im|in|under|aan|op|degli|a)\s)"
_GAP = r"[ \t>?,;\\]{0,8}(?:\n[ \t>?,]{0,8}){0,2}"
_POSTCODE = (
    r"(?:(?<![\w-])(?:[A-Z]{1,2}-)?\d{4,6}(?:-\d{3,4})?(?:\s[A-Z]{2}(?!\w))?"
    r"|\b[A-Z]{1,2}\d[A-Z\d]?(?: ?\d[A-Z]{2})?|\b(?i:[a-z]{1,2}\d[a-z\d]?(?: ?\d[a-z]{2})?)"
    r"|\b\d{3} \d{2}|\b[A-Z]\d[A-Z] ?\d[A-Z]\d|\b\d{3}-\d{4}|\b\d{2}-\d{3})(?![\w%:]|[.,]\d)"
)
_REGIONS = any_of(
    r"""
    alabama alaska arizona arkansas california colorado connecticut delaware florida georgia hawaii idaho illinois
    indiana iowa kansas kentucky louisiana maine maryland massachusetts michigan minnesota mississippi missouri
    montana nebraska nevada new\shampshire new\sjersey new\smexico new\syork north\scarolina north\sdakota ohio
    oklahoma oregon pennsylvania rhode\sisland south\scarolina south\sdakota tennessee texas utah vermont virginia
    washington west\svirginia wisconsin wyoming ontario quebec québec alberta manitoba saskatchewan nova\sscotia
    british\scolumbia new\sbrunswick newfoundland new\ssouth\swales victoria queensland tasmania south\saustralia
    western\saustralia
    """
)
_COUNTRIES = any_of(
    r"""
    united\sstates(?:\sof\samerica)? u\.?s\.?a?\.? usa uk u\.k\. united\skingdom england scotland wales ireland
    northern\sireland canada australia new\szealand india germany deutschland france spain españa italy italia
    portugal brazil brasil mexico méxico japan korea south\skorea indonesia austria österreich switzerland schweiz
    suisse belgium belgië belgique netherlands nederland luxembourg denmark danmark norway norge sweden sverige
    finland suomi iceland ísland greenland poland polska czech\srepublic czechia slovakia slovenia slovenija
    hungary magyarország romania bulgaria greece cyprus turkey türkiye estonia latvia lithuania russia ukraine
    croatia hrvatska serbia bosnia malta israel egypt morocco tunisia nigeria kenya ghana south\safrica pakistan
    bangladesh sri\slanka nepal china taiwan hong\skong singapore malaysia philippines thailand vietnam argentina
    chile colombia peru perú uruguay paraguay bolivia ecuador venezuela cuba guatemala panama costa\srica
    puerto\srico jamaica uae united\sarab\semirates saudi\sarabia qatar kuwait lebanon jordan iran iraq georgia
    armenia kazakhstan
    """
)
_EMPTY = r"(?:nan|null|none|n/a)\b"  # fields that a form left empty
_PIECE = re.compile(
    rf"(?P<gap>{_GAP}(?:\s?[-–/]\s)?)(?:(?P<unit>{UNIT})|(?P<code>{_POSTCODE})|(?P<place>\(?(?i:{_COUNTRIES}"
    rf"|{_REGIONS})(?!\w)\)?)"
    rf"|(?P<state>(?:{STATE_CODES}|(?<=[/-] )[a-z]{{2}}|[A-Z]{{2}}|{_EMPTY})(?!\w)\.?)"
    rf"|(?P<town>(?:(?:Col|Fracc|Kel|Kec|Kab|Desa|Kota|St|Ste"
    rf"|Mt)\.?\s)?\(?{CAP}\)?(?:[ ](?:{TOWN_SMALL})?(?![A-Z]{{2}}\b)\(?{CAP}\)?){{0,3}})"
    rf"|(?P<area>\d{{1,3}}(?=[ \t]{{0,3}}\n))|(?P<small>\(?(?i:{WORD})\)?))",
)
_NAMED_LAST = re.compile(rf"(?:^|\s)(?:(?i:{_COUNTRIES}|{_REGIONS})|{STATE_CODES})\)?$")
_SEGMENT = re.compile(rf"{WORD}(?: {WORD}){{0,2}}(?=[ \t]*(?:$|[,.\n]))")
_ENDS = re.compile(r"[ \t]*(?:$|[\n.!?,;)])")
NOT_A_TOWN = (
    NOT_A_NAME
    | HERE_AND_THERE
    | words(
        """call text come send meet see pls please k is its it's that's i i'm im my we the can could do what why where who
        when how wanna gonna bring knock ring"""
    )
)
_PRONOUNS = words("I I'm I’m Im I've I'll You He She We They It The This That And But So What When Where Is Are")


def grown_right(text: str, at: int, before: str = "") -> tuple[int, bool]:
    """Where an address ends whose street, or postcode, ends at a place.

    Args:
        text: The whole text.
        at: End of what is known to be the address.
        before: "code" where that is a postcode which its town has yet to follow.

    Returns:
        The end, and whether more than the name of a town says so: a flat, a postcode, a region or a country.
    """
    sure, firm, small, towns = at, False, 0, 0
    for _ in range(16):
        piece = _PIECE.match(text, at)
        if piece is None or (piece.lastgroup == "code" and not piece["gap"]):
            break
        kind, gap, at = str(piece.lastgroup), piece["gap"], piece.end()
        told = False
        if kind in ("unit", "code", "place"):
            told = firm = True
        elif kind == "state":
            known = re.fullmatch(f"{STATE_CODES}|{_EMPTY}", piece["state"].rstrip("."))
            told = bool(known) or before in ("town", "code") or bool(set(",-/\n").intersection(gap)) or _ends(text, at)
            firm = firm or bool(known)
        elif kind == "town":
            towns += 1
            if piece["town"].split()[0] in _PRONOUNS or towns > 6:
                break
            apart = "," in gap or "-" in gap or ("\n" in gap and _ends(text, at))
            named = _NAMED_LAST.search(piece["town"]) is not None
            told = before == "code" or named or (not small and (apart or _ends(text, at)))
            firm = firm or named
        elif kind == "small":
            small += piece["small"].lower() not in ("in", "near")
            word = piece["small"].lower()
            segment = _SEGMENT.match(text, piece.start("small")) if "," in gap else None
            if segment and NOT_A_TOWN.isdisjoint(segment[0].lower().split()):
                told, at = True, segment.end()  # 12 oak st, springfield
            elif before in ("small", "town") and _ends(text, at):
                told = re.fullmatch(STATE_CODES, word.upper()) is not None  # springfield il
            elif small == 1 and before == "code":
                told = word not in NOT_A_TOWN  # 75001 paris
            if small > 3:
                break
        if told:
            sure, small = at, 0 if kind != "small" else 1
        # 75001 Paris, but not 97201 Call
        before = kind if kind != "code" or before not in ("town", "state", "place", "small") else "code behind"
    return sure, firm


def _ends(text: str, at: int) -> bool:
    return _ENDS.match(text, at) is not None
