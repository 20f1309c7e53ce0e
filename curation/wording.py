"""Texts as they are compared letter by letter: without case, marks, emoji, drawn-out letters.

Embeddings hear what a text is about and are easily thrown off by a slip of the finger; letters are the other way round.
Near-duplicates ask both: a sketch of each text's letters stands beside its embedding while neighbours are looked for,
and pairs are settled by edit similarity (rapidfuzz).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

SKETCH = 128  # numbers a text
CHUNK = 20_000  # texts at once
NEWLINE, SPACE = ord("\n"), ord(" ")
PLACEHOLDER = r"<([A-Z_]+)_[0-9a-f]{6}>"
# Scripts that do not put spaces between words: two letters of them count as a word.
_UNSPACED = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]"

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
