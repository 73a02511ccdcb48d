"""The update of a RAFT cycle: train the cycle's starting adapter on the answers it got right.

Reads  models/base.json, models/pipeline/<from>/, data/raft/<cycle>/kept.jsonl
Writes models/pipeline/<cycle>/ (PEFT adapter), data/train/<cycle>.json (losses, sizes, provenance); logs/<cycle>
Params seed, raft.cycles.<cycle>, raft.train, preset
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from halo_forge.config import Params, load_params
from halo_forge.model.base import ADAPTERS, load_lock
from halo_forge.provenance import provenance
from halo_forge.raft.statistics import raft_statistics
from halo_forge.records import Kept, read_records, write_json
from halo_forge.stage import digest, stage, state_dir
from halo_forge.train.adapter import kept_answers, train_adapter, unchanged
from halo_forge.train.lora import Run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--cycle", required=True, help="a key of raft.cycles")
    options = parser.parse_args()
    params = load_params(options.params)

    name, cycle = options.cycle, params.cycle(options.cycle)
    data, start = Path(f"data/raft/{name}/kept.jsonl"), ADAPTERS / cycle.start
    pairs = kept_answers(read_records(data, Kept))
    if pairs:
        summary = update(params, name, pairs, data)
    else:
        print(f"warning: {name}: no answer was kept, the model stays that of {cycle.start}", file=sys.stderr)
        summary = unchanged(start, ADAPTERS / name)
    origin = provenance(params, ["models/base.json", data, start])
    write_json(
        f"data/train/{name}.json",
        {"model": name, "from": cycle.start, "seed": params.seed, **summary, "provenance": origin},
    )
    write_json("results/raft_statistics.json", raft_statistics(params, Path()))


def update(params: Params, name: str, pairs: list[tuple[str, str]], data: Path) -> dict:
    cycle, settings = params.cycle(name), params.raft.train
    start = ADAPTERS / cycle.start
    lock, base = load_lock()
    inputs = {"train": settings, "cycle": cycle, "seed": params.seed, "data": digest(data), "start": digest(start)}
    run = Run(
        base=base,
        start=start,
        lora=params.sft.lora,
        settings=settings,
        learning_rate=cycle.learning_rate,
        seed=params.seed,
        checkpoints=state_dir(f"raft_train-{name}", inputs),
        logs=Path("logs") / name,
    )
    return train_adapter(run, pairs, lock, ADAPTERS / name, str(data), f"{name}: training")


if __name__ == "__main__":
    sys.exit(stage(main))
