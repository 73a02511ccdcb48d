"""Keep the answers that a cycle trains on.

Reads  data/split/raft.jsonl, data/raft/<cycle>/{samples.jsonl,generation.json,verdicts.jsonl},
       data/raft/<from>/history.jsonl
Writes data/raft/<cycle>/kept.jsonl (what is trained on), data/raft/<cycle>/history.jsonl (what is known of every task
       after this cycle), results/raft/<cycle>.json (what was sampled, judged and kept)
Params seed, verify.rewards; raft.reward_threshold, raft.keep_top_percent, raft.max_keep_per_task, raft.selection,
       raft.drop_solved, raft.max_pass_rate
"""

from __future__ import annotations

from pathlib import Path

from begin import stage

from halo_forge.files import read_json, write_json
from halo_forge.jsonl import read_records, write_records
from halo_forge.pairing import JudgedFiles
from halo_forge.raft.cycle import close_cycle
from halo_forge.records import History, Task
from halo_forge.runs.pipeline import find_run
from halo_forge.settings.params import Params


def main(params: Params, cycle: str) -> None:
    run = find_run(params, f"raft/{cycle}")
    tasks = {task.task_id: task for task in read_records(run.tasks, Task)}
    outcome = close_cycle(
        cycle,
        params,
        tasks,
        JudgedFiles(run.folder, where="raft"),
        read_json(run.folder / "generation.json"),
        read_records(Path("data/raft") / params.cycle(cycle).start / "history.jsonl", History),
    )
    folder, statistics = run.folder, outcome.statistics
    write_records(folder / "kept.jsonl", outcome.rows)
    write_records(folder / "history.jsonl", outcome.history)
    write_json(f"results/raft/{cycle}.json", statistics)
    print(
        f"{cycle}: {statistics['passed']} of {statistics['samples']} samples passed, the sanitizers left out "
        f"{statistics['faulty']} distinct programs, kept {statistics['kept']} "
        f"on {statistics['tasks_covered']} of {statistics['tasks']} tasks"
    )


if __name__ == "__main__":
    stage(main, cycle="a key of raft.cycles")
