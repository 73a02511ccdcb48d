"""Collect the tasks of every source into one file.

Reads  data/builtin/*.yaml, the files of data/own and data/generated that prepare.files and prepare.sources name, the
       public sets that prepare.sources names
Writes data/prepared/tasks.jsonl, data/prepared/report.json
Params prepare, clean, audit, verify, seed

Tasks that the section `clean` asks more of than they have, or whose checker is broken, are set aside, with the reason
in report.json; so are those with weak tests where audit.weak is leave_out.
"""

from __future__ import annotations

from pathlib import Path

from begin import stage

from halo_forge.data.clean.tasks import clean
from halo_forge.data.prepare import prepare
from halo_forge.data.public.load import is_file
from halo_forge.files import write_json
from halo_forge.jsonl import write_records
from halo_forge.settings.data import Prepare
from halo_forge.settings.params import Params
from halo_forge.settings.watched import watched
from halo_forge.state import state_dir

GENERATED = Path("data/generated")


def main(params: Params) -> None:
    check_places(params.prepare)
    tasks, report = prepare(params.prepare, Path())
    for warning in report.get("warnings", ()):
        print(f"warning: {warning}")
    state = state_dir("prepare", {"tasks": tasks, "clean": params.clean, "verify": params.verify})
    tasks, report["clean"] = clean(tasks, params.clean, params.verify, state)
    print(f"kept {len(tasks)} tasks, set aside {report['clean']['set_aside'] or 'none'}")
    if params.audit.weak == "leave_out":
        from halo_forge.data.clean.weak import leave_out  # with the grammars, which nothing else here needs

        inputs = {"tasks": tasks, "audit": params.audit, "verify": params.verify, "seed": params.seed}
        tasks, report["audit"] = leave_out(
            tasks, params.audit, params.verify, params.seed, state_dir("prepare-audit", inputs)
        )
        print(f"kept {len(tasks)} tasks, left out {len(report['audit']['left_out'])} with weak tests")
    write_records("data/prepared/tasks.jsonl", tasks)
    write_json("data/prepared/report.json", report)
    print(f"prepared {len(tasks)} tasks from {report['by_source']}")


def check_places(settings: Prepare) -> None:
    """Raises InputError for a file that lies where DVC would not see an edit of it."""
    for file in settings.files:
        watched("prepare.files", file.path, GENERATED)
    for source in settings.sources:
        for path in [*([source.dataset] if is_file(source.dataset) else []), *source.local]:
            watched("prepare.sources", path, GENERATED)


if __name__ == "__main__":
    stage(main)
