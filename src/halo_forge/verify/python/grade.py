"""From what a Python answer did (a Report) to the Judgement: calls of one function, and tests run by the referee."""

from __future__ import annotations

import functools
import io
import reprlib
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from halo_forge.errors import InfrastructureError
from halo_forge.records import CallTests, PytestTests, PythonTests, Status, Task
from halo_forge.settings.verify import Ladder
from halo_forge.verify.core import grade
from halo_forge.verify.core.compare import Tolerance
from halo_forge.verify.core.protocol import Judgement
from halo_forge.verify.python.compare import tolerance_of, values_match
from halo_forge.verify.python.inside import wire
from halo_forge.verify.sandbox.job import Report, Run


def cases_of(task: Task) -> list[dict]:
    """The inputs of a task's tests, as the runner takes them; nothing that is expected."""
    if isinstance(task.tests, CallTests):
        return [{"stdin": b"", "call": [task.tests.entry_point, case.args]} for case in task.tests.cases]
    return grade.cases_of(task)


def grade_python(
    task: Task,
    code: str,
    report: Report,
    ladder: Ladder,
    judge_run: Callable[[Task, int, Run], tuple[Status, str]] | None = None,
) -> Judgement:
    """The judgement of one program: as `grade.grade`, for all kinds of tests that Python has."""
    by_calls = isinstance(task.tests, CallTests)
    refereed = report.referee is not None or isinstance(task.tests, (PythonTests, PytestTests))
    return grade.grade(
        task,
        code,
        report,
        ladder,
        judge_run=functools.partial(_judge_call, tolerance_of(task.tests)) if by_calls else judge_run,
        judge_all=_judge_referee if refereed else None,
    )


def outputs_of(task: Task, report: Report) -> list[Any]:
    """What a program printed, or its function returned, for each of a task's tests; None where it failed."""
    if not isinstance(task.tests, CallTests):
        return grade.printed(task, report)
    values = [None if grade.stopped(run) else _value(run.value) for run in report.tests]
    return values + [None] * (grade.count_tests(task) - len(values))


def _value(encoded: bytes) -> Any:
    """What a call returned; None if it returned nothing that can cross, as if it had failed."""
    try:
        return _received(encoded)
    except wire.Crossing:
        return None


def _judge_call(tolerance: Tolerance, task: Task, number: int, run: Run) -> tuple[Status, str]:
    return grade.stopped(run) or _judge_value(run.value, task.tests.cases[number].expected, tolerance)


def _judge_referee(report: Report) -> tuple[Status, int, str, int]:
    """(status, tests that held, detail, all tests) of tests that a referee ran beside the answer."""
    run = report.tests[0] if report.tests else None
    if run is not None and run.limit != "-":
        return grade.STATUS_OF_LIMIT[run.limit], 0, grade.describe(run, "the program"), 1
    words = "" if run is None else f"\n{grade.words(run.stderr)}"
    if run is None or not report.whole or not report.referee:
        return "runtime_error", 0, f"the program brought the tests down{words}", 1
    held, total, ended, failure, words_taken = wire.unpack(report.referee, _no_reference)
    if failure is None and ended and held:
        return "pass", total, f"{OWN_WORD}: {words_taken}" if words_taken else "", total
    if failure is not None and failure[0] == "task":
        raise InfrastructureError(f"{failure[1]}; name it in an import that can be seen, or leave the task out")
    kind, text = failure or ("error", "the tests ended without having checked anything")
    if run.exit_code != 0 and not ended:
        text += f"; {grade.describe(run, 'the program')}{words}"
    if "MemoryError" in text or any(mark in run.stderr for mark in grade.OUT_OF_MEMORY):
        return "memory_limit", held, text, max(total, 1)
    return ("wrong_answer" if kind == "wrong" else "runtime_error"), held, text, max(total, 1)


OWN_WORD = "[own word] comparisons that the answer's own classes decided"
"""How a verdict names what the referee cannot know better: where the tests are about such a class."""


class _Shown(reprlib.Repr):
    """repr() of what an answer returned, in no more time than what is shown of it takes."""

    def repr_int(self, value: int, level: int) -> str:
        return repr(value) if value.bit_length() < 1000 else f"{hex(value >> (value.bit_length() - 128))[:30]}…"

    def repr_Fraction(self, value: Fraction, level: int) -> str:  # noqa: N802 - the protocol of reprlib
        return f"Fraction({self.repr_int(value.numerator, level)}, {self.repr_int(value.denominator, level)})"


_SHOWN = _Shown()
_SHOWN.maxstring = _SHOWN.maxother = 220
_SHOWN.maxlist = _SHOWN.maxtuple = _SHOWN.maxset = _SHOWN.maxfrozenset = _SHOWN.maxdict = _SHOWN.maxdeque = 40


def _no_reference(reference: wire.Reference) -> Any:
    raise wire.Crossing(f"a {reference.kind}")


def _received(encoded: bytes) -> Any:
    return wire.unpack(wire.receive(io.BytesIO(encoded).read, len(encoded)) or b"", _no_reference)


def _judge_value(encoded: bytes, expected: Any, tolerance: Tolerance) -> tuple[Status, str]:
    try:
        value = _received(encoded)
    except wire.Crossing:
        return "runtime_error", "the call ended without returning a value"
    if values_match(value, expected, tolerance):
        return "pass", ""
    return "wrong_answer", f"expected {grade.short(_SHOWN.repr(expected))}, returned {grade.short(_SHOWN.repr(value))}"
