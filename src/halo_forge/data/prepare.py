"""All tasks from all sources, checked, as one list."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from halo_forge.config import Prepare
from halo_forge.data.builtin import load_families, variants
from halo_forge.errors import InputError
from halo_forge.records import Task, read_records


def prepare(settings: Prepare, root: Path) -> tuple[list[Task], dict]:
    """Tasks of every source in order, and counts by source and reason. Raises InputError on a bad or double row."""
    tasks: list[Task] = []
    counts: dict[str, int] = {}
    left_out: Counter[str] = Counter()
    if settings.builtin:
        families = load_families(root / "data" / "builtin")
        own = [variant.task(language) for variant in variants(families) for language in settings.languages]
        counts["builtin"] = len(own)
        tasks += own
    for file in settings.files:
        rows = read_records(root / file.path, Task)
        wanted = [task for task in rows if task.language in settings.languages]
        if len(wanted) < len(rows):
            left_out["language not in prepare.languages"] += len(rows) - len(wanted)
        counts[file.path] = len(wanted)
        tasks += wanted
    doubles = [task_id for task_id, number in Counter(task.task_id for task in tasks).items() if number > 1]
    if doubles:
        raise InputError(
            f"prepare: task_id {doubles[0]!r} occurs {len(doubles) + 1} times or more; make task ids unique"
        )
    if not tasks:
        raise InputError("prepare: no tasks; set prepare.builtin: true or name files in prepare.files")
    return tasks, {"tasks": len(tasks), "by_source": counts, "left_out": dict(left_out)}
