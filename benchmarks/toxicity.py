"""The safety scorers on public chat, and Detoxify's own loop against ours.

    python -m benchmarks.toxicity DATA

DATA holds `convabuse/ConvAbuseEMNLPvalid.csv`, `xstest/xstest_prompts.csv` and `topical-chat/test_freq.json`. None of
them was trained on. Exits with 1 where a gate fails: ConvAbuse AUC of at least 0.955, at most 1 % of topical-chat's
harmless messages dropped at the default bounds, Detoxify's scores equal, and our loop faster.
"""

from __future__ import annotations

import csv
import hashlib
import json
import re
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from curation import safety
from curation.roc import auc
from schemas.curation_recipe import Safety
from schemas.turns import MESSAGES

EXAMPLES = Path(__file__).parent.parent / "examples"
LEAST_AUC, MOST_DROPPED = 0.955, 0.01
TEXTS = 2000  # for the timing


def convabuse(path: Path) -> tuple[list[str], list[str], npt.NDArray[np.float64]]:
    """What users said, what they had said before, and the mean verdict of the annotators: below 0 is abusive."""
    texts, before, verdicts = [], [], []
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            given = [
                int(found[1])
                for column, value in row.items()
                if (found := re.search(r"is_abuse\.(-?\d)$", column))
                for mark in value.split(",")  # who was asked twice gave two marks
                if mark.strip() in ("1", "1.0")
            ]
            if given:
                texts.append(row["user"])
                before.append(row["prev_user"] or "")
                verdicts.append(float(np.mean(given)))
    return texts, before, np.array(verdicts)


def xstest(path: Path) -> tuple[list[str], npt.NDArray[np.bool_], list[str]]:
    """Prompts, whether they are unsafe, and their type."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return (
        [row["prompt"] for row in rows],
        np.array([row["label"] == "unsafe" for row in rows]),
        [row["type"] for row in rows],
    )


def topical_chat(path: Path) -> list[str]:
    """Every message of every conversation."""
    conversations = json.loads(path.read_bytes())
    return [message["message"] for talk in conversations.values() for message in talk["content"]]


def decided(
    texts: list[str], scorer: safety.Scorer, settings: Safety, locale: pl.Series | str = "en-US"
) -> pl.DataFrame:
    """The decision on each text, as a user's message that is answered with "ok"."""
    messages = [[{"role": "system", "content": "s"}, {"role": "user", "content": text}] for text in texts]
    turns = pl.DataFrame({"messages": pl.Series(messages, dtype=MESSAGES), "response": ["ok"] * len(texts)})
    turns = turns.with_columns(locale=pl.lit(locale), text=pl.Series(texts))
    return safety.score(turns, scorer).with_columns(decision=safety.decision(settings))


def tiny_checkpoint(folder: Path, words: tuple[str, ...] = ("you", "are", "nice", "bad"), hidden: int = 16) -> Path:
    """A checkpoint of Detoxify's format with a small random BERT in it; its configuration lies beside it."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizer

    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words]
    (folder / "vocab.txt").write_text("\n".join(vocabulary))
    BertTokenizer(str(folder / "vocab.txt"), model_max_length=512).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=hidden,
        num_hidden_layers=max(1, hidden // 64),
        num_attention_heads=2,
        intermediate_size=hidden * 4,
        num_labels=2,
        initializer_range=hidden**-0.5,  # wider ones amplify rounding as no trained model does
    )
    config.save_pretrained(folder)
    arch = {
        "model_type": str(folder),
        "model_name": "BertForSequenceClassification",
        "tokenizer_name": "BertTokenizer",
        "num_classes": 2,
    }
    content: dict[str, Any] = {
        "config": {"arch": {"args": arch}, "dataset": {"args": {"classes": ["toxic", "threat"]}}}
    }
    path = folder / "toxic.ckpt"
    torch.save({**content, "state_dict": BertForSequenceClassification(config).state_dict()}, path)
    return path


def quality(data: Path) -> bool:
    """Print how well the embedded scorer does, beside alt-profanity-check; whether the gates hold."""
    from profanity_check import predict_prob

    settings = Safety()
    scorer = safety.load_scorer(settings)
    print(f"scorer: {scorer.name}")
    said, before, verdicts = convabuse(data / "convabuse" / "ConvAbuseEMNLPvalid.csv")
    alone = auc(scorer.score(said)["abuse"], verdicts < 0)
    found = auc(scorer.score(said, before=before)["abuse"], verdicts < 0)
    print(f"ConvAbuse valid, AUC of abuse: {found}; without the user's message before {alone}")
    print(f"  alt-profanity-check {auc(predict_prob(said), verdicts < 0)}")
    asked, unsafe, kinds = xstest(data / "xstest" / "xstest_prompts.csv")
    harmful = scorer.score(asked)["harmful_request"]
    words = auc(predict_prob(asked), unsafe)
    print(f"XSTest, AUC of harmful_request, unsafe against safe: {auc(harmful, unsafe)}; alt-profanity-check {words}")
    kind = pl.DataFrame({"type": kinds, "score": harmful}).group_by("type").agg(pl.col("score").median().round(3))
    print("  medians: " + ", ".join(f"{name} {score}" for name, score in kind.sort("type").iter_rows()))
    share = 1.0
    for name, texts in {
        "topical-chat": topical_chat(data / "topical-chat" / "test_freq.json"),
        "ConvAbuse valid, not abusive": [text for text, verdict in zip(said, verdicts, strict=True) if verdict >= 0],
        "ConvAbuse valid, abusive": [text for text, verdict in zip(said, verdicts, strict=True) if verdict < 0],
        "ConvAbuse valid, strongly abusive": [t for t, verdict in zip(said, verdicts, strict=True) if verdict <= -2],
    }.items():
        counts = dict(decided(texts, scorer, settings)["decision"].value_counts().iter_rows())
        shares = {answer: counts.get(answer, 0) / len(texts) for answer in ("drop", "review", "keep")}
        share = shares["drop"] if name == "topical-chat" else share
        print(f"{name}, {len(texts)} messages: " + ", ".join(f"{answer} {part:.2%}" for answer, part in shares.items()))
    by_locale(scorer)
    return found.value >= LEAST_AUC and share <= MOST_DROPPED


def planted() -> pl.DataFrame:
    """The bundled sample's last messages: `locale`, `text`, and whether it is one of its `abusive` lines.

    Typing habits changed the lines, so what is at least three quarters alike counts.
    """
    import difflib

    import yaml

    lines: dict[str, list[str]] = {}
    for path in sorted((EXAMPLES / "material").glob("*.yaml")):
        lines.setdefault(path.name[:2], []).extend(yaml.safe_load(path.read_text(encoding="utf-8")).get("abuse", ()))
    turns = pl.read_parquet(EXAMPLES / "traffic.parquet")
    turns = turns.select("locale", text=pl.col("messages").list.last().struct.field("content")).unique().sort("text")

    def like(locale: str, text: str) -> bool:
        said = [(line.lower(), text.lower()) for line in lines.get(locale[:2], ())]
        pairs = (difflib.SequenceMatcher(None, *pair) for pair in said)
        return any(min(p.real_quick_ratio(), p.quick_ratio()) >= 0.75 and p.ratio() >= 0.75 for p in pairs)

    abusive = [like(locale, text) for locale, text in turns.iter_rows()]
    return turns.with_columns(abusive=pl.Series(abusive))


def by_locale(scorer: safety.Scorer) -> None:
    """Print what happens to the bundled sample's abusive and other messages in each locale."""
    said = planted()
    frame = decided(said["text"].to_list(), scorer, Safety(), said["locale"]).with_columns(said["abusive"])
    answer = pl.col("decision")
    shares = [(answer == name).mean().round(3).alias(name) for name in ("drop", "review")]
    above = (safety.worst() > 0.95).mean().round(3).alias("above 0.95")
    table = frame.group_by("abusive", "locale").agg(pl.len().alias("messages"), *shares, above)
    with pl.Config(tbl_rows=40, tbl_hide_dataframe_shape=True, tbl_hide_column_data_types=True):
        print(table.sort("abusive", "locale"))


def mechanics(data: Path) -> bool:
    """Print texts/s of `Detoxify.predict`, one by one and in batches, and of ours; whether ours is as it should be."""
    from detoxify import Detoxify

    texts = topical_chat(data / "topical-chat" / "test_freq.json")[:TEXTS]
    words = tuple(sorted({word for text in texts for word in re.findall(r"[a-z]+", text.lower())}))
    with tempfile.TemporaryDirectory() as folder:
        path = tiny_checkpoint(Path(folder), words, hidden=256)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        settings = Safety(scorer="detoxify", checkpoint=str(path), checkpoint_sha256=digest)
        theirs = Detoxify(checkpoint=str(path))
        ours = {name: safety.load_scorer(settings, name) for name in ("float32", "auto")}
        ours["float32"].score(texts[:64])
        theirs.predict(texts[:64])
        seconds: dict[str, float] = {}
        scores: dict[str, npt.NDArray[np.float64]] = {}

        def timed(name: str, score: Any) -> None:
            began = time.perf_counter()
            scores[name] = np.asarray(score(), dtype=np.float64)
            seconds[name] = time.perf_counter() - began

        timed("Detoxify.predict, one by one", lambda: [theirs.predict(text)["threat"] for text in texts])
        batches = [texts[begin : begin + 32] for begin in range(0, len(texts), 32)]
        timed("Detoxify.predict, 32 at a time", lambda: np.concatenate([theirs.predict(b)["threat"] for b in batches]))
        for name, scorer in ours.items():
            timed(f"ours, {name}", lambda scorer=scorer: scorer.score(texts)["threat"])
    first = scores["Detoxify.predict, one by one"]
    for name, taken in seconds.items():
        apart = np.abs(scores[name] - first).max()
        print(f"{name}: {len(texts) / taken:.0f} texts/s; scores at most {apart:.1e} apart")
    equal = np.abs(scores["ours, float32"] - first).max() <= 10.0**-safety.DECIMALS
    return bool(equal and seconds["ours, auto"] < min(list(seconds.values())[:2]))


def main() -> int:
    """Run both; 1 where a gate fails."""
    if len(sys.argv) != 2:
        print("usage: python -m benchmarks.toxicity DATA", file=sys.stderr)
        return 2
    data = Path(sys.argv[1])
    held = [quality(data), mechanics(data)]
    print("gates: " + ", ".join("held" if good else "FAILED" for good in held))
    return int(not all(held))


if __name__ == "__main__":
    sys.exit(main())
