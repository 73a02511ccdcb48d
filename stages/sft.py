"""Supervised fine-tuning: a LoRA adapter on the base model, trained on reference solutions.

Reads  models/base.json, data/split/sft.jsonl
Writes models/pipeline/sft/ (PEFT adapter), data/train/sft.json (losses, sizes, provenance); TensorBoard in logs/sft
Params seed, sft, preset
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from halo_forge.config import load_params
from halo_forge.model.base import ADAPTERS, load_lock
from halo_forge.provenance import provenance
from halo_forge.records import Task, read_records, write_json
from halo_forge.stage import digest, stage, state_dir
from halo_forge.train.adapter import solutions, train_adapter
from halo_forge.train.lora import Run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    options = parser.parse_args()
    params = load_params(options.params)

    data, out = Path("data/split/sft.jsonl"), ADAPTERS / "sft"
    pairs = solutions(read_records(data, Task))
    lock, base = load_lock()
    state = state_dir("sft", {"params": params.sft, "seed": params.seed, "lock": lock, "data": digest(data)})
    run = Run(
        base=base,
        start=None,
        lora=params.sft.lora,
        settings=params.sft,
        learning_rate=params.sft.learning_rate,
        seed=params.seed,
        checkpoints=state,
        logs=Path("logs/sft"),
    )
    summary = train_adapter(run, pairs, lock, out, str(data), "SFT")
    origin = provenance(params, ["models/base.json", data])
    write_json(
        "data/train/sft.json", {"model": "sft", "from": "base", "seed": params.seed, **summary, "provenance": origin}
    )


if __name__ == "__main__":
    sys.exit(stage(main))
