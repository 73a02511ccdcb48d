"""Try the tests of the tasks on faulty copies of their reference solutions: weak tests let them pass.

Reads  data/split/{sft,raft,validation,benchmark}.jsonl
Writes results/tests_audit.json (figures), results/tests_audit.jsonl (a row a task, with the tests that are missing)
Params seed, audit, verify

Nothing depends on this stage. With audit.weak: leave_out tasks with weak tests are set aside by `prepare`.
"""

from __future__ import annotations

import sys

from begin import stage

from halo_forge.audit.audit import audit
from halo_forge.audit.summary import figures, in_a_line
from halo_forge.files import write_json
from halo_forge.jsonl import read_records, write_records
from halo_forge.records import Task
from halo_forge.settings.params import Params
from halo_forge.state import state_dir

SIDES = ("sft", "raft", "validation", "benchmark")


def main(params: Params) -> None:
    tasks = {side: read_records(f"data/split/{side}.jsonl", Task) for side in SIDES}
    state = state_dir("audit", {"tasks": tasks, "audit": params.audit, "verify": params.verify, "seed": params.seed})
    rows, report = [], {}
    for side, own in tasks.items():
        if not own:  # the validation side, where nothing is chosen on it
            continue
        audited, skipped = audit(own, params.audit, params.verify, state / side, seed=params.seed)
        report[side] = figures(audited, skipped, params.audit.min_kill_rate)
        rows += [{"side": side, **one.model_dump(mode="json")} for one in audited]
        print(f"{side}: {in_a_line(report[side])}")
        for task_id in report[side]["weak"]:
            print(f"warning: {task_id}: weak tests, see results/tests_audit.jsonl", file=sys.stderr)
    write_records("results/tests_audit.jsonl", rows)
    write_json("results/tests_audit.json", report)


if __name__ == "__main__":
    stage(main)
