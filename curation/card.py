"""The dataset card: `README.md` of a run, for whoever gets its turns.

Its head is YAML that the Hugging Face hub and `datasets` read: it names `turns/` as the data and nothing else, so that
`datasets.load_dataset(DIRECTORY)` gives the curated turns. The rest says what the turns are, how they were made, what
is in each field, and what nobody should rely on. No text of a message is in it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from curation.report_page import STEPS, count, percent, quota_words, safety_answers, short
from schemas.stage import versions
from schemas.turns import CuratedTurn, Turn

SIZES = {
    "n<1K": 1_000,
    "1K<n<10K": 10_000,
    "10K<n<100K": 100_000,
    "100K<n<1M": 1_000_000,
    "1M<n<10M": 10_000_000,
    "10M<n<100M": 100_000_000,
}
LARGEST_SIZE = "100M<n<1B"
_TYPES = {
    pl.String: "string",
    pl.Int8: "int8",
    pl.Int32: "int32",
    pl.UInt32: "uint32",
    pl.Float64: "float64",
    pl.Boolean: "bool",
}


def write_card(directory: Path) -> None:
    """Write `README.md` into a run's directory.

    Args:
        directory: Holds `report.json` and `shares.parquet`; its `turns/` is what the card is about.
    """
    report = json.loads((directory / "report.json").read_bytes())
    shares = pl.read_parquet(directory / "shares.parquet")
    (directory / "README.md").write_text(card(report, shares), encoding="utf-8")


def card(report: Mapping[str, Any], shares: pl.DataFrame) -> str:
    """The card as Markdown.

    Args:
        report: `report.json`.
        shares: `shares.parquet`.
    """
    name, rows = short(report.get("name", "curation")), report["rows"]
    there = shares.filter(pl.col("chosen") > 0)
    # A detector is wrong now and then: what it finds in one of 200 turns is no language of this set.
    spoken = (pl.col("dimension") != "language") | (pl.col("chosen") * 200 > rows["kept"])
    there = there.filter(spoken & ~((pl.col("dimension") == "language") & (pl.col("value") == "und")))
    many = {
        dimension: there.filter(dimension=dimension).height
        for dimension in ("persona", "locale", "language", "model", "cluster")
    }
    head = {
        "pretty_name": name,
        "license": "other",
        "language": there.filter(dimension="language")["value"].sort().to_list(),
        "task_categories": ["text-generation"],
        "size_categories": [next((size for size, most in SIZES.items() if rows["kept"] < most), LARGEST_SIZE)],
        "tags": ["conversational", "character", "curated"],
        "configs": [{"config_name": "default", "data_files": [{"split": "train", "path": "turns/*.parquet"}]}],
    }
    parts = [
        f"# {_plain(name)}",
        f"{count(rows['kept'])} turns of conversations between people and chat characters, chosen from "
        f"{count(rows['in'])} rows of logs. A turn is one reply of a character with all that was said before it.",
        f"It holds {_of(many['persona'], 'persona')}, {_of(many['locale'], 'locale')}, "
        f"{_of(many['language'], 'language')}, {_of(many['model'], 'model version')} and "
        f"{_of(many['cluster'], 'topic')}.",
        '    from datasets import load_dataset\n    turns = load_dataset(DIRECTORY, split="train")',
        "Only `turns/` and this file are meant to leave. `quarantine/` holds raw bytes of rows that could not be read, "
        "and is for its owner alone.",
        "## Licence",
        "Not stated: the owner of the conversations has to say who may use them and for what, and to put it above.",
        "## How it was made",
        *_made(report),
        "## Fields",
        _table(("field", "type", "what it is"), _fields()),
        "## Personal data",
        *_personal(report),
        "## Safety",
        *_safety(report),
        "## Quotas in force",
        *_quotas(report.get("quotas") or {}),
    ]
    front = yaml.safe_dump(head, sort_keys=False, allow_unicode=True)
    return f"---\n{front}---\n\n" + "\n\n".join(parts) + "\n"


def _made(report: Mapping[str, Any]) -> Iterator[str]:
    steps = []
    for stage in report["stages"]:
        title, words = STEPS.get(stage["stage"], (stage["stage"], ""))
        steps.append((title, words, count(stage["in"]), count(stage["kept"]), count(stage["in"] - stage["kept"])))
    yield _table(("step", "what it is for", "in", "kept", "went"), steps)
    recipe = report.get("recipe") or {}
    models = {
        "names": recipe.get("scrub", {}).get("model"),
        "safety": (report.get("safety") or {}).get("scorer"),
        "embeddings": recipe.get("embedding", {}).get("model"),
    }
    told = [f"{part}: {_name(model)}" for part, model in models.items() if model]
    if told:
        yield "Models: " + "; ".join(told) + "."
    if report.get("embedded"):
        stand_ins = "\n".join(f"- {_plain(part)}" for part in report["embedded"])
        yield f"Small parts that come along stood in for better ones:\n\n{stand_ins}"
    used = ", ".join(f"{library} {version}" for library, version in versions().items())
    yield f"Versions: {used}."
    if "seed" in report:
        yield f"Seed: {report['seed']}. The same logs, recipe and seed give the same turns."


def _personal(report: Mapping[str, Any]) -> Iterator[str]:
    masked = report.get("pii") or {}
    pieces = sum(masked.values())
    kinds = ", ".join(f"{_plain(kind)} {count(n)}" for kind, n in sorted(masked.items(), key=lambda i: (-i[1], i[0])))
    yield (
        f"{count(pieces)} pieces of personal data were found in users' last messages and in replies, and replaced"
        + (f": {kinds}." if kinds else ".")
        + " The same person is the same placeholder through one conversation, by a key that is not part of this data."
        " `user_key` and the placeholders are pseudonyms: whoever has the key can test a guess."
    )
    yield (
        "Not guaranteed: that everything personal was found. Finders miss rare names, names in languages that their "
        "model does not know, and people who can be told from what they tell. Treat these turns as personal data."
    )


def _safety(report: Mapping[str, Any]) -> Iterator[str]:
    safety = report.get("safety") or {}
    dropped = safety_answers(report).get("dropped", 0)
    yield (
        f"Turns were scored by {_name(safety.get('scorer') or 'an unnamed scorer')}. {count(dropped)} were dropped as "
        f"too toxic, and {count(safety.get('review_band', 0))} of those that are here scored between the two bounds: "
        "people should look at them."
    )
    yield (
        "Not guaranteed: that what is left is harmless, true, or fit for every age. A scorer hears how a text sounds; "
        "it does not know what is meant. The replies are a model's, and it may have made things up."
    )


def _quotas(quotas: Mapping[str, Any]) -> Iterator[str]:
    prices = quotas.get("prices", [])
    if not prices:
        yield "None."
        return
    yield "\n".join(f"- {_plain(quota_words(row))}" for row in prices)
    yield f"The largest persona has {percent(quotas['largest_persona_share'])} of the turns."
    for sentence in (*quotas.get("relaxations", []), *quotas.get("gave_way", [])):
        yield f"Loosened: {_plain(sentence, 400)}"


def _fields() -> Iterator[tuple[str, str, str]]:
    """Name, type and meaning of each field, from the schema and its docstrings."""
    words: dict[str, str] = {}
    for schema in (Turn, CuratedTurn):
        told = (schema.__doc__ or "").partition("Attributes:")[2]
        words.update(re.findall(r"^        (\w+): (.+)$", told, flags=re.MULTILINE))
    for field, dtype in CuratedTurn.create_empty().schema.items():
        yield field, f"`{_type(dtype)}`", words.get(field, "")


def _type(dtype: Any) -> str:
    if isinstance(dtype, pl.List):
        return f"list of {_type(dtype.inner)}"
    if isinstance(dtype, pl.Struct):
        return "{" + ", ".join(f"{field.name}: {_type(field.dtype)}" for field in dtype.fields) + "}"
    if isinstance(dtype, pl.Datetime):
        return f"timestamp {dtype.time_unit}, {dtype.time_zone}"
    return _TYPES.get(dtype.base_type(), str(dtype))


def _table(columns: tuple[str, ...], rows: Any) -> str:
    lines = [columns, tuple("---" for _ in columns), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


def _of(number: int, what: str) -> str:
    return f"{count(number)} {what}{'' if number == 1 else 's'}"


def _name(model: str) -> str:
    """A model's name; of a path only its last part, since a card leaves the machine."""
    return _plain(re.split(r"[/\\]", model.rstrip("/\\"))[-1] if model.startswith(("/", "~", ".")) else model)


def _plain(text: str, most: int = 120) -> str:
    """Text from outside, on one line and without any meaning in Markdown or HTML."""
    return re.sub(r"([\\`*_{}\[\]<>#|!&])", r"\\\1", short(text, most))
