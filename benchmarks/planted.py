"""Planted duplicates: changed copies of real turns, so that recall and precision can be counted.

Four kinds, as people and logs make them: `paraphrase` (contractions, other words for the same, politeness and filler,
sentences and parts of sentences in another order), `typo` (letters swapped, lost, doubled, hit beside; lower case,
apostrophes lost), `truncation` (the reply, and at times the message, cut off), `emoji` (emoji, drawn-out letters,
repeated marks). What is done to a turn depends on its id and the seed alone.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Callable

import polars as pl

KINDS = ("paraphrase", "typo", "truncation", "emoji")

CONTRACTIONS = [
    ("i am", "i'm"), ("you are", "you're"), ("we are", "we're"), ("they are", "they're"), ("it is", "it's"),
    ("that is", "that's"), ("he is", "he's"), ("she is", "she's"), ("what is", "what's"), ("there is", "there's"),
    ("i have", "i've"), ("you have", "you've"), ("we have", "we've"), ("i will", "i'll"), ("you will", "you'll"),
    ("i would", "i'd"), ("do not", "don't"), ("does not", "doesn't"), ("did not", "didn't"), ("is not", "isn't"),
    ("are not", "aren't"), ("was not", "wasn't"), ("cannot", "can't"), ("could not", "couldn't"),
    ("would not", "wouldn't"), ("should not", "shouldn't"), ("have not", "haven't"), ("let us", "let's"),
    ("going to", "gonna"), ("want to", "wanna"),
]  # fmt: skip

SYNONYMS = [
    ("great", "wonderful", "awesome"), ("nice", "lovely", "pleasant"), ("big", "large", "huge"),
    ("small", "tiny"), ("happy", "glad", "pleased"), ("sad", "unhappy"),
    ("really", "very", "truly"), ("love", "adore"), ("enjoy", "love"),
    ("talk", "chat", "speak"), ("movie", "film"), ("movies", "films"), ("kids", "children"),
    ("mom", "mother"), ("dad", "father"), ("buy", "purchase"), ("begin", "start"), ("help", "assist"),
    ("think", "believe", "reckon"), ("maybe", "perhaps", "possibly"), ("often", "frequently"),
    ("smart", "clever", "intelligent"), ("beautiful", "gorgeous", "stunning"),
    ("tasty", "delicious", "yummy"), ("quickly", "fast"), ("tired", "exhausted", "worn out"),
    ("angry", "mad", "cross"), ("weird", "strange", "odd"), ("interesting", "fascinating", "intriguing"),
    ("favorite", "favourite", "preferred"), ("amazing", "incredible", "fantastic"), ("hard", "difficult", "tough"),
    ("easy", "simple"), ("friend", "pal", "buddy"), ("friends", "pals", "buddies"),
    ("learn", "study"), ("trip", "journey"), ("thanks", "thank you"),
    ("hello", "hi", "hey"), ("yes", "yeah", "yep"), ("ok", "okay", "alright"),
    ("bye", "goodbye"), ("quiet", "silent"), ("afraid", "scared", "frightened"),
    ("tell me", "let me know"), ("need to", "have to", "must"), ("a lot of", "lots of", "plenty of"),
    ("what do you do for a living", "what is your job", "what work do you do"),
    ("what about you", "how about you", "and you"),
]  # fmt: skip

BEFORE = {
    "en": ("well,", "honestly,", "oh,", "so,", "hmm,", "you know,", "please,", "actually,"),
    "pt": ("bom,", "olha,", "então,", "sinceramente,", "por favor,"),
    "es": ("bueno,", "mira,", "pues,", "la verdad,", "por favor,"),
    "fr": ("bon,", "alors,", "franchement,", "eh bien,", "s'il te plaît,"),
    "de": ("also,", "naja,", "ehrlich gesagt,", "bitte,", "hm,"),
    "id": ("nah,", "jadi,", "sebenarnya,", "tolong,"),
    "ja": ("えっと、", "あの、", "正直、", "ねえ、"),
    "ko": ("음, ", "저기, ", "솔직히 ", "있잖아, "),
}
AFTER = {
    "en": ("I guess", "you know", "to be honest", "if that makes sense", "haha", "please"),
    "pt": ("sabe", "eu acho", "haha"), "es": ("sabes", "creo", "jaja"), "fr": ("tu sais", "je crois"),
    "de": ("weißt du", "glaube ich"), "id": ("sih", "ya"), "ja": ("かな", "ね"), "ko": ("요", "ㅎㅎ"),
}  # fmt: skip
EMOJI = "😀😂🥰😎🤔😭🔥✨🎉💯🙏👀😅❤️🌸🍕🐶💀🙄😴"
BESIDE = dict(
    zip("qwertyuiopasdfghjklzxcvbnm", "wqrewtyuipsafdgfhjkxzvcbvn", strict=True)  # a key beside each
)
_SENTENCE = re.compile(r"(?<=[.!?。！？…])\s*(?=\S)")

Dice = random.Random


def plant(turns: pl.DataFrame, share: float, seed: int, kinds: tuple[str, ...] = KINDS) -> pl.DataFrame:
    """Changed copies of a share of the turns.

    Args:
        turns: `turn_id`, `conversation_id`, `locale`, `user`, `reply`.
        share: Of the turns, chosen by hash.
        seed: Of all that is random.
        kinds: What is planted, in equal parts.

    Returns:
        The same columns and `planted_from`, `kind`: a new id and conversation for each copy. A turn that its change
        leaves as it was is left out.
    """
    rows = []
    for turn_id, conversation, locale, user, reply in turns.select(
        "turn_id", "conversation_id", "locale", "user", "reply"
    ).iter_rows():
        dice = Dice(hashlib.blake2b(f"{seed}\x1f{turn_id}".encode(), digest_size=8).digest())
        if dice.random() >= share:
            continue
        kind = dice.choice(kinds)
        said, answer = change(kind, user, reply, locale, dice)
        if (said, answer) == (user, reply):
            continue
        new = hashlib.blake2b(f"planted\x1f{seed}\x1f{turn_id}".encode(), digest_size=16).hexdigest()
        rows.append((new, f"planted {conversation}", locale, said, answer, turn_id, kind))
    names = ("turn_id", "conversation_id", "locale", "user", "reply", "planted_from", "kind")
    return pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row")


def change(kind: str, user: str, reply: str, locale: str, dice: Dice) -> tuple[str, str]:
    """A turn said nearly the same way: what the user says, and the reply."""
    if kind == "truncation":
        return (_cut(user, dice) if dice.random() < 0.3 else user), _cut(reply, dice)
    how: dict[str, Callable[[str], str]] = {
        "paraphrase": lambda text: _paraphrase(text, locale[:2], dice),
        "typo": lambda text: _typos(text, dice),
        "emoji": lambda text: _emoji(text, dice),
    }
    both = how[kind](user), how[kind](reply)
    if kind == "emoji" or dice.random() < 0.7:
        return both
    return (user, both[1]) if dice.random() < 0.5 else (both[0], reply)


def _cut(text: str, dice: Dice) -> str:
    """The first 65 to 95 % of a text of more than four words (or twelve characters without spaces)."""
    words = re.findall(r"\S+\s*", text)
    keep = 0.65 + 0.3 * dice.random()
    if len(words) > 4:
        return "".join(words[: max(4, round(keep * len(words)))]).rstrip()
    return text[: max(8, round(keep * len(text)))] if len(text) > 12 else text


def _typos(text: str, dice: Dice) -> str:
    """One slip in about twenty letters, at least one."""
    letters = [place for place, c in enumerate(text) if c.isalpha()]
    out = list(text)
    for place in dice.sample(letters, min(len(letters), max(1, len(letters) // 20))):
        slip, c = dice.randrange(4), out[place]
        if slip == 0 and place + 1 < len(out) and out[place + 1].isalpha():
            out[place], out[place + 1] = out[place + 1], c
        elif slip == 1:
            out[place] = ""
        elif slip == 2:
            out[place] = c + c
        else:
            out[place] = BESIDE.get(c.lower(), c)
    changed = "".join(out)
    if dice.random() < 0.3:
        changed = changed.lower()
    if dice.random() < 0.3:
        changed = changed.replace("'", "").replace("’", "")
    return changed


def _emoji(text: str, dice: Dice) -> str:
    """Two to five of: an emoji somewhere, a letter drawn out, a mark repeated."""
    for _ in range(dice.randint(2, 5)):
        what = dice.randrange(4)
        if what < 2:
            gaps = [m.start() for m in re.finditer(r"\s", text)] + [len(text)]
            at = dice.choice(gaps)
            text = f"{text[:at]} {dice.choice(EMOJI) * dice.randint(1, 3)}{text[at:]}"
        elif what == 2:
            vowels = [m.start() for m in re.finditer(r"[aeiou](?=\b)", text)]
            if vowels:
                at = dice.choice(vowels)
                text = text[:at] + text[at] * dice.randint(2, 4) + text[at:]
        else:
            text = re.sub(r"([!?.])(?!.*[!?.])", lambda m: m[1] * dice.randint(2, 4), text, count=1)
    return text


def _paraphrase(text: str, language: str, dice: Dice) -> str:
    """One change in about six words, of those that leave the meaning."""
    spaced = "" if language == "ja" else " "
    changes: list[Callable[[str], str]] = []
    if language == "en":
        changes += [lambda text: _contract(text, dice), lambda text: _synonym(text, dice)] * 2
        # "tea and cake" -> "cake and tea"; "because" and "when" to the front
        changes.append(lambda text: re.sub(r"\b(\w+) (and|or) (\w+)([.!?,]|$)", r"\3 \2 \1\4", text, count=1))
        front = r"^([^.!?,]+) (because|when|if) ([^.!?,]+)([.!?])"
        changes.append(lambda text: re.sub(front, r"\2 \3, \1\4", text, count=1))
    sentences = _SENTENCE.split(text)
    if len(sentences) > 2:
        changes.append(lambda text: spaced.join([*_SENTENCE.split(text)[1:], _SENTENCE.split(text)[0]]))
    if language in BEFORE:
        changes.append(lambda text: f"{dice.choice(BEFORE[language])}{spaced}{text}")
        end = "" if language == "ja" else ", "
        last = r"\s*([.!?。！？]*)$"
        changes.append(lambda text: re.sub(last, lambda m: end + dice.choice(AFTER[language]) + m[1], text, count=1))
    dice.shuffle(changes)
    done, wanted = 0, max(1, round(len(text.split()) / 6))
    for change in changes:
        before, text = text, change(text)
        done += text != before
        if done >= wanted:
            break
    return text


def _contract(text: str, dice: Dice) -> str:
    """Contractions the other way; none before a mark ("It is." does not become "It's.")."""
    for long, short in dice.sample(CONTRACTIONS, len(CONTRACTIONS)):
        for a, b in ((long, short), (short, long)):
            pattern = rf"\b{re.escape(a)}\b(?=\s\w)"
            if re.search(pattern, text, re.IGNORECASE):
                return re.sub(pattern, lambda m, b=b: _cased(m[0], b), text, flags=re.IGNORECASE)  # type: ignore[misc]
    return text


def _synonym(text: str, dice: Dice) -> str:
    """A word for another of the same meaning."""
    for group in dice.sample(SYNONYMS, len(SYNONYMS)):
        for word in group:
            if re.search(rf"\b{word}\b", text, re.IGNORECASE):
                other = dice.choice([w for w in group if w != word])
                return re.sub(rf"\b{word}\b", lambda m, other=other: _cased(m[0], other), text, flags=re.IGNORECASE)  # type: ignore[misc]
    return text


def _cased(model: str, word: str) -> str:
    return word[0].upper() + word[1:] if model[0].isupper() else word
