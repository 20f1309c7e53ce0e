"""Whether two messages are the same said again: by their letters, their words and their embeddings together."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from curation.wording import Vocabulary
from schemas.curation_recipe import NearDuplicates

NEAR = 0.65  # cosine of a message that is another's end
LIKELY = 0.75  # similarity of letters from which words are compared
CUT = 0.45  # of the longer text at least, where the shorter is its beginning or end
PART = 0.88  # similarity of letters of the shorter text and as much of the longer
SLIPS = 0.1  # share of changed words that may still be slips
LETTERS = 0.94  # similarity of letters from which four times as many may be
MARGIN = 0.06  # below `similarity`, where only little was added
CAUTION = 0.4  # cosine that embeddings have to be surer by where all words differ
CAUTION_ADDED = 0.25  # and where one message says as much again
OTHER_WORDS = 3.8  # weight of words that stand for surely other ones: a rare one, or two that are not
SURE = 0.97  # cosine from which it may be as much,
SURE_LETTERS, NOT_FAR = 0.92, 0.8  # or from the latter where the similarity of letters is as the former
FEW_LETTERS, FEW_WORDS = 0.8, 2.0  # similarity of letters below which it may be so much only

Floats = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]


class Messages(NamedTuple):
    """Pairs of messages.

    Attributes:
        one: Texts as `wording.plain` gives them.
        two: As many.
        cosine: Of their embeddings, float32 [n].
        letters: Similarity of their letters, float32 [n].
        begins: Whether one is the beginning of the other, bool [n].
        ends: Whether one is the end of the other, bool [n].
    """

    one: pl.Series
    two: pl.Series
    cosine: Floats
    letters: Floats
    begins: Flags
    ends: Flags

    def filter(self, keep: Flags) -> Messages:
        """Some of the pairs."""
        texts = self.one.filter(keep), self.two.filter(keep)
        return Messages(*texts, self.cosine[keep], self.letters[keep], self.begins[keep], self.ends[keep])

    def likely(self, settings: NearDuplicates) -> Flags:
        """Pairs of which words are worth comparing."""
        return (self.letters >= LIKELY) | self.begins | self.ends | (self.cosine >= settings.similarity - MARGIN)

    def likeness(self, settings: NearDuplicates, words: Vocabulary) -> Floats:
        """How alike the messages are, and 0 where they are not the same said again.

        They are the same if they differ in nothing but slips and a little more or less (a filler, an end cut off); if
        one is the beginning of the other; or if other words stand for some, and the embeddings find that nothing
        changed by it. The more words changed, the surer embeddings have to be.

        Returns:
            float32 [n]: similarity of letters or cosine, whichever is higher.
        """
        from rapidfuzz import fuzz

        same = self.letters == 1
        unlike = np.flatnonzero(self.likely(settings) & ~same)
        changed, added, swapped = words.news(self.one.gather(unlike), self.two.gather(unlike))
        cosine, letters = self.cosine[unlike], self.letters[unlike]
        begins, ends = self.begins[unlike], self.ends[unlike]
        other = (letters < FEW_LETTERS) & (swapped > FEW_WORDS)
        other |= (swapped > OTHER_WORDS) & (cosine < np.where(letters < SURE_LETTERS, SURE, NOT_FAR))
        surely = cosine >= settings.similarity + CAUTION * changed + CAUTION_ADDED * added
        slips = (changed <= SLIPS) | ((letters >= LETTERS) & (changed <= 4 * SLIPS))
        surely |= slips & (begins | (ends & (cosine >= NEAR)) | (added <= settings.added / 4))
        surely &= ~other
        more = slips & ~(surely | other) & (added <= settings.added) & (cosine >= settings.similarity - MARGIN)
        for pair in np.flatnonzero(more):
            place = int(unlike[pair])
            surely[pair] = fuzz.partial_ratio(self.one[place], self.two[place]) >= 100 * PART
        same[unlike] = surely
        return np.where(same, np.maximum(self.letters, self.cosine), 0).astype(np.float32)


def messages(one: pl.Series, two: pl.Series, cosine: Floats) -> Messages:
    """Compare letters of pairs of messages."""
    from rapidfuzz import fuzz, process

    def compared(a: pl.Series, b: pl.Series) -> Floats:
        found = process.cpdist(a.to_list(), b.to_list(), scorer=fuzz.ratio, dtype=np.float32)
        return np.asarray(found, np.float32) / np.float32(100)

    letters = compared(one, two)
    lengths = pl.DataFrame({"one": one.str.len_chars(), "two": two.str.len_chars()})
    short, long = lengths.min_horizontal().to_numpy(), lengths.max_horizontal().to_numpy()
    begins, ends = np.zeros(len(one), dtype=bool), np.zeros(len(one), dtype=bool)
    cut = np.flatnonzero((letters < 1) & (short >= CUT * long))
    if len(cut):
        few = pl.DataFrame({"one": one.gather(cut), "two": two.gather(cut), "length": short[cut]})
        first = few.select(pl.col("one", "two").str.head("length"))
        last = few.select(pl.col("one", "two").str.tail("length"))
        begins[cut], ends[cut] = (compared(some["one"], some["two"]) >= PART for some in (first, last))
    return Messages(one, two, cosine, letters, begins, ends)
