"""Put every problem family on one side: SFT, RAFT, validation or benchmark; prove that what is held out is not
trained on.

Reads  data/prepared/tasks.jsonl, data/sets/<set>.jsonl of every public set that models are measured by, and the files
       named in split.against
Writes data/split/{sft,raft,validation,benchmark}.jsonl, results/split.json, data/raft/sft/history.jsonl (what is known
       of the RAFT side before the first cycle: nothing)
Params seed, split, preset
"""

from __future__ import annotations

from pathlib import Path

from begin import stage

from halo_forge.data.clean.fingerprint import of_file
from halo_forge.data.split import split
from halo_forge.files import write_json
from halo_forge.jsonl import read_records, write_records
from halo_forge.records import Task
from halo_forge.settings.params import Params
from halo_forge.settings.watched import watched


def main(params: Params) -> None:
    tasks = read_records("data/prepared/tasks.jsonl", Task)
    against = [problem for path in params.split.against for problem in of_file(watched("split.against", path))]
    sets = {path.stem: read_records(path, Task) for path in sorted(Path("data/sets").glob("*.jsonl"))}
    sides, report = split(tasks, params.split, params.seed, against, sets)
    left_out = report.pop("left_out")  # shown, and no part of results/split.json: the numbers follow from the settings
    for side, own in sides.items():
        write_records(f"data/split/{side}.jsonl", own)
        gone = "".join(f"; {number} left out: {reason}" for reason, number in left_out[side].items())
        print(f"{side}: {len(own)} tasks of {report['families'][side]} families{gone}")
    if report["leaks"]:
        print(f"left out of training: {len(report['leaks'])} tasks that copy a benchmark problem")
    for name, own in report["sets"].items():
        print(f"{name}: {len(own['dropped'])} training tasks left out that are among its {own['tasks']}")
    write_records("data/raft/sft/history.jsonl", [])
    write_json("results/split.json", report)


if __name__ == "__main__":
    stage(main)
