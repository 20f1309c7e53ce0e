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

from curation.found import Found
from curation.recognisers.digits import has_digit
from curation.recognisers.growth import grown_right
from curation.recognisers.streets import CAP, LEAD, LOOSE, NUMBERED, UNIT, Street, streets

_LEFT = re.compile(
    rf"(?:(?:{UNIT}|{CAP}(?:\s{CAP}){{0,2}}\s(?:House|Cottage|Lodge|Court|Farm|Towers|Mansions?|Hall|Asri|Indah"
    rf"|Permai)),?\s+"
    rf"|(?:Komplek|Perumahan|Perum|Apartemen)\s(?:{CAP}\s){{1,3}}|(?<![\w.])\d{{1,6}},?\s+|{CAP}\s+(?:and|&)\s+"
    r"|(?i:(?:flat|studio|unit|apt|apartment|suite|house|plot|door|no|nr)\.?\s+)|(?:N|S|E|W|North|South|East"
    r"|West)\.?\s+){1,3}$"
)
# Storgarden 52 Trajanka Forks, before a flat on the next line
_BEFORE_UNIT = re.compile(
    rf"(?:(?<![\w.,])\d{{1,6}}\s+)?(?:{CAP}\s+){{1,4}}\d{{1,5}}[A-Za-z]?\.?(?:,?\s+{CAP}){{0,3}}"
    r"[ \t,]{0,3}\n?[ \t,]{0,3}$"
    rf"|(?<![\w.,])\d{{1,6}}[A-Za-z]?\s+(?:{CAP}\s+){{0,3}}{CAP}[ \t,]{{0,3}}\n?[ \t,]{{0,3}}$"
)
_ART = re.compile(
    r"\b(?:movies?|films?|series|tv|shows?|songs?|albums?|books?|novels?|plays?|games?|episodes?|sequels?"
    r"|watch(?:ed|ing)?|starring"
    r"|soundtrack|actors?|directed)\b",
    re.IGNORECASE,
)
_HOUSE = re.compile(
    rf"(?<!\w)(?:The )?(?:{CAP}\s){{1,3}}(?:Cottage|House|Farm|Lodge|Manor|Hall|Barn|Villa|Rectory|Vicarage"
    rf"|Grange|Croft|Mill)"
    rf",\s(?:{CAP}\s){{1,3}}{LOOSE}\b(?:,\s{CAP}(?:\s{CAP}){{0,2}}){{0,2}}",
)
_CODE_LAST = re.compile(r"(?<=[^\W\d_] )\d{4,6}$")
_CAPITAL = re.compile(r"\d[A-Za-z]?[.,]?\s[^\W\d_a-z]|\d{5}|\d[a-z]{2}(?!\w)|[A-ZÀ-ÖØ-ÞΆ-Я][\w'’.-]{1,30},?\s\d")
_SIGNS = (  # one stands in every street or lead that is written small
    *(
        "stre",
        "str.",
        "str ",
        " st",
        "ave",
        "av.",
        "road",
        " rd",
        "lane",
        " ln",
        "drive",
        " dr",
        "blvd",
        "boulev",
        " bd",
        "terrace",
    ),
    *(
        "crescent",
        "parkway",
        "highway",
        "way",
        "court",
        " ct",
        "place",
        " pl",
        "close",
        "circle",
        "square",
        "garden",
        "grove",
    ),
    *(
        "row",
        "mews",
        "trail",
        "park",
        "height",
        "cove",
        "pass",
        "alley",
        "plaza",
        "straße",
        "gasse",
        "weg",
        "platz",
        "allee",
    ),
    *(
        "damm",
        "ufer",
        "straat",
        "gracht",
        "laan",
        "gatan",
        "vägen",
        "vei",
        "katu",
        "tie",
        "calle",
        "rua",
        "rúa",
        "via",
        "piazza",
    ),
    *(
        "paseo",
        "rue",
        "chemin",
        "impasse",
        "quai",
        "cours",
        "route",
        "mont",
        "sentier",
        "villa",
        "jl",
        "jalan",
        "gg.",
        "gang",
    ),
    *(
        "perum",
        "komplek",
        "dusun",
        "út",
        "utca",
        "tér",
        "u.",
        "ul.",
        "ул",
        "пр",
        "apt",
        "apartment",
        "suite",
        "ste",
        "flat",
    ),
    *(
        "unit",
        "box",
        "corner",
        "live",
        "living",
        "address",
        "adresse",
        "alamat",
        "rumah",
        "moro",
        "mora",
        "vivo",
        "vive",
    ),
    *(
        "habite",
        "wohn",
        "tinggal",
        "endere",
        "direcci",
        "domicilio",
        "home",
        "house",
        "pick me up",
        "come ",
        "move",
        "send",
    ),
    *(
        "travessa",
        "alameda",
        "estrada",
        "ladeira",
        "praça",
        "praca",
        "rodovia",
        "retorno",
        "cerrada",
        "circuito",
        "pasaje",
    ),
    *(
        "priva",
        "callej",
        "prolong",
        "carrera",
        " cr",
        "cl ",
        "plot",
        "door",
        "h.no",
        "nagar",
        " at ",
        "deliver",
        "ship",
        "meet",
    ),
)
_MOST = 20  # addresses whose street's name is looked for again: people do not give more
_LONE = re.compile(rf"(?:{CAP}\s){{1,3}}(?:Street|Road|Avenue|Lane|Boulevard|Drive|Crescent|Terrace)\b")
_HOUSES = (
    "Cottage,",
    "House,",
    "Farm,",
    "Lodge,",
    "Manor,",
    "Hall,",
    "Barn,",
    "Villa,",
    "Rectory,",
    "Vicarage,",
    "Grange,",
)


def addresses(text: str) -> Iterator[Found]:
    """Street addresses."""
    if not _may_hold_one(text):
        return
    for match in _HOUSE.finditer(text) if any(house in text for house in _HOUSES) else ():
        yield Found(*match.span(), "STREET_ADDRESS", 0.6)
    told: list[Street] = []
    reach = 0
    for street in sorted(streets(text)):
        if street.end <= reach and len(told) > _MOST:
            continue
        start = _grown_left(text, street)
        code = _CODE_LAST.search(text, street.start + 1, street.end) is not None
        end, firm = grown_right(text, street.end, "code" if code else "")
        led = LEAD.search(text, max(0, start - 50), start) is not None
        if led or firm or (street.sure and not (end == street.end and _is_title(text, start, end))):
            told.append(street)
            reach = max(reach, end)
            yield Found(start, end, "STREET_ADDRESS", 0.6)
    for lone in _LONE.finditer(text) if told else ():
        yield Found(*lone.span(), "STREET_ADDRESS", 0.5)
    names = dict.fromkeys(name for street in told[:_MOST] for name in _names(text[street.start : street.end]))
    for name in names:
        for match in re.finditer(rf"(?<!\w){re.escape(name)}(?!\w)", text, re.IGNORECASE):
            yield Found(*match.span(), "STREET_ADDRESS", 0.5)


def _may_hold_one(text: str) -> bool:
    """Whether a text has a number that can be a house's, with a capital next to it or a word that streets have."""
    if not has_digit(text) or NUMBERED.search(text) is None:
        return "corner of" in text or any(house in text for house in _HOUSES)
    if _CAPITAL.search(text):
        return True
    lowered = text.lower()
    return any(sign in lowered for sign in _SIGNS)


def _is_title(text: str, start: int, end: int) -> bool:
    """Whether the words around speak of a film, a song or a game ("10 Cloverfield Lane")."""
    return _ART.search(text, max(0, start - 50), min(len(text), end + 50)) is not None


def _grown_left(text: str, street: Street) -> int:
    start = max(0, street.start - 80)
    if match := _LEFT.search(text, start, street.start):
        return match.start()
    if re.match(UNIT, text[street.start : street.start + 30]) and (
        match := _BEFORE_UNIT.search(text, start, street.start)
    ):
        return match.start()
    return street.start


def _names(core: str) -> Iterator[str]:
    """Names of streets in a core, without numbers, where they are long enough to be told from other words."""
    for part in re.split(r"[\W_]*\d+[\W_]*", core):
        name = re.sub(rf"\s+{LOOSE}\.?$", "", part, flags=re.IGNORECASE)
        name = name if len(name.split()) > 1 else part
        if len(name.split()) > 1 and len(name) > 7:
            yield name
