"""A task with further tests: inputs like those it has, with the outputs of its reference."""

from __future__ import annotations

import re
from typing import Any

from halo_forge.audit.calls import calls_of, is_plain
from halo_forge.audit.inputs import further_arguments, further_texts
from halo_forge.records import CallCase, CallTests, PythonTests, StdioCase, StdioTests, Task
from halo_forge.verify.core.protocol import Verifier
from halo_forge.verify.python.asserts import program

MOST_LETTERS = 20_000
"""Longer outputs are no tests that anyone would read, and slow to compare."""


def completion(task: Task, code: str) -> str:
    """A program as an answer to a task."""
    return f"````{task.language}\n{code}\n````"


def as_program(task: Task, code: str) -> str:
    """A program that stands by itself: with what the prompt of HumanEval-style tests had defined above it."""
    return program(task, task.tests, code) if isinstance(task.tests, PythonTests) else code


def further_tests(task: Task, verifier: Verifier, limit: int, seed: str) -> Task | None:
    """The task with at most `limit` other tests, on whose inputs its reference runs to its end.

    None where no inputs can be made: tests that are code and whose calls do not show, a verifier that gives no outputs.
    Raises InfrastructureError.
    """
    asked = _asked(task, limit, seed)
    if asked is None or not hasattr(verifier, "outputs"):
        return None
    cases = []
    outputs = verifier.outputs(asked, completion(asked, as_program(task, task.solution or "")))
    for case, output in zip(asked.tests.cases, outputs, strict=True):
        if output is not None and is_plain(output) and len(repr(output)) <= MOST_LETTERS:
            cases.append(case.model_copy(update={_EXPECTED[type(case)]: output}))
    return _with_cases(asked, cases) if cases else None


_EXPECTED = {StdioCase: "stdout", CallCase: "expected"}


def _asked(task: Task, limit: int, seed: str) -> Task | None:
    """The task with further inputs, and nothing expected yet."""
    if isinstance(task.tests, StdioTests):
        stdins = [case.stdin for case in task.tests.cases]
        found = further_texts(stdins, limit, seed, task.prompt, _constants(task))
        return _with_cases(task, [StdioCase(stdin=text, stdout="") for text in found]) if found else None
    calls = calls_of(task)
    if calls is None:
        return None
    cases: list[Any] = [
        CallCase(args=arguments, expected=None)
        for arguments in further_arguments(calls.arguments, limit, seed, task.prompt, _constants(task))
    ]
    if not cases:
        return None
    return task.model_copy(update={"tests": CallTests(entry_point=calls.function, cases=cases)})


def _constants(task: Task) -> list[int]:
    """The whole numbers in a reference, each once."""
    return sorted({int(digits) for digits in re.findall(r"(?<![\w.])\d{1,9}(?![\w.])", task.solution or "")})


def _with_cases(task: Task, cases: list[Any]) -> Task:
    return task.model_copy(update={"tests": task.tests.model_copy(update={"cases": cases})})
