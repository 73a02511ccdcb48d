"""Collect the tasks of every source into one file.

Reads  data/builtin/*.yaml and the files named in prepare.files
Writes data/prepared/tasks.jsonl, data/prepared/report.json
Params prepare
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from halo_forge.config import load_params
from halo_forge.data.prepare import prepare
from halo_forge.records import write_json, write_records
from halo_forge.stage import stage


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    options = parser.parse_args()
    params = load_params(options.params)

    tasks, report = prepare(params.prepare, Path())
    write_records("data/prepared/tasks.jsonl", tasks)
    write_json("data/prepared/report.json", report)
    print(f"prepared {len(tasks)} tasks from {report['by_source']}")


if __name__ == "__main__":
    sys.exit(stage(main))
