"""The embedded safety scorer: a small head on sentence embeddings, joined with a lexical score.

What a message means comes from its MiniLM vector, which the flow has already. How it is worded comes from words, pairs
of words and character n-grams, hashed into one linear model that also hears "fuuuck", "b1tch" and "f u c k". Labels:

- `abuse`: hostile, degrading or sexually harassing towards somebody.
- `harmful_request`: asks for help with doing harm; "how do I kill a frozen window" is none.

`python -m curation.train_safety` makes the weights; `data/safety_head.md` is their card: data, licences, how well they
do and what they cannot do. A text has the same score whatever it is scored with: the lexical sums are integers, and the
head's dot products are taken row by row.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from schemas.curation_recipe import Embedding
from schemas.precision import Precision
from schemas.problems import Problem

WEIGHTS = Path(__file__).parent / "data" / "safety_head.safetensors"
CARD = WEIGHTS.with_suffix(".md")
ENCODER = "all-minilm-l6-v2"
LABELS = ("abuse", "harmful_request")
LANGUAGES = ("en",)
BUCKETS = 2**18  # of the hashed lexical features
CHARACTERS = (2, 5)  # shortest and longest character n-gram, inside a word and its borders
LONGEST_WORD = 40  # characters; what is longer is a key or a link
CARRIED = 0.2  # chance that a message after an abusive one is abusive too, whatever it says
_UNIT = 2.0**20  # lexical weights are added up as integers of this unit

_PLACEHOLDER = r"<[A-Z_]+(?:_[0-9a-f]{6})?>"
_KEYED = r"<([A-Z_]+)_[0-9a-f]{6}>"
_LINK = r"https?://\S+|www\.\S+|@\w+"
_WORD = r"[\p{L}\p{M}\p{N}@$!*']+"
_SPACED = r"\b\p{L}(?:[ .\-_*]\p{L}\b){2,}"  # "f u c k", "s.t.u.p.i.d"
_LEET = str.maketrans("0134578@$!", "oieastbasi")
_DISGUISED = re.compile(r"(?<=[^\W\d_])[0134578@$!]+(?=[^\W\d_])")
_STRETCHED = re.compile(r"(.)\1{2,}")

Floats = npt.NDArray[np.float64]
Vectors = npt.NDArray[np.float32]


def plain(word: str) -> str:
    """A word in lower case without disguise: digits and signs between letters read as letters, no triple letters."""
    word = unicodedata.normalize("NFKC", word).lower()[:LONGEST_WORD]
    return _STRETCHED.sub(r"\1\1", _DISGUISED.sub(lambda found: found.group().translate(_LEET), word)).strip("'!*@$")


def _pieces(word: str) -> Iterator[str]:
    framed = f"<{word}>"
    for size in range(CHARACTERS[0], CHARACTERS[1] + 1):
        for start in range(len(framed) - size + 1):
            yield framed[start : start + size]


def grams(texts: Sequence[str]) -> pl.DataFrame:
    """The distinct words and pairs of neighbouring words of each text, as `row` and `gram`."""
    text = pl.Series("text", texts, dtype=pl.String).str.replace_all(f"{_PLACEHOLDER}|{_LINK}", " ")
    spaced = pl.col("text").str.extract_all(_SPACED).list.eval(pl.element().str.replace_all(r"[ .\-_*]", ""))
    rows = text.to_frame().with_row_index("row")
    words = rows.select("row", word=pl.concat_list(pl.col("text").str.extract_all(_WORD), spaced)).explode("word")
    words = words.drop_nulls()
    distinct = words["word"].unique().to_list()
    known = pl.DataFrame(
        {"word": distinct, "gram": [plain(word) for word in distinct]}, schema={"word": pl.String, "gram": pl.String}
    )
    words = words.join(known, on="word", maintain_order="left").filter(pl.col("gram") != "").select("row", "gram")
    pairs = words.with_columns(after=pl.col("gram").shift(-1).over("row")).drop_nulls()
    pairs = pairs.select("row", pl.concat_str("gram", "after", separator=" ").alias("gram"))
    return pl.concat([words, pairs]).unique(maintain_order=True)


def features(texts: Sequence[str]) -> Any:
    """Which hashed features each text has, and no more: a sparse matrix of ones, [texts, 2 * BUCKETS].

    The first half are character n-grams of words, the second words and pairs. Each distinct word is hashed once.
    """
    import scipy.sparse as sparse
    from sklearn.feature_extraction import FeatureHasher

    found = grams(texts)
    distinct = found["gram"].unique(maintain_order=True)
    if not len(distinct):
        return sparse.csr_matrix((len(texts), 2 * BUCKETS), dtype=np.int64)
    rows = found.join(pl.DataFrame({"gram": distinct}).with_row_index("place"), on="gram", maintain_order="left")
    cells = (rows["row"].to_numpy(), rows["place"].to_numpy())
    places = sparse.csr_matrix((np.ones(rows.height), cells), shape=(len(texts), len(distinct)))
    hasher = FeatureHasher(BUCKETS, input_type="string", alternate_sign=False, dtype=np.float64)
    pieces = hasher.transform(() if " " in gram else _pieces(gram) for gram in distinct)
    whole = hasher.transform([gram] for gram in distinct)
    has = sparse.hstack([places @ pieces, places @ whole], format="csr").astype(np.int64)
    has.data[:] = 1
    return has


def scales(has: Any) -> tuple[Floats, Floats]:
    """1 / sqrt(features) of each text, for either half: long texts do not shout louder."""
    halves = (has[:, :BUCKETS], has[:, BUCKETS:])
    first, second = (1 / np.sqrt(np.maximum(np.diff(half.indptr), 1)) for half in halves)
    return first, second


def design(texts: Sequence[str]) -> Any:
    """The features as they are trained on, sparse float64 [texts, 2 * BUCKETS]: either half has length 1."""
    import scipy.sparse as sparse

    has = features(texts)
    halves = zip(scales(has), (has[:, :BUCKETS], has[:, BUCKETS:]), strict=True)
    return sparse.hstack([sparse.diags(scale) @ half for scale, half in halves], format="csr")


def hear(texts: Sequence[str], weights: npt.NDArray[Any]) -> Floats:
    """What `design(texts) @ weights` comes to, [texts]; in integers, so that the order of adding does not count."""
    has = features(texts)
    units = np.rint(weights.astype(np.float64) * _UNIT).astype(np.int64)
    first, second = scales(has)
    return (first * (has[:, :BUCKETS] @ units[:BUCKETS]) + second * (has[:, BUCKETS:] @ units[BUCKETS:])) / _UNIT


class Head(NamedTuple):
    """The weights.

    Attributes:
        buckets: Lexical weight of each bucket, [2 * BUCKETS].
        offset: Of the lexical score, [1].
        vector: Weights of the embedding's dimensions, [labels, d].
        lexical: Weight of the lexical score, [labels].
        bias: [labels].
    """

    buckets: npt.NDArray[np.float16]
    offset: Floats
    vector: Floats
    lexical: Floats
    bias: Floats

    def probabilities(self, texts: Sequence[str], vectors: Vectors, before: Sequence[str] | None = None) -> Floats:
        """[texts, labels]; each row is added up by itself, so that its bits do not depend on the others.

        Args:
            texts: Messages.
            vectors: Their embeddings by `ENCODER`, of length 1, float32 [texts, d].
            before: What the same person said before each, "" for nothing.
        """
        heard = self._hear(texts)
        wide = vectors.astype(np.float64)
        logits = [
            (wide * vector).sum(axis=1) + heard * lexical + bias
            for vector, lexical, bias in zip(self.vector, self.lexical, self.bias, strict=True)
        ]
        found = _logistic(np.column_stack(logits))
        if before is not None:
            abusive = _logistic(self._hear(before)) * np.array([bool(text) for text in before])
            found[:, 0] += (1 - found[:, 0]) * CARRIED * abusive
        return found

    def _hear(self, texts: Sequence[str]) -> Floats:
        return hear(texts, self.buckets) + self.offset


def _logistic(logits: Floats) -> Floats:
    return 1 / (1 + np.exp(-np.clip(logits, -500, 500)))


def read_head(path: Path = WEIGHTS) -> Head:
    """The weights from a safetensors file."""
    from safetensors.numpy import load

    tensors = load(path.read_bytes())
    return Head(*(tensors[name] for name in Head._fields))


def weights_name(path: Path = WEIGHTS) -> str:
    """Which weights, by the first digits of their sha256."""
    return f"embedded head {hashlib.sha256(path.read_bytes()).hexdigest()[:12]}"


class Embedded:
    """The embedded scorer.

    Args:
        precision: Of the encoder, where no vectors are given.

    Attributes:
        name: With the weights' hash.
        embedded: It stands in for a better one.
        languages: It was trained on these; elsewhere its scores mean little.
    """

    embedded = True
    languages = LANGUAGES

    def __init__(self, precision: Precision = "auto") -> None:
        self.name = weights_name()
        self._head = read_head()
        self._precision = precision

    @cached_property
    def _encode(self) -> Callable[[Sequence[str]], Vectors]:
        from curation import embed

        return embed.load(Embedding(model=ENCODER), self._precision)

    def score(
        self, texts: Sequence[str], vectors: Vectors | None = None, before: Sequence[str] | None = None
    ) -> dict[str, Floats]:
        """Probability of each of `LABELS` for each text.

        Args:
            texts: Messages.
            vectors: Their embeddings by `ENCODER`, float32 [texts, d]; None computes them.
            before: What the same person said before each, "" for nothing: "yes" after an insult is not like "yes".
        """
        if not texts:
            return {label: np.zeros(0) for label in LABELS}
        if vectors is None:
            vectors = self._encode([re.sub(_KEYED, r"<\1>", text) for text in texts])
        if vectors.shape != (len(texts), self._head.vector.shape[1]):
            raise Problem(
                f"curation.safety: vectors of shape {vectors.shape} for {len(texts)} texts; the embedded scorer takes "
                f"those of {ENCODER}, {self._head.vector.shape[1]} numbers a text."
            )
        found = self._head.probabilities(texts, vectors, before)
        return {label: found[:, column] for column, label in enumerate(LABELS)}
