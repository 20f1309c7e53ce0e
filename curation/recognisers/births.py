"""Dates of birth: a date with a sign that somebody was born on it.

The signs are words of the sample's languages: "born on", "dob", "my birthday is", "nasci em", "né le", "geboren am",
"cumpleaños", "lahir", "生年月日", "생일". The date stands up to 40 characters behind one, or right before it ("3/4/1999
is my birthday", "5月3日生まれ"). A date is digits in any order, or a day and a month by name, with or without a year:
day and month lead to a person as well as the year does. After words for the date itself, six or eight digits in a row
are one, too.

Left alone: years alone ("born in 1994") and ages, which many share; dates of anything else. Not told apart: the
birthday of a friend and that of a film star; both are masked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from curation.found import Found, any_of
from curation.recognisers.digits import LATIN

_MONTH = any_of(
    """
    jan(?:uary|uar|eiro|vier|uari)? feb(?:ruary|ruar|rero|ruari)? fev(?:ereiro)? févr?(?:ier)?
    mar(?:ch|zo|ço|s|et)? mär(?:z)? maerz apr(?:il)? abr(?:il)? avr(?:il)? may mai(?:o)? mayo mei june? juni
    jun(?:io|ho)? juin july? juli jul(?:io|ho)? juillet aug(?:ust)? ago(?:sto)? ao[uû]t agustus
    sept?(?:ember|iembre|embre)? set(?:embro)? okt(?:ober)? oct(?:ober|ubre|obre)? out(?:ubro)?
    nov(?:ember|iembre|embro|embre)? de[czs](?:ember|iembre|embro|embre)? d[ée]c(?:embre)? dez(?:ember|embro)?
    ene(?:ro)?
    """
)
_ORDINAL = any_of(
    """
    first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth
    fifteenth sixteenth seventeenth eighteenth nineteenth twentieth
    twenty[-\\s]?(?:first|second|third|fourth|fifth|sixth|seventh|eighth |ninth) thirtieth thirty[-\\s]?first
    """
)
_DAY = rf"(?:(?:0?[1-9]|[12]\d|3[01])(?:st|nd|rd|th|er|º|°|ª|\.)?|{_ORDINAL})"
_YEAR = r"(?:(?:1[89]|20)\d\d|['’]?\d\d)"
_DATE = re.compile(
    rf"(?<![{LATIN}/.-])(?:"
    rf"(?:1[89]|20)\d\d ?[-/.] ?(?:0?[1-9]|1[0-2]) ?[-/.] ?(?:0?[1-9]|[12]\d|3[01])"
    rf"|(?:0?[1-9]|[12]\d|3[01]) ?[-/.] ?(?:0?[1-9]|[12]\d|3[01])(?: ?[-/.] ?{_YEAR})?"
    rf"|{_DAY},? (?:(?:of|de|del|do) )?{_MONTH}\.?(?:(?:,| of| de| del)? {_YEAR})?"
    rf"|{_MONTH}\.? (?:the )?{_DAY}(?:(?:,| of|, of)? {_YEAR}(?!:))?"
    rf")(?![{LATIN}]|[-/.]\d)"
    r"|(?:(?:(?:昭和|平成|令和|大正)(?:元|\d{1,2})|(?:1[89]|20)\d\d)年 ?)?\d{1,2}月 ?\d{1,2}日"
    r"|(?:(?:(?:1[89]|20)?\d\d)년 ?)?\d{1,2}월 ?\d{1,2}일",
    re.IGNORECASE,
)
_DAYS = re.compile(rf"\d|{_ORDINAL}", re.IGNORECASE)
_PACKED = re.compile(
    r"(?<!\w)(?:(?:19|20)?\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])|(?:0[1-9]|[12]\d|3[01])(?:0[1-9]"
    r"|1[0-2])(?:19|20)\d\d)(?!\d)"
)
_LEAD = re.compile(
    r"\b(?:born|b(?:irth)?-?days?|(?P<of>dob|d\.o\.b\.?|birth ?date|date of birth|geburtsdatum|geburtstag"
    r"|fecha de nacimiento"
    r"|data de nascimento|date de naissance|tgl lahir|tanggal lahir|nascimento|nacimiento|naissance)|geb(?:oren"
    r"|\.)|nac[ií]d?[oa]?|cumple(?:años)?|nasc(?:i|id[oa]|eu)|anivers[aá]rio|niver|anniv(?:ersaire)?"
    r"|née?|lahir|ultah(?:ku|nya)?|ulang tahun(?:ku|nya)?|sou (?:de|do dia))(?!\w)|(?P<of2>生年月日|생년월일"
    r"|誕生日|생일)|生まれ|태어난|태어났|(?<=일)생(?=[이입일,.]|$)",
    re.IGNORECASE,
)
_BEFORE = re.compile(
    r"[\s,:]{0,3}(?:(?:is|was|it['’]?s|es|era|é|est|ist|my|mi|meu|mon|mein|the|day|i|i['’]?m|am|when|adalah|ku"
    r"|aku|に|が|は|の|이|가|에|私|僕|내|제|self|是)[\s,]{0,2}){0,4}$",
    re.IGNORECASE,
)
_SIGNS = (
    *(
        "born",
        "birth",
        "bday",
        "b-day",
        "dob",
        "d.o.b",
        "gebor",
        "geb.",
        "geburt",
        "nac",
        "nasc",
        "cumple",
        "anniv",
        "anivers",
    ),
    *("niver", "sou d", "né", "naiss", "lahir", "ultah", "ulang", "生", "생", "태어", "誕生"),
)


def births(text: str) -> Iterator[Found]:
    """Dates of birth and birthdays."""
    lowered = text.lower()
    if not any(sign in lowered for sign in _SIGNS):
        return
    for lead in _LEAD.finditer(text):
        if not _DAYS.search(text, max(0, lead.start() - 60), lead.end() + 60):
            continue
        behind = _DATE.search(text, lead.end(), lead.end() + 60)
        if (lead["of"] or lead["of2"]) and not behind:
            behind = _PACKED.search(text, lead.end(), lead.end() + 30)
        if behind and behind.start() - lead.end() <= 40 and not _OVER.search(text, lead.end(), behind.start()):
            yield Found(*behind.span(), "DATE_OF_BIRTH", 0.8)
            continue
        for date in _DATE.finditer(text, max(0, lead.start() - 60), lead.start()):
            if _BEFORE.match(text, date.end(), lead.start()):
                yield Found(*date.span(), "DATE_OF_BIRTH", 0.8)


# A sentence that ends between the sign and the date.
_OVER = re.compile(r"[.!?。！？]\s+\S|\n\n")
