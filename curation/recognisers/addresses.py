"""Street addresses, as some fifteen languages write them, with flat, town and postcode where those follow.

Towns and countries by themselves are nobody's data. Not done: addresses without a number.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from curation.found import Found, any_of, words
from curation.recognisers.digits import has_digit

_CAP = r"[A-ZÀ-ÖØ-ÞĀ-ſΑ-ΩА-ЯЁ][\w'’.\-]{0,30}"
_WORD = r"[^\W\d_][\w'’\-]{0,30}"
_SMALL = (
    r"(?:(?:de|du|des|da|do|dos|das|del|della|dei|di|la|le|les|los|las|el|van|von|der|den|of|z|y|e|and)\s+|d['’]|l['’])"
)
_NUMBER = r"\d{1,6}(?:\s?[a-zA-Z]|/\d{1,4}|-\d{1,4})?(?!\w)\.?"
_FIRM = any_of(
    r"street st\.? avenue ave\.? av\.? road rd\.? boulevard blvd\.? lane ln\.? drive terrace crescent parkway highway"
)
_LOOSE = any_of(  # ordinary English words too: only with a capital
    """Streets? St Avenue Ave Road Rd Drive Dr Lane Ln Boulevard Blvd Way Courts? Ct Place Pl Close Circle Square Sq
    Gardens
    Grove Row Mews Trail Terrace Gateway Parkway Pkwy Parks? Heights Hill Coves? Pass Extensions? Crescent Highway
    Hwy"""
)
_FRENCH = any_of("rue avenue av\\. boulevard bd\\.? place allée chemin impasse quai cours route square")
_ROMANCE = any_of(
    """[Cc]allej[oó]n [Aa]ndador [Pp]rivada [Cc]errada [Pp]rolongaci[oó]n [Cc]alzada [Cc]alle [Cc]/ [Aa]venida AVENIDA
    CALLE RUA VIA [Aa]vda\\.? [Aa]v\\. [Pp]aseo [Pp]laza [Cc]arrera [Rr][uú]a
    R\\. [Tt]ravessa
    [Pp]raça [Aa]lameda [Ee]strada [Vv]ia [Vv]iale [Vv]icolo [Cc]orso [Pp]iazza [Ll]argo [Ss]trada [Rr]ue Avenue"""
)
_STEM = any_of(
    """stra(?:ß|ss)e str\\. gasse weg platz allee damm ufer chaussee brücke straat laan plein gracht dijk kade singel
    gatan vägen
    veien vegen vej gade gata gate katu tie kuja polku stræde torv vænget vangur vegur braut väg terrasse allé backen
    utca"""
)
_APART = any_of("Stra(?:ß|ss)e Str\\. Allee Platz Weg terrasse kapu u\\. út tér")
_MONTHS = any_of(
    "Januar Februar März April Mai Ju[nl]i August September Oktober November Dezember Jahr \\w{1,20}tag\\b"
)
_SLAVIC = any_of(r"\bul\. \bulica \bJl\.? \bJalan \bGg\. \bул\. \bулица \bпр\. \bпроспект")
_POST = r"(?:APO|FPO|DPO)\s+A[AEP]\s+\d{5}"
_HERE_AND_THERE = words(
    """the a an my your his her their our this that on in at of down up and or to for with from is are was were one two
    people cars houses blocks miles minutes hours days times more left right dogs cats kids"""
)

_STREETS = [
    # 12 Long Meadow Road
    re.compile(
        rf"(?<![\w.]){_NUMBER}\s+(?:(?:{_SMALL}){{0,2}}{_CAP}\s+){{1,4}}{_LOOSE}\b\.?"
        rf"(?:\s+{_LOOSE}\b){{0,2}}(?:\s\d{{1,4}}\b)?"
    ),
    re.compile(rf"(?<![\w.])\d{{1,6}}\s+(?P<words>(?:{_WORD}\s+){{1,3}}){_FIRM}(?!\w)", re.IGNORECASE),
    # 36 bis rue de la Paix
    re.compile(
        rf"(?<![\w.])\d{{1,6}}(?:\s?(?:bis"
        rf"|ter))?,?\s+{_FRENCH}\s+(?:{_SMALL}){{0,3}}{_WORD}(?:[ -]{_CAP}){{0,3}}(?:\s+{_NUMBER})?",
        re.IGNORECASE,
    ),
    # Calle Mayor 5; Rua Augusta, 1200; Via Roma 131
    re.compile(
        rf"\b{_ROMANCE}\s+(?:{_SMALL}){{0,2}}{_CAP}(?:\s+(?:{_SMALL}){{0,2}}{_CAP}){{0,4}},?\s*"
        rf"(?:[Nn][º°o.]{{1,2}}\s*)?{_NUMBER}"
        r"(?:\s\d{1,4}\b)?"
    ),
    re.compile(rf"\b(?:calle|rua|rúa|avenida|viale|piazza|paseo)\s+(?:{_WORD}\s+){{1,4}}\d{{1,5}}\b", re.IGNORECASE),
    re.compile(
        r"\b(?:[Cc]alle|[Cc]arrera)\s\d{1,4}\s+(?:[Nn]o\.?|#)\s?\d{1,4}(?:[ -]\d{1,4})?(?: x \d{1,4}(?: y \d{1,4})?)?"
    ),
    # Hauptstraße 5a; Prinsengracht 263; Puruntie 82; Brucker Bundesstrasse 31; Am Markt 5
    re.compile(rf"(?:{_CAP}[ -]){{0,2}}\b[^\W\d_][\w\-]{{2,30}}(?i:{_STEM})\s+{_NUMBER}"),
    re.compile(rf"(?:{_CAP}[ -]){{1,3}}(?:{_STEM}|{_APART})\s+{_NUMBER}"),
    re.compile(r"\b[^\W\d_]{3,30}\s(?:út|utca|tér|u\.)\s+\d{1,4}\b", re.IGNORECASE),
    re.compile(
        r"\b(?:[^\W\d_]{3,30}\s)?[^\W\d_]{3,30}(?:stra(?:ß|ss)e|gasse|gatan|vägen|veien|vegen|katu|straat"
        r"|gracht)\s\d{1,4}[a-z]?\b"
    ),
    re.compile(
        r"\b(?:Am|An der|An den|Im|In der|Zum|Zur|Unter den|Auf der)\s+"
        rf"(?!{_MONTHS})[A-ZÄÖÜ][\w\-]{{2,30}}\s+\d{{1,3}}\s?[a-z]?(?!\w)"
    ),
    # ul. Miła 53; ул. Ленина, д. 5; Jl. Sudirman No. 12
    re.compile(
        rf"{_SLAVIC}\s+(?:[^\W\d_][\w.\-]{{0,30}},?\s+){{1,4}}(?:No\.?\s*|nr\s*|д\.\s*)?\d{{1,4}}\s?[a-zа-я]?(?!\w)",
        re.IGNORECASE,
    ),
    # 東京都渋谷区神南1-2-3; 서울시 강남구 테헤란로 12; 中山路12号
    re.compile(
        r"(?:〒\s?\d{3}-\d{4}\s*)?(?:[一-龥]{1,3}[都道府県])?[一-龥ぁ-んァ-ヶ]{1,6}[市区町村郡][一-龥ぁ-んァ-ヶ]{0,12}"
        r"[0-9０-９]{1,4}(?:(?:丁目|番地?|号|[-−ー－の])[0-9０-９]{0,4}){0,3}|〒\s?\d{3}-\d{4}"
    ),
    re.compile(
        r"(?:[가-힣]{1,6}(?:시|도|군|구)\s?){1,3}[가-힣0-9]{1,10}(?:로|길|동|읍"
        r"|면)\s?\d{1,4}(?:-\d{1,4})?(?:번길|번지|호)?"
    ),
    re.compile(r"[一-龥]{1,10}[路街巷道]\d{1,5}[号號]"),
    # 6750 Koskikatu 25: a number, one to four names, a number, as lists of addresses have them
    re.compile(rf"(?<![\w.,$/-])(?!(?:1[89]|20)\d\d\b)\d{{2,6}}\s+(?:{_CAP}\s+){{1,4}}\d{{1,4}}(?![\w%:]|[.,]\d)"),
    re.compile(
        r"(?<!\w)(?:the\s+)?corner of\s+[^\n,.?!]{1,40}(?:\.[^\n,.?!]{1,30})?(?:\s+and\s+"
        r"|\s*&\s*)[^\W\d_][^\n,.?!]{1,40}",
        re.IGNORECASE,
    ),
    # Schusterberg 3, 91744 Rothenbrunn; 19 Harbor Slip, Portland; B-17 Shanti Enclave, New Delhi
    re.compile(rf"{_CAP}(?:\s{_CAP}){{0,2}}\s\d{{1,4}}\s?[a-z]?(?=,\s*\d{{4,5}}\s+{_CAP})"),
    re.compile(
        rf"(?<![\w.,$/-])(?!(?:1[89]"
        rf"|20)\d\d\b)(?:[A-Z]-)?\d{{1,5}}[a-z]?\s{_CAP}(?:\s{_CAP}){{1,3}}(?:\s#\d{{1,5}})?(?=,\s{_CAP})"
    ),
    # Boxes, flats, military post
    re.compile(
        r"\b(?:P\.?\s?O\.?\s?Box|Postbox|Postfach|Apartado|Caixa Postal|Casella Postale|Boîte Postale)\s*\d{1,6}\b",
        re.IGNORECASE,
    ),
    re.compile(rf"\bUSNS\s\w{{1,30}}\s+{_POST}", re.IGNORECASE),
    re.compile(rf"\b(?:PSC|Unit|CMR)\s\d{{1,6}},?\s+Box\s\d{{1,6}}(?:\s+{_POST})?", re.IGNORECASE),
    re.compile(r"\b(?:Apt|Apartment|Suite|Ste|Flat)\.?\s?#?\d{1,5}[A-Za-z]?\b", re.IGNORECASE),
    # where somebody says they live
    re.compile(
        rf"\b(?:lives?|living|moved|home|house|address)(?: is| to| at| on"
        rf"|:){{1,2}}\s+(?P<at>\d{{1,6}}[a-zA-Z]?\s+{_CAP}(?:\s{_CAP}){{0,3}}"
        rf"|(?:the )?(?:north side of |south side of )?{_CAP}(?:\s{_CAP}){{0,3}}\s\d{{1,5}}\b)"
    ),
]
_HEAD = re.compile(r"(?<![\w.])\d{1,6}\s$")
_SEP = r"[ \t>?,\\]{0,8}\n?[ \t>?,\\]{0,8}"
_UNIT = r"(?:\b(?i:Apt|Apartment|Suite|Ste|Unit|Flat|Floor|Fl)\.?\s?#?\d{1,5}[A-Za-z]?\b|\d{1,4}\b(?=\s+(?:Apt|Suite)))"
_POSTCODE = r"(?:(?<=[\s,>?])\d{4,6}(?:-\d{3,4})?|\b[A-Z]{1,2}\d[A-Z\d]?(?: \d[A-Z]{2})?)(?!\w)"
_TOWN = rf"(?:{_CAP}|nan|\([A-Z]\w{{1,20}}\)|[a-z]{{2}}\b|{_SMALL}|\d{{2}}\b(?=\n))"
_TAIL = re.compile(
    rf"(?:{_SEP}{_UNIT}){{0,3}}(?:,\s?\d{{4,5}}\s{_CAP}(?:[ -]{_CAP}){{0,2}}|(?:{_SEP}{_TOWN}){{0,8}}{_SEP}{_POSTCODE}"
    rf"|(?:,\s?(?:\d{{4,5}}\s|Int\.\s\d{{1,4}},\s"
    rf"|Col\.\s)?{_CAP}(?:\s(?:{_SMALL})?{_CAP}){{0,2}}(?:\s\d{{5,6}}\b)?){{1,4}}"
    rf"|(?:,?[ \t]*\n[ \t>?,]{{0,8}}{_CAP}(?: {_CAP}){{0,3}}[ \t]*(?=[\n.?!]|$)){{1,3}}"
    rf"|(?<=\d),?(?: {_CAP},?){{1,5}}(?=\s*(?:$|[\n.?!])))?"
)


def addresses(text: str) -> Iterator[Found]:
    """Street addresses."""
    if not has_digit(text) and "corner of" not in text.lower():
        return
    for pattern in _STREETS:
        for match in pattern.finditer(text):
            if "words" in pattern.groupindex and not _HERE_AND_THERE.isdisjoint(match["words"].lower().split()):
                continue  # 10 people on the street
            start = match.start("at") if "at" in pattern.groupindex else match.start()
            head, tail = _HEAD.search(text, max(0, start - 8), start), _TAIL.match(text, match.end())
            yield Found(head.start() if head else start, tail.end() if tail else match.end(), "STREET_ADDRESS", 0.6)
