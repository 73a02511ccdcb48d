"""Put every problem family on one side: SFT, RAFT or the held-out benchmark; prove that they do not overlap.

Reads  data/prepared/tasks.jsonl
Writes data/split/{sft,raft,benchmark}.jsonl, results/split.json
Params seed, split
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from halo_forge.config import load_params
from halo_forge.data.split import split
from halo_forge.records import Task, read_records, write_json, write_records
from halo_forge.stage import stage


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    options = parser.parse_args()
    params = load_params(options.params)

    sides, report = split(read_records("data/prepared/tasks.jsonl", Task), params.split, params.seed)
    for side, tasks in sides.items():
        write_records(f"data/split/{side}.jsonl", tasks)
        print(f"{side}: {len(tasks)} tasks of {report['families'][side]} families")
    write_json("results/split.json", report)


if __name__ == "__main__":
    sys.exit(stage(main))
