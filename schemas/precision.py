"""Whether to compute in bfloat16: what the recipe says, or what the machine has. Torch is imported only when asked."""

from __future__ import annotations

from typing import Literal

Precision = Literal["auto", "float32", "bfloat16"]


def use_bfloat16(precision: Precision) -> bool:
    """Whether to compute in bfloat16; weights that are trained stay float32 either way.

    `auto` takes it where GPU or CPU has instructions for it. AVX512-BF16
    is enough; AMX is faster still.
    """
    import torch

    if precision != "auto":
        return precision == "bfloat16"
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported())
    tests = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, name, lambda: False)() for name in tests)
