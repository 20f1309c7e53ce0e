"""Embeddings side by side: ours and `SentenceTransformer.encode`, in one run, vectors compared.

    python -m benchmarks.embedding DATA [--format persona-chat] [--texts 2000] [--threads 1]

All embed the same messages of the same turns (both messages of each, repeats as the logs hold them). Ours and encode
take turns, half of the texts at a time, so that a busy machine is as busy for both. Exits with 1 where ours is not
three times as fast as encode as it comes (float32), or a vector differs by more than a cosine of 0.999.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.near_duplicates import load
from curation import embed
from schemas.curation_recipe import Embedding

ROUNDS = 2


def main() -> int:
    """Print the table; 1 where a gate does not hold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, metavar="DATA", help="file or directory of logs")
    parser.add_argument("--format", default="persona-chat", help="what the logs look like (default: persona-chat)")
    parser.add_argument("--texts", type=int, default=2000, help="how many")
    parser.add_argument("--threads", type=int, default=1, help="of torch; a worker of the flow has one")
    given = parser.parse_args()

    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(given.threads)
    turns = load(given.data, given.format)[: given.texts // 2]
    texts = [text for pair in turns.select("user", "reply").iter_rows() for text in pair]
    folder = embed._folder(embed.EMBEDDED)
    plain: Any = SentenceTransformer(folder, device="cpu")
    half: Any = SentenceTransformer(folder, device="cpu", model_kwargs={"dtype": torch.bfloat16})
    ways: dict[str, Callable[[list[str]], Any]] = {
        "encode, float32": plain.encode,
        "encode, bfloat16": half.encode,
        "ours, float32": embed.load(Embedding(), "float32"),
        "ours, bfloat16": embed.load(Embedding(), "bfloat16"),
    }
    for way in ways.values():
        way(texts[:64])
    seconds = dict.fromkeys(ways, 0.0)
    vectors: dict[str, list[Any]] = {name: [] for name in ways}
    for begin in range(0, len(texts), -(-len(texts) // ROUNDS)):
        some = texts[begin : begin - (-len(texts) // ROUNDS)]
        for name, way in ways.items():
            began = time.perf_counter()
            vectors[name].append(np.asarray(way(some), dtype=np.float32))
            seconds[name] += time.perf_counter() - began
    exact = np.concatenate(vectors["encode, float32"])
    exact /= np.linalg.norm(exact, axis=1, keepdims=True)
    failed = []
    print(f"{len(texts)} texts, {len(set(texts))} of them distinct, {given.threads} thread(s)")
    for name, parts in vectors.items():
        found = np.concatenate(parts)
        found /= np.linalg.norm(found, axis=1, keepdims=True)
        cosine = float((found * exact).sum(axis=1).min())
        ratio = seconds["encode, float32"] / seconds[name]
        print(f"{name:18} {len(texts) / seconds[name]:>7,.0f} texts/s  {ratio:>5.2f} x  least cosine {cosine:.5f}")
        if name.startswith("ours") and cosine < 0.999:
            failed.append(f"{name}: least cosine {cosine:.5f}, expected 0.999")
    ratio = seconds["encode, float32"] / seconds["ours, bfloat16"]
    if ratio < 3:
        failed.append(f"ours is {ratio:.2f} times as fast as encode, expected 3")
    print(*failed, sep="\n", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
