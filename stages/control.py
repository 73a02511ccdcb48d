"""Train a control arm: as the best model was trained, cycle by cycle and with as many rows, on rows of another kind.

Reads  models/base.json, models/best.json, models/pipeline/sft/, data/split/sft.jsonl,
       data/raft/<cycle>/{samples,kept}.jsonl of every cycle up to the best
Writes models/pipeline/<arm>/ (of the kind that SFT made), data/train/<arm>.json (what it mirrors, rows and steps of
       every update)
Params seed, raft.cycles, raft.train, controls.<arm>, preset
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from begin import stage

from halo_forge.cluster.training import on_ray
from halo_forge.files import read_json, write_json
from halo_forge.folders import whole_folder
from halo_forge.hashing import digest
from halo_forge.jsonl import read_records
from halo_forge.model.base import ADAPTERS, load_lock
from halo_forge.model.checkpoint import on_base
from halo_forge.provenance import provenance
from halo_forge.raft.control import control_rows, reference_rows
from halo_forge.records import Kept, Sample, Task
from halo_forge.settings.params import Params
from halo_forge.state import state_dir
from halo_forge.train.adapter import kept_answers, train_adapter
from halo_forge.train.lora import Run


def main(params: Params, arm: str) -> None:
    control, raft = params.control(arm), params.raft
    lock, base = load_lock()
    best = read_json("models/best.json")["model"]
    chain = params.chain(best if best in raft.cycles else params.models()[-1])
    references = reference_rows(read_records("data/split/sft.jsonl", Task))
    model, updates = ADAPTERS / "sft", []
    for cycle in chain:
        folder = Path("data/raft") / cycle
        samples = read_records(folder / "samples.jsonl", Sample)
        kept = read_records(folder / "kept.jsonl", Kept)
        rows = control_rows(cycle, control, kept, samples, references, params.seed)
        if not rows:
            print(f"warning: {arm}: {cycle} kept nothing, so that there is nothing to mirror", file=sys.stderr)
            continue
        inputs = {
            "rows": rows,
            "train": raft.train,
            "learning_rate": params.cycle(cycle).learning_rate,
            "seed": params.seed,
            "start": digest(model),
        }
        state = state_dir(f"control-{arm}-{cycle}", inputs)
        summary_path, trained = state / "summary.json", state / "adapter"
        if not summary_path.exists():
            start = on_base(model.name, model, lock, base)
            run = Run(
                base=start.base,
                start=start.adapter,
                lora=None,
                settings=raft.train,
                learning_rate=params.cycle(cycle).learning_rate,
                seed=params.seed,
                compute=params.compute,
                checkpoints=state / "checkpoints",
                logs=Path("logs") / arm / cycle,
            )
            label = f"{arm}: training as {cycle}"
            by = on_ray(params.compute)
            write_json(summary_path, train_adapter(run, kept_answers(rows), lock, trained, label, label, by))
        updates.append({"cycle": cycle, **read_json(summary_path)})
        model = trained
    with whole_folder(ADAPTERS / arm) as adapter:
        shutil.copytree(model, adapter)
    origin = provenance(params, ["models/base.json", "models/best.json", ADAPTERS / "sft"])
    record = {"model": arm, "from": "sft", "mirrors": chain[-1], "seed": params.seed, "updates": updates}
    write_json(f"data/train/{arm}.json", record | {"provenance": origin})


if __name__ == "__main__":
    stage(main, on_gpus=True, arm="a key of controls")
