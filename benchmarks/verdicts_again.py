"""Stored samples judged again by the present code: which verdicts differ from those that are stored beside them.

    PYTHONPATH=src python benchmarks/verdicts_again.py [--data data] [--examples 3]

`--data` is the data folder of a pipeline that ran, of this version or an older one: split/*.jsonl holds the tasks,
raft/*, validation/* and benchmark/* hold samples.jsonl and verdicts.jsonl. Nothing there is written. Where a change is
shown, look at the program: a verdict may change for a better judge or for a fault of it.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import defaultdict
from pathlib import Path

import jsonlines
from rich.console import Console
from rich.table import Table

from halo_forge.jsonl import read_records
from halo_forge.records import Sample, Task, Verdict
from halo_forge.settings.params import load_params
from halo_forge.verify.judge import judge_samples


def stored(folder: Path) -> dict[str, dict]:
    """The verdicts of a run by sample; of older versions too, whose records may lack fields."""
    with jsonlines.open(folder / "verdicts.jsonl") as lines:
        return {row["sample_id"]: row for row in lines}


def kind(before: dict, now: Verdict) -> tuple[str, str] | None:
    """(status before, status now) where they differ; of one status with another reward: that, twice; else None."""
    if before["status"] != now.status:
        return before["status"], now.status
    return (f"{now.status}, other reward",) * 2 if before["reward"] != now.reward else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--examples", type=int, default=3, help="programs to show of each kind of change")
    arguments = parser.parse_args()
    console = Console()
    tasks = {task.task_id: task for path in arguments.data.glob("split/*.jsonl") for task in read_records(path, Task)}
    changed: dict[tuple[str, str], list[tuple[str, Verdict]]] = defaultdict(list)
    judged = lost = gained = 0
    for folder in sorted(path.parent for path in arguments.data.glob("*/*/verdicts.jsonl")):
        before = stored(folder)
        with tempfile.TemporaryDirectory() as scratch:
            samples = read_records(folder / "samples.jsonl", Sample)
            verdicts = judge_samples(tasks, samples, load_params().verify, wip=Path(scratch) / "verdicts.jsonl")
        for verdict in verdicts:
            was = before[verdict.sample_id]
            judged += 1
            lost += was["status"] == "pass" and not verdict.passed
            gained += was["status"] != "pass" and verdict.passed
            if change := kind(was, verdict):
                changed[change].append((f"{folder.parent.name}/{folder.name} {verdict.sample_id}", verdict))
        console.print(f"{folder}: {len(verdicts)} judged")
    table = Table("before", "now", "verdicts")
    for (was, now), found in sorted(changed.items(), key=lambda pair: -len(pair[1])):
        table.add_row(was, now, str(len(found)))
    console.print(table)
    differ = sum(map(len, changed.values()))
    console.print(f"{judged} samples: {differ} verdicts differ, {lost} passes lost, {gained} gained")
    for (was, now), found in changed.items():
        for place, verdict in found[: arguments.examples]:
            console.rule(f"{was} → {now}: {place}")
            console.print(verdict.detail, verdict.code, sep="\n\n", markup=False, highlight=False)


if __name__ == "__main__":
    main()
