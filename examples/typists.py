"""Who writes, and how: users with habits of typing that stay, and messages that remember where planted values lie."""

from __future__ import annotations

import random
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeVar

from schemas.personas import Persona

SLOT = re.compile(r"\{(\w+)\}")
GESTURE = "*(\uff08"
SENTENCE_END = re.compile(r"(?<=[.!?]) (?=\w)|(?<=[\u3002\uff01\uff1f])(?=\w)")
EMOJI = re.compile("[\U0001f300-\U0001faff\u2600-\u27bf]")

T = TypeVar("T")


class Dice(random.Random):
    """Random choices built on `random()` alone, the one method whose sequence Python promises to keep."""

    def chance(self, p: float) -> bool:
        return self.random() < p

    def one_of(self, items: Sequence[T]) -> T:
        return items[int(self.random() * len(items))]

    def weighted(self, items: Mapping[T, float]) -> T:
        left = self.random() * sum(items.values())
        for item, weight in items.items():
            left -= weight
            if left < 0:
                return item
        return item

    def some(self, items: Sequence[T], count: int) -> list[T]:
        return [items[at] for _, at in sorted((self.random(), at) for at in range(len(items)))[:count]]

    def digits(self, pattern: str) -> str:
        return re.sub("#", lambda _: str(int(self.random() * 10)), pattern)


class Text(NamedTuple):
    """A message and where planted values lie in it, as (start, end, type)."""

    text: str
    spans: tuple[tuple[int, int, str], ...] = ()

    def then(self, other: Text, between: str = " ") -> Text:
        """This message, then another, as one."""
        shift = len(self.text) + len(between)
        return Text(
            self.text + between + other.text, self.spans + tuple((s + shift, e + shift, t) for s, e, t in other.spans)
        )


def fill(template: str, values: Mapping[str, str], touch: Callable[[str], str] = str) -> Text:
    """Put values into a template's slots; `touch` changes only what stands between them, so that offsets hold."""
    text, spans = "", []
    for number, part in enumerate(SLOT.split(template)):
        if number % 2 == 0:
            text += touch(part)
            continue
        if part != "character":
            spans.append((len(text), len(text) + len(values[part]), part.upper()))
        text += values[part]
    return Text(text, tuple(spans))


@dataclass(frozen=True, eq=False)
class User:
    """A user and how they type; rates are per message, `typos` per word.

    A topic's pools of user lines hold the same few manners of writing in the same order (terse, casual, long, with
    emoji, formal, ...): `manner` is the place of this user's own, `second` of the one they slip into.
    """

    key: str
    locale: str
    activity: float
    favourites: tuple[str, ...]
    manner: int
    second: int
    dictates: bool
    lower: bool
    stops: bool
    apostrophes: bool
    typos: float
    stretch: float
    splits: float
    slang: Mapping[str, str]
    emoji: Sequence[str]
    emoji_rate: float
    tags: Sequence[str]
    tag_rate: float


def draw_user(
    dice: Dice, key: str, locale: str, personas: Sequence[Persona], habits: Mapping[str, Any], capitals: Sequence[float]
) -> User:
    """A user with habits that stay; `capitals` is how often each manner of writing begins with one."""
    language = locale[:2]
    slang = habits["slang"].get(language, {})
    tags = habits["tags"].get(locale) or habits["tags"].get(language, [])
    manner = int(dice.random() * len(capitals))
    akin = [n for n, often in enumerate(capitals) if n != manner and abs(often - capitals[manner]) < 0.6]
    casual = dice.random() * (1 - capitals[manner])
    return User(
        key=key,
        locale=locale,
        activity=0.5 + dice.random() ** 4 * 5,
        favourites=tuple(p.persona_id for p in dice.some(personas, 1 + int(dice.random() * 3))),
        manner=manner,
        second=dice.one_of(akin or [manner]),
        dictates=False,
        lower=dice.chance(0.05 + 0.8 * casual),
        stops=dice.chance(0.9 - 0.8 * casual),
        apostrophes=dice.chance(1.1 - 0.5 * casual),
        typos=dice.one_of((0, 0, 0, 0.01, 0.02, 0.05)),
        stretch=dice.one_of((0, 0, 0.03, 0.15)),
        splits=dice.one_of((0, 0, 0.05, 0.3)),
        slang={k: slang[k] for k in dice.some(sorted(slang), int(len(slang) * casual * dice.random()))},
        emoji=dice.some(habits["emoji"], 2),
        emoji_rate=dice.one_of((0, 0, 0, 0.05, 0.12, 0.4)),
        tags=dice.some(tags, 2),
        tag_rate=dice.one_of((0, 0, 0.05, 0.18)),
    )


def mistype(word: str, dice: Dice) -> str:
    """The word with one slip of the fingers."""
    at = 1 + int(dice.random() * (len(word) - 2))
    return dice.one_of((
        word[:at] + word[at + 1] + word[at] + word[at + 2 :],
        word[:at] + word[at + 1 :],
        word[:at] + word[at] * 2 + word[at + 1 :],
    ))  # fmt: skip


def touch(part: str, user: User, dice: Dice) -> str:
    """What a user's habits make of a piece of a message."""
    for word, short in user.slang.items():
        part = re.sub(rf"(?<![\w']){re.escape(word)}(?![\w'])", short, part, flags=re.IGNORECASE)
    if user.typos and user.locale[:2] not in ("ja", "ko"):
        part = re.sub(r"[^\W\d_]{4,}", lambda m: mistype(m[0], dice) if dice.chance(user.typos) else m[0], part)
    if not user.apostrophes and user.locale[:2] == "en":
        part = re.sub(r"(?<=\w)['\u2019](?=\w)", "", part)
    if user.dictates:
        part = re.sub(r" ?[*\"…]+ ?|(?<=\w)[.,!?;:]+(?=\s|$)", " ", EMOJI.sub("", part)).replace("  ", " ")
    return part.lower() if user.lower else part


def finish(message: Text, user: User, dice: Dice) -> Text:
    """What a user's habits make of the end of a message; planted values are left as they are."""
    at = max((end for _, end, _ in message.spans), default=0)
    kept, tail = message.text[:at], message.text[at:]
    if not user.stops:
        tail = re.sub(r"(?<![.])[.。]$", "", tail)
    if len(tail) < 80 and dice.chance(user.stretch):
        tail = re.sub(r"([aeiou])([^\W\d_]?)$", lambda m: m[1] * (2 + int(dice.random() * 4)) + m[2], tail)
    if dice.chance(user.splits) and not message.spans:
        tail = re.sub(SENTENCE_END, "\n", tail, count=1) if "*" not in tail else tail
    if user.tags and dice.chance(user.tag_rate) and not tail.endswith(("*", "?")):
        space = "" if user.locale[:2] == "ja" else " "
        tail = tail.rstrip(".") + space + dice.one_of(user.tags)
    if dice.chance(user.emoji_rate) and not EMOJI.search(message.text):
        tail += " " + dice.one_of(user.emoji)
    return Text(kept + (tail.rstrip() if user.dictates else tail), message.spans)


def spoken(user: User) -> User:
    """The same user dictating: no capitals, stops, slips or emoji."""
    return replace(
        user, dictates=True, lower=True, stops=False, typos=0, stretch=0, splits=0, slang={}, emoji_rate=0, tag_rate=0
    )


def mistyped(text: str, dice: Dice) -> str:
    """The text with one word mistyped."""
    words = re.findall(r"[^\W\d_]{4,}", text)
    return text.replace(word := dice.one_of(words), mistype(word, dice), 1) if words else text + " "


def voiced(reply: Text, voice: Mapping[str, Sequence[str]], p: float, said: set[str], dice: Dice) -> Text:
    """A reply with, at times, the character's own way to begin or to end it, never the same twice in a conversation."""
    gesture = reply.text[0] in GESTURE
    opens = [o for o in voice["open"] if o not in said and not (gesture and o[0] in GESTURE)]
    closes = [c for c in voice["close"] if c not in said]
    between = "" if re.search("[\u3040-\u30ff]", reply.text) else " "
    if opens and dice.chance(p * 0.6):
        said.add(opening := dice.one_of(opens))
        reply = Text(opening).then(reply, between)
    if closes and dice.chance(p * 0.5):
        said.add(closing := dice.one_of(closes))
        reply = reply.then(Text(closing), between)
    return reply


def respell(template: str, spelling: Mapping[str, str]) -> str:
    """A text in the spelling of another country."""
    if not spelling:
        return template

    def change(found: re.Match[str]) -> str:
        word = spelling.get(found[0].lower())
        return found[0] if word is None else word.capitalize() if found[0][0].isupper() else word

    return re.sub(r"(?<!\{)\b[A-Za-z']+\b(?!\})", change, template)


def draw_values(dice: Dice, values: Mapping[str, Any], local: Mapping[str, Any], locale: str) -> dict[str, str]:
    """Invented personal data for one message, by slot.

    Args:
        dice: Randomness.
        values: `material/values.yaml`.
        local: The language's material; its `names` and `streets` stand in where `values` has none for the locale.
        locale: BCP-47 tag.
    """
    name = dice.one_of(values["names"].get(locale) or local["names"])
    nickname = dice.one_of(values["nicknames"])
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    words = re.findall("[a-z]+", plain) or dice.some(values["nicknames"], 2)
    first, last, number = words[0], words[-1], dice.digits(dice.one_of(("", "#", "##", "##")))
    nick = dice.one_of((f"{first}{last[0]}{number}", f"{first}.{last}", f"{last}_{first}{number}", nickname + number))
    email = nick + "@" + dice.one_of(("example.com", "example.org", "example.net", "mail.example.com"))
    if dice.chance(0.08):
        email = email.replace("@", " at ").replace(".", " dot ")
    informal = " " in name and locale[:2] not in ("de", "ja", "ko") and dice.chance(0.35)
    person = name.split()[0] if informal else name
    urls = (f"https://{first}-{last}.example.com/cv", f"www.example.org/u/{nick}", f"https://example.net/{nick}/photos")
    return {
        "person": person.lower() if dice.chance(0.2) else person,
        "email": email,
        "phone": dice.digits(dice.one_of(values["phones"][locale])),
        "address": dice.one_of(values["streets"].get(locale) or local["streets"]),
        "handle": "@" + re.sub(r"\W", "_", nick if dice.chance(0.5) else f"{first}_{nickname}"),
        "card": dice.one_of(values["cards"]),
        "url": dice.one_of(urls),
        "ip": dice.digits(dice.one_of(("192.0.2.#", "198.51.100.1##", "203.0.113.2#", "2001:db8::#:1f"))),
    }


def slots(template: str) -> set[str]:
    """The slots a template needs."""
    return set(SLOT.findall(template))
