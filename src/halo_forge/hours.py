"""How many GPU hours the pipeline takes at a preset's sizes, worked out: operations by what one card did a second.

    training     operations = f · parameters · tokens, f = 4 for an adapter, 6 where all weights are trained, and 2 more
                 with gradient checkpointing (the forward pass is made again)
                 tokens = row · (SFT rows · epochs + cycles · kept answers · epochs)
    sampling     operations = 2 · parameters · tokens; prompts, which are read once a task, are left out
                 tokens = the samples of all cycles, of validation and of the benchmark, base model and all others,
                 times an answer: as long as a reference's, the base model's as long as it may be

The card is the H200 of `make gpu-check`, the figures those of Qwen2.5-Coder-0.5B: what it did of operations a second is
taken for all sizes, though larger models use a card better. Several cards share the work evenly. Left out: judging
(processors do it), starting engines and processes, the public sets. No run of any of these presets is behind it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from halo_forge.memory import Shape
from halo_forge.settings.training import Training

TRAINING = 13e12
"""Operations a second: 6,797 tokens/s of LoRA in bfloat16, 16 rows at a time."""
SAMPLING = {64: 15.0e12, 256: 43.6e12, 1024: 75.6e12}
"""Operations a second by sequences at once: 15,188, 44,136 and 76,535 tokens/s of the transformers engine."""
JUDGED = 5.0
"""Samples a second and core: 6 to 14 were judged on two."""

TASKS = {"sft": 268, "raft": 518, "validation": 89, "benchmark": 307}
"""Of the built-in C++ tasks, with the split of the GPU presets and of params.yaml."""
CYCLES = 2
KEPT = 0.86
"""Answers kept a prompt and cycle: 291 and 379 of 391 prompts in the H200's run."""
ROW, ANSWER = 212, 95
"""Mean tokens of a reference with its prompt, and of it alone, by Qwen2.5-Coder's tokenizer."""


def operations(settings: Training, *, whole: bool) -> int:
    """Of training, a parameter and token."""
    return 4 + 2 * whole + 2 * settings.gradient_checkpointing


def training(shape: Shape, sft: Training, update: Training, *, whole: bool = False) -> float:
    """Hours of SFT and of all cycles' updates on one card."""
    rows = TASKS["sft"] * sft.epochs, CYCLES * KEPT * TASKS["raft"] * update.epochs
    factors = (operations(settings, whole=whole) for settings in (sft, update))
    work = sum(factor * number for factor, number in zip(factors, rows, strict=True))
    return work * ROW * shape.parameters / TRAINING / 3600


def samples(knobs: Mapping[str, Any]) -> dict[str, int]:
    """How many answers a preset's run draws: of the base model, and of all others."""
    benchmark, base = (TASKS["benchmark"] * knobs["benchmark"][f"{name}samples_per_task"] for name in ("", "base_"))
    cycles = CYCLES * TASKS["raft"] * knobs["raft"]["samples_per_task"]
    models = 1 + CYCLES
    validation = models * TASKS["validation"] * knobs["validation"]["samples_per_task"]
    return {"base": base, "trained": cycles + validation + models * benchmark}


def sampling(shape: Shape, knobs: Mapping[str, Any]) -> float:
    """Hours of all sampling on one card."""
    number = samples(knobs)
    tokens = number["base"] * knobs["benchmark"]["max_new_tokens"] + number["trained"] * ANSWER
    return 2 * shape.parameters * tokens / sampling_rate(knobs["generate"]["batch_size"]) / 3600


def sampling_rate(sequences: int) -> float:
    """Operations a second with so many sequences at once: between the measured points in proportion to the sequences
    beyond, below the first in proportion to all, above the last no more."""
    return float(np.interp(sequences, [0, *SAMPLING], [0.0, *SAMPLING.values()]))


def judging(knobs: Mapping[str, Any]) -> float:
    """Core hours of judging, on the processors."""
    return sum(samples(knobs).values()) / JUDGED / 3600
