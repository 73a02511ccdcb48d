"""Tasks whose checker is broken: it refuses the expected outputs, or takes an empty one for right everywhere."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from halo_forge.errors import InputError, UnusableTests
from halo_forge.progress import Progress
from halo_forge.records import CheckerTests, Task
from halo_forge.settings.verify import Verify
from halo_forge.verify.checkers.checkers import Checkers


def broken_checkers(tasks: Sequence[Task], settings: Verify) -> dict[str, tuple[str, str]]:
    """task_id -> (reason, detail) for every task whose checker cannot judge; what was tried before is remembered.

    Raises InfrastructureError if a checker cannot be tried here.
    """
    checkers = Checkers(settings)
    asked = [task for task in tasks if isinstance(task.tests, CheckerTests)]

    def trouble(task: Task) -> tuple[str, str] | None:
        try:
            checkers.check(task)
            checkers.try_out(task)
        except InputError as error:
            return "checker cannot be used", str(error)
        except UnusableTests as error:
            return "checker is broken", str(error)
        return None

    found = {}
    workers = settings.workers or len(os.sched_getaffinity(0))
    with Progress(len(asked), "trying checkers") as progress, ThreadPoolExecutor(workers) as threads:
        for task, reason in zip(asked, threads.map(trouble, asked), strict=True):
            progress.advance(1)
            if reason:
                found[task.task_id] = reason
    return found
