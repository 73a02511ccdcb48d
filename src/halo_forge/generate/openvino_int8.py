"""A converted model with 8-bit weights, with an adapter merged into them or without, kept in the cache.

GenAI cannot fuse an adapter into 8-bit weights. So the product of its matrices is added to the float32 weights of the
converted base model, and the sum is rounded, with a scale and a zero point for each output channel. The CPU plugin
rounds the activations too, in groups of 32, and multiplies bytes; with that switched off
(DYNAMIC_QUANTIZATION_GROUP_SIZE: 0) 8-bit weights are no faster than float32.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from halo_forge.cache import made_once
from halo_forge.errors import InputError
from halo_forge.files import read_json
from halo_forge.generate.openvino_export import exported
from halo_forge.hashing import digest

KEPT = 3
"""Models with 8-bit weights that stay in the cache, the last ones used; each is a byte a parameter, and every adapter
makes one. The float32 conversion of the base model stays: another adapter is merged into it in seconds."""
_MODEL = "openvino_model.xml"
_WEIGHTS = "openvino_model.bin"
_FORMAT = 1  # raise when the rounding changes
_MATRIX = re.compile(r"base_model\.model\.(?P<layer>.+)\.lora_(?P<half>[AB])\.weight")


def compressed(base: Path, adapter: Path | None) -> Path:
    """The folder of `base` in 8-bit weights, made if it is not there.

    Raises InputError for an adapter that cannot be merged.
    """
    source = exported(base)
    folder = made_once(
        source.parent / f"{source.name}-int8-{_FORMAT}-{digest(adapter)[:16] if adapter else 'base'}",
        lambda temporary: _compress(source, adapter, temporary),
    )
    os.utime(folder)
    _drop_all_but_the_last(source.parent, KEPT)
    return folder


def _drop_all_but_the_last(cache: Path, kept: int) -> None:
    """Delete the models that were used least lately. A process that has opened one of them goes on with its files."""
    by_use = sorted(cache.glob("[!.]*-int8-*"), key=lambda folder: folder.stat().st_mtime, reverse=True)
    for folder in by_use[kept:]:
        shutil.rmtree(folder, ignore_errors=True)


def _compress(source: Path, adapter: Path | None, folder: Path) -> None:
    import openvino as ov

    model = ov.Core().read_model(source / _MODEL)
    deltas = _deltas(adapter) if adapter else {}
    for node in model.get_ops():
        if not _is_weights(node):
            continue
        weights = node.data  # (out, in)
        delta = deltas.pop(node.get_friendly_name(), None)
        _replace(node, weights if delta is None else weights + delta())
    if deltas:
        raise _cannot_merge(adapter, f"the base model has no weights of its own for {min(deltas)}")
    ov.save_model(model, folder / _MODEL, compress_to_fp16=False)
    for file in source.iterdir():
        if file.name not in (_MODEL, _WEIGHTS):
            shutil.copy(file, folder)


def _is_weights(node: Any) -> bool:
    """Whether a node holds the matrix of a linear layer, (out, in), or the table of embeddings, (token, width)."""
    if node.get_type_name() != "Constant" or node.get_element_type().get_type_name() != "f32":
        return False
    uses = {(use.get_node().get_type_name(), use.get_index()) for use in node.output(0).get_target_inputs()}
    return len(node.get_output_shape(0)) == 2 and bool(uses) and uses <= {("MatMul", 1), ("Gather", 0)}


def _replace(node: Any, weights: Any) -> None:
    """Put `weights` (out, in), rounded, into the place of a constant."""
    import numpy as np
    import openvino as ov
    from openvino import opset13 as ops

    low = np.minimum(weights.min(axis=1, keepdims=True), 0)  # (out, 1); a zero stays a zero
    high = np.maximum(weights.max(axis=1, keepdims=True), 0)
    scale = np.maximum((high - low) / 255, np.finfo(np.float32).tiny)
    zero = np.round(-low / scale)
    rounded = np.clip(np.round(weights / scale) + zero, 0, 255)
    wide = [ops.convert(ops.constant(values.astype(np.uint8)), ov.Type.f32) for values in (rounded, zero)]
    restored = ops.multiply(ops.subtract(*wide), ops.constant(scale.astype(np.float32)))
    for use in node.output(0).get_target_inputs():
        use.replace_source_output(restored.output(0))


def _deltas(adapter: Path) -> dict[str, Callable[[], Any]]:
    """What a LoRA adapter of PEFT's adds to the weights of each layer: scaling · B A, by the name of the constant."""
    from safetensors.numpy import load_file

    scaling = _scaling(adapter)
    halves: dict[str, dict[str, Any]] = {}
    for name, matrix in load_file(adapter / "adapter_model.safetensors").items():
        found = _MATRIX.fullmatch(name)
        if found is None:
            raise _cannot_merge(adapter, f"it holds {name}")
        halves.setdefault(f"self.model.{found['layer']}.weight", {})[found["half"]] = matrix.astype("float32")
    return {name: functools.partial(_product, scaling, half["B"], half["A"]) for name, half in halves.items()}


def _product(scaling: float, b: Any, a: Any) -> Any:
    return scaling * (b @ a)  # (out, rank) @ (rank, in)


def _scaling(adapter: Path) -> float:
    config = read_json(adapter / "adapter_config.json")
    for key in ("rank_pattern", "alpha_pattern", "use_dora", "use_rslora", "fan_in_fan_out"):
        if config.get(key):
            raise _cannot_merge(adapter, f"{key} is {config[key]!r} in its configuration")
    return config["lora_alpha"] / config["r"]


def _cannot_merge(adapter: Path, reason: str) -> InputError:
    return InputError(f"{adapter}: cannot be merged into 8-bit weights: {reason}; set generate.weights: float32")
