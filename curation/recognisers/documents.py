"""Numbers of documents and customers, by the word before them, and long numbers that are nothing else.

"Passport", "driving licence", "policy", "membership", "customer", "order", "registration", "plate" and their like in
the languages of the sample lead to a number of four letters and digits or more that holds a digit. Without a word,
letters with a long row of digits (A12345678, as passports and licences have it) and bare rows of eight digits and
more count: nobody remembers such a number unless it is somebody's. Vehicles' numbers (VIN, ISO 3779) stand alone by
their check digit. National numbers with check digits have a file for each country.

Left alone: dates, amounts, round numbers, numbers of things that all share (flights, episodes, models: letters with
fewer than six digits).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from curation.found import Found, any_of
from curation.recognisers.digits import LATIN, has_digit, runs
from curation.recognisers.phones import is_not_a_number

_PAPER = any_of(
    r"""
    passport pasaporte passaporte passeport reisepass paspor licen[cs]e licence permis führerschein
    carteira\sde\smotorista cnh licencia ssn social\ssecurity member(?:ship)? policy customer client patient
    student employee badge case claim account\sno order booking reservation reference ref tracking confirmation
    serial pin\scode (?:my|atm|card|the)\spin rut dni cpf rg nik ktp nif nie sim npwp curp rfc ine personalausweis
    ausweis(?:nummer)? matr[ií]cula medicare medicaid insurance versicherungsnummer sozialversicherungsnummer
    steuer(?:nummer|-?id) identity id\scard id\snumber id\sno national\sid aadhaar pan voter nhs plate
    number\splate kennzeichen placa plaque plat\snomor vin registration permit visa\snumber green\scard パスポート
    旅券 免許(?:証)? 保険証 会員 マイナンバー 学籍 여권 면허(?:증)? 주민(?:등록)?(?:번호)? 사번 학번 외국인등록
    """
)
_FILLER = (
    r"(?:[\W_]{1,4}(?:number|no|nr|num|nummer|n[uú]mero|num[ée]ro|nomor|n[ºo°]|code|id|is|was|es|e|é|ist|est"
    r"|lautet|adalah|my|to|the|card|"
    r"plate|permit|it['’]?s|番号|번호))"
)
_SAID = re.compile(
    rf"(?<![^\W\d_])(?:{_PAPER}){_FILLER}{{0,4}}(?:番号|번호)?[\W_]{{0,4}}(?:は|은|는|が|이|가)?[\W_]{{0,3}}$",
    re.IGNORECASE,
)
_CODE = re.compile(
    rf"(?<![{LATIN}@./-])(?=[A-Z-]{{0,8}}\d|(?-i:[A-Z]{{2,3}}) \d)[A-Z0-9](?:[ -]?[A-Z0-9]){{3,24}}(?![{LATIN}@])",
    re.IGNORECASE,
)
_LETTERED = re.compile(rf"(?<![{LATIN}#-])[A-Z]{{1,3}}-?\d{{6,14}}[A-Z]?(?![{LATIN}-])")
_VIN = re.compile(r"(?<![\w-])[A-HJ-NPR-Z0-9]{17}(?![\w-])", re.IGNORECASE)
# One of these stands in every word for a document.
_SIGNS = (
    *("pass", "licen", "permi", "führ", "motorista", "cnh", "ssn", "social", "member", "policy", "customer", "client"),
    *(
        "patient",
        "student",
        "employee",
        "badge",
        "case",
        "claim",
        "accou",
        "order",
        "booking",
        "reserv",
        "ref",
        "track",
    ),
    *(
        "confirm",
        "serial",
        "pin",
        "rut",
        "dni",
        "cpf",
        "rg",
        "nik",
        "ktp",
        "nif",
        "nie",
        "sim",
        "npwp",
        "curp",
        "rfc",
        "ine",
    ),
    *("ausweis", "matr", "medic", "insurance", "versicherung", "steuer", "identity", "id ", "national", "aadh", "pan"),
    *(
        "voter",
        "nhs",
        "plate",
        "kennz",
        "plac",
        "plaq",
        "nomor",
        "vin",
        "registration",
        "visa",
        "green card",
        "パスポート",
    ),
    *("旅券", "免許", "保険証", "会員", "マイナンバー", "学籍", "여권", "면허", "주민", "사번", "학번", "외국인"),
)
_THREE = re.compile(r"(?:\d[^\d\n]{0,4}){2}\d")


def documents(text: str) -> Iterator[Found]:
    """Numbers after the name of a document, and long numbers."""
    if not has_digit(text) or not _THREE.search(text):
        return
    for match in _LETTERED.finditer(text):
        yield Found(*match.span(), "ID_NUMBER", 0.5)
    if len(text) > 16:
        for match in _VIN.finditer(text):
            if match[0].isascii() and is_vin(match[0].upper()):
                yield Found(*match.span(), "ID_NUMBER", 0.9)
    for run in runs(text):
        if len(run.digits) >= 8 and len(run.groups) == 1 and not is_not_a_number(text, run):
            yield Found(run.start, run.end, "ID_NUMBER", 0.5)
    for match in _CODE.finditer(text):
        code = _without_words(match[0])
        if sum(c.isdigit() for c in code) > 2 and _is_led(text, match.start()):
            yield Found(match.start(), match.start() + len(code), "ID_NUMBER", 0.88)


def _is_led(text: str, start: int) -> bool:
    """Whether the name of a document leads to a place."""
    before = text[max(0, start - 60) : start]
    lowered = before.lower()
    return any(sign in lowered for sign in _SIGNS) and _SAID.search(before) is not None


def _without_words(code: str) -> str:
    """A code without the words that follow it: pieces of letters alone that are longer than plates have them."""
    end = 0
    for piece in re.finditer(r"[A-Za-z0-9]+", code):
        if end and piece[0].isalpha() and (len(piece[0]) > 3 or piece[0].islower()):
            break
        end = piece.end()
    return code[:end]


_VIN_VALUES = {c: int(d) for c, d in zip("ABCDEFGHJKLMNPRSTUVWXYZ", "12345678123457923456789", strict=True)}
_VIN_WEIGHTS = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)


def is_vin(vin: str) -> bool:
    """Whether 17 characters are a vehicle's number as North America gives them: place nine is the remainder by 11."""
    if not any(c.isdigit() for c in vin) or vin.isdigit():
        return False
    total = sum(
        (int(c) if c.isdigit() else _VIN_VALUES[c]) * weight for c, weight in zip(vin, _VIN_WEIGHTS, strict=True)
    )
    return "0123456789X"[total % 11] == vin[8]
