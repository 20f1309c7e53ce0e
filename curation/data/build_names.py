"""Make `names.tsv.xz`, the table of names that `curation.recognisers.names` looks words up in.

    pip install faker==40.63.0 names==0.3.0 nicknames==1.0.1 spacy-lookups-data==1.0.5
    python curation/data/build_names.py

Each word gets two log-odds, in tenths: that it names a person when it stands with a capital inside a sentence, and
when its case tells nothing; each for English and for other languages. They compare how common the name is among people
with how common the word is in text, with a capital and without (spaCy's lexeme probabilities, made from web text). See
`names.md` for sources, licences and counts.
"""

from __future__ import annotations

import gzip
import importlib
import json
import lzma
import math
import pkgutil
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
# Share of a text's words that a name would have that all people bear: fits the commonest English names. Chat calls
# people by their given names.
RATE = 0.03
SURNAME = 1 / 3
LAZY = 0.075  # lower case for each capital that names get in that text
PLACE = 1.2  # log-odds that a country's or state's name loses as a person's: fits Georgia and Jordan
START = 0.03  # share of an ordinary word's uses that have a capital because a sentence begins there
UNSEEN = 4e-10  # probability of a word that is not among the million commonest
ORDINARY = 40_000  # commonest words of each language that go in though they name nobody
MOST = 0.02  # short lists of names without their numbers would make each name common
WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")


# Known by one name that is rare among people: all the world's chat means one person by it.
FAMOUS = """adele beyonce beyoncé biden bieber bolsonaro cardi cena clooney dicaprio eminem federer
gaga gandhi hitler jungkook kanye kardashian lebron lula macron madonna mbappe merkel messi milei modi
mozart musk mussolini nadal napoleon neymar nietzsche obama osama oprah pelé pewdiepie picasso putin rihanna ronaldo
rosalía sartre schwarzenegger selena shaq shakespeare shakira stalin tolkien trump zelensky zendaya zidane
zuckerberg"""


def main() -> None:
    """Write the table."""
    given, surname = people()
    en = lexemes("en")
    others = [lexemes("de"), lexemes("es")]
    lorem = common_words()
    places = place_names()
    words = {word for table in (given, surname) for names in table.values() for word in names}
    for table in (en, *others):
        lowered = sorted((w for w in table if w.islower() and WORD.fullmatch(w)), key=lambda w: (-table[w], w))
        words.update(lowered[:ORDINARY])
    words.update(FAMOUS.split())
    lines = []
    for word in sorted(words):
        english, foreign = (
            given[where].get(word, 0.0) + SURNAME * surname[where].get(word, 0.0) for where in ("en", "other")
        )
        proper = _capital(word, en) > 3 * en.get(word, UNSEEN)
        if not english + foreign and word not in FAMOUS.split():
            lines.append(f"{word}\t{'p' if proper else 'o'}")
            continue
        values = [*odds(word, english + foreign / 20, en)]
        # Another language has to find a word ordinary only once.
        values += [
            min(each) for each in zip(*(odds(word, english / 5 + foreign, table) for table in others), strict=True)
        ]
        if word in lorem:
            values[4:] = [min(-2.0, value) for value in values[4:]]
        if word in places:
            values = [value - PLACE for value in values]
        if word in FAMOUS.split():
            values = [2.0, 1.0, 0.5, 2.0, 1.0, 0.5]
        first, last = (max(table[where].get(word, 0.0) for where in table) for table in (given, surname))
        kind = ("g" if first > last / 4 else "s").upper() if proper else ("g" if first > last / 4 else "s")
        lines.append("\t".join([word, kind, *(str(max(-60, min(60, round(10 * value)))) for value in values)]))
    packed = lzma.compress("\n".join(lines).encode(), preset=9 | lzma.PRESET_EXTREME)
    (HERE / "names.tsv.xz").write_bytes(packed)
    kinds = Counter(line.split("\t")[1].lower() for line in lines)
    print(f"{len(lines)} words, {kinds['g']} given names, {kinds['s']} surnames")
    print(f"{len(packed)} bytes")


def odds(word: str, named: float, table: Mapping[str, float]) -> tuple[float, float, float]:
    """Log-odds that a word is a name: with a capital inside a sentence, whatever its case, and in lower case.

    Args:
        word: In lower case.
        named: Share of people who bear it.
        table: Probability of words as they are written.
    """
    lower, capital = table.get(word, UNSEEN), _capital(word, table)
    inside = max(capital - START * lower, capital / 5)
    ratio = max(RATE * named / inside, 1e-4)
    person = ratio / (1 + ratio)
    ordinary = max(lower - 1.3 * LAZY * inside, lower / 20)
    in_lower = person * LAZY * inside / (ordinary + (1 - person) * LAZY * inside)
    return math.log(ratio), math.log(person * inside / (lower + (1 - person) * inside)), math.log(in_lower)


def _capital(word: str, table: Mapping[str, float]) -> float:
    return max(table.get(word.title(), UNSEEN), table.get(word.capitalize(), UNSEEN))


Shares = dict[str, dict[str, float]]


def people() -> tuple[Shares, Shares]:
    """Given names and surnames: of `en` (the United States) and `other`, the largest share of people in any list."""
    given: Shares = {"en": {}, "other": {}}
    surname: Shares = {"en": {}, "other": {}}
    import faker.providers.person as package

    for module in pkgutil.iter_modules(package.__path__):
        provider = importlib.import_module(f"{package.__name__}.{module.name}").Provider
        where = "en" if module.name == "en_US" else "other"
        for target, parts in ((given, ("first_names_male", "first_names_female")), (surname, ("last_names",))):
            lists = [names for part in parts if (names := getattr(provider, part, None))]
            if not lists and target is given and (names := getattr(provider, "first_names", None)):
                lists = [names]
            for names in lists:
                add(target[where], weights(names), share=1 / len(lists))
    import names as census

    folder = Path(census.__file__).parent
    for target, file, share in (
        (given, "dist.male.first", 0.5),
        (given, "dist.female.first", 0.5),
        (surname, "dist.all.last", 1.0),
    ):
        rows = (line.split() for line in (folder / file).read_text().splitlines())
        add(target["en"], {name: float(percent) / 100 for name, percent, *_ in rows if float(percent) >= 0.001}, share)
    import nicknames

    short: dict[str, float] = defaultdict(float)
    for line in (Path(nicknames.__file__).parent / "names.csv").read_text().splitlines()[1:]:
        name, relation, nick = line.split(",")
        if relation == "has_nickname" and len(nick) > 2:
            short[nick] += given["en"].get(name, 0.0) / 10
    add(given["en"], short, 1.0)
    for shares in (*given.values(), *surname.values()):
        for word in list(shares):
            plain = "".join(c for c in unicodedata.normalize("NFKD", word) if not unicodedata.combining(c))
            if plain != word:
                shares[plain] = max(shares.get(plain, 0.0), shares[word] / 3)
    return given, surname


def weights(names: Any) -> dict[str, float]:
    """A list of the package as shares; a list without weights shares equally."""
    total = sum(names.values()) if isinstance(names, Mapping) else len(names)
    shares: dict[str, float] = defaultdict(float)
    for name in names:
        shares[name] += (names[name] if isinstance(names, Mapping) else 1) / total
    return shares


def add(target: dict[str, float], shares: Mapping[str, float], share: float) -> None:
    """Keep the largest share of each word that is written with letters and capitals."""
    for name, value in shares.items():
        for word in WORD.findall(unicodedata.normalize("NFC", name).lower()):
            if len(word) > 1 and word != word.upper():
                target[word] = max(target.get(word, 0.0), min(value, MOST) * share)


def lexemes(language: str) -> dict[str, float]:
    """Probabilities of a language's million commonest words as they are written."""
    import spacy_lookups_data

    path = Path(spacy_lookups_data.__file__).parent / "data" / f"{language}_lexeme_prob.json.gz"
    return {word: math.exp(value) for word, value in json.loads(gzip.decompress(path.read_bytes())).items()}


def common_words() -> set[str]:
    """Words that are no names where we have no probabilities: faker's French filler text and our own examples."""
    import yaml
    from faker.providers.lorem import fr_FR

    words: set[str] = set()
    words.update(fr_FR.Provider.word_list)
    counts: dict[str, int] = defaultdict(int)
    for language in ("fr", "pt", "id", "es", "de"):
        path = HERE.parent.parent / "examples" / "material" / f"{language}.yaml"
        for text in strings(yaml.safe_load(path.read_text(encoding="utf-8"))):
            for word in WORD.findall(text):
                counts[word] += word.islower()
    return words | {word for word, count in counts.items() if count > 1}


def place_names() -> set[str]:
    """Names of countries, and of states of the United States, Canada and Australia, in one word."""
    from faker.providers.address import en, en_AU, en_CA, en_US

    names = [*en.Provider.countries, *en_US.Provider.states, *en_CA.Provider.provinces, *en_AU.Provider.states]
    return {name.lower() for name in names if WORD.fullmatch(name)} | {"korea", "carolina", "dakota", "england"}


def strings(value: Any) -> Iterable[str]:
    """All texts in a YAML document."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        for item in value.values() if isinstance(value, dict) else value:
            yield from strings(item)


if __name__ == "__main__":
    main()
