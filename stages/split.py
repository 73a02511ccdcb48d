"""Put every problem family on one side: SFT, RAFT or the held-out benchmark; prove that they do not overlap.

Reads  data/prepared/tasks.jsonl and the files named in split.against
Writes data/split/{sft,raft,benchmark}.jsonl, results/split.json
Params seed, split
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from halo_forge.config import load_params
from halo_forge.data.clean.fingerprint import of_file
from halo_forge.data.split import split
from halo_forge.records import Task, read_records, write_json, write_records
from halo_forge.stage import stage


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    options = parser.parse_args()
    params = load_params(options.params)

    tasks = read_records("data/prepared/tasks.jsonl", Task)
    against = [problem for path in params.split.against for problem in of_file(path)]
    sides, report = split(tasks, params.split, params.seed, against)
    for side, own in sides.items():
        write_records(f"data/split/{side}.jsonl", own)
        print(f"{side}: {len(own)} tasks of {report['families'][side]} families")
    if report["leaks"]:
        print(f"left out of training: {len(report['leaks'])} tasks that copy a benchmark problem")
    write_json("results/split.json", report)


if __name__ == "__main__":
    sys.exit(stage(main))
