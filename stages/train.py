"""The update of a RAFT cycle: train the cycle's starting model on the answers that were kept.

Reads  models/base.json, models/pipeline/<from>/, data/raft/<cycle>/kept.jsonl
Writes models/pipeline/<cycle>/ (of the kind that SFT made), data/train/<cycle>.json (losses, sizes, provenance),
       data/train/<cycle>.tsv (the curve, a line a step, while it trains); TensorBoard in logs/<cycle>
Params seed, raft.cycles.<cycle>, raft.train, preset
"""

from __future__ import annotations

import sys
from pathlib import Path

from begin import stage

from halo_forge.cluster.training import on_ray
from halo_forge.files import write_json
from halo_forge.hashing import digest
from halo_forge.jsonl import read_records
from halo_forge.model.base import ADAPTERS, load_lock
from halo_forge.model.checkpoint import on_base
from halo_forge.provenance import provenance
from halo_forge.records import Kept
from halo_forge.settings.params import Params
from halo_forge.state import state_dir
from halo_forge.train.adapter import kept_answers, train_adapter, unchanged
from halo_forge.train.lora import Run


def main(params: Params, cycle: str) -> None:
    settings = params.cycle(cycle)
    data, out = Path(f"data/raft/{cycle}/kept.jsonl"), ADAPTERS / cycle
    pairs = kept_answers(read_records(data, Kept))
    start = ADAPTERS / settings.start
    curve = Path(f"data/train/{cycle}.tsv")
    if pairs:
        training, (lock, base) = params.raft.train, load_lock()
        model = on_base(start.name, start, lock, base)
        inputs = {
            "train": training,
            "learning_rate": settings.learning_rate,
            "seed": params.seed,
            "data": digest(data),
            "start": digest(start),
        }
        run = Run(
            base=model.base,
            start=model.adapter,
            lora=None,
            settings=training,
            learning_rate=settings.learning_rate,
            seed=params.seed,
            compute=params.compute,
            checkpoints=state_dir(f"train-{cycle}", inputs),
            logs=Path("logs") / cycle,
            curve=curve,
        )
        summary = train_adapter(run, pairs, lock, out, str(data), f"{cycle}: training", on_ray(params.compute))
    else:
        print(f"warning: {cycle}: no answer was kept, the model stays that of {settings.start}", file=sys.stderr)
        summary = unchanged(start, out, curve) | {"learning_rate": settings.learning_rate}
    origin = provenance(params, ["models/base.json", data, start])
    write_json(
        f"data/train/{cycle}.json",
        {"model": cycle, "from": start.name, "seed": params.seed, **summary, "provenance": origin},
    )


if __name__ == "__main__":
    stage(main, on_gpus=True, cycle="a key of raft.cycles")
