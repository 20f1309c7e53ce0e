"""Texts as they are compared letter by letter: without case, marks, emoji, drawn-out letters.

Embeddings hear what a text is about and are easily thrown off by a slip of the finger; letters are the other way round.
Near-duplicates ask both: a sketch of each text's letters stands beside its embedding while neighbours are looked for,
and pairs are settled by edit similarity (rapidfuzz) and by which words differ, many pairs at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from math import log
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

SKETCH = 128  # numbers a text
CHUNK_LETTERS = 1_000_000  # at once
NEWLINE, SPACE = ord("\n"), ord(" ")
PLACEHOLDER = r"<([A-Z_]+)_[0-9a-f]{6}>"
# Scripts that do not put spaces between words: two letters of them count as a word.
_UNSPACED = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]"
# What English writes in full or runs together, without the apostrophe: the way that it is run together.
_CONTRACTED = (
    (r"\b(do|does|did|is|are|was|were|has|have|had|could|would|should) not\b", "${1}nt"),
    (r"\bcan? ?not\b", "cant"),
    (r"\bwil not\b", "wont"),
    (r"\b(i|you|he|she|it|we|they|that|there) (?:a|i|wi|woul|ha)?(m|re|s|l|d|ve)\b", "${1}${2}"),
    (r"\b(what|who|where|how) is\b", "${1}s"),
    (r"\blet us\b", "lets"),
    (r"\bgoing to\b", "gona"),
    (r"\bwant to\b", "wana"),
)
CROSSED = 4_000_000  # words held against each other at once
CUT_OFF = 9  # a word cut off at the end counts as so many slips
USUAL = 2000  # texts: a word that more than one in so many has is no slip for another
HEAVIEST = 5.0  # a word seen once may be a slip: it is no heavier than one of 150 texts has

Vectors = npt.NDArray[np.float32]
Codes = npt.NDArray[np.uint32]
Ints = npt.NDArray[np.int64]
Shares = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


def chunks(texts: pl.Series, letters: int = CHUNK_LETTERS) -> Iterator[pl.Series]:
    """Pieces of texts that hold about as many letters each, so that what is worked on does not grow with them."""
    part = np.cumsum(texts.str.len_bytes().to_numpy(), dtype=np.int64) // letters
    edges = [0, *(np.flatnonzero(np.diff(part)) + 1).tolist(), len(texts)]
    yield from (texts[begin:end] for begin, end in pairwise(edges) if end > begin)


def folded(texts: pl.Series) -> pl.Series:
    """Texts for exact comparison: NFKC, lower case, white space and placeholders alike, all else as it is."""
    spaced = texts.str.replace_all(PLACEHOLDER, "<${1}>").str.normalize("NFKC").str.to_lowercase()
    return spaced.str.replace_all("ß", "ss", literal=True).str.replace_all(r"\s+", " ").str.strip_chars()


def plain(texts: pl.Series) -> pl.Series:
    """Texts for near comparison: letters and digits, each repeated letter once, English contractions run together.

    A text without a letter or digit, such as an emoji, stays as `folded` leaves it.
    """
    parts = [_plain(part) for part in chunks(texts)]
    return pl.concat(parts) if parts else texts.cast(pl.String)


def _plain(texts: pl.Series) -> pl.Series:
    whole = folded(texts)
    bare = (
        whole.str.replace_all(r"['’`´\x{FE00}-\x{FE0F}]", "")
        .str.replace_all(r"[^\p{L}\p{M}\p{N}]+", " ")
        .str.strip_chars()
    )
    codes = _codes(bare.to_list())
    again = np.zeros(len(codes), dtype=bool)
    again[1:] = (codes[1:] == codes[:-1]) & (codes[1:] != NEWLINE)
    digits = (codes >= ord("0")) & (codes <= ord("9"))
    squeezed = codes[~again | digits].tobytes().decode("utf-32-le", "surrogatepass").split("\n")[: len(bare)]
    found = pl.Series(texts.name, squeezed, dtype=pl.String)
    for long, short in _CONTRACTED:
        found = found.str.replace_all(long, short)
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
    parts = [_sketches(part) for part in chunks(texts)]
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

    def __init__(self, texts: pl.Series) -> None:
        """Count words.

        Args:
            texts: As `plain` gives them.
        """
        total = len(texts)
        counts = pl.DataFrame(schema={"word": pl.String, "count": pl.UInt32})
        for part in chunks(texts):
            every = _split(part).list.unique().explode().drop_nulls().alias("word")
            counts = pl.concat([counts, every.value_counts(name="count")]).group_by("word").sum()
        self._weights = counts.filter(pl.col("count") > 1).select(
            "word",
            weight=(1 + total / pl.col("count")).log().clip(upper_bound=HEAVIEST),
            usual=pl.col("count") * USUAL > total,
        )
        self._once = min(HEAVIEST, log(1 + max(1, total)))

    def news(self, one: pl.Series, two: pl.Series) -> tuple[Shares, Shares, Shares]:
        """Which share of what two texts say was put in another's place, and which was added or left out.

        Words that differ by a slip are the same: one letter in four, or the rest of a word that was cut off at the end.

        Args:
            one: Texts as `plain` gives them.
            two: As many.

        Returns:
            float64 [n] each, shares of the mean weight of both: of words of which each has some where the other has
            others, and of what one has more than the other; and the weight of words that are surely others. Equal texts
            give 0, 0 and 0.
        """
        lists = [_split(texts) for texts in (one, two)]
        size = np.multiply(*(words.list.len().to_numpy().astype(np.int64) for words in lists))
        part = np.cumsum(size) // CROSSED
        cuts = [0, *(np.flatnonzero(np.diff(part)) + 1).tolist(), len(one)]
        found = [self._news([words[begin:end] for words in lists]) for begin, end in pairwise(cuts)]
        changed, added, swapped = (np.concatenate(shares) for shares in zip(*found, strict=True))
        return changed, added, swapped

    def _news(self, lists: list[pl.Series]) -> tuple[Shares, Shares, Shares]:
        table = self._table(pl.concat(lists).explode())
        many, count = max(1, len(table.words)), len(lists[0])

        known = np.where(table.known, table.weight, 0)

        def weigh(keys: Ints, weight: Shares = table.weight) -> Shares:
            return np.bincount(keys // many, weight[keys % many], count).astype(np.float64)

        here, there = (_keys(words, table, many) for words in lists)
        left, right = here[~_within(here, there)], there[~_within(there, here)]
        mean = np.maximum((weigh(here) + weigh(there)) / 2, 1e-9)
        used, taken = _slips(left, right, [_places(words.list.last(), table) for words in lists], table, count)
        gone, come = weigh(left[~used]), weigh(right[~taken])
        swapped = np.minimum(weigh(left[~used], known), weigh(right[~taken], known))
        return np.minimum(gone, come) / mean, np.abs(gone - come) / mean, swapped

    def _table(self, words: pl.Series) -> _Table:
        """Distinct words in alphabetical order."""
        distinct = pl.DataFrame({"word": words.drop_nulls().unique().sort()})
        found = distinct.join(self._weights, on="word", how="left", maintain_order="left")
        return _Table(
            distinct["word"],
            found.select(pl.when(pl.col("word") == "").then(0.0).otherwise(pl.col("weight").fill_null(self._once)))[
                :, 0
            ].to_numpy(),
            found["weight"].is_not_null().to_numpy(),
            found["usual"].fill_null(value=False).to_numpy(),
            distinct["word"].str.len_chars().to_numpy().astype(np.int64),
            distinct["word"].str.contains(r"\p{Nd}").to_numpy(),
        )


class _Table(NamedTuple):
    """Distinct words: whether the vocabulary has them, and often; their letters, and whether any is a digit."""

    words: pl.Series
    weight: Shares
    known: Flags
    usual: Flags
    length: Ints
    digits: Flags


def _keys(lists: pl.Series, table: _Table, many: int) -> Ints:
    """The words of each text once, as text * many + word, ascending."""
    text = np.repeat(np.arange(len(lists)), lists.list.len().to_numpy())
    keys = np.sort(text * many + _places(lists.explode().drop_nulls(), table))
    return keys[np.concatenate([[True], keys[1:] != keys[:-1]])[: len(keys)]]


def _places(words: pl.Series, table: _Table) -> Ints:
    every = table.words.to_frame("word").with_row_index("place")
    found = words.to_frame("word").join(every, on="word", how="left", maintain_order="left")["place"]
    return found.cast(pl.Int64).fill_null(-1).to_numpy()


def _within(some: Ints, others: Ints) -> Flags:
    """Which of some ascending numbers are among others, ascending."""
    if not len(others):
        return np.zeros(len(some), dtype=bool)
    place = np.minimum(np.searchsorted(others, some), len(others) - 1)
    return others[place] == some


def _slips(left: Ints, right: Ints, ends: list[Ints], table: _Table, count: int) -> tuple[Flags, Flags]:
    """Which words that only one of two texts has are the other's by a slip; each stands for one, the nearest first."""
    from rapidfuzz import process
    from rapidfuzz.distance import OSA

    many = max(1, len(table.words))
    starts = np.searchsorted(right, np.arange(count + 1) * many)
    each = np.diff(starts)[left // many]
    here = np.repeat(np.arange(len(left)), each)
    there = np.arange(len(here)) - np.repeat(np.cumsum(each) - each - starts[left // many], each)
    one, two, text = left[here] % many, right[there] % many, left[here] // many

    longer = np.maximum(table.length[one], table.length[two])
    most = np.maximum(1, longer // 4)
    unlike = np.abs(table.length[one] - table.length[two]) > most
    unlike |= table.digits[one] | table.digits[two] | (longer < 2)
    unlike |= (longer < 4) & table.usual[one] & table.usual[two]
    ending = ((one == ends[0][text]) | (two == ends[1][text])) & (table.length[one] > 0) & (table.length[two] > 0)
    some = np.flatnonzero(~unlike | ending)
    here, there, one, two, text = here[some], there[some], one[some], two[some], text[some]

    pairs, back = np.unique(one * many + two, return_inverse=True)
    first, second = table.words.gather(pairs // many), table.words.gather(pairs % many)
    far = process.cpdist(first.to_list(), second.to_list(), scorer=OSA.distance, dtype=np.int32)[back]
    far = np.where(unlike[some] | (far > most[some]), CUT_OFF + 1, far)
    begun = pl.DataFrame({"one": first, "two": second}).select(
        begins=pl.col("two").str.starts_with(pl.col("one")), begun=pl.col("one").str.starts_with(pl.col("two"))
    )
    begins, begun_ = (begun[name].to_numpy()[back] for name in ("begins", "begun"))
    cut = (begins & (one == ends[0][text])) | (begun_ & (two == ends[1][text]))
    far = np.where(cut, np.minimum(far, CUT_OFF), far)

    used, taken = np.zeros(len(left), dtype=bool), np.zeros(len(right), dtype=bool)
    some = np.flatnonzero(far <= CUT_OFF)
    some = some[np.lexsort((there[some], here[some], far[some]))]
    for mine, other in zip(here[some].tolist(), there[some].tolist(), strict=True):
        if not (used[mine] or taken[other]):
            used[mine] = taken[other] = True
    return used, taken


def _split(texts: pl.Series) -> pl.Series:
    if texts.str.contains(_UNSPACED).any():
        texts = texts.str.replace_all(f"({_UNSPACED})", " ${1} ").str.replace_all(" +", " ").str.strip_chars(" ")
    return texts.str.split(" ")
