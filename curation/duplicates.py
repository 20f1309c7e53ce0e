"""Which turns repeat another, and which of them stays.

Turns are ranked by rule: what users liked first, then what is most complete, then by hash. A turn goes if a turn above
it that stays is its duplicate, one of three kinds: `exact` (both messages the same but for case, width, white space and
placeholders), `minhash` (long ones, see `minhash`) and `embedding` (see `near_duplicates`). What a turn is said to
repeat is never dropped itself, and neither order of rows nor shards nor workers change anything.

Short turns ("hey", "lol") repeat each other within a conversation only, and only exactly.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from curation import alike, minhash, near_duplicates, wording
from curation.near_duplicates import Edges, Side
from schemas.curation_recipe import NearDuplicates
from schemas.problems import Problem
from schemas.turns import hash_fraction

COUNTED = 50_000  # turns whose words are counted, about
KINDS = ("exact", "embedding", "minhash")
SCHEMA = {"turn_id": pl.String, "duplicate_of": pl.String, "kind": pl.String, "similarity": pl.Float32}
_ENDS_WELL = r"""[.!?…。！？*)"'”’»\]}~\p{So}\p{Sk}\x{FE0F}]\s*$"""

Vectors = npt.NDArray[np.float32]


def find(turns: pl.DataFrame, user: Vectors, reply: Vectors, settings: NearDuplicates, seed: int) -> pl.DataFrame:
    """Find turns to drop.

    Args:
        turns: `turn_id` (unique), `conversation_id`, `user` and `reply` (the texts that `embed.said` gives), and what
            `rank` asks for.
        user: float32 [n, d], of users' messages; may lie on disk (`numpy.memmap`).
        reply: float32 [n, d], of replies.
        settings: Bounds.
        seed: The recipe's seed.

    Returns:
        `turn_id`, `duplicate_of`, `kind`, `similarity` (1 for exact ones), sorted by `turn_id`.

    Raises:
        Problem: The vectors do not have a row for each turn.
    """
    if not len(turns) == len(user) == len(reply):
        raise Problem(
            f"duplicates: {len(turns)} turns, {len(user)} and {len(reply)} embeddings; expected as many of each. Embed "
            "these same turns again."
        )
    return _find(
        turns["turn_id"], turns["conversation_id"], [turns["user"], turns["reply"]], [user, reply], rank(turns, seed),
        settings, seed,
    )  # fmt: skip


def find_texts(ids: pl.Series, texts: pl.Series, vectors: Vectors, settings: NearDuplicates, seed: int) -> pl.DataFrame:
    """As `find`, for texts that belong to no conversation: short ones repeat nothing, and the longer survives.

    Returns:
        `turn_id` (of the text), `duplicate_of`, `kind`, `similarity`. Texts that are not in it survive; a survivor and
        those that name it make a group.
    """
    order = _order(pl.DataFrame({"length": -texts.str.len_chars().cast(pl.Int64), "id": ids}), seed, ids)
    return _find(ids, ids, [texts], [vectors], order, settings, seed)


def rank(turns: pl.DataFrame, seed: int) -> npt.NDArray[np.int64]:
    """Row numbers, from the turn that should survive all others to the one that should survive none.

    Thumb up, none, down; the user wrote on, unknown, did not; the reply is not broken off; more history; tools were
    called; the longer reply; the hash of the id.

    Args:
        turns: `turn_id`, `reply`, `thumb` (1, -1 or null), `continued` (bool or null), `history` (how many messages
            came before the reply), `tool_calls` (null or not).
        seed: The recipe's seed.
    """
    worst = turns.select(
        thumb=-pl.col("thumb").fill_null(0).cast(pl.Int64),
        continued=pl.when(pl.col("continued")).then(0).when(pl.col("continued").is_null()).then(1).otherwise(2),
        broken=~pl.col("reply").str.contains(_ENDS_WELL),
        history=-pl.col("history").cast(pl.Int64),
        tools=pl.col("tool_calls").is_null(),
        length=-pl.col("reply").str.len_chars().cast(pl.Int64),
    )
    return _order(worst, seed, turns["turn_id"])


def _order(worst: pl.DataFrame, seed: int, ids: pl.Series) -> npt.NDArray[np.int64]:
    by = worst.with_columns(hash_fraction(seed, "duplicates", ids).alias("_hash"), ids.alias("_id"))
    return by.with_row_index("_row").sort(by.columns)["_row"].to_numpy().astype(np.int64)


def _find(
    ids: pl.Series,
    conversations: pl.Series,
    texts: Sequence[pl.Series],
    vectors: Sequence[Vectors],
    order: npt.NDArray[np.int64],
    settings: NearDuplicates,
    seed: int,
) -> pl.DataFrame:
    if not len(ids):
        return pl.DataFrame(schema=SCHEMA)
    ids, conversations = ids.gather(order), conversations.gather(order)
    texts = [text.gather(order) for text in texts]
    count = pl.DataFrame([wording.words(text).alias(str(n)) for n, text in enumerate(texts)])
    short = (count.sum_horizontal() < settings.least_words).to_numpy()
    first = _exact(conversations, texts, short)
    single = np.flatnonzero(first == np.arange(len(ids)))

    near = single[~short[single]]
    sides = [
        Side(vector, wording.plain(text.gather(near)), order[near]) for text, vector in zip(texts, vectors, strict=True)
    ]
    lengths = [side.plain.str.len_chars().to_numpy() for side in sides]
    long = np.max(lengths, axis=0) > settings.minhash_above
    counted = max(1, len(near) // COUNTED)
    words = wording.Vocabulary(pl.concat([side.plain.gather_every(counted) for side in sides]))
    edges = _long_pairs(sides, lengths, long, settings, seed, words)
    original, likeness, kinds = near_duplicates.first_alike(sides, long, settings, seed, edges, words)

    # What repeats exactly a turn that is nearly another's repeat, goes back to that other.
    final = first.copy()
    kind = np.where(first == np.arange(len(ids)), -1, 0)
    similarity = np.ones(len(ids), dtype=np.float32)
    gone = np.flatnonzero(original >= 0)
    final[near[gone]], similarity[near[gone]], kind[near[gone]] = near[original[gone]], likeness[gone], kinds[gone]
    through = final[first] != first
    copies = np.flatnonzero(through & (kind == 0))
    final[copies], similarity[copies], kind[copies] = (a[first[copies]] for a in (final, similarity, kind))
    dropped = np.flatnonzero(kind >= 0)
    return pl.DataFrame(
        {
            "turn_id": ids.gather(dropped),
            "duplicate_of": ids.gather(final[dropped]),
            "kind": pl.Series(np.array(KINDS)[kind[dropped]], dtype=pl.String),
            "similarity": similarity[dropped],
        },
        schema=SCHEMA,
    ).sort("turn_id")


def _exact(conversations: pl.Series, texts: Sequence[pl.Series], short: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """For each ranked row the first with the same texts; short ones within their conversation."""
    keys = pl.DataFrame([wording.folded(text).alias(str(n)) for n, text in enumerate(texts)]).with_columns(
        where=pl.when(pl.Series(short)).then(conversations)
    )
    return keys.with_row_index("row").select(pl.col("row").min().over(keys.columns))["row"].to_numpy().astype(np.int64)


def _long_pairs(
    sides: Sequence[Side],
    lengths: Sequence[npt.NDArray[np.uint32]],
    long: npt.NDArray[np.bool_],
    settings: NearDuplicates,
    seed: int,
    words: wording.Vocabulary,
) -> Edges:
    """Pairs of ranked rows of which one at least is long and that are alike in every message."""
    fair = [np.flatnonzero(length > alike.CUT * settings.minhash_above) for length in lengths]
    signatures = [
        minhash.signatures(side.plain.gather(rows), seed)
        if len(rows)
        else np.zeros((0, minhash.PERMUTATIONS), np.uint32)
        for side, rows in zip(sides, fair, strict=True)
    ]
    pairs = [
        np.column_stack([rows[part] for part in minhash.candidates(found)])
        for rows, found in zip(fair, signatures, strict=True)
    ]
    both = np.unique(np.concatenate(pairs), axis=0)
    row, other = both[:, 0], both[:, 1]
    keep = long[row] | long[other]
    row, other = row[keep], other[keep]
    likeness = np.ones(len(row), dtype=np.float32)
    for side, length, rows, found in zip(sides, lengths, fair, signatures, strict=True):
        agree = np.zeros(len(row), dtype=np.float32)
        signed = np.isin(row, rows) & np.isin(other, rows)
        if signed.any():
            one, two = (np.searchsorted(rows, part[signed]) for part in (row, other))
            share = minhash.agreement(found[one], found[two])
            agree[signed] = np.where(share >= settings.minhash_similarity, share, 0)
        limit = settings.minhash_above
        written = np.flatnonzero(~signed & (length[row] <= limit) & (length[other] <= limit))
        if len(written):
            one, two = row[written], other[written]
            agree[written] = side.messages(one, two, side.cosine(one, two)).likeness(settings, words)
        keep = agree > 0
        row, other, likeness = row[keep], other[keep], np.minimum(likeness[keep], agree[keep])
    return Edges(row, other, likeness, np.full(len(row), KINDS.index("minhash"), dtype=np.int64))
