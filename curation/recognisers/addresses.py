"""Street addresses, with flat, town, region, postcode and country where those follow.

`streets` says where one may begin; from there it grows: to the left over a house number, a flat, a house's name and
the other street of a corner; to the right over flats, towns, regions, countries and postcodes, as long as one of them
is sure (a postcode, a region's code, a country, a capitalised name after a comma or on a line of its own). A street
that has been told with its number is masked again where only its name stands. Chat leaves capitals and commas out
("im at 12 long meadow road portland 97201"): small words belong to it when a postcode, region or country ends them.

Left alone: towns and countries by themselves, streets without a number ("Wall Street"), unless a house's name is
before it ("Rose Cottage, Mill Lane"). Not done: numbers written as words ("twelve long meadow road").
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from curation.found import Found, any_of
from curation.recognisers.digits import has_digit
from curation.recognisers.streets import CAP, LEAD, LOOSE, NUMBERED, SMALL, UNIT, WORD, Street, streets

_GAP = r"[ \t>?,;\\]{0,8}(?:\n[ \t>?,]{0,8}){0,2}"
_POSTCODE = (
    r"(?:(?<![\w-])(?:[A-Z]{1,2}-)?\d{4,6}(?:-\d{3,4})?(?:\s[A-Z]{2}(?!\w))?|\b[A-Z]{1,2}\d[A-Z\d]?(?: ?\d[A-Z]{2})?"
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
_STATE_CODES = any_of(
    """
    AL AK AZ AR CA CO CT DE FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY NC ND OH OK OR
    PA RI SC SD TN TX UT VT VA WA WV WI WY DC AB BC MB NB NL NS ON PE QC SK NSW VIC QLD TAS ACT
    """
)
_EMPTY = r"(?:nan|null|none|n/a)\b"  # fields that a form left empty
_PIECE = re.compile(
    rf"(?P<gap>{_GAP}(?:\s?[-–]\s)?)(?:(?P<unit>{UNIT})|(?P<code>{_POSTCODE})|(?P<place>\(?(?i:{_COUNTRIES}"
    rf"|{_REGIONS})(?!\w)\)?)"
    rf"|(?P<state>(?:{_STATE_CODES}|[A-Z]{{2}}|{_EMPTY})(?!\w)\.?)"
    rf"|(?P<town>(?:(?:Col|Fracc|Kel|Kec|Kab|Desa|Kota|St|Ste"
    rf"|Mt)\.?\s)?\(?{CAP}\)?(?:[ ](?:{SMALL})?(?!{_STATE_CODES}\b)\(?{CAP}\)?){{0,3}})"
    rf"|(?P<area>\d{{1,3}}(?=[ \t]{{0,3}}\n))|(?P<small>\(?(?i:{WORD})\)?))",
)
_NAMED_LAST = re.compile(rf"(?:^|\s)(?:(?i:{_COUNTRIES}|{_REGIONS})|{_STATE_CODES})\)?$")
_ENDS = re.compile(r"[ \t]*(?:$|[\n.!?,;)])")
_LEFT = re.compile(
    rf"(?:(?:{UNIT}|{CAP}(?:\s{CAP}){{0,2}}\s(?:House|Cottage|Lodge|Court|Farm|Towers|Mansions?|Hall|Asri|Indah"
    rf"|Permai)),?\s+"
    rf"|(?:Komplek|Perumahan|Perum|Apartemen)\s(?:{CAP}\s){{1,3}}|(?<![\w.])\d{{1,6}},?\s+|{CAP}\s+(?:and|&)\s+"
    r"|(?:N|S|E|W|North|South|East|West)\.?\s+){1,3}$"
)
# Storgarden 52 Trajanka Forks, before a flat on the next line
_BEFORE_UNIT = re.compile(
    rf"(?:(?<![\w.,])\d{{1,6}}\s+)?(?:{CAP}\s+){{1,4}}\d{{1,5}}[A-Za-z]?\.?(?:,?\s+{CAP}){{0,3}}[ \t,]{{0,3}}\n?[ \t,]{{0,3}}$"
    rf"|(?<![\w.,])\d{{1,6}}[A-Za-z]?\s+(?:{CAP}\s+){{0,3}}{CAP}[ \t,]{{0,3}}\n?[ \t,]{{0,3}}$"
)
_HOUSE = re.compile(
    rf"(?<!\w)(?:The )?(?:{CAP}\s){{1,3}}(?:Cottage|House|Farm|Lodge|Manor|Hall|Barn|Villa|Rectory|Vicarage"
    rf"|Grange|Croft|Mill)"
    rf"(?:,\s|\s(?:on|at)\s)(?:{CAP}\s){{1,3}}{LOOSE}\b(?:,\s{CAP}(?:\s{CAP}){{0,2}}){{0,2}}",
)
_HOUSES = (
    "Cottage",
    "House",
    "Farm",
    "Lodge",
    "Manor",
    "Hall",
    "Barn",
    "Villa",
    "Rectory",
    "Vicarage",
    "Grange",
    "Croft",
)
_PRONOUNS = frozenset(
    "I I'm I’m Im I've I'll You He She We They It The This That And But So What When Where Is Are".split()
)


def addresses(text: str) -> Iterator[Found]:
    """Street addresses."""
    numbered = has_digit(text) and NUMBERED.search(text) is not None
    if not numbered and "corner of" not in text and not any(house in text for house in _HOUSES):
        return
    for match in _HOUSE.finditer(text) if any(house in text for house in _HOUSES) else ():
        yield Found(*match.span(), "STREET_ADDRESS", 0.6)
    told = []
    for street in streets(text):
        start = _grown_left(text, street)
        end = _grown_right(text, street.end)
        if street.sure or end > street.end or LEAD.search(text, max(0, start - 50), start):
            told.append(street)
            yield Found(start, end, "STREET_ADDRESS", 0.6)
    for name in {name for street in told for name in _names(text[street.start : street.end])}:
        for match in re.finditer(rf"(?<!\w){re.escape(name)}(?!\w)", text, re.IGNORECASE):
            yield Found(*match.span(), "STREET_ADDRESS", 0.5)


def _grown_left(text: str, street: Street) -> int:
    start = max(0, street.start - 80)
    if match := _LEFT.search(text, start, street.start):
        return match.start()
    if re.match(UNIT, text[street.start : street.start + 30]) and (
        match := _BEFORE_UNIT.search(text, start, street.start)
    ):
        return match.start()
    return street.start


def _grown_right(text: str, at: int) -> int:
    """Where an address ends whose street ends at a place."""
    sure, small, loose, before = at, 0, 0, ""
    for _ in range(16):
        piece = _PIECE.match(text, at)
        if piece is None or piece.end() == at:
            break
        kind, gap, at = piece.lastgroup, piece["gap"], piece.end()
        if kind in ("unit", "code", "place"):
            if kind == "code" and not gap:
                break
            sure, small = at, 0
        elif kind == "state":
            known = re.fullmatch(f"{_STATE_CODES}|{_EMPTY}", piece["state"].rstrip("."))
            if known or before == "town" or "," in gap or "-" in gap or "\n" in gap or _ENDS.match(text, at):
                sure, small = at, 0
        elif kind == "town":
            if piece["town"].split()[0] in _PRONOUNS:
                break
            loose += 1
            apart = "," in gap or "\n" in gap or "-" in gap
            alone = "\n" not in gap or _ENDS.match(text, at)
            named = before == "code" or _NAMED_LAST.search(piece["town"])
            if (apart and alone) or named or _ENDS.match(text, at):
                sure, small = at, 0
            if loose > 5:
                break
        else:
            small += 1
            if small > 3:
                break
        before = kind
    return sure


def _names(core: str) -> Iterator[str]:
    """Names of streets in a core, without numbers, where they are long enough to be told from other words."""
    for part in re.split(r"[\W_]*\d+[\W_]*", core):
        name = re.sub(rf"\s+{LOOSE}\.?$", "", part, flags=re.IGNORECASE)
        name = name if len(name.split()) > 1 else part
        if len(name.split()) > 1 and len(name) > 7:
            yield name
