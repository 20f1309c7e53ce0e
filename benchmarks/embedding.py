"""Embeddings side by side: ours and `SentenceTransformer.encode`, in one run, vectors compared.

    python -m benchmarks.embedding DATA [--format persona-chat] [--texts 2000] [--threads 2]

All embed the same messages of the same turns (both messages of each, repeats as the logs hold them), with the same
number of cores: encode with that many threads, ours in that many processes of one thread, as the flow does it. They
take turns, half of the texts at a time, so that a busy machine is as busy for both; models are loaded before. Exits
with 1 where ours is not three times as fast as encode as it comes (float32), or a vector differs by more than a cosine
of 0.999.
"""

from __future__ import annotations

import argparse
import sys
import time
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.near_duplicates import load
from curation import embed, workers
from schemas.curation_recipe import Embedding
from schemas.precision import Precision

ROUNDS = 2
WARM = 64  # texts that each process embeds before it is timed


class Task(NamedTuple):
    """Texts for one process, and in which precision."""

    number: int
    texts: list[str]
    precision: Precision


@cache
def _ours(precision: Precision) -> embed.Embed:
    return embed.load(Embedding(), precision)


def timed(task: Task) -> tuple[int, Any, float, float]:
    """A task's number, its vectors, and the clock before and after; loading is not in it."""
    vectors = _ours(task.precision)
    vectors(task.texts[:WARM])
    began = time.monotonic()
    found = vectors(task.texts)
    return task.number, found, began, time.monotonic()


def main() -> int:
    """Print the table; 1 where a gate does not hold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, metavar="DATA", help="file or directory of logs")
    parser.add_argument("--format", default="persona-chat", help="what the logs look like (default: persona-chat)")
    parser.add_argument("--texts", type=int, default=2000, help="how many")
    parser.add_argument("--threads", type=int, default=workers.cores(), help="threads of encode, processes of ours")
    given = parser.parse_args()

    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(given.threads)
    turns = load(given.data, given.format)[: given.texts // 2]
    texts = [text for pair in turns.select("user", "reply").iter_rows() for text in pair]
    folder = embed._folder(embed.EMBEDDED)
    plain: Any = SentenceTransformer(folder, device="cpu")
    half: Any = SentenceTransformer(folder, device="cpu", model_kwargs={"dtype": torch.bfloat16})
    encode = {"encode, float32": plain.encode, "encode, bfloat16": half.encode}
    ours: dict[str, Precision] = {"ours, float32": "float32", "ours, bfloat16": "bfloat16"}
    for way in encode.values():
        way(texts[:WARM])
    names = [*encode, *ours]
    seconds = dict.fromkeys(names, 0.0)
    vectors: dict[str, list[Any]] = {name: [] for name in names}
    for begin in range(0, len(texts), -(-len(texts) // ROUNDS)):
        some = texts[begin : begin - (-len(texts) // ROUNDS)]
        for name, way in encode.items():
            began = time.monotonic()
            vectors[name].append(np.asarray(way(some), dtype=np.float32))
            seconds[name] += time.monotonic() - began
        share = -(-len(some) // given.threads)
        for name, precision in ours.items():
            tasks = [Task(at, some[at : at + share], precision) for at in range(0, len(some), share)]
            done = sorted(workers.each(timed, tasks, given.threads), key=lambda answer: answer[0])
            vectors[name] += [found for _, found, _, _ in done]
            seconds[name] += max(ended for *_, ended in done) - min(began for *_, began, _ in done)
    exact = np.concatenate(vectors["encode, float32"])
    exact /= np.linalg.norm(exact, axis=1, keepdims=True)
    failed = []
    print(f"{len(texts)} texts, {len(set(texts))} of them distinct, {given.threads} core(s)")
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
