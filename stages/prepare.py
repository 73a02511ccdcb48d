"""Collect the tasks of every source into one file.

Reads  data/builtin/*.yaml, the files named in prepare.files, the sets and files named in prepare.sources
Writes data/prepared/tasks.jsonl, data/prepared/report.json
Params prepare, clean, verify

Tasks that the section `clean` asks more of than they have are set aside, with the reason in report.json.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from halo_forge.config import load_params
from halo_forge.config_clean import Clean
from halo_forge.data.clean.tasks import clean
from halo_forge.data.prepare import prepare
from halo_forge.records import write_json, write_records
from halo_forge.stage import stage, state_dir


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    options = parser.parse_args()
    params = load_params(options.params)

    tasks, report = prepare(params.prepare, Path())
    if params.clean != Clean():
        state = state_dir("prepare", {"tasks": tasks, "clean": params.clean, "verify": params.verify})
        tasks, report["clean"] = clean(tasks, params.clean, params.verify, state)
        print(f"kept {len(tasks)} tasks, set aside {report['clean']['set_aside'] or 'none'}")
    write_records("data/prepared/tasks.jsonl", tasks)
    write_json("data/prepared/report.json", report)
    print(f"prepared {len(tasks)} tasks from {report['by_source']}")


if __name__ == "__main__":
    sys.exit(stage(main))
