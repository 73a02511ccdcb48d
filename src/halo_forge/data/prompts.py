"""Prompts for RAFT and benchmarks: rows of any file as tasks, each with the language it is to be answered in."""

from __future__ import annotations

import re
from itertools import islice
from pathlib import Path

from halo_forge.data.left_out import LeftOut
from halo_forge.data.rows import as_task, read_file
from halo_forge.errors import InputError
from halo_forge.records import Task

DEFAULT_LANGUAGE = "cpp"
"""Of a row that names no language, in a field or in its prompt."""

_LANGUAGE_OF = {
    "gcc": "cpp",
    "clang": "cpp",
    "mingw": "cpp",
    "msvc": "cpp",
    "python": "python",
    "pytest": "python",
    "rust": "rust",
    "go": "go",
}
_NAMED = {
    "cpp": re.compile(r"\bC\+\+|\bcpp\b", re.I),
    "python": re.compile(r"\bpython\b|\bpytest\b", re.I),
    "rust": re.compile(r"\bRust\b"),
    "go": re.compile(r"\bGolang\b|\bin Go\b|\bGo (?:program|function|code|package)\b"),
}


def read_prompts(path: Path, verifier: str, limit: int | None = None, left_out: LeftOut | None = None) -> list[Task]:
    """The rows of `path` as tasks with ids of their own; a row without tests asks for compiling only.

    A row that says no language gets the verifier's; with `auto` and `custom` the one that its prompt names, else
    DEFAULT_LANGUAGE. Rows that cannot be read go to `left_out`. Raises InputError for one where that is not given, for
    an empty file or a task_id that comes twice.
    """
    language = _LANGUAGE_OF.get(verifier.removesuffix("-compile"))
    tasks: dict[str, Task] = {}
    for row in islice(read_file(path, language=language, left_out=left_out), limit):
        task = as_task(row, language=language or named_language(row.prompt))
        if task.task_id in tasks:
            raise InputError(f"{path}:{row.line}: task_id {task.task_id!r} comes twice; make task ids unique")
        tasks[task.task_id] = task
    return list(tasks.values())


def named_language(prompt: str) -> str:
    """The language that a prompt names, if it names one and no other; else DEFAULT_LANGUAGE."""
    found = [language for language, pattern in _NAMED.items() if pattern.search(prompt)]
    return found[0] if len(found) == 1 else DEFAULT_LANGUAGE


def warning_about_tests(tasks: list[Task]) -> str | None:
    """What must be said where answers can only be compiled; None if every task has tests."""
    untested = sum(task.tests.kind == "compile" for task in tasks)
    if not untested:
        return None
    which = (
        f"none of the {len(tasks)} prompts has tests"
        if untested == len(tasks)
        else f"{untested} prompts of {len(tasks)} have no tests"
    )
    return f"{which}: their answers are only compiled, which cannot tell right from wrong"
