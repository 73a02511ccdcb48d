"""`halo-forge presets`: what the GPU presets take, worked out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from halo_forge import hours
from halo_forge.cli.doctor import Cards, gpus_of
from halo_forge.memory import QWEN2_5_CODER, Shape, of_gpu, sampling, training
from halo_forge.settings.checking import read_yaml
from halo_forge.settings.generate import Generate
from halo_forge.settings.training import Lora, Sft, Training

PROMPT_TOKENS = 1024
"""The longest prompt that sampling is reckoned with, beside max_new_tokens."""


class Row(NamedTuple):
    preset: str
    cards: Cards
    """What presets.yaml says the preset is for."""
    shape: Shape
    sft: Sft
    generate: Generate
    train_gb: float
    """Of SFT or a RAFT update, whichever takes more, at the worst micro-batch; on each card."""
    sample_gb: float
    """On each card, of the transformers engine with all its sequences at full length; where cards share a model, as if
    vLLM had so many, which fits itself to the card."""
    pflop: float
    """10¹⁵ operations to train on a million tokens: 4 a parameter and token, 6 with checkpointing. Divided by what the
    cards together do a second, in PFLOP/s, it is seconds."""
    train_h: float
    """Of a whole run, by `hours`: of training, and below of sampling, with all cards of the preset at work."""
    sample_h: float


def table(presets: Path, lora: Lora | None) -> Iterator[Row]:
    """One row a preset for a GPU. `lora` is that of params.yaml, None where all weights are trained."""
    text = presets.read_text(encoding="utf-8")
    for name, knobs in read_yaml(presets).items():
        cards = gpus_of(name, text)
        size = re.search(r"Qwen2\.5-Coder-([\d.]+B)-Instruct$", knobs["base_model"]["id"])
        if cards is None or size is None:
            continue
        shape, generate = QWEN2_5_CODER[size[1].lower()], Generate(**knobs["generate"])
        sft, update = Sft(**knobs["sft"]), Training(**knobs["raft"]["train"])
        length = PROMPT_TOKENS + max(knobs["raft"]["max_new_tokens"], knobs["benchmark"]["max_new_tokens"])
        held = sampling(shape, generate.dtype, generate.batch_size, length, generate.tensor_parallel)
        yield Row(
            preset=name,
            cards=cards,
            shape=shape,
            sft=sft,
            generate=generate,
            train_gb=max(of_gpu(training(shape, settings, lora)) for settings in (sft, update)) / 1e9,
            sample_gb=of_gpu(held) / 1e9,
            pflop=hours.operations(sft, whole=lora is None) * shape.parameters * 1e6 / 1e15,
            train_h=hours.training(shape, sft, update, whole=lora is None) / cards.number,
            sample_h=hours.sampling(shape, knobs) / cards.number,
        )


def cells(row: Row) -> list[str]:
    held = "4 bits" if row.sft.base_weights else row.sft.dtype
    rows = f"{row.sft.micro_batch_size} × {row.sft.max_tokens}"
    recomputed = "yes" if row.sft.gradient_checkpointing else "no"
    several = f"{row.cards.number} × " if row.cards.number > 1 else ""
    return [
        row.preset,
        f"{several}{row.cards.memory_gb} GB",
        held,
        rows,
        recomputed,
        f"{row.train_gb:.1f} GB",
        f"{row.sample_gb:.1f} GB",
        f"{row.pflop:.1f}",
        f"{row.train_h:.2g} + {row.sample_h:.2g}",
    ]


HEAD = ["preset", "GPU", "weights", "rows × tokens", "checkpointing", "training", "sampling", "PFLOP a million tokens"]
HEAD += ["hours at an H200's speed"]
