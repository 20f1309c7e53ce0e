"""Addresses told by their postcode: "Vila Sofia Alves, 13, Mangabeiras, 15736-819 Albuquerque / SC".

Where a postcode stands with the name of a town, up to five pieces between commas or lines before it belong to it, as
long as they are made of capitalised names, numbers and the small words that streets have; one of them must hold a
number or a word for street, or there must be two. So streets count whose names no list of words for street knows.
Forms of postcodes: four to six digits before or behind a town (most countries), with a dash (Portugal, Poland,
Brazil, United States), a space (Czechia, Sweden, Greece), two letters (Netherlands), British, Canadian. One that
could be a year ("Apollo 13, Houston, 1970 Nixon") wants somebody who leads to the address.

Left alone: a postcode and a town alone, which thousands share; see `postcodes` for those that few do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from curation.found import Found, any_of
from curation.recognisers.digits import has_digit
from curation.recognisers.growth import TOWN_SMALL, grown_right
from curation.recognisers.streets import CAP, LEAD, UNIT

_CODE = re.compile(
    r"(?<![\w.,$€£])(?<!\d-)(?:(?:[A-Z]{1,3}-)?\d{4,6}(?:-\d{3,4}|\s?[A-Z]{2}(?!\w))?|\d{8}|\d{5}-\d{3}"
    r"|\d{3}\s\d{2}|\d{2}-\d{3}"
    r"|[A-Z]{1,2}\d[A-Z\d]?\s?\d[A-Z]{2}|[A-Z]\d[A-Z]\s?\d[A-Z]\d)(?![\w%]|[.,]\d)"
)
_SIGN = re.compile(r"(?<![\d.,$€£])(?:\d{4,6}|\d{8})(?![\d%]|[.,]\d)|\d{2,5}[- ]\d{2,4}(?!\d)|[A-Z]\d[A-Z\d]? ?\d[A-Z]")
_WORDS = any_of(
    r"""rue avenue boulevard place all[ée]e chemin impasse quai cours route square via viale piazza corso strada vicolo
    rua calle plaza paseo ul\. ulica ulice náměstí ул\. пр\. наб\. пер\. ш\. улица проспект jalan jl\.? gang gg\.?"""
)
_TOKEN = (
    rf"(?:#?\d{{1,5}}(?:[/-]\d{{1,4}})?[A-Za-z]?\.?(?!\w)|{CAP}(?:[-–]{CAP})?|(?:de|du|des|da|do|dos|das|del"
    rf"|della|dei|di|la|le|les|los|las"
    rf"|el|van|von|der|den|of|the|y|e|and|na|zum|zur|am|an|bei|i|na|u|v|pri|nad|pod)(?= )|d['’]{CAP}|l['’]{CAP}"
    rf"|(?i:{_WORDS})"
    r"|[Ss]/[Nn]|[(#][\w#. ]{1,20}\)?|\d{1,3}ª|(?:г|д|к|кв|стр|корп|п|с|обл|bl|kv|no|nr|č|n[º°])\.?(?!\w))"
)
_SEPARATOR = re.compile(r" ?(?:, ?|\n ?| [-–/] )|(?<=[^\W\d_])-(?=\d)")
_PIECE = re.compile(rf"(?<![\w.])(?:{_TOKEN}|{UNIT})(?: (?:{_TOKEN}|{UNIT})){{0,8}}$")
_TOWN = re.compile(
    rf"{CAP}(?:[ -](?:{TOWN_SMALL})?{CAP}){{0,4}}[ –-]{{1,2}}(?!\S)|{CAP}(?: {CAP}){{0,3}} (?!\S)"
    rf"|{CAP}(?: {CAP}){{0,3}}-$"
)
_STREET = re.compile(rf"\d|\b(?i:{_WORDS})\s", re.IGNORECASE)
_YEAR = re.compile(r"(?:1[89]|20)\d\d")
_AFTER = re.compile(rf"[ ,\n]{{1,2}}{CAP}")


def address_blocks(text: str) -> Iterator[Found]:
    """Addresses that hold a postcode and a town."""
    if not has_digit(text) or not _SIGN.search(text):
        return
    for code in _CODE.finditer(text):
        start, pieces, town = _grown_left(text, code.start())
        told = pieces > 1 or (pieces and _STREET.search(text, start, code.start()))
        if _YEAR.fullmatch(code[0]):  # "Apollo 13, Houston, 1970 Nixon"
            told = told and LEAD.search(text, max(0, start - 50), start)
        if told:
            behind = not town and _AFTER.match(text, code.end()) is not None
            if behind or town or pieces > 1:
                end, _ = grown_right(text, code.end(), "code" if behind else "")
                yield Found(start, end, "STREET_ADDRESS", 0.6)


def _grown_left(text: str, at: int) -> tuple[int, int, bool]:
    """Start of the pieces that lead up to a postcode, how many there are, and whether a town touches the postcode."""
    low = max(0, at - 160)
    separators = list(_SEPARATOR.finditer(text, low, at))
    if not separators:
        return at, 0, False
    town = separators[-1].end() < at
    if town and not _TOWN.fullmatch(text, separators[-1].end(), at):
        return at, 0, False
    start, pieces = at, 0
    for place in range(len(separators) - 1, max(-1, len(separators) - 6), -1):
        begin = separators[place - 1].end() if place else low
        piece = _PIECE.search(text, begin, separators[place].start())
        if piece is None:
            break
        start, pieces = piece.start(), pieces + 1
        if piece.start() > begin:
            break
    return start, pieces, town
