"""Keep the answers that a cycle trains on.

Reads  data/split/raft.jsonl, data/raft/<cycle>/{samples,verdicts}.jsonl, data/raft/<cycle>/generation.json
Writes data/raft/<cycle>/kept.jsonl, results/raft/<cycle>.json (the cycle's statistics)
Params seed, raft.reward_threshold, raft.keep_top_percent, raft.max_keep_per_task, raft.selection, raft.drop_solved
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from halo_forge.config import load_params
from halo_forge.raft.filter import cycle_statistics, kept_records
from halo_forge.raft.select import select
from halo_forge.records import Sample, Task, Verdict, read_json, read_records, write_json, write_records
from halo_forge.stage import stage


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--cycle", required=True, help="a key of raft.cycles")
    options = parser.parse_args()
    params = load_params(options.params)

    folder, name = Path("data/raft") / options.cycle, options.cycle
    cycle = params.cycle(name)
    tasks = {task.task_id: task for task in read_records("data/split/raft.jsonl", Task)}
    samples = read_records(folder / "samples.jsonl", Sample)
    verdicts = read_records(folder / "verdicts.jsonl", Verdict)
    selection = select(tasks, samples, verdicts, params.raft, params.seed)
    write_records(folder / "kept.jsonl", kept_records(selection))
    statistics = cycle_statistics(
        name, cycle, params, tasks, samples, verdicts, selection, read_json(folder / "generation.json")
    )
    write_json(f"results/raft/{name}.json", statistics)
    print(
        f"{name}: {statistics['passed']} of {statistics['samples']} samples passed, kept {statistics['kept']} "
        f"on {statistics['tasks_covered']} of {statistics['tasks']} tasks"
    )


if __name__ == "__main__":
    sys.exit(stage(main))
