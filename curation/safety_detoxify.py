"""Detoxify as a safety scorer: any of its five models, or a checkpoint of yours, loaded without going online.

A checkpoint is a pickle, which is code, so its sha256 is checked before it is opened: the recipe's, or for a named
model the eight digits that its file's name carries. `detoxify.Detoxify` would ask the hub for its base model's
configuration; here that comes from a folder or the cache.

`Detoxify.predict` takes one batch, padded to its longest text. Here texts of a length (padded to a multiple of 32
tokens) share batches of one shape, the last filled up with repeats, so that a score has the same bits in any company;
bfloat16 where the machine has it, and the GPU where there is one.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from schemas.curation_recipe import Safety
from schemas.precision import Precision, use_bfloat16
from schemas.problems import Problem

_RELEASES = "https://github.com/unitaryai/detoxify/releases/download"
FILES = {
    "original": "v0.1-alpha/toxic_original-c1212f89.ckpt",
    "unbiased": "v0.3-alpha/toxic_debiased-c7548aa0.ckpt",
    "multilingual": "v0.4-alpha/multilingual_debiased-0b549669.ckpt",
    "original-small": "v0.1.2/original-albert-0e1d6498.ckpt",
    "unbiased-small": "v0.1.2/unbiased-albert-c8519128.ckpt",
}
"""Release and file of each model; after the dash stand the first digits of the file's sha256."""

_OWNERS = {"bert": "google-bert", "roberta": "FacebookAI", "xlm": "FacebookAI", "albert": "albert"}
_LABELS = {"toxic": "toxicity", "identity_hate": "identity_attack", "severe_toxic": "severe_toxicity"}
_TOKENS = 4096  # a batch
_STEP = 32  # tokens: lengths are padded to multiples of this


class Detoxify:
    """Detoxify's model, with one score for each of its classes.

    Raises:
        Problem: A file is not there, is another than the recipe says, or does not load offline.
    """

    embedded = False

    def __init__(self, settings: Safety, precision: Precision = "auto") -> None:
        import torch

        path, key = _checkpoint(settings)
        with path.open("rb") as file:
            digest = _checked(file, path, key, settings)
            loaded = _load(file, path, key)
        self.name = f"detoxify:{settings.model or digest}"
        self._model, self._tokenizer, classes = _built(loaded, path, key, settings)
        self._classes = [_LABELS.get(name, name) for name in classes]
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self._model.to(self._device).eval()
        self._bfloat16 = use_bfloat16(precision)
        config = self._model.config
        places = int(getattr(config, "max_position_embeddings", 512))
        # RoBERTa counts places from behind the padding token's number.
        offset = int(config.pad_token_id or 0) + 1 if "roberta" in config.model_type else 0
        self._longest = min(int(self._tokenizer.model_max_length), places - offset)

    def score(
        self, texts: Sequence[str], vectors: Any = None, before: Any = None
    ) -> dict[str, npt.NDArray[np.float64]]:
        """Scores from 0 to 1, one array per class, as long as `texts`; `vectors` and `before` are not used."""
        import torch

        found = np.zeros((len(texts), len(self._classes)))
        if not texts:
            return {label: found[:, column] for column, label in enumerate(self._classes)}
        distinct = {text: row for row, text in enumerate(dict.fromkeys(texts))}
        ids = self._tokenizer(list(distinct), truncation=True, max_length=self._longest)["input_ids"]
        lengths = np.array([min(self._longest, -(-len(row) // _STEP) * _STEP) for row in ids])
        scores = np.zeros((len(ids), len(self._classes)))
        for length in map(int, np.unique(lengths)):
            rows = np.flatnonzero(lengths == length)
            size = max(1, _TOKENS // length)
            for begin in range(0, len(rows), size):
                part = rows[begin : begin + size]
                tokens = torch.full((size, length), int(self._tokenizer.pad_token_id or 0))
                mask = torch.zeros((size, length), dtype=torch.long)
                for place, row in enumerate(np.resize(part, size)):
                    tokens[place, : len(ids[row])] = torch.tensor(ids[row])
                    mask[place, : len(ids[row])] = 1
                tokens, mask = tokens.to(self._device), mask.to(self._device)
                with torch.inference_mode(), torch.autocast(self._device, torch.bfloat16, enabled=self._bfloat16):
                    logits = self._model(input_ids=tokens, attention_mask=mask)[0]
                heads = torch.sigmoid(logits.float())[: len(part), : len(self._classes)]
                scores[part] = heads.cpu().numpy()
        found = scores[[distinct[text] for text in texts]]
        return {label: found[:, column] for column, label in enumerate(self._classes)}


def _checkpoint(settings: Safety) -> tuple[Path, str]:
    """The checkpoint, and which key of the recipe names it."""
    if settings.checkpoint:
        path = Path(settings.checkpoint)
        if not path.is_file():
            raise Problem(f"curation.safety.checkpoint: {path}: no such file; give a Detoxify checkpoint.")
        return path, "checkpoint"
    import torch

    release = FILES[str(settings.model)]
    folder = Path(settings.folder) if settings.folder else Path(torch.hub.get_dir()) / "checkpoints"
    path = folder / Path(release).name
    if not path.is_file():
        raise Problem(
            f"curation.safety.model: the weights of {settings.model} are not in {folder}; download "
            f"{_RELEASES}/{release} and put it there, or name another folder in curation.safety.folder."
        )
    return path, "model"


def _checked(file: BinaryIO, path: Path, key: str, settings: Safety) -> str:
    """The file's sha256, where it is the one that is expected."""
    digest = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
    expected = settings.checkpoint_sha256 or path.stem.rsplit("-", 1)[-1]
    if not digest.startswith(expected):
        says = f"the recipe says {expected}" if settings.checkpoint_sha256 else f"its name says {expected}..."
        raise Problem(
            f"curation.safety.{key}: {path} has sha256 {digest}, {says}; a checkpoint is code, so it was not opened. "
            "Get the right file, or mend checkpoint_sha256."
        )
    file.seek(0)
    return digest


def _load(file: BinaryIO, path: Path, key: str) -> Any:
    import torch

    try:
        return torch.load(file, map_location="cpu", weights_only=False)
    except Exception as error:  # whatever a broken pickle may raise
        raise Problem(f"curation.safety.{key}: {path} did not load ({type(error).__name__}).") from None


def _built(loaded: Any, path: Path, key: str, settings: Safety) -> tuple[Any, Any, list[str]]:
    """Model, tokenizer and classes, from local files alone."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    import transformers
    from detoxify.detoxify import get_model_and_tokenizer

    transformers.utils.logging.disable_progress_bar()
    try:
        arch = dict(loaded["config"]["arch"]["args"])
        classes = list(loaded["config"]["dataset"]["args"]["classes"])
        base = _base(str(arch["model_type"]), key, settings)
        model, tokenizer = get_model_and_tokenizer(**{**arch, "model_type": str(base)}, state_dict=loaded["state_dict"])
    except (OSError, RuntimeError, KeyError, AttributeError, TypeError, ValueError) as error:
        raise Problem(
            f"curation.safety.{key}: {path} did not load ({type(error).__name__}); its config.arch.args.model_type has "
            "to name a model whose config.json and tokenizer files are here."
        ) from None
    return model, tokenizer, classes


def _base(name: str, key: str, settings: Safety) -> Path:
    """The local folder of the base model's configuration and tokenizer."""
    folders = [Path(name)] + ([Path(settings.folder) / name] if settings.folder else [])
    for folder in folders:
        if (folder / "config.json").is_file():
            return folder
    from huggingface_hub import try_to_load_from_cache

    for repository in (name, f"{_OWNERS.get(name.split('-')[0], name)}/{name}"):
        found = try_to_load_from_cache(repository, "config.json") if not Path(name).is_absolute() else None
        if isinstance(found, str):
            return Path(found).parent
    where = Path(settings.folder) / name if settings.folder else "a folder of that name in curation.safety.folder"
    raise Problem(
        f"curation.safety.{key}: the configuration and tokenizer of {name} are not here; download config.json and the "
        f"tokenizer's files of that model from Hugging Face into {where}, or into the cache."
    )
