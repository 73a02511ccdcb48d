"""A second look at answers that pass a task's test code, under sanitizers."""

from __future__ import annotations

from halo_forge.records import Status, Task
from halo_forge.verify.core import grade
from halo_forge.verify.harness.apart import answer_text
from halo_forge.verify.harness.join import join, read_prefix
from halo_forge.verify.sandbox.job import Run


def program(task: Task, code: str) -> str:
    """The tests below the answer, as one program. Nobody has to guard it: that it passes is known."""
    prefix = read_prefix(task.tests.prefix, task.language)
    return f"{answer_text(prefix, join(prefix, code, task.language), task.language)}{task.tests.code}\n"


def ended(task: Task, number: int, run: Run) -> tuple[Status, str]:
    """(status, detail) of its run: there is nothing to compare."""
    return grade.stopped(run) or ("pass", "")
