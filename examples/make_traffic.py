"""Make the bundled sample: 5,000 turns of invented chat, and the personal data planted in them.

    python examples/make_traffic.py [--seed 7] [--turns 5000] [--out examples]

Every sentence comes from `material/`, written for this project. Conversations walk a topic's beats; users have habits
of typing that stay; characters have voices; replies are good, plain or poor, and whether the user writes on depends on
which. Same seed, same content.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import yaml

HERE = Path(__file__).resolve().parent
if __name__ == "__main__":
    sys.path.insert(0, str(HERE.parent))

from examples import typists as ty  # noqa: E402
from examples.typists import Dice, Text, User  # noqa: E402
from schemas.personas import Persona, read_personas  # noqa: E402
from schemas.turns import Turn, turn_id  # noqa: E402

LOCALES = {  # share of the turns, hours from UTC
    "en-US": (0.38, -6), "en-GB": (0.15, 0), "en-IN": (0.07, 5.5), "pt-BR": (0.10, -3), "es-MX": (0.09, -6),
    "fr-FR": (0.06, 1), "de-DE": (0.05, 1), "ja-JP": (0.04, 9), "ko-KR": (0.03, 9), "id-ID": (0.03, 7),
}  # fmt: skip
FAVOURITES = {"june": 0.15, "mrs-pemberton": 0.06, "bia": 0.05}  # share of all turns
QUALITIES = ("good", "plain", "poor")
MODELS = {"chat-3.1": (0.44, 0.34), "chat-3.2": (0.56, 0.29), "chat-3.3-rc": (0.63, 0.26)}  # share of good, of plain
HOURS = (5, 3, 2, 1, 1, 1, 2, 4, 5, 5, 5, 6, 7, 6, 5, 5, 6, 7, 8, 10, 12, 13, 12, 9)  # weights by the user's clock
START, DAYS, USERS, LONGEST = datetime(2026, 11, 2, tzinfo=UTC), 14, 580, 9
SECTIONS = {"opener": "openers", "filler": "fillers", "strong": "clean_strong", "bye": "goodbyes"}
PLACES = {"turn_index": pl.Int32, "start": pl.Int32, "end": pl.Int32}


class First(NamedTuple):
    """How a conversation began, for the next user who begins one nearly the same way."""

    message: Text
    reply: Text
    quality: str
    topic: dict[str, Any] | None
    beat: int


class Exchange(NamedTuple):
    """One turn while it is being made; `goes_on`: the user means to write again."""

    message: Text
    reply: Text
    quality: str
    tool_calls: str | None
    goes_on: bool


@dataclass
class World:
    """All that conversations draw from, and how often each piece has been used."""

    personas: dict[str, Persona]
    material: dict[str, dict[str, Any]]
    voices: dict[str, dict[str, list[str]]]
    habits: dict[str, Any]
    values: dict[str, Any]
    used: Counter[str] = field(default_factory=Counter)
    firsts: dict[str, list[First]] = field(default_factory=lambda: defaultdict(list))

    def pick(self, pool: Iterable[str], dice: Dice, misfit: Callable[[str], float] = lambda _: 0) -> str:
        """The piece least used so far that fits, with some luck."""
        _, found = min((self.used[piece] + misfit(piece) + dice.random(), piece) for piece in pool)
        self.used[found] += 1
        return found

    def capitals(self, language: str) -> list[float]:
        """How often a user line begins with a capital, by its place in the pool: each place has its manner."""
        pools = [beat["user"] for topic in self.material[language]["topics"] for beat in topic["beats"]]
        return [sum(pool[n][:1].isupper() for pool in pools) / len(pools) for n in range(min(map(len, pools)))]


def read_world() -> World:
    """The material, merged by language."""
    read = {
        path.stem: yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
        for path in sorted((HERE / "material").glob("*.yaml"))
    }
    voices, habits, values = (read.pop(name) for name in ("voices", "habits", "values"))
    material: dict[str, dict[str, Any]] = defaultdict(dict)
    for stem, sections in read.items():
        merged = material[stem[:2]]
        for section, content in sections.items():
            content = [line for group in content for line in group] if section == "near_duplicates" else content
            merged[section] = merged[section] + content if section in merged else content
    return World(read_personas(HERE / "personas.yaml"), material, voices, habits, values)


def p_continue(quality: str, length: int, index: int) -> float:
    """Probability that the user writes again after a reply.

    Args:
        quality: One of `QUALITIES`.
        length: Characters of the reply.
        index: The turn's place in its conversation.
    """
    p = {"good": 0.865, "plain": 0.69, "poor": 0.46}[quality]
    p += 0.03 if 60 <= length <= 320 else -0.06 if length > 450 else 0
    return p + (0.02 if index < 6 else -0.1)


def draw_thumb(quality: str, dice: Dice) -> int | None:
    """A rare thumb, more often from the moved; its sign follows the quality, mostly."""
    rate, up = {"good": (0.085, 0.93), "plain": (0.045, 0.62), "poor": (0.14, 0.08)}[quality]
    return None if not dice.chance(rate) else 1 if dice.chance(up) else -1


def conversation(
    world: World, persona: Persona, user: User, model: str, source: str, met: set[str], room: int, dice: Dice
) -> Iterator[Exchange]:
    """Turns of one conversation, until the user leaves or there is no room.

    Args:
        world: Material and what has been used of it.
        persona: Who replies.
        user: Who writes.
        model: Policy that writes the replies; it and the persona set how often they are good.
        source: Who produced the conversation.
        met: Topics this user has had; grows.
        room: Most turns there may be.
        dice: This conversation's randomness.
    """
    language, habits, firsts = persona.locale[:2], world.habits, world.firsts[persona.persona_id]
    lines, nudges = world.material[language], habits["nudges"][language]
    spelling = habits["spelling"].get(persona.locale, {})
    dialects = {
        place: re.compile(rf"\b({'|'.join(words)})\b", re.I).search for place, words in habits["dialect"].items()
    }
    skew = Dice(f"quality:{persona.persona_id}").random() * 0.24 - 0.12
    good, plain = MODELS[model]
    odds = {"good": good + skew, "plain": plain, "poor": 1 - good - skew - plain}
    topic: dict[str, Any] | None = None
    beat, opener, before = 0, "", ""
    said: set[str] = set()

    def typed(pool: Sequence[str], manners: bool = True) -> Text:
        """A line from a pool as this user types it; where places in a pool have no manner, capitals must fit."""
        apart = {piece: 0.9 * (piece[:1].islower() != user.lower) for piece in pool}
        if manners:
            apart = {p: 0 if n == user.manner else 0.8 if n == user.second else 2 for n, p in enumerate(pool)}
        foreign = [
            piece for place, words in dialects.items() if place != persona.locale for piece in pool if words(piece)
        ]
        avoided = said.union(foreign)
        piece = world.pick(pool, dice, lambda piece: apart[piece] + 9 * (piece in avoided))
        said.add(piece)
        return ty.fill(ty.respell(piece, spelling), values, lambda part: ty.touch(part, user, dice))

    def next_beat() -> tuple[Text, Mapping[str, Sequence[str]]]:
        """The user's next line in this topic, or the first of another, and the replies to it."""
        nonlocal topic, beat
        segue = ""
        if topic is None or beat == len(topic["beats"]) or (beat > 1 and dice.chance(0.1)):
            if topic and dice.chance(0.6):
                pause = dice.one_of(("\n", "、" if language == "ja" else "... "))
                segue = dice.one_of(habits["segues"][language]) + pause
            topics = {t["id"]: t for t in lines["topics"]}
            topic, beat = topics[world.pick(sorted(topics.keys() - met) or topics, dice)], 0
            met.add(topic["id"])
        here = topic["beats"][beat]
        beat += 1
        return Text(segue).then(typed(here["user"]), ""), here

    for index in range(room):
        values = {**ty.draw_values(dice, world.values, lines, persona.locale), "character": persona.name}
        quality = dice.weighted(odds)
        kinds = {
            "opener": 0.3 if index == 0 else 0.006,
            "filler": 0.035 if index else 0,
            "pii": 0.058,
            "abuse": 0.45 if source == "safety" else 0.05 if before == "poor" else 0.017,
            "image_requests": 0.028,
            "meta": 0.032,
            "strong": 0.018,
            "near_duplicates": 0.06 if index == 0 else 0.012,
            "bye": 0.04 if index > 1 else 0,
            "again": 0.11 if index == 0 and firsts and not user.dictates else 0,
            "beat": 0.5 if index == 0 else 0.8,
        }
        has = {"again", "beat", "opener"} | {k for k in kinds if SECTIONS.get(k, k) in lines}
        kind = dice.weighted({k: weight for k, weight in kinds.items() if k in has})
        replies: Sequence[str] = ()
        drawn = False
        if kind == "again":  # what somebody wrote to this character before, nearly word for word
            message, reply, quality, topic, beat = dice.one_of(firsts)
            text = message.text
            message = Text(dice.one_of((text + "!", text.lower(), text.rstrip(".?!"), ty.mistyped(text, dice))))
        elif kind == "beat":
            message, here = next_beat()
            replies = here[quality]
        elif kind in ("pii", "abuse", "strong", "filler"):
            message = typed(lines[SECTIONS.get(kind, kind)], manners=False)
            replies = lines[f"{kind}_reply"] if kind in ("pii", "abuse") and quality == "good" else nudges[quality]
            if kind in ("pii", "filler") and dice.chance(0.6):
                more, here = next_beat()
                message, replies = (
                    message.then(more, "\n" if message.text[-1] in ".!?。" else dice.one_of(("\n", "... "))),
                    here[quality],
                )
        else:
            pools = lines[SECTIONS.get(kind, kind)]
            if kind == "opener" or (kind == "near_duplicates" and index == 0):
                pools = {"user": pools, **lines["opener_replies"]}
            elif kind == "near_duplicates":
                pools = {"user": pools, **nudges}
            message, replies = typed(pools["user"], manners=False), pools[quality]
            drawn = kind == "image_requests" and quality != "poor" and dice.chance(0.5)
            replies = habits["pictures"][quality] if drawn else replies
            if kind == "opener":
                message = Text(opener) if opener else message  # once more, as when nobody answers
                opener = message.text
        if kind != "again":
            message = ty.finish(message, user, dice)
            told = {span[2].lower() for span in message.spans} | {"character"}
            known = [r for r in replies if told >= ty.slots(r)] or nudges[quality]
            reply = ty.fill(ty.respell(world.pick(known, dice), spelling), values)
            echoes = [echo for echo in habits["echoes"][language] if told >= ty.slots(echo)]
            if kind == "pii" and echoes and quality != "poor" and not reply.spans and dice.chance(0.35):
                reply = ty.fill(dice.one_of(echoes), values).then(reply)
            often = {"good": 0.45, "plain": 0.4, "poor": 0.12}[quality]
            reply = ty.voiced(reply, world.voices[persona.persona_id], often, said, dice)
            if index == 0 and kind in ("beat", "opener"):
                firsts.append(First(message, reply, quality, topic, beat))
        call = [{"name": "draw_image", "arguments": {"prompt": message.text}}]
        goes_on = dice.chance(0.06 if kind == "bye" else p_continue(quality, len(reply.text), index))
        yield Exchange(message, reply, quality, json.dumps(call, ensure_ascii=False) if drawn else None, goes_on)
        if not goes_on:
            return
        before = quality


def plan(personas: Mapping[str, Persona], turns: int) -> dict[str, int]:
    """Turns for each persona: shares by locale, a few favourites, the rest long-tailed. They sum to `turns`."""
    share = dict(FAVOURITES)
    for locale, (whole, _) in LOCALES.items():
        rest = [p for p, persona in personas.items() if persona.locale == locale and p not in FAVOURITES]
        rest.sort(key=lambda p: Dice(f"rank:{p}").random())
        left = whole - sum(s for p, s in FAVOURITES.items() if personas[p].locale == locale)
        weights = [(rank + 3) ** -0.55 for rank in range(len(rest))]
        share |= {p: left * w / sum(weights) for p, w in zip(rest, weights, strict=True)}
    counts = {p: int(s * turns) for p, s in share.items()}
    for p in sorted(share, key=lambda p: counts[p] - share[p] * turns)[: turns - sum(counts.values())]:
        counts[p] += 1
    return {p: counts[p] for p in personas}


def draw_users(world: World, seed: int) -> dict[str, dict[User, float]]:
    """Users and how active each is, by locale."""
    keys = iter(f"u-{n}" for n in Dice(f"{seed}:keys").some(range(10_000, 100_000), USERS * 2))
    users: dict[str, dict[User, float]] = {}
    for locale, (share, _) in LOCALES.items():
        own = [p for p in world.personas.values() if p.locale == locale]
        capitals = world.capitals(locale[:2])
        for n in range(max(3, round(share * USERS))):
            user = ty.draw_user(Dice(f"{seed}:{locale}:{n}"), next(keys), locale, own, world.habits, capitals)
            users.setdefault(locale, {})[user] = user.activity
    return users


def generate(seed: int, turns: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The sample.

    Args:
        seed: Same seed, same content.
        turns: How many turns, exactly.

    Returns:
        Turns in order of time (`schemas.turns.Turn`, and `quality`, which the files do not have), and the personal data
        planted: where it lies, in characters, in a turn's last user message (`user`) or its response (`assistant`).
    """
    world = read_world()
    users = draw_users(world, seed)
    met: dict[str, set[str]] = defaultdict(set)
    rows: list[dict[str, Any]] = []
    gold: list[tuple[str, int, str, int, int, str]] = []
    for persona_id, left in plan(world.personas, turns).items():
        persona, number = world.personas[persona_id], 0
        while left:
            number += 1
            dice = Dice(f"{seed}:{persona_id}:{number}")
            near = {u: w * (8 if persona_id in u.favourites else 1) for u, w in users[persona.locale].items()}
            user = dice.weighted(near)
            conversation_id = hashlib.blake2b(f"{seed}:{persona_id}:{number}".encode(), digest_size=6).hexdigest()
            day = dice.weighted({d: 1.3 if d % 7 > 4 else 1.0 for d in range(DAYS)})
            hour = dice.weighted(dict(enumerate(HOURS))) + dice.random() - LOCALES[persona.locale][1]
            clock = START + timedelta(days=day, seconds=int(hour * 3600))
            newer = {"chat-3.1": 0.15, "chat-3.2": 0.7, "chat-3.3-rc": 0.15 if day > 8 else 0}
            model = dice.weighted({"chat-3.1": 0.9, "chat-3.2": 0.1} if day < 5 else newer)
            source = dice.weighted({"user": 0.955, "internal": 0.02, "safety": 0.012, "legacy": 0.013})
            surface = dice.weighted({"app": 0.64, "web": 0.28, "voice": 0.08})
            writer = ty.spoken(user) if surface == "voice" else user
            exchanges = list(
                conversation(world, persona, writer, model, source, met[user.key], min(LONGEST, left), dice)
            )
            left -= len(exchanges)
            messages = [{"role": "system", "content": persona.system_prompt}]
            for index, turn in enumerate(exchanges):
                last = index == len(exchanges) - 1
                messages = [*messages, {"role": "user", "content": turn.message.text}]
                clock += timedelta(seconds=int(8 + len(turn.message.text) * 0.2 + dice.random() ** 5 * 900))
                rows.append({
                    "turn_id": turn_id(conversation_id, index, persona_id, messages, turn.reply.text),
                    "conversation_id": conversation_id, "turn_index": index, "timestamp": clock,
                    "user_key": user.key, "persona_id": persona_id, "locale": persona.locale, "surface": surface,
                    "source": source, "model_version": model, "messages": messages, "response": turn.reply.text,
                    "tool_calls": turn.tool_calls,
                    # where the log ends before the user left, or was cut off, nobody knows
                    "continued": True if not last else None if turn.goes_on or dice.chance(0.03) else False,
                    "thumb": draw_thumb(turn.quality, dice), "quality": turn.quality,
                })  # fmt: skip
                for role, text in (("user", turn.message), ("assistant", turn.reply)):
                    gold += [(conversation_id, index, role, *span) for span in text.spans]
                messages = [*messages, {"role": "assistant", "content": turn.reply.text}]
    order = ("timestamp", "conversation_id", "turn_index")
    columns = ["conversation_id", "turn_index", "role", "start", "end", "type"]
    planted = pl.DataFrame(sorted(gold), columns, schema_overrides=PLACES, orient="row")
    return pl.DataFrame(rows, schema_overrides=Turn.create_empty().schema).sort(order), planted


def main() -> None:
    """Write `traffic.parquet` and `traffic_gold.parquet`."""
    parser = argparse.ArgumentParser(description="Make the bundled sample of chat traffic.")
    parser.add_argument("--seed", type=int, default=7, help="same seed, same content")
    parser.add_argument("--turns", type=int, default=5000, help="how many turns, exactly")
    parser.add_argument("--out", type=Path, default=HERE, help="directory for the two files")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    turns, gold = generate(given.seed, given.turns)
    turns.drop("quality").write_parquet(given.out / "traffic.parquet", compression="zstd", compression_level=22)
    gold.write_parquet(given.out / "traffic_gold.parquet", compression="zstd", compression_level=22)
    conversations = turns["conversation_id"].n_unique()
    print(f"{turns.height} turns of {conversations} conversations, {gold.height} pieces of planted personal data")


if __name__ == "__main__":
    main()
