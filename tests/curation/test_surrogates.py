"""Surrogates keep the form and lead to nobody: the same person the same one, two people two, numbers of fiction."""

from __future__ import annotations

import random
import re
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from talk import KEY, Listed, conversation, said

from curation import scrub, surrogate_forms
from curation.people import fold
from curation.recognisers.checks import luhn, mod97
from curation.recognisers.national.brazil import is_cpf
from curation.surrogate_words import NAMES
from curation.surrogates import Drawn
from schemas.personas import Persona

MIRA = {"mira": Persona(persona_id="mira", name="Mira", locale="en-US", system_prompt="x")}


def replaced(*texts: str, find: Any = None, key: bytes = KEY, **how: Any) -> pl.DataFrame:
    return scrub.scrub(conversation(*texts, **how), find or Listed(), key, MIRA, "surrogate")


def drawn(*parts: str) -> Drawn:
    return Drawn(KEY, *parts)


def test_a_name_keeps_its_words_its_case_and_its_owner() -> None:
    done = replaced(
        "my name is maria lopez", "Hi Maria! MARIA? Ms Lopez, Maria's bread, mariaaa", "maria lopez", "ok Mira"
    )
    lines = said(done[1:]).split("\n")
    first, last = lines[0].removeprefix("my name is ").split()
    assert first.islower()
    assert first in {name.lower() for name in NAMES["en"].female}
    assert last in {name.lower() for name in NAMES["en"].surnames}
    title = first.title()
    assert lines[1] == f"Hi {title}! {first.upper()}? Ms {last.title()}, {title}'s bread, {first}"
    assert lines[2] == f"{first} {last}"
    assert lines[3] == "ok Mira"
    again = scrub.scrub(conversation("my name is maria lopez", "ok"), Listed(), KEY, MIRA)
    assert done["pii"][0].to_list() == [{"type": "PERSON", "count": 6}]
    assert [item["type"] for item in again["pii"][0]] == ["PERSON"]


@pytest.mark.parametrize(
    ("locale", "told", "again", "letters"),
    [
        ("de-DE", "ich heiße Lena Müller", "Frau Müller", r"[A-ZÄÖÜ][a-zäöüß]+"),
        ("ru-RU", "меня зовут Анна", "АННА", r"[А-Я][а-яё]+"),
        ("ja-JP", "私は田中です", "田中さん", r"[一-龥]{2}"),
        ("ko-KR", "제 이름은 김민수예요", "김민수", r"[가-힣]{3}(?=예요|\n|$)"),
    ],
)
def test_a_name_keeps_its_script(locale: str, told: str, again: str, letters: str) -> None:
    done = replaced(told, "ok", again, "ok", locale=locale)
    text = said(done[1:])
    new = re.findall(letters, text)
    assert new
    assert not set(re.findall(letters, told + again)) & (set(new) - {"Frau"})


def test_different_people_have_different_names_that_are_not_in_the_conversation() -> None:
    many = sorted({name for names in (NAMES["de"], NAMES["en"]) for name in (*names.female, *names.male)})
    texts = [f"so {name} was there" for name in many]
    texts += ["ok"] * (len(texts) % 2)
    done = replaced(*texts, find=Listed(**dict.fromkeys(many, 0.9)))
    new = re.findall(r"so (\S+) was", said(done[-1:]))
    assert len(new) == len(many) == len(set(new))
    assert not {fold(name)[0] for name in many} & {fold(name)[0] for name in new}


_TALK = st.lists(
    st.sampled_from(["my name is anna", "Anna Nowak", "Maria and Ben", "0171 2345678", "@moon_cat", "@sun_dog", "ok"]),
    min_size=2, max_size=8,
)  # fmt: skip


@settings(max_examples=40, deadline=None, derandomize=True)
@given(_TALK, _TALK, st.randoms(use_true_random=False))
def test_order_of_rows_and_other_conversations_change_nothing(
    talk: list[str], other: list[str], chance: random.Random
) -> None:
    find: Any = Listed(Maria=0.9, Ben=0.9, Anna_Nowak=0.9)
    one, two = conversation(*talk, id="a"), conversation(*other, id="b")
    apart = pl.concat([scrub.scrub(frame, find, KEY, MIRA, "surrogate") for frame in (one, two)])
    together = pl.concat([one, two])
    order = chance.sample(range(together.height), together.height)
    done = scrub.scrub(together[order], find, KEY, MIRA, "surrogate")
    assert done.sort("conversation_id", "turn_index").equals(apart)


def test_another_key_and_another_conversation_give_others() -> None:
    texts = [f"call +49 171 23456{n}8 or mail ana.silva{n}@mail.example.org" for n in range(4)]
    alike = {said(replaced(*texts, **how)) for how in ({}, {"key": bytes(32)}, {"id": "d"})}  # type: ignore[arg-type]
    assert len(alike) == 3


@pytest.mark.parametrize(
    ("shown", "languages", "fiction"),
    [
        ("(602) 272-9781", "en", r"\(\d{3}\) 555-01\d\d"),
        ("+1 602 272 9781", "es", r"\+1 \d{3} 555 01\d\d"),
        ("272-9781", "en", r"555-01\d\d"),
        ("+44 7911 123456", "en", r"\+44 7700 900\d{3}"),
        ("020 7946 0123", "en", r"016 3296 0\d{3}"),
        ("0171 2345678", "de", r"0171 39200\d\d"),
        ("+49 30 23456789", "de", r"\+49 30 23125\d{3}"),
        ("06 12 34 56 78", "fr", r"06 39 98 \d\d \d\d"),
        ("+33 1 42 68 53 00", "fr", r"\+33 1 99 00 \d\d \d\d"),
        ("+55 11 91234-5678", "pt", r"\+55 00 \d{5}-\d{4}"),
        ("oh one seven one two three", "en", r"555-01\d\d"),
    ],
)
def test_telephone_numbers_are_of_ranges_for_fiction(shown: str, languages: str, fiction: str) -> None:
    for number in range(20):
        assert re.fullmatch(fiction, surrogate_forms.phone(shown, drawn(str(number)), frozenset([languages])))


@pytest.mark.parametrize(
    ("kind", "shown", "form"),
    [
        ("EMAIL_ADDRESS", "Ana.silva77@mail.test.com", r"[A-Z][a-z]+\.[a-z]+\d\d@example\.org"),
        ("EMAIL_ADDRESS", "jo at gmail dot com", r"[a-z]+ at example dot org"),
        ("HANDLE", "@moon_cat.7", r"@[a-z]+_[a-z]+\.\d"),
        ("STREET_ADDRESS", "12 Long Meadow Road", r"[1-9]{2} \w+ \w+ Road"),
        ("STREET_ADDRESS", "Hauptstraße 5a", r"[A-Z][a-z]+straße [1-9]a"),
        ("STREET_ADDRESS", "36 rue de la Paix", r"[1-9]{2} rue de la \w+"),
        ("STREET_ADDRESS", "東京都渋谷区神南1-2-3", r"[一-龥]+[1-9]-[1-9]-[1-9]"),
        ("CREDIT_CARD", "4111 1111 1111 1111", r"4\d{3} \d{4} \d{4} \d{4}"),
        ("IBAN_CODE", "GB82 WEST 1234 5698 7654 32", r"GB\d\d [A-Z]{4} \d{4} \d{4} \d{4} \d\d"),
        ("SSN", "078-05-1120", r"000-\d\d-\d{4}"),
        ("ID_NUMBER", "529.982.247-25", r"\d{3}\.\d{3}\.\d{3}-\d\d"),
        ("IP_ADDRESS", "81.2.69.142", r"(?:192\.0\.2|198\.51\.100|203\.0\.113)\.\d+"),
        ("IP_ADDRESS", "2a00:1450::200e", r"2001:db8::[0-9a-f]+"),
        ("MAC_ADDRESS", "a4:5e:60:c2:11:0f", r"00:00:5e:00:53:[0-9a-f]{2}"),
        ("URL", "https://instagram.com/foo.bar", r"https://instagram\.com/[a-z]+\.[a-z]+"),
        ("URL", "https://ana.test.com/users/ana77?x=1", r"https://example\.org/users/[a-z]+\d\d\?[a-z]+=\d"),
        ("DATE_OF_BIRTH", "03/05/1990", r"(?:0[1-9]|1[0-2])/(?:0[1-9]|1[0-2])/19[89]\d"),
        ("DATE_OF_BIRTH", "3 May 1990", r"\d [A-Z][a-z]+ 19[89]\d"),
        ("CRYPTO", "1BoatSLRHtKNngkdXEeobR76b53LETtpyT", r"\d[A-Za-z0-9]{33}"),
        ("BADGE", "AB-12", r"[A-Z]{2}-\d\d"),
    ],
)
def test_other_data_keep_their_form(kind: str, shown: str, form: str) -> None:
    for number in range(20):
        new = surrogate_forms.made(kind, shown, drawn(kind, str(number)), frozenset(["en"]))
        assert re.fullmatch(form, new)
        assert new != shown
        assert kind != "CREDIT_CARD" or not luhn(re.sub(r"\D", "", new))
        assert kind != "IBAN_CODE" or not mod97(new.replace(" ", ""))
        assert kind != "ID_NUMBER" or not is_cpf(re.sub(r"\D", "", new))


def test_the_same_number_has_the_same_surrogate_however_it_is_written() -> None:
    done = replaced("call 030 23456787", "so +49 30 23456787, or 030-234 567 87", locale="de-DE")
    digits = [re.sub(r"\D", "", part) for part in re.findall(r"\+?[\d -]{8,}", said(done))]
    assert len(digits) == 3
    assert len({number[-9:] for number in digits}) == 1
    assert "23456787" not in "".join(digits)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.text(st.characters(exclude_categories=("Cs",)), max_size=12), st.sampled_from(["Anna", "안나", "אנה", "ანა"]))
def test_odd_names_are_replaced_all_the_same(odd: str, name: str) -> None:
    find = Listed(**{name: 0.9})
    find.languages = None  # type: ignore[assignment]  # an engine that speaks all
    done = replaced(f"{name} {odd}", "ok", find=find)
    assert name not in done["messages"][0][1]["content"]
