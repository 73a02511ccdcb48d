"""Leaving out what has weak tests, before anything is trained on it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from halo_forge.audit.audit import audit, weak_families
from halo_forge.audit.summary import figures
from halo_forge.errors import InputError
from halo_forge.records import Task
from halo_forge.settings.audit import Audit
from halo_forge.settings.verify import Verify


def leave_out(tasks: Sequence[Task], settings: Audit, verify: Verify, seed: int, wip: Path) -> tuple[list[Task], dict]:
    """The tasks without those of families whose audited task is weak, and a report with each that is gone.

    Tasks that cannot be audited stay. Raises what `audit` raises, and InputError if nothing is left.
    """
    audited, skipped = audit(tasks, settings, verify, wip, seed=seed)
    weak = weak_families(audited, settings.min_kill_rate)
    kept = [task for task in tasks if (task.family, task.language) not in weak]
    if not kept:
        raise InputError(
            f"audit: the tests of all {len(tasks)} tasks are weak (audit.min_kill_rate: {settings.min_kill_rate:g}); "
            "lower it, or set audit.weak: warn"
        )
    gone = [
        {"task_id": task.task_id, "audited": one.task_id, "kill_rate": one.kill_rate}
        for task in tasks
        if (one := weak.get((task.family, task.language)))
    ]
    return kept, {"kept": len(kept), "left_out": gone, **figures(audited, skipped, settings.min_kill_rate)}
