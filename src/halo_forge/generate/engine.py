"""The choice among the generation engines."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from halo_forge.errors import InfrastructureError
from halo_forge.generate.protocol import Engine
from halo_forge.settings.generate import Generate


def open_engine(settings: Generate, base: Path, adapter: Path | None, end: int) -> Engine:
    """The engine that `generate.engine` names; `auto` takes vllm on a GPU, openvino on a CPU, else transformers.

    Raises InfrastructureError for settings that the engine cannot follow.
    """
    name = _choose() if settings.engine == "auto" else settings.engine
    if settings.weights and name != "openvino":
        held = "as it was started" if name == "server" else "in generate.dtype"
        raise InfrastructureError(
            f"generate.weights: {settings.weights} is for the openvino engine; the {name} engine holds the weights "
            f"{held}: leave weights out"
        )
    if settings.tensor_parallel > 1 and name != "vllm":
        raise InfrastructureError(
            f"generate.tensor_parallel: {settings.tensor_parallel} is for the vllm engine; the {name} engine has one "
            "device: leave it out"
        )
    if name == "openvino":
        from halo_forge.generate.openvino import OpenVinoEngine

        return OpenVinoEngine(settings, base, adapter, end)
    if name == "vllm":
        from halo_forge.generate.vllm import VllmEngine

        return VllmEngine(settings, base, adapter, end)
    if name == "server":
        from halo_forge.generate.server import ServerEngine

        return ServerEngine(settings, base, adapter, end)
    from halo_forge.generate.transformers import TransformersEngine

    return TransformersEngine(settings, base, adapter, end)


def weights_of(engine: str, settings: Generate) -> str | None:
    """What the engine of that name holds the weights in; None for a server, which does not say."""
    if engine == "server":
        return None
    if engine != "openvino":
        return settings.dtype
    from halo_forge.generate.openvino import WEIGHTS

    return settings.weights or WEIGHTS


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
