"""The protocol of generation engines and the choice among them."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from halo_forge.config import Generate
from halo_forge.errors import InfrastructureError


@dataclass(frozen=True)
class Request:
    """One completion to draw. Temperature 0 is greedy."""

    prompt_ids: list[int]
    seed: int
    temperature: float
    top_k: int
    top_p: float
    max_new_tokens: int


@dataclass(frozen=True)
class Completion:
    """`ids` without the end-of-turn token; `n_tokens` counts it when it was drawn."""

    ids: list[int]
    n_tokens: int
    finish_reason: Literal["stop", "length"]


class Engine(Protocol):
    """Draws completions from the base model, or from it with a LoRA adapter."""

    name: str

    def generate(
        self, requests: Sequence[Request], finished: Callable[[Completion], None] | None = None
    ) -> list[Completion]:
        """Completions in the order of `requests`; `finished` is called as each ends.

        The same requests in the same order give the same completions on the same machine.
        """
        ...


def open_engine(settings: Generate, base: Path, adapter: Path | None, end: int) -> Engine:
    """The engine that `generate.engine` names; `auto` takes vllm on a GPU, openvino on a CPU, else transformers."""
    name = _choose() if settings.engine == "auto" else settings.engine
    if name == "openvino":
        from halo_forge.generate.openvino import OpenVinoEngine

        return OpenVinoEngine(settings, base, adapter, end)
    if name == "vllm":
        from halo_forge.generate.vllm import VllmEngine

        return VllmEngine(settings, base, adapter, end)
    from halo_forge.generate.transformers import TransformersEngine

    return TransformersEngine(settings, base, adapter, end)


def require(module: str, cure: str) -> None:
    """Raises InfrastructureError with the cure when `module` is not installed."""
    if importlib.util.find_spec(module) is None:
        raise InfrastructureError(f"generate.engine: {module} is not installed: {cure}, or set generate.engine: auto")


def _choose() -> str:
    if has_gpu():
        return "vllm" if importlib.util.find_spec("vllm") else "transformers"
    return "openvino" if importlib.util.find_spec("openvino_genai") else "transformers"


def has_gpu() -> bool:
    """Whether torch can use a GPU. It is asked only where a driver is, since its import takes seconds."""
    if not any(Path(device).exists() for device in ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")):
        return False
    import torch

    return torch.cuda.is_available()
