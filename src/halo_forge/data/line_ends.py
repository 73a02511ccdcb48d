"""Carriage returns in what programs are given to read: on Linux they are part of the line, and right programs fail."""

from __future__ import annotations

from halo_forge.records import StdioTests, Task

CURE = "take them out with --newlines lf (data prepare) or newlines: lf (prepare.sources)"


def has_returns(task: Task | None) -> bool:
    """Whether the input of a test has a carriage return, at a line's end or alone."""
    return task is not None and isinstance(task.tests, StdioTests) and any("\r" in c.stdin for c in task.tests.cases)


def with_newlines(task: Task) -> Task:
    """The task with lines that end in LF alone, in its input and in what is expected."""
    if not isinstance(task.tests, StdioTests):
        return task
    cases = [
        case.model_copy(update={"stdin": _newlines(case.stdin), "stdout": _newlines(case.stdout)})
        for case in task.tests.cases
    ]
    return task.model_copy(update={"tests": task.tests.model_copy(update={"cases": cases})})


def warning(tasks: int, first: str) -> str:
    """What is said of a file with such tasks."""
    return f"warning: {tasks} tasks have carriage returns in their input, the first is {first}; {CURE}"


def _newlines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")
