"""The mean of two adapters without any training: of a cycle's and SFT's, say, which solves what either of them does.

What is averaged is what the adapters add to the weights, B·A, as papers average whole models (WiSE-FT, arXiv
2109.01903; for reasoning 2504.10478). Averaging A and B each for itself adds a term, (B₁-B₂)(A₁-A₂), and is no mean at
all for adapters that do not come from one another. The exact mean has twice the rank; kept is the closest of the
inputs' rank, so that it is sampled from, trained on and blended again as they are.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from halo_forge.errors import InputError
from halo_forge.folders import whole_folder

_CONFIG, _WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
_ALIKE = ("peft_type", "r", "lora_alpha", "use_rslora", "use_dora", "base_model_name_or_path", "revision")
_PLAIN = ("rank_pattern", "alpha_pattern", "modules_to_save", "lora_bias", "use_dora")
"""Fields that are empty or false in an adapter that is nothing but A and B of one rank."""


def blend(a: Path, b: Path, weight: float, out: Path) -> float:
    """Write to `out` the adapter weight·a + (1-weight)·b, on the same base model; weight 1 is a and 0 is b.

    Returns the share of the mean's size (Frobenius norm, over all layers) that its rank could not hold, 0 to 1. Raises
    InputError for a weight outside 0 to 1, and for adapters of different shapes or bases.
    """
    if not 0 <= weight <= 1:
        raise InputError(f"the weight of a blend is from 0 (all b) to 1 (all a), not {weight}")
    config, other = _config(a), _config(b)
    for field in _ALIKE:
        if config.get(field) != other.get(field):
            raise InputError(
                f"{a} and {b} cannot be blended: {field} is {config.get(field)!r} and {other.get(field)!r}"
            )
    left_out = 0.0
    with whole_folder(out) as folder:
        shutil.copytree(b if weight == 0 else a, folder, dirs_exist_ok=True)
        if 0 < weight < 1:
            left_out = _write_mean(a, b, weight, folder / _WEIGHTS)
    return left_out


def _config(folder: Path) -> dict[str, Any]:
    path = folder / _CONFIG
    if not path.exists():
        raise InputError(f"{folder}: no adapter, {_CONFIG} is missing; give a folder that training wrote")
    config = json.loads(path.read_text(encoding="utf-8"))
    if special := [field for field in _PLAIN if config.get(field)]:
        raise InputError(f"{path}: {special[0]} is {config[special[0]]!r}; only plain LoRA adapters can be blended")
    return config


def _write_mean(a: Path, b: Path, weight: float, path: Path) -> float:
    from safetensors.torch import load_file, save_file

    one, other = load_file(a / _WEIGHTS), load_file(b / _WEIGHTS)
    if one.keys() != other.keys():
        odd = sorted(one.keys() ^ other.keys())[0]
        raise InputError(f"{a} and {b} cannot be blended: only one of them has {odd}")
    if strange := sorted(name for name in one if "lora_A" not in name and "lora_B" not in name):
        raise InputError(f"{a}: {strange[0]} is no weight of a linear layer's LoRA; such adapters cannot be blended")
    mean, total, lost = {}, 0.0, 0.0
    for down in sorted(name for name in one if "lora_A" in name):
        up = down.replace("lora_A", "lora_B")
        mean[down], mean[up], sizes = _mean(one[down], one[up], other[down], other[up], weight)
        total += sizes.square().sum().item()
        lost += sizes[one[down].shape[0] :].square().sum().item()
    save_file(mean, path, metadata={"format": "pt"})
    return (lost / total) ** 0.5 if total else 0.0


def _mean(a_down: Any, a_up: Any, b_down: Any, b_up: Any, weight: float) -> tuple[Any, Any, Any]:
    """A (rank, in) and B (out, rank) of the blend of one layer, and the singular values of the exact mean."""
    import torch

    rank = a_down.shape[0]
    down = torch.cat([a_down, b_down]).double()  # (2 rank, in)
    up = torch.cat([weight * a_up.double(), (1 - weight) * b_up.double()], dim=1)  # (out, 2 rank): up @ down is exact
    left, left_part = torch.linalg.qr(up)
    right, right_part = torch.linalg.qr(down.t())
    turned, sizes, back = torch.linalg.svd(left_part @ right_part.t())
    root = sizes[:rank].sqrt()
    new_up = (left @ turned[:, :rank]) * root
    new_down = root[:, None] * (back[:rank] @ right.t())
    return new_down.to(a_down.dtype).contiguous(), new_up.to(a_up.dtype).contiguous(), sizes
