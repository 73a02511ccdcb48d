"""Keep the answers that a cycle trains on.

Reads  data/split/raft.jsonl, data/raft/<cycle>/{samples,verdicts}.jsonl, data/raft/<cycle>/generation.json
Writes data/raft/<cycle>/kept.jsonl, results/raft/<cycle>.json (what was sampled, judged and kept)
Params seed, verify.rewards; raft.reward_threshold, raft.keep_top_percent, raft.max_keep_per_task, raft.selection,
       raft.drop_solved
"""

from __future__ import annotations

from begin import stage

from halo_forge.files import read_json, write_json
from halo_forge.jsonl import read_records, write_records
from halo_forge.raft.filter import cycle_statistics, kept_records
from halo_forge.raft.select import select
from halo_forge.records import Sample, Task, Verdict
from halo_forge.runs.pipeline import find_run
from halo_forge.settings.params import Params


def main(params: Params, cycle: str) -> None:
    run = find_run(params, f"raft/{cycle}")
    tasks = {task.task_id: task for task in read_records(run.tasks, Task)}
    samples = read_records(run.folder / "samples.jsonl", Sample)
    verdicts = read_records(run.folder / "verdicts.jsonl", Verdict)
    selection = select(tasks, samples, verdicts, params.raft, params.seed)
    write_records(run.folder / "kept.jsonl", kept_records(selection))
    generation = read_json(run.folder / "generation.json")
    statistics = cycle_statistics(cycle, params, tasks, samples, verdicts, selection, generation)
    write_json(f"results/raft/{cycle}.json", statistics)
    print(
        f"{cycle}: {statistics['passed']} of {statistics['samples']} samples passed, the sanitizers left out "
        f"{statistics['faulty']} distinct programs, kept {statistics['kept']} "
        f"on {statistics['tasks_covered']} of {statistics['tasks']} tasks"
    )


if __name__ == "__main__":
    stage(main, cycle="a key of raft.cycles")
