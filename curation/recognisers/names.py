"""People's names in chat: a table of names, the words around them, and what the NLP engine says.

A tagger alone is deaf to names in lower case and in capitals, and speaks one language. A table alone cannot tell
Grace from grace. Here each word gets log-odds of being part of a person's name, as a sum of

- the table (`curation/data/names.md`): how common the name is against how common the word is, with a capital inside a
  sentence, or where the case tells nothing;
- the words around it: a greeting, a title, kinship, a verb of speech, a name beside it; a determiner or "Street"
  against it;
- the engine's entities, found on a copy in which names have their capitals back (`recased`).

Neighbouring words that are names make one finding. Not done: names that no list knows, in lower case, with nothing
that announces them.
"""

from __future__ import annotations

import lzma
import math
import re
from collections.abc import Sequence
from functools import cache, lru_cache
from importlib.resources import files
from typing import NamedTuple

from curation.found import NOT_A_NAME, Found, words


class Entity(NamedTuple):
    """What an NLP engine found: characters, half open, and whether it is a person."""

    start: int
    end: int
    person: bool


class Odds(NamedTuple):
    """Log-odds, in tenths, that a word is part of a person's name."""

    capital: int
    """With a capital inside a sentence."""
    any_case: int
    """Where the case tells nothing: at a sentence's start, in a text without or of capitals."""
    lower: int
    """In lower case in a text that has capitals."""


class Word(NamedTuple):
    """A row of the table."""

    surname: bool
    english: Odds
    other: Odds


ORDINARY = Odds(-30, -60, -60)
PROPER = Odds(-10, -20, -35)
UNKNOWN = Odds(0, -3, -25)
UNKNOWN_OTHER = Odds(-8, -14, -28)
NEVER = Odds(-60, -60, -60)


@cache
def table() -> dict[str, Word]:
    """The table of names and ordinary words, by word in lower case."""
    packed = (files("curation") / "data" / "names.tsv.xz").read_bytes()
    fixed = {"o": Word(False, ORDINARY, ORDINARY), "p": Word(False, PROPER, PROPER)}
    rows = {}
    for line in lzma.decompress(packed).decode().split("\n"):
        word, kind, *odds = line.split("\t")
        if not odds:
            rows[word] = fixed[kind]
            continue
        values = [*map(int, odds)]
        if kind.isupper():  # nearly always with a capital: a name of something
            values[0] = max(values[0], -10)
            values[1] = max(values[1], -20)
        rows[word] = Word(kind in "sS", Odds(*values[:3]), Odds(*values[3:]))
    return rows


_TOKEN = re.compile(r"[^\W\d_]+(?:['’\-][^\W\d_]+)*")
_POSSESSIVE = re.compile(r"['’](?:s|S|ll|LL|d|D|re|ve|m)$")
_BREAK = re.compile(r"[.!?:;\n\"“”*>•(|~…]|[-–—] ?$")

_TITLES = words(
    """mr mrs ms miss mx dr prof professor sir madam lord lady saint st sgt lt capt captain president senator governor
    officer detective agent papa mama daddy lil dj mc sensei king queen prince princess pope coach uncle aunt auntie aunty grandma grandpa nana cousin sis bro brother sister
    herr frau onkel tante oma opa señor señora sr sra don doña tío tía seu dona tio tia monsieur madame mme maître
    oncle bapak ibu pak bu mas mbak kak bang om"""
)
_KIN = words(
    """friend friends bestie bff buddy mate boyfriend girlfriend bf gf fiancé fiancée fiance partner husband wife hubby
    ex son daughter kid child baby cousin niece nephew neighbour neighbor roommate flatmate housemate coworker
    colleague boss manager teacher therapist landlord classmate crush dog cat named called
    freund freundin mann bruder schwester chef chefin kollege kollegin mitbewohner mitbewohnerin nachbar nachbarin sohn
    tochter lehrer lehrerin heißt heisst
    amigo amiga novio novia esposo esposa hermano hermana primo prima jefe jefa hijo hija vecino vecina llama
    namorado namorada marido irmão irmã chefe filho filha vizinho vizinha chama
    ami amie copain copine mari femme frère sœur soeur cousine patron patronne fils fille voisin voisine colocataire
    coloc prof appelle
    teman temen pacar suami istri kakak adik abang sepupu bos anak tetangga namanya"""
)
_GREETINGS = words(
    """hi hey hello dear thanks thank sorry bye goodbye goodnight yo hiya heya morning night welcome congrats
    congratulations please ok okay lol omg haha yes no
    hallo servus liebe lieber danke tschüss
    hola gracias adiós querido querida oi olá obrigado obrigada tchau
    salut bonjour coucou merci cher chère halo hai makasih dek"""
)
_ADDRESSED = words(
    """tell told telling ask asked asking text texted texting call called calling dm dmed message messaged email emailed
    met meet meeting miss missed hug hugged kiss kissed date dated dating marry married named said says thinks saw seen
    invite invited know hate forgive forgave dumped loves hates
    sage sag frag fragte rief dile pregunta pergunta fala diz dis demande bilang tanya"""
)
_LINKS = words(
    """love much with by from and for to than & w feat ft like about between when if because while until since that did does is
    was has how where think believe guess hope
    mit von und para por con y com de e do da et avec chez par pour sama dari dan untuk ke fue foi c'est siapa
    por"""
)
_DETERMINERS = words(
    """the a an this that these those some any every each no another which what our their its
    der die das ein eine einen dem den el la los las un una o a os as um uma le les des du"""
)
# In German every noun has a capital.
_GERMAN = words("ich und der die das nicht ein eine ist du mit auf mir mich dich auch wir sie es zu den dem im")
_NEVER = words(
    """im ive id ill dont didnt doesnt isnt arent wasnt werent wont cant couldnt wouldnt shouldnt havent hasnt hadnt aint
    thats whats hes shes theyre youre theres lets its univ i saya aku dia mereka anda kamu ibu bapak yaar whoa monsieur madame"""
)
_CONTRACTED = re.compile(r"n['’]t$|(\w)\1\1|^(?:ha|he|hi|ja|je|hua|wk|kk|lo?l)+[haeijwkl]*$")
_PLACES = words("in at on near into across around visit visiting visited")
_SPEAKS = words(
    """is was said says told asked has had did does wants wanted went goes came comes loves loved likes called texted
    thinks thought keeps kept got gets knows knew made makes sent sends gave gives just never always lives lived moved
    hates doesn't didn't isn't wasn't won't can't would will can and & who whose left died needs should
    was hat ist sagt es está fue dice disse é foi tem est a dit veut udah lagi bilang"""
)
_THINGS = words(
    """street st road rd avenue ave lane drive boulevard blvd court city town county state university college school
    high hospital inc llc ltd corp co company companies group airlines airport bank hotel motel inn band movie film
    album song game games team tv show series book books magazine times news press records studios museum park stadium
    arena center centre river lake mountain island islands beach valley bay cup bowl league award awards prize
    foundation institute church cathedral bridge station square festival restaurant cafe bar store shop brand
    phone car truck championship tournament conference act law theory effect syndrome disease
    straße platz weg calle avenida rua praia cidade rue boulevard ville jalan kota"""
)
_PARTICLES = words("de da do dos das del della di la le van von der den ten ter bin binti ibn al el mac mc st y e")
_AFTER_NAMES = words("jr sr ii iii iv md dds dvm phd esq cpa rn")

_IS_OF = re.compile(r"['’] ?s\b| ['’] s\b")
_CALLED_BEFORE = re.compile(r", ?$")
_CALLED_AFTER = re.compile(r" ?(?:$|[.!?\n])")
_TO_YOU = words("thank love miss hate loved missed")
_PRONOUNS = words("he she him her his hers he's she's herself himself")
_AND = words("and & n y e et und dan or")


def _alone(text: str, tokens: Sequence[tuple[int, int]]) -> list[bool]:
    """Whether a word stands in a line of one to three words and nothing else, or is who speaks (`Anna: hi`)."""
    result = [False] * len(tokens)
    if "\n" not in text and ":" not in text:
        return result
    at = 0
    for line in _LINE.finditer(text):
        while at < len(tokens) and tokens[at][0] < line.start():
            at += 1
        stop = at
        while stop < len(tokens) and tokens[stop][0] < line.end():
            stop += 1
        alone = stop - at in (2, 3) and "\n" in text and not any(map(str.isdigit, line[0]))
        for index in range(at, stop):
            result[index] = alone or (index == at and text[tokens[index][1] : tokens[index][1] + 1] == ":" and stop - at > 1)
        at = stop
    return result


_LINE = re.compile(r"[^\n]+")


def recased(text: str, english: bool = True) -> str:
    """A copy in which names have their capitals, and shouting has none, letter for letter.

    Taggers know names by their capitals; chat often has none, or only capitals.
    """
    rows = table()
    shouting = _shouts(text)
    if not shouting and text != text.lower() and not english:
        return text
    mixed = any(map(str.isupper, text)) and not shouting
    parts, at = [], 0
    starting = True
    for match in _TOKEN.finditer(text):
        word = match[0]
        lower = word.lower()
        row = rows.get(_POSSESSIVE.sub("", lower))
        named = row is not None and (row.english if english else row.other)[2 if mixed else 1] > -15
        new = word
        if shouting and word.isupper():
            new = word.title() if named or row is None or starting else lower
        elif word == lower and named:
            new = word[0].upper() + word[1:]
        if new != word and len(new) == len(word):
            parts += [text[at : match.start()], new]
            at = match.end()
        starting = False
    return "".join([*parts, text[at:]]) if parts else text


@lru_cache(65536)
def _mistyped(word: str) -> bool:
    """Whether a word is an ordinary one with two letters swapped, one left out or one too many."""
    rows = table()
    if len(word) < 4:
        return False

    def ordinary(other: str) -> bool:
        row = rows.get(other)
        return row is not None and row.english.lower < -30

    cuts = range(len(word))
    return (
        any(ordinary(word[:i] + word[i + 1] + word[i] + word[i + 2 :]) for i in cuts[:-1])
        or any(ordinary(word[:i] + word[i + 1 :]) for i in cuts)
        or any(ordinary(word[:i] + letter + word[i:]) for i in cuts for letter in "abcdefghijklmnopqrstuvwxyz'")
    )


def _shouts(text: str) -> bool:
    capitals = sum(map(str.isupper, text))
    return capitals > 3 and capitals > 0.6 * sum(map(str.isalpha, text)) and any(map(str.isspace, text))


def names(text: str, entities: Sequence[Entity] | None, english: bool) -> list[Found]:
    """Names of people.

    Args:
        text: As it was written.
        entities: What the engine found in it; None where it was not asked.
        english: Whether the text counts as English; in other languages the table's other odds hold.

    Returns:
        Findings in order, with the probability as score.
    """
    rows = table()
    tokens = [(m.start(), m.end()) for m in _TOKEN.finditer(text)]
    if not tokens:
        return []
    strings = [text[a:b] for a, b in tokens]
    for index, word in enumerate(strings):
        if cut := _POSSESSIVE.search(word):
            strings[index] = word[: cut.start()]
            tokens[index] = (tokens[index][0], tokens[index][0] + cut.start())
    lowered = [word.lower() for word in strings]
    shouting = _shouts(text)
    capitals = sum(word[:1].isupper() and word not in ("I", "I'm") for word in strings[1:])
    lowering = capitals == 0 and not strings[0][:1].isupper()
    german = not english and not _GERMAN.isdisjoint(lowered)
    titled = len(strings) > 3 and capitals > 0.7 * len(strings)
    person = [0] * len(tokens)
    if entities is not None:
        spans = iter(entities)
        for index, (start, end) in enumerate(tokens):
            for entity in entities:
                if entity.start < end and start < entity.end:
                    person[index] = 1 if entity.person else -1
                    break
        del spans

    gaps = [text[b:c] for (_, b), (c, _) in zip(tokens, tokens[1:], strict=False)]
    starts = [True, *(_BREAK.search(gap) is not None for gap in gaps)]
    joined = [False, *(gap in (" ", "  ", ". ", " . ", ".", " ' ") for gap in gaps)]

    base = []
    rough: list[int] = []
    unknown: list[bool] = []
    for index, word in enumerate(strings):
        row = rows.get(lowered[index])
        upper = word[:1].isupper()
        if row is None and "-" in word:
            known = [r for part in lowered[index].split("-") if (r := rows.get(part))]
            row = max(known, key=lambda r: r.english.capital, default=None)
        if lowered[index] in _NEVER or (not upper and lowered[index] in NOT_A_NAME):
            odds = NEVER
        elif (row is None or row.english is ORDINARY) and _CONTRACTED.search(lowered[index]):
            odds = NEVER
        elif row is not None:
            odds = row.english if english else row.other
        elif not upper and person[index] > 0 and _mistyped(lowered[index]):
            odds = NEVER
        else:
            odds = UNKNOWN if english else UNKNOWN_OTHER
        if shouting or titled:
            value = odds.any_case - 3
        elif not upper:
            value = odds.any_case - 3 if lowering else (odds.any_case + odds.lower) // 2 if capitals == 0 else odds.lower
            if row is None and odds is not NEVER:
                value = odds.lower
        elif starts[index]:
            value = min(odds.any_case, odds.capital) + (8 if english else 0)
        elif word.isupper() and len(word) > 1:
            value = odds.any_case - 10
        else:
            value = odds.any_case if german else odds.capital
        value = min(value, 25)
        if row is not None and row.surname and not upper:
            value -= 6
        if len(word) == 1:
            value = -60
        unknown.append(row is None and len(word) > 1 and odds is not NEVER)
        rough.append(odds.any_case if not upper or shouting else max(odds.capital, odds.any_case))
        base.append(value)

    lines = _alone(text, tokens)
    he_or_she = not _PRONOUNS.isdisjoint(lowered)
    scores = []
    for index, value in enumerate(base):
        before = lowered[index - 1] if index and not starts[index] else ""
        after = lowered[index + 1] if index + 1 < len(tokens) and not starts[index + 1] else ""
        upper = strings[index][:1].isupper()
        score = value
        if person[index] > 0:
            # A capital of our own making is half the reason why the tagger says so.
            score += 32 if upper and not shouting and value > -35 else 27 if unknown[index] else 15
        elif entities is not None and upper:
            score -= 8 if unknown[index] else 20 if person[index] < 0 and value < -5 else 10
        if before:
            if before in _TITLES:
                score += 25
            elif before in _KIN:
                score += 22
            elif before in _GREETINGS or before in _ADDRESSED:
                score += 15
            elif before == "you" and index > 1 and lowered[index - 2] in _TO_YOU:
                score += 12
            elif before in _LINKS:
                score += 5
            elif before in _DETERMINERS:
                score -= 20
            elif before in _PLACES:
                score -= 8
        if after:
            if after in _THINGS:
                score -= 25
            elif after in _SPEAKS:
                score += 8
        if _IS_OF.match(text, tokens[index][1]):
            score += 4
        if he_or_she:
            score += 4
        if _CALLED_AFTER.match(text, tokens[index][1]) and index and _CALLED_BEFORE.search(text, max(0, tokens[index][0] - 3), tokens[index][0]):
            score += 8
        if lines[index]:
            score += 12
        scores.append(score)

    # A given name lifts what follows it, a surname what comes before; one of a list lifts the others.
    found: list[Found] = []
    lifted = list(scores)
    for index in range(1, len(tokens)):
        left, right = strings[index - 1], strings[index]
        if joined[index] and not (starts[index] and len(left) > 1):
            if left[:1].isupper() == right[:1].isupper():
                if scores[index - 1] > 5 and (rough[index] > (-35 if right[:1].isupper() else -25) or (unknown[index] and scores[index - 1] > 10)):
                    lifted[index] = max(lifted[index], scores[index] + 18, 1 if rough[index] > -10 or unknown[index] else -99)
                if scores[index] > 5 and base[index - 1] > -15:
                    lifted[index - 1] = max(lifted[index - 1], scores[index - 1] + 12)
        if index > 1 and joined[index] and joined[index - 1] and len(left) == 1 and left.isalpha() and left != "I":
            first, second = index - 2, index
            if strings[first][:1].isupper() == right[:1].isupper() and max(scores[first], scores[second]) > -20 and min(rough[first], rough[second]) > -20:
                lifted[first] = max(lifted[first], scores[first] + 20, 3)
                lifted[second] = max(lifted[second], scores[second] + 20, 3)
    for index in range(1, len(tokens)):
        gap = text[tokens[index - 1][1] : tokens[index][0]].strip()
        if gap in (",", "&", "/"):
            other = index - 1
        elif index > 1 and lowered[index - 1] in _AND and joined[index]:
            other = index - 2
        else:
            continue
        if strings[other][:1].isupper() != strings[index][:1].isupper():
            continue
        for one, two in ((other, index), (index, other)):
            if lifted[one] > 10 and rough[two] > -15:
                lifted[two] = max(lifted[two], scores[two] + 12, 1 if unknown[two] else -99)
    sure = {word for word, score, row in zip(lowered, lifted, rough, strict=True) if score > 8 and row > -25}
    if sure:
        for index, word in enumerate(lowered):
            if word in sure and (strings[index][:1].isupper() or rough[index] > -5):
                lifted[index] = max(lifted[index], 3)
    inside = [score > -4 for score in lifted]
    for index in range(1, len(tokens)):  # initials and particles between names, what follows a name
        if inside[index] or not inside[index - 1] or not joined[index]:
            continue
        word = lowered[index]
        if word in _AFTER_NAMES and strings[index][0].isupper():
            inside[index] = True
        elif index + 1 < len(tokens) and joined[index + 1]:
            last = index + 1 if index + 1 < len(tokens) and lowered[index + 1] not in _PARTICLES else index + 2
            if last >= len(tokens):
                continue
            if word in _PARTICLES and (inside[last] or strings[last][:1].isupper() and strings[index - 1][:1].isupper()):
                inside[index : last + 1] = [True] * (last + 1 - index)
            elif len(word) == 1 and inside[index + 1] and strings[index].isupper() == strings[index - 1][:1].isupper():
                inside[index] = True
    index = 0
    while index < len(tokens):
        if not inside[index]:
            index += 1
            continue
        stop = index + 1
        while stop < len(tokens) and inside[stop] and joined[stop] and not (starts[stop] and len(strings[stop - 1]) > 1):
            stop += 1
        best = max(lifted[index:stop])
        found.append(Found(tokens[index][0], tokens[stop - 1][1], "PERSON", round(1 / (1 + math.exp(-best / 10)), 3), "names"))
        index = stop
    return found
