"""Which turns repeat another, and which of them stays.

Turns are ranked by rule: what users liked first, then what is most complete, then by hash. A turn goes if a turn above
it that stays is its duplicate, one of three kinds: `exact` (both messages the same but for case, width, white space and
placeholders), `minhash` (long ones, see `minhash`) and `embedding` (see `near_duplicates`). What a turn is said to
repeat is never dropped itself, and neither order of rows nor shards nor workers change anything.

Short turns ("hey", "lol") repeat each other within a conversation only, and only exactly.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack

import numpy as np
import numpy.typing as npt
import polars as pl

from curation import alike, cells, minhash, near_duplicates, wording
from curation.near_duplicates import Edges, Side
from schemas.curation_recipe import NearDuplicates
from schemas.problems import Problem
from schemas.turns import hash_fraction

BLOCK = 2048  # turns read at once
TOGETHER = 50_000  # pairs of long messages settled at once
KEPT = 1 << 23  # letters of texts made plain that are kept, about
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
    order = _order(pl.DataFrame({"length": -texts.str.len_chars().cast(pl.Int32)}), seed, ids)
    return _find(ids, ids, [texts], [vectors], order, settings, seed)


def rank(turns: pl.DataFrame, seed: int) -> npt.NDArray[np.int32]:
    """Row numbers, from the turn that should survive all others to the one that should survive none.

    Thumb up, none, down; the user wrote on, unknown, did not; the reply is not broken off; more history; tools were
    called; the longer reply; the hash of the id.

    Args:
        turns: `turn_id`, `reply`, `thumb` (1, -1 or null), `continued` (bool or null), `history` (how many messages
            came before the reply), `tool_calls` (null or not).
        seed: The recipe's seed.
    """
    worst = turns.select(
        thumb=-pl.col("thumb").fill_null(0).cast(pl.Int8),
        continued=1 - pl.coalesce(2 * pl.col("continued").cast(pl.Int8) - 1, 0).cast(pl.Int8),
        broken=~pl.col("reply").str.contains(_ENDS_WELL),
        history=-pl.col("history").cast(pl.Int32),
        tools=pl.col("tool_calls").is_null(),
        length=-pl.col("reply").str.len_chars().cast(pl.Int32),
    )
    return _order(worst, seed, turns["turn_id"])


def _order(worst: pl.DataFrame, seed: int, ids: pl.Series) -> npt.NDArray[np.int32]:
    """Row numbers by what is worst, the first column first, then by the hash of the id, then by the id."""
    keys = [*(column.to_numpy() for column in worst), hash_fraction(seed, "duplicates", ids).to_numpy()]
    order = np.lexsort(keys[::-1]).astype(np.int32)
    same = np.ones(max(0, len(order) - 1), dtype=bool)
    for key in keys:
        same &= key[order[1:]] == key[order[:-1]]
    if same.any():
        tied = np.flatnonzero(np.append(same, False) | np.insert(same, 0, False))
        group = np.cumsum(np.insert(~same, 0, True))[tied]
        rows = pl.DataFrame({"group": group, "id": ids.gather(order[tied]), "row": order[tied]}).sort("group", "id")
        order[tied] = rows["row"].to_numpy()
    return order


def _find(
    ids: pl.Series,
    conversations: pl.Series,
    texts: Sequence[pl.Series],
    vectors: Sequence[Vectors],
    order: npt.NDArray[np.int32],
    settings: NearDuplicates,
    seed: int,
) -> pl.DataFrame:
    if not len(ids):
        return pl.DataFrame(schema=SCHEMA)
    first, short = _exact(conversations, texts, order, settings)
    near = np.flatnonzero((first == np.arange(len(ids))) & ~short).astype(np.int32)
    place = order[near]
    sides = [Side(vector, text, place) for text, vector in zip(texts, vectors, strict=True)]
    original, likeness, kinds = _near(sides, settings, seed)

    # What repeats exactly a turn that is nearly another's repeat, goes back to that other.
    final = first.copy()
    kind = np.where(first == np.arange(len(ids)), np.int8(-1), np.int8(0))
    similarity = np.ones(len(ids), dtype=np.float32)
    gone = np.flatnonzero(original >= 0)
    final[near[gone]], similarity[near[gone]], kind[near[gone]] = near[original[gone]], likeness[gone], kinds[gone]
    through = final[first] != first
    copies = np.flatnonzero(through & (kind == 0))
    final[copies], similarity[copies], kind[copies] = (a[first[copies]] for a in (final, similarity, kind))
    dropped = np.flatnonzero(kind >= 0)
    return pl.DataFrame(
        {
            "turn_id": ids.gather(order[dropped]),
            "duplicate_of": ids.gather(order[final[dropped]]),
            "kind": pl.Series(np.array(KINDS)[kind[dropped]], dtype=pl.String),
            "similarity": similarity[dropped],
        },
        schema=SCHEMA,
    ).sort("turn_id")


def _exact(
    conversations: pl.Series, texts: Sequence[pl.Series], order: npt.NDArray[np.int32], settings: NearDuplicates
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.bool_]]:
    """For each ranked row the first with the same texts, short ones within their conversation; and which are short."""
    count = len(order)
    short = np.zeros(count, dtype=bool)
    keys = np.empty((2, count), dtype=np.uint64)
    for begin in range(0, count, BLOCK):
        part = slice(begin, begin + BLOCK)
        said = [text.gather(order[part]).alias(str(n)) for n, text in enumerate(texts)]
        words = pl.DataFrame([wording.words(text) for text in said]).sum_horizontal()
        short[part] = (words < settings.least_words).to_numpy()
        same = pl.DataFrame([wording.folded(text) for text in said]).with_columns(
            where=pl.when(pl.Series(short[part])).then(conversations.gather(order[part]))
        )
        for number, key in enumerate(keys):  # 128 bits: no two texts share them by chance
            key[part] = same.hash_rows(number).to_numpy()
    by_key = np.lexsort(keys)
    new = np.ones(count, dtype=bool)
    new[1:] = (keys[:, by_key[1:]] != keys[:, by_key[:-1]]).any(axis=0)
    first = np.empty(count, dtype=np.int32)
    first[by_key] = by_key[np.flatnonzero(new)[np.cumsum(new) - 1]]
    return first, short


def _near(
    sides: Sequence[Side], settings: NearDuplicates, seed: int
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32], npt.NDArray[np.int8]]:
    """As `near_duplicates.first_alike`; texts are read once, and what is asked of all of them again lies on disk."""
    count = len(sides[0].place)
    if not count:
        return np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.float32), np.zeros(0, dtype=np.int8)
    lengths = [np.zeros(count, dtype=np.uint32) for _ in sides]
    counted = max(1, count // COUNTED)
    some: list[list[pl.Series]] = [[] for _ in sides]
    every: list[list[pl.Series]] = [[] for _ in sides]
    room = KEPT
    with ExitStack() as open_:
        file, *files = (open_.enter_context(tempfile.TemporaryFile()) for _ in range(len(sides) + 1))
        signed = [minhash.Signed(file, count) for file in files]
        for begin in range(0, count, BLOCK):
            rows = np.arange(begin, min(begin + BLOCK, count), dtype=np.int32)
            plain = [side.plain(rows) for side in sides]
            cells.write(file, [side.embeddings(rows) for side in sides], plain)
            room -= sum(int(text.str.len_bytes().sum()) for text in plain)
            for whole, text in zip(every, plain, strict=True):
                whole.append(text)
                if room < 0:
                    whole.clear()
            for text, length, sample, signatures in zip(plain, lengths, some, signed, strict=True):
                # A copy: what is gathered would hold on to all texts that it was gathered from.
                sample.append(pl.Series(text.gather_every(counted, -begin % counted).to_list(), dtype=pl.String))
                length[rows] = text.str.len_chars().to_numpy()
                fair = np.flatnonzero(length[rows] > alike.CUT * settings.minhash_above)
                if len(fair):
                    signatures.add(rows[fair], minhash.signatures(text.gather(fair), seed))
        words = wording.Vocabulary(pl.concat([text for sample in some for text in sample]))
        if room >= 0:
            sides = [side._replace(kept=pl.concat(whole)) for side, whole in zip(sides, every, strict=True)]
        some.clear()
        every.clear()
        long = np.max(lengths, axis=0) > settings.minhash_above
        edges = _long_pairs(sides, lengths, signed, long, settings, words)
        vectors = cells.written(file, count)
        return near_duplicates.first_alike(sides, vectors, cells.cells(vectors, seed), long, settings, edges, words)


def _long_pairs(
    sides: Sequence[Side],
    lengths: Sequence[npt.NDArray[np.uint32]],
    signed: Sequence[minhash.Signed],
    long: npt.NDArray[np.bool_],
    settings: NearDuplicates,
    words: wording.Vocabulary,
) -> Edges:
    """Pairs of ranked rows of which one at least is long and that are alike in every message."""
    fair = [length > alike.CUT * settings.minhash_above for length in lengths]
    pairs = [np.zeros((0, 2), dtype=np.int64)]
    if long.any():
        for rows, signatures in zip(fair, signed, strict=True):
            pairs.append(
                np.column_stack(
                    signatures.pairs(
                        np.flatnonzero(rows), settings.minhash_similarity, lambda one, two: long[one] | long[two]
                    )
                )
            )
    row, other = np.unique(np.concatenate(pairs), axis=0).T
    likeness = np.ones(len(row), dtype=np.float32)
    for side, length, rows, signatures in zip(sides, lengths, fair, signed, strict=True):
        agree = np.zeros(len(row), dtype=np.float32)
        both = np.flatnonzero(rows[row] & rows[other])
        share = signatures.agreement(row[both], other[both])
        agree[both] = np.where(share >= settings.minhash_similarity, share, 0)
        limit = settings.minhash_above
        written = np.flatnonzero(~(rows[row] & rows[other]) & (length[row] <= limit) & (length[other] <= limit))
        for begin in range(0, len(written), TOGETHER):
            some = written[begin : begin + TOGETHER]
            one, two = row[some], other[some]
            agree[some] = side.messages(one, two, side.cosine(one, two)).likeness(settings, words)
        keep = agree > 0
        row, other, likeness = row[keep], other[keep], np.minimum(likeness[keep], agree[keep])
    kind = np.full(len(row), KINDS.index("minhash"), dtype=np.int8)
    return Edges(row.astype(np.int32), other.astype(np.int32), likeness, kind)
