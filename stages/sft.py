"""Supervised fine-tuning on reference solutions: a LoRA adapter on the base model, or with sft.lora: null all of it.

Reads  models/base.json, data/split/sft.jsonl
Writes models/pipeline/sft/ (PEFT adapter, or whole model), data/train/sft.json (losses, sizes, provenance),
       data/train/sft.tsv (the curve, a line a step, while it trains); TensorBoard in logs/sft
Params seed, sft, preset
"""

from __future__ import annotations

from pathlib import Path

from begin import stage

from halo_forge.cluster.training import on_ray
from halo_forge.files import write_json
from halo_forge.hashing import digest
from halo_forge.jsonl import read_records
from halo_forge.model.base import ADAPTERS, load_lock
from halo_forge.provenance import provenance
from halo_forge.records import Task
from halo_forge.settings.params import Params
from halo_forge.state import state_dir
from halo_forge.train.adapter import solutions, train_adapter
from halo_forge.train.lora import Run


def main(params: Params) -> None:
    data = Path("data/split/sft.jsonl")
    pairs = solutions(read_records(data, Task))
    lock, base = load_lock()
    inputs = {"params": params.sft, "seed": params.seed, "lock": lock, "data": digest(data)}
    run = Run(
        base=base,
        start=None,
        lora=params.sft.lora,
        settings=params.sft,
        learning_rate=params.sft.learning_rate,
        seed=params.seed,
        compute=params.compute,
        checkpoints=state_dir("sft", inputs),
        logs=Path("logs/sft"),
        curve=Path("data/train/sft.tsv"),
    )
    summary = train_adapter(run, pairs, lock, ADAPTERS / "sft", str(data), "SFT", on_ray(params.compute))
    origin = provenance(params, ["models/base.json", data])
    write_json(
        "data/train/sft.json", {"model": "sft", "from": "base", "seed": params.seed, **summary, "provenance": origin}
    )


if __name__ == "__main__":
    stage(main, on_gpus=True)
