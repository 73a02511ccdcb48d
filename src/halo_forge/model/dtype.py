"""Whether this machine computes in bfloat16, and what training computes in for that."""

from __future__ import annotations

from pathlib import Path


def computes_bfloat16() -> bool:
    """A GPU that does, or an x86 CPU with AVX-512 BF16 or AMX; elsewhere it is emulated, many times slower."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported()
    cpuinfo = Path("/proc/cpuinfo")
    flags = cpuinfo.read_text(errors="replace").split() if cpuinfo.exists() else []
    return "avx512_bf16" in flags or "amx_bf16" in flags


def training_dtype(wanted: str) -> str:
    """float32 or bfloat16, the name of a torch dtype; `auto` is bfloat16 where this machine computes in it."""
    if wanted == "auto":
        return "bfloat16" if computes_bfloat16() else "float32"
    return wanted
