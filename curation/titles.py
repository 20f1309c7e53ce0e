"""Readable titles of clusters: the words that set each apart from the others.

Class-based TF-IDF (Grootendorst 2022): a word counts for a cluster by its share of the cluster's words, times how rare
it is among all clusters. Stop words are those of spaCy's lists (a language of which few speak has few clusters, so that
rareness does not tell them), and words that most clusters use. Words and pairs of words are counted, and pairs of
letters in scripts without spaces, where grammar is left out by script.

Nothing that could point at a person gets into a title: no placeholder, no number, no handle or address, and no word
that fewer than five conversations of the cluster use. Texts come in batches and only counts are kept.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib import import_module

import polars as pl

from curation.wording import PLACEHOLDER

LEAST = 5  # conversations that have to use a word
TERMS = 3
COMMON = 0.5  # of at least `ENOUGH` clusters: a word that more of them use is a stop word
ENOUGH = 20
LANGUAGES = "ar cs da de el en es fi fr he hi hu id it ja ko nb nl pl pt ro ru sv th tr uk vi zh"  # of the stop words

_UNSPACED = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]"
_PRIVATE = rf"{PLACEHOLDER}|<[A-Z_]+>|\S*[@\d/_]\S*|\S+\.\S{{2,}}"
"""Placeholders, and whatever holds a digit, an at sign, a slash or a dot inside."""
COUNTS = {"cluster_id": pl.Int32, "term": pl.String, "count": pl.Int64, "conversations": pl.Int64}


def count(cluster_ids: pl.Series, conversations: pl.Series, texts: pl.Series) -> pl.DataFrame:
    """Count the terms of one batch of texts.

    A conversation has to be whole in one batch, as it is in a shard; one that is split may count once for each.

    Args:
        cluster_ids: int32, one a text.
        conversations: Ids; terms count by how many of them use it.
        texts: Scrubbed.

    Returns:
        `cluster_id`, `term`, `count`, `conversations`.
    """
    bare = texts.str.replace_all(_PRIVATE, "\n").str.normalize("NFKC").str.to_lowercase()
    frame = pl.DataFrame(
        {"cluster_id": cluster_ids.cast(pl.Int32), "conversation": conversations, "text": bare}
    ).with_columns(
        # Runs of words, between marks: a pair does not reach over a full stop.
        run=pl.col("text").str.replace_all(_UNSPACED, " ").str.extract_all(r"[\p{L}\p{M}'’\- ]+"),
        unspaced=pl.col("text").str.extract_all(rf"{_UNSPACED}+"),
    )
    runs = frame.explode("run").drop_nulls("run").with_row_index("place")
    word = r"[\p{L}\p{M}][\p{L}\p{M}'’\-]*"
    words = (
        runs.select("place", "cluster_id", "conversation", term=pl.col("run").str.extract_all(word))
        .explode("term")
        .drop_nulls("term")
        .with_columns(pl.col("term").str.replace_all("’", "'", literal=True).str.strip_chars("'-"))
        .with_columns(stop=_stops())
    )
    after = pl.col("term").shift(-1).over("place")
    pairs = words.with_columns(
        term=pl.concat_str("term", after, separator=" "), stop=pl.col("stop") | pl.col("stop").shift(-1).over("place")
    ).drop_nulls("term")
    words, pairs = (frame.filter(~pl.col("stop")) for frame in (words, pairs))
    letters = frame.explode("unspaced").drop_nulls("unspaced").filter(pl.col("unspaced").str.len_chars() > 1)
    shifts = letters.with_columns(
        start=pl.int_ranges(0, pl.col("unspaced").str.len_chars().cast(pl.Int64) - 1)
    ).explode("start")
    twos = shifts.select("cluster_id", "conversation", term=pl.col("unspaced").str.slice("start", 2))
    # Hiragana is mostly grammar, and two scripts side by side are mostly two words.
    twos = twos.filter(~pl.col("term").str.contains(r"\p{Hiragana}|\p{Han}\p{Katakana}|\p{Katakana}\p{Han}"))
    some = ("cluster_id", "conversation", "term")
    return (
        pl.concat([words.select(some), pairs.select(some), twos.select(some)])
        .filter(pl.col("term").str.len_chars().is_between(2, 40))
        .group_by("cluster_id", "term")
        .agg(count=pl.len().cast(pl.Int64), conversations=pl.col("conversation").n_unique().cast(pl.Int64))
    )


def _stops() -> pl.Expr:
    """Whether a word is a stop word, or is made of such ("i'm", "c'est"), or is a letter."""
    parts = pl.col("term").str.split("'")
    one = pl.element().is_in(_stop_words()) | (pl.element().str.len_chars() < 3)
    return parts.list.eval(one).list.all() | (pl.col("term").str.len_chars() < 2)


@cache
def _stop_words() -> list[str]:
    """Stop words of many languages, as spaCy lists them."""
    found: set[str] = set()
    for language in LANGUAGES.split():
        found.update(import_module(f"spacy.lang.{language}.stop_words").STOP_WORDS)
    return sorted(word.lower().replace("’", "'") for word in found)


def titles(batches: Iterable[tuple[pl.Series, pl.Series, pl.Series]]) -> dict[int, str]:
    """A title for each cluster.

    Args:
        batches: As `count` takes them: cluster ids, conversations, texts. Which text is in which batch changes nothing
            as long as conversations are whole.

    Returns:
        By cluster id: up to three terms, the most telling first, such as `bread, oven, rye`. No two are the same;
        a cluster without a term that enough conversations use is called `cluster 12`.
    """
    total = pl.DataFrame(schema=COUNTS)
    seen: set[int] = set()
    for clusters, conversations, texts in batches:
        seen.update(clusters.unique().to_list())
        total = (
            pl.concat([total, count(clusters, conversations, texts)])
            .group_by("cluster_id", "term")
            .agg(pl.col("count", "conversations").sum())
        )
    return _named(_scored(total), sorted(seen))


def _scored(counts: pl.DataFrame) -> pl.DataFrame:
    """Terms of each cluster with a score, best first."""
    size = pl.col("count").sum().over("cluster_id")
    mean = counts["count"].sum() / max(1, counts["cluster_id"].n_unique())
    clusters = max(1, counts["cluster_id"].n_unique())
    return (
        counts.with_columns(
            share=pl.col("count") / size,
            everywhere=pl.col("count").sum().over("term"),
            spread=pl.col("cluster_id").n_unique().over("term"),
        )
        .filter((pl.col("conversations") >= LEAST) & ((pl.col("spread") <= COMMON * clusters) | (clusters < ENOUGH)))
        .with_columns(
            score=pl.col("share")
            * (1 + mean / pl.col("everywhere")).log()
            * (1 + clusters / pl.col("spread")).log()
            # A pair of words says more than either: it has to make up for being rarer.
            * pl.when(pl.col("term").str.contains(" ")).then(1.5).otherwise(1.0)
        )
        .sort("cluster_id", "score", "term", descending=[False, True, False])
    )


def _named(scored: pl.DataFrame, clusters: list[int]) -> dict[int, str]:
    terms: dict[int, list[str]] = {}
    for cluster, term in scored.select("cluster_id", "term").iter_rows():
        terms.setdefault(cluster, []).append(term)
    found: dict[int, str] = {}
    taken: set[str] = set()
    for cluster in clusters:
        chosen: list[str] = []
        for term in terms.get(cluster, []):
            title = ", ".join(chosen)
            if len(chosen) >= TERMS and title not in taken:
                break
            if not _repeats(term, chosen):
                chosen.append(term)
        title = ", ".join(chosen)
        if not title or title in taken:
            title = f"{title} (cluster {cluster})" if title else f"cluster {cluster}"
        taken.add(title)
        found[cluster] = title
    return found


def _repeats(term: str, chosen: list[str]) -> bool:
    """Whether a term says what one chosen before says already: shares a word, or most of its letters."""
    words = set(term.split())
    return any(
        words & set(other.split()) or term in other or other in term or _stem(term) == _stem(other)
        or (len(term) == len(other) == 2 and (term[1] == other[0] or term[0] == other[1]))
        for other in chosen
    )  # fmt: skip


def _stem(word: str) -> str:
    return word[: max(4, len(word) - 3)]
