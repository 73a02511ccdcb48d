"""Quantisations that llama.cpp alone makes, by its own quantiser: out of `llama-cpp-python`, or the program
`llama-quantize`."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

from halo_forge.errors import InfrastructureError

KINDS = ("q4_k_m",)
PROGRAM = "llama-quantize"
_IN_PROCESS = """
import sys, llama_cpp
source, target, kind = sys.argv[1:]
settings = llama_cpp.llama_model_quantize_default_params()
settings.ftype = getattr(llama_cpp, f"LLAMA_FTYPE_MOSTLY_{kind.upper()}")
sys.exit(llama_cpp.llama_model_quantize(source.encode(), target.encode(), settings))
"""


def require_quantiser() -> None:
    """Raises InfrastructureError, with the cure, where there is none."""
    if not (_module() or shutil.which(PROGRAM)):
        raise InfrastructureError(
            f"--gguf {KINDS[0]}: only llama.cpp can make it, and it is not installed: CMAKE_ARGS=-DGGML_NATIVE=OFF pip "
            f"install llama-cpp-python (builds it, minutes), or put {PROGRAM} on PATH; q8_0 is made without"
        )


def quantise(source: Path, target: Path, kind: str) -> None:
    """Write the GGUF file `source`, in 32 or 16 bits, to `target` as `kind`.

    Raises InfrastructureError with llama.cpp's last words if that fails.
    """
    if _module():  # a process of its own: the library ends the one that it is in when something is wrong
        command = [sys.executable, "-c", _IN_PROCESS, str(source), str(target), kind]
    else:
        command = [PROGRAM, str(source), str(target), kind]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    if done.returncode or not target.exists():
        words = [line for line in done.stdout.splitlines() if line.strip()]
        raise InfrastructureError(f"llama.cpp could not make {kind} of {source.name}: {' '.join(words[-2:])[:500]}")


def _module() -> bool:
    return importlib.util.find_spec("llama_cpp") is not None
