"""Texts as they are compared letter by letter: without case, marks, emoji, drawn-out letters.

Embeddings hear what a text is about and are easily thrown off by a slip of the finger; letters are the other way round.
Near-duplicates ask both: a sketch of each text's letters stands beside its embedding while neighbours are looked for,
and pairs are settled by edit similarity (rapidfuzz).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from math import log

import numpy as np
import numpy.typing as npt
import polars as pl

SKETCH = 128  # numbers a text
CHUNK = 20_000  # texts at once
NEWLINE, SPACE = ord("\n"), ord(" ")
PLACEHOLDER = r"<([A-Z_]+)_[0-9a-f]{6}>"
# Scripts that do not put spaces between words: two letters of them count as a word.
_UNSPACED = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]"
_UNSPACED_LETTER = re.compile(
    "([\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\U00020000-\U0003ffff])"
)
HEAVIEST = 5.0  # a word seen once may be a slip: it is no heavier than one of 150 texts has

Vectors = npt.NDArray[np.float32]
Codes = npt.NDArray[np.uint32]


def folded(texts: pl.Series) -> pl.Series:
    """Texts for exact comparison: NFKC, lower case, white space and placeholders alike, all else as it is."""
    spaced = texts.str.replace_all(PLACEHOLDER, "<${1}>").str.normalize("NFKC").str.to_lowercase()
    return spaced.str.replace_all("ß", "ss", literal=True).str.replace_all(r"\s+", " ").str.strip_chars()


def plain(texts: pl.Series) -> pl.Series:
    """Texts for near comparison: letters and digits alone, each repeated letter once.

    A text without a letter or digit, such as an emoji, stays as `folded` leaves it.
    """
    parts = [_plain(texts[begin : begin + CHUNK]) for begin in range(0, len(texts), CHUNK)]
    return pl.concat(parts) if parts else texts.cast(pl.String)


def _plain(texts: pl.Series) -> pl.Series:
    whole = folded(texts)
    bare = whole.str.replace_all(r"['’`´]", "").str.replace_all(r"[^\p{L}\p{M}\p{N}]+", " ").str.strip_chars()
    codes = _codes(bare.to_list())
    again = np.zeros(len(codes), dtype=bool)
    again[1:] = (codes[1:] == codes[:-1]) & (codes[1:] != NEWLINE)
    digits = (codes >= ord("0")) & (codes <= ord("9"))
    squeezed = codes[~again | digits].tobytes().decode("utf-32-le", "surrogatepass").split("\n")[: len(bare)]
    found = pl.Series(texts.name, squeezed, dtype=pl.String)
    return pl.select(pl.when(found.str.len_chars() > 0).then(found).otherwise(whole))[:, 0].alias(texts.name)


def words(texts: pl.Series) -> pl.Series:
    """How many words each text has; two letters of a script without spaces count as one. A placeholder is a word."""
    unspaced = texts.str.count_matches(_UNSPACED)
    rest = texts.str.replace_all(_UNSPACED, " ")
    return (rest.str.count_matches(r"[\p{L}\p{M}\p{N}'’_]+") + (unspaced + 1) // 2).cast(pl.Int64)


def sketches(texts: pl.Series) -> Vectors:
    """Pairs and triples of letters, hashed into a few numbers (feature hashing, Weinberger et al. 2009).

    Args:
        texts: As `plain` gives them.

    Returns:
        float32 [n, SKETCH], each of length 1: a product is about the cosine of the counts. Zero for an empty text.
    """
    parts = [_sketches(texts[begin : begin + CHUNK]) for begin in range(0, len(texts), CHUNK)]
    return np.concatenate(parts) if parts else np.zeros((0, SKETCH), dtype=np.float32)


def _sketches(texts: pl.Series) -> Vectors:
    codes = _codes([f" {text} " for text in texts.to_list()])
    row = np.cumsum(codes == NEWLINE) - (codes == NEWLINE)
    total = np.zeros(len(texts) * SKETCH, dtype=np.float32)
    wide = codes.astype(np.uint64)
    for size in (2, 3):
        grams = np.zeros(max(0, len(codes) - size + 1), dtype=np.uint64)
        whole = np.ones(len(grams), dtype=bool)
        for place in range(size):
            part = wide[place : place + len(grams)]
            grams = (grams + part + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
            grams ^= grams >> np.uint64(29)
            whole &= part != NEWLINE
        grams = grams * np.uint64(0xBF58476D1CE4E5B9)
        sign = 1.0 - 2.0 * ((grams >> np.uint64(40)) & np.uint64(1)).astype(np.float32)
        place = row[: len(grams)] * SKETCH + ((grams >> np.uint64(41)) % np.uint64(SKETCH)).astype(np.int64)
        total += np.bincount(place[whole], sign[whole], len(total)).astype(np.float32)
    found = total.reshape(len(texts), SKETCH)
    return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-9)


def _codes(texts: list[str]) -> Codes:
    """Code points of all texts, each closed by a line break (they hold none themselves)."""
    joined = "\n".join(texts) + "\n" if texts else ""
    return np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)


class Vocabulary:
    """How much each word tells, and from that how much of what two texts say differs.

    A word weighs the logarithm of how rare it is among the texts given (inverse document frequency), at most five.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        """Count words.

        Args:
            texts: As `plain` gives them.
        """
        counts: Counter[str] = Counter()
        total = 0
        for text in texts:
            counts.update(set(_split(text)))
            total += 1
        self._weight = {word: min(HEAVIEST, log(1 + total / count)) for word, count in counts.items() if count > 1}
        self._once = min(HEAVIEST, log(1 + max(1, total)))
        self._known: dict[str, tuple[list[str], frozenset[str], float]] = {}

    def news(self, one: str, two: str) -> tuple[float, float]:
        """Which share of what two texts say was put in another's place, and which was added or left out.

        Words that differ by a slip are the same: one letter in four, or the rest of a word that was cut off at the end.

        Returns:
            Shares of the mean weight of both: of words of which each has some where the other has others, and of what
            one has more than the other. Equal texts give (0, 0).
        """
        from rapidfuzz.distance import OSA

        (first, here, weight), (second, there, weight_too) = self._read(one), self._read(two)
        left, right = here - there, there - here
        if left and right:
            for word in sorted(left):
                near = [(OSA.distance(word, other), other) for other in right if self._slip(word, other, OSA.distance)]
                ends = [(9, other) for other in right if _cut_off(word, first, other) or _cut_off(other, second, word)]
                if found := min(near + ends, default=None):
                    left, right = left - {word}, right - {found[1]}
        gone, come = self._sum(left), self._sum(right)
        mean = max(1e-9, (weight + weight_too) / 2)
        return min(gone, come) / mean, abs(gone - come) / mean

    def _slip(self, one: str, two: str, distance: Callable[..., int]) -> bool:
        longer = max(len(one), len(two))
        most = max(1, longer // 4)
        if longer < 2 or abs(len(one) - len(two)) > most or distance(one, two, score_cutoff=most) > most:
            return False
        if longer < 4 and one in self._weight and two in self._weight:
            return False
        return not any(c.isdigit() for c in one + two)

    def _sum(self, words: Iterable[str]) -> float:
        return sum(self._weight.get(word, self._once) for word in sorted(words))

    def _read(self, text: str) -> tuple[list[str], frozenset[str], float]:
        known = self._known.get(text)
        if known is None:
            if len(self._known) > CHUNK:
                self._known.clear()
            words = _split(text)
            some = frozenset(words)
            known = self._known[text] = (words, some, self._sum(some))
        return known


def _cut_off(word: str, words: list[str], other: str) -> bool:
    return word == words[-1] and other.startswith(word)


def _split(text: str) -> list[str]:
    return _UNSPACED_LETTER.sub(r" \1 ", text).split()
