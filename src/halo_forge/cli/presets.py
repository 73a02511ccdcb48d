"""`halo-forge presets`: what the GPU presets take, worked out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from halo_forge.cli.doctor import gpu_memory_gb
from halo_forge.memory import QWEN2_5_CODER, Shape, of_gpu, sampling, training
from halo_forge.settings.checking import read_yaml
from halo_forge.settings.generate import Generate
from halo_forge.settings.training import Lora, Sft, Training

PROMPT_TOKENS = 1024
"""The longest prompt that sampling is reckoned with, beside max_new_tokens."""


class Row(NamedTuple):
    preset: str
    gpu_gb: int
    """What presets.yaml says the preset is for."""
    shape: Shape
    sft: Sft
    train_gb: float
    """Of SFT or a RAFT update, whichever takes more, at the worst micro-batch."""
    sample_gb: float
    """Of the transformers engine with all its sequences at full length; vLLM fits itself to the card."""
    pflop: float
    """10¹⁵ operations to train on a million tokens: 4 a parameter and token, 6 with checkpointing. Divided by what the
    cards together do a second, in PFLOP/s, it is seconds."""


def table(presets: Path, lora: Lora) -> Iterator[Row]:
    """One row a preset for a GPU. `lora` is that of params.yaml."""
    text = presets.read_text(encoding="utf-8")
    for name, knobs in read_yaml(presets).items():
        gpu_gb = gpu_memory_gb(name, text)
        size = re.search(r"Qwen2\.5-Coder-([\d.]+B)-Instruct$", knobs["base_model"]["id"])
        if gpu_gb is None or size is None:
            continue
        shape, generate = QWEN2_5_CODER[size[1].lower()], Generate(**knobs["generate"])
        sft, update = Sft(**knobs["sft"]), Training(**knobs["raft"]["train"])
        length = PROMPT_TOKENS + max(knobs["raft"]["max_new_tokens"], knobs["benchmark"]["max_new_tokens"])
        yield Row(
            preset=name,
            gpu_gb=gpu_gb,
            shape=shape,
            sft=sft,
            train_gb=max(of_gpu(training(shape, settings, lora)) for settings in (sft, update)) / 1e9,
            sample_gb=of_gpu(sampling(shape, generate.dtype, generate.batch_size, length)) / 1e9,
            pflop=(6 if sft.gradient_checkpointing else 4) * shape.parameters * 1e6 / 1e15,
        )


def cells(row: Row) -> list[str]:
    held = "4 bits" if row.sft.base_weights else row.sft.dtype
    rows = f"{row.sft.micro_batch_size} × {row.sft.max_tokens}"
    recomputed = "yes" if row.sft.gradient_checkpointing else "no"
    return [
        row.preset,
        f"{row.gpu_gb} GB",
        held,
        rows,
        recomputed,
        f"{row.train_gb:.1f} GB",
        f"{row.sample_gb:.1f} GB",
        f"{row.pflop:.1f}",
    ]


HEAD = ["preset", "GPU", "weights", "rows × tokens", "checkpointing", "training", "sampling", "PFLOP a million tokens"]
