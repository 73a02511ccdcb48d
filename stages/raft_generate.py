"""Sample answers to the RAFT tasks from the model that a cycle starts from.

Reads  models/base.json, models/pipeline/<from>/, data/split/raft.jsonl
Writes data/raft/<cycle>/samples.jsonl, data/raft/<cycle>/generation.json (engine, tokens, seconds)
Params seed, generate, raft.cycles.<cycle>, raft.samples_per_task, raft.max_new_tokens, preset
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from halo_forge.config import load_params
from halo_forge.generate.run import generate_file
from halo_forge.model.reference import of_pipeline
from halo_forge.stage import stage


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--cycle", required=True, help="a key of raft.cycles")
    options = parser.parse_args()
    params = load_params(options.params)

    cycle = params.cycle(options.cycle)
    generate_file(
        params,
        of_pipeline(cycle.start),
        tasks_path=Path("data/split/raft.jsonl"),
        out=Path("data/raft") / options.cycle,
        model=cycle.start,
        cycle=options.cycle,
        samples_per_task=params.raft.samples_per_task,
        temperature=cycle.temperature,
        max_new_tokens=params.raft.max_new_tokens,
    )


if __name__ == "__main__":
    sys.exit(stage(main))
