"""A stage is a function from files to files: directories in, a directory out, `manifest.json` written last.

A directory with a manifest is done; one without is not there. What a stage was made from (its settings, its seed and
the hashes of what it read) is folded into one `fingerprint`, so that a finished directory is taken up again only for
the same work.

    with open_stage(out, "curate", settings=..., inputs=[...], seed=7) as stage:
        if not stage.done:
            ...write files under stage.directory...
            stage.finish(rows=..., figures=...)
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import platform
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict, Field

from schemas.problems import Problem

MANIFEST = "manifest.json"
LIBRARIES = (
    "polars",
    "torch",
    "transformers",
    "trl",
    "presidio-analyzer",
    "sentence-transformers",
    "faiss-cpu",
    "scipy",
)


class Rows(BaseModel):
    """Where the rows of a stage went. Nothing is lost: `in == kept + dropped + quarantined`, checked when it is made.

    Attributes:
        in_: Rows that came in (`in` in files).
        kept: Rows that went on.
        dropped: Rows let go by a rule, each listed with its stage and reason.
        quarantined: Rows that could not be read as what they should be, kept with their bytes.
    """

    model_config = ConfigDict(populate_by_name=True, extra="forbid")

    in_: int = Field(alias="in", ge=0)
    kept: int = Field(ge=0)
    dropped: int = Field(0, ge=0)
    quarantined: int = Field(0, ge=0)

    def model_post_init(self, _: Any) -> None:
        if self.in_ != self.kept + self.dropped + self.quarantined:
            raise AssertionError(
                f"rows are lost: {self.in_} in, {self.kept} kept + {self.dropped} dropped + "
                f"{self.quarantined} quarantined"
            )


class Manifest(BaseModel):
    """What a finished stage was made from and what it made.

    Attributes:
        stage: Name of the stage.
        fingerprint: Hash of stage, settings, seed and inputs: the same work has the same fingerprint.
        inputs: sha256 by name of input.
        outputs: sha256 by path within the directory.
        rows: Where rows went, overall.
        settings: The recipe's section.
        seed: The recipe's seed.
        versions: Versions of Python and of the libraries that decide results.
        seconds: How long the attempt took that finished it.
        figures: What the stage measured.
    """

    stage: str
    fingerprint: str
    inputs: dict[str, str]
    outputs: dict[str, str]
    rows: Rows | None = None
    settings: dict[str, Any]
    seed: int
    versions: dict[str, str]
    seconds: float
    figures: dict[str, Any] = {}


class Advance(Protocol):
    """What long work calls to say how far it is; `total` may be told late."""

    def __call__(self, done: float, total: float | None = None, note: str = "") -> None: ...


def no_progress(done: float, total: float | None = None, note: str = "") -> None:
    """Progress that nobody watches."""


def sha256(path: Path) -> str:
    """sha256 of a file; of a directory, over its files' names and contents in order of name."""
    if path.is_dir():
        listed = {str(p.relative_to(path)): sha256(p) for p in sorted(path.rglob("*")) if p.is_file()}
        return hashlib.sha256(json.dumps(listed, sort_keys=True).encode()).hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def input_hash(value: Path | str) -> str:
    """What stands for an input in a fingerprint: what a finished stage made, a path's bytes, a value as it is."""
    if isinstance(value, str):
        return value
    manifest = read_manifest(value) if value.is_dir() else None
    if manifest is None:
        return sha256(value)
    return hashlib.sha256(json.dumps(manifest.outputs, sort_keys=True).encode()).hexdigest()


def write_json(path: Path, value: Any) -> None:
    """Write JSON so that a kill leaves either the old file or the new one."""
    draft = path.with_name(path.name + ".partial")
    with draft.open("w", encoding="utf-8") as file:
        json.dump(value, file, ensure_ascii=False, indent=2, sort_keys=False)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def read_manifest(directory: Path) -> Manifest | None:
    """The manifest of a finished stage, or None where the stage is not done."""
    path = directory / MANIFEST
    if not path.is_file():
        return None
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except ValueError:
        raise Problem(f"{path}: not a manifest of ours; move the directory away and run again.") from None


class Stage:
    """One stage's directory while it is being made.

    Attributes:
        name: Name of the stage.
        directory: Where its files go.
        done: Whether it was finished before, for the same work.
        manifest: The manifest, once there is one.
        fingerprint: See `Manifest`.
    """

    def __init__(self, directory: Path, name: str, settings: dict[str, Any], inputs: dict[str, str], seed: int) -> None:
        self.directory, self.name, self.settings, self.inputs, self.seed = directory, name, settings, inputs, seed
        work = json.dumps([name, settings, inputs, seed], sort_keys=True, ensure_ascii=False)
        self.fingerprint = hashlib.sha256(work.encode()).hexdigest()
        self.manifest = read_manifest(directory)
        self.done = self.manifest is not None
        self._started = time.monotonic()

    def finish(self, rows: Rows | None = None, figures: Mapping[str, Any] | None = None) -> Manifest:
        """Write the manifest; from here on the stage is done.

        Args:
            rows: Where rows went, for stages that handle rows.
            figures: What was measured; JSON.
        """
        work = self.directory / "work"
        outputs = {
            str(path.relative_to(self.directory)): sha256(path)
            for path in sorted(self.directory.rglob("*"))
            if path.is_file() and work not in path.parents
        }
        self.manifest = Manifest(
            stage=self.name,
            fingerprint=self.fingerprint,
            inputs=self.inputs,
            outputs=outputs,
            rows=rows,
            settings=self.settings,
            seed=self.seed,
            versions=versions(),
            seconds=round(time.monotonic() - self._started, 1),
            figures=dict(figures or {}),
        )
        write_json(self.directory / MANIFEST, self.manifest.model_dump(mode="json", by_alias=True))
        self.done = True
        shutil.rmtree(work, ignore_errors=True)
        return self.manifest

    @property
    def work(self) -> Path:
        """Directory for what only a resume needs (shards, checkpoints); it is gone once the stage is done."""
        path = self.directory / "work"
        path.mkdir(parents=True, exist_ok=True)
        return path


@contextmanager
def open_stage(
    directory: Path, name: str, *, settings: BaseModel | Mapping[str, Any], inputs: Mapping[str, Path | str], seed: int
) -> Iterator[Stage]:
    """Open a stage's directory: finished for the same work, to be taken up, or to be begun.

    Files of an attempt that was cut off are removed, except under `work/`, and that too where it belongs to other work.

    Args:
        directory: Where the stage's files go.
        name: Name of the stage.
        settings: The recipe's section.
        inputs: What it reads: a path (a stage's directory stands for its manifest) or a value to fold in, by name.
        seed: The recipe's seed.

    Raises:
        Problem: The directory was finished for other work, holds something else, or another process works in it.
    """
    if directory.exists() and not directory.is_dir():
        raise Problem(f"{directory}: is a file; expected a directory for what stage {name} makes.")
    hashed = {key: input_hash(value) for key, value in inputs.items()}
    section = settings.model_dump(mode="json") if isinstance(settings, BaseModel) else dict(settings)
    stage = Stage(directory, name, section, hashed, seed)
    if stage.manifest is not None and stage.manifest.fingerprint != stage.fingerprint:
        before = stage.manifest
        changed = [f"the recipe's {key!r}" for key in section if section.get(key) != before.settings.get(key)]
        changed += [f"input {key!r}" for key in hashed if hashed[key] != before.inputs.get(key)]
        changed += ["the seed"] if seed != before.seed else []
        raise Problem(
            f"{directory}: stage {name} was finished for other work "
            f"({', '.join(changed) or 'its settings'} changed since); put the recipe back, "
            "give it another run_dir, or remove this directory and those of later stages."
        )
    if stage.done:
        yield stage
        return
    marker = directory / "work" / "fingerprint"
    if directory.exists() and not marker.is_file() and any(path.name != "work" for path in directory.iterdir()):
        raise Problem(
            f"{directory}: holds something else than what stage {name} makes, which would be removed; "
            "give a directory that is empty, or not there yet."
        )
    marker.parent.mkdir(parents=True, exist_ok=True)
    with marker.open("a+") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Problem(f"{directory}: another process works here; wait for it, or stop it.") from None
        held.seek(0)
        if held.read() != stage.fingerprint:
            for left_over in marker.parent.iterdir():
                if left_over != marker:
                    _remove(left_over)
            held.truncate(0)
            held.write(stage.fingerprint)
            held.flush()
        for left_over in directory.iterdir():
            if left_over.name != "work":
                _remove(left_over)
        yield stage


def _remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that decide results, as installed."""
    return {"python": platform.python_version(), **installed(LIBRARIES)}


def installed(libraries: Sequence[str]) -> dict[str, str]:
    """Versions of those libraries that are installed."""
    found = {}
    for library in libraries:
        try:
            found[library] = metadata.version(library)
        except metadata.PackageNotFoundError:
            continue
    return found
