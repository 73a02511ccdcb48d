"""From what the program did (a Report) to the Judgement: status by status, the expected values at hand."""

from __future__ import annotations

import io
import reprlib
import signal
from fractions import Fraction
from typing import Any

from halo_forge.config_verify import Ladder
from halo_forge.errors import InputError
from halo_forge.records import CallTests, CompileTests, PytestTests, PythonTests, Status, StdioTests, Task
from halo_forge.verify.compare import outputs_match, values_match
from halo_forge.verify.inside import wire
from halo_forge.verify.job import Report, Run
from halo_forge.verify.protocol import Judgement, clip
from halo_forge.verify.rewards import reward_for

_STATUS_OF_LIMIT: dict[str, Status] = {
    "cpu": "timeout",
    "wall": "timeout",
    "memory": "memory_limit",
    "output": "output_limit",
}
_OUT_OF_MEMORY = (b"std::bad_alloc", b"std::bad_array_new_length", b"MemoryError", b"Cannot allocate memory")


def cases_of(task: Task) -> list[dict]:
    """The inputs of a task's tests, as the runner takes them; nothing that is expected."""
    if isinstance(task.tests, StdioTests):
        return [{"stdin": case.stdin.encode()} for case in task.tests.cases]
    if isinstance(task.tests, CallTests):
        return [{"stdin": b"", "call": [task.tests.entry_point, case.args]} for case in task.tests.cases]
    return []


def count_tests(task: Task) -> int:
    """How many tests a task has; compiling is one where nothing else is asked."""
    if isinstance(task.tests, (StdioTests, CallTests)):
        return len(task.tests.cases)
    return 1


def check_task(task: Task, languages: tuple[str, ...], kinds: tuple[type, ...], verifier: str) -> None:
    """Raises InputError if the verifier does not know this language or this kind of tests."""
    if task.language not in languages or not isinstance(task.tests, kinds):
        raise InputError(
            f"{task.task_id}: tests of kind {task.tests.kind!r} in {task.language!r} are not known to the verifier "
            f"{verifier!r}; leave the task out or choose another verifier"
        )


def no_code(task: Task, ladder: Ladder) -> Judgement:
    reward = reward_for("no_code", 0, 1, warnings=False, ladder=ladder)
    return Judgement("no_code", reward, 0, count_tests(task), "the completion holds no program", "")


def grade(task: Task, code: str, report: Report, ladder: Ladder) -> Judgement:
    """The judgement of one program.

    The status is that of the worst step: not compiling, then the first test that was stopped or crashed, then the
    first with a wrong answer. A report that breaks off says that the answer brought the runner down: runtime_error.
    """
    total = count_tests(task)
    compiled = report.compile
    words = _words(compiled.stderr or compiled.stdout) if compiled else ""

    def judgement(status: Status, passed: int, detail: str, total: int = total) -> Judgement:
        if status == "runtime_error" and report.out_of_memory:
            status = "memory_limit"
        reward = reward_for(status, passed, total, warnings=bool(words), ladder=ladder)
        return Judgement(status, reward, passed, total, clip(detail), code)

    if compiled and (compiled.exit_code != 0 or compiled.limit != "-"):
        return judgement("compile_error", 0, words or _describe(compiled, "the compiler"))
    if isinstance(task.tests, CompileTests):
        if report.whole:
            return judgement("pass", 1, words)
        return judgement("compile_error", 0, "the compiler was brought down")
    if report.referee is not None or isinstance(task.tests, (PythonTests, PytestTests)):
        return judgement(*_judge_referee(report))
    results = [_judge_run(task, number, run) for number, run in enumerate(report.tests)]
    passed = sum(status == "pass" for status, _ in results)
    for number, (status, detail) in enumerate(results, 1):
        if status not in ("pass", "wrong_answer"):
            return judgement(status, passed, f"test {number}: {detail}")
    if not report.whole or len(results) < total:
        return judgement("runtime_error", passed, f"test {len(results) + 1}: the program brought the test runner down")
    for number, (status, detail) in enumerate(results, 1):
        if status == "wrong_answer":
            return judgement(status, passed, f"test {number}: {detail}")
    return judgement("pass", passed, words)


def _judge_run(task: Task, number: int, run: Run) -> tuple[Status, str]:
    if run.limit != "-":
        return _STATUS_OF_LIMIT[run.limit], _describe(run, "the program")
    if run.exit_code != 0:
        status: Status = "memory_limit" if any(mark in run.stderr for mark in _OUT_OF_MEMORY) else "runtime_error"
        return status, f"{_describe(run, 'the program')}\n{_words(run.stderr)}"
    if isinstance(task.tests, CallTests):
        return _judge_value(run.value, task.tests.cases[number].expected)
    case = task.tests.cases[number]
    printed = run.stdout.decode("utf-8", "replace")
    if outputs_match(printed, case.stdout, task.tests.compare):
        return "pass", ""
    return "wrong_answer", f"expected {_short(case.stdout)}, printed {_short(printed)}"


def _judge_referee(report: Report) -> tuple[Status, int, str, int]:
    """(status, tests that held, detail, all tests) of tests that a referee ran beside the answer."""
    run = report.tests[0] if report.tests else None
    if run is not None and run.limit != "-":
        return _STATUS_OF_LIMIT[run.limit], 0, _describe(run, "the program"), 1
    words = "" if run is None else f"\n{_words(run.stderr)}"
    if run is None or not report.whole or not report.referee:
        return "runtime_error", 0, f"the program brought the tests down{words}", 1
    held, total, ended, failure = wire.unpack(report.referee, _no_reference)
    if failure is None and ended and held:
        return "pass", total, "", total
    kind, text = failure or ("error", "the tests ended without having checked anything")
    if run.exit_code != 0 and not ended:
        text += f"; {_describe(run, 'the program')}{words}"
    if "MemoryError" in text or any(mark in run.stderr for mark in _OUT_OF_MEMORY):
        return "memory_limit", held, text, max(total, 1)
    return ("wrong_answer" if kind == "wrong" else "runtime_error"), held, text, max(total, 1)


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


def _judge_value(encoded: bytes, expected: Any) -> tuple[Status, str]:
    pieces = io.BytesIO(encoded)
    try:
        value = wire.unpack(wire.receive(pieces.read, len(encoded)) or b"", _no_reference)
    except wire.Crossing:
        return "runtime_error", "the call ended without returning a value"
    if values_match(value, expected):
        return "pass", ""
    return "wrong_answer", f"expected {_short(_SHOWN.repr(expected))}, returned {_short(_SHOWN.repr(value))}"


def _describe(run: Run, who: str) -> str:
    if run.limit == "cpu":
        return f"{who} used up its CPU time"
    if run.limit == "wall":
        return f"{who} was still waiting when its time was up"
    if run.limit == "memory":
        return f"{who} took more memory than it may"
    if run.limit == "output":
        return f"{who} wrote more than it may"
    if run.exit_code < 0:
        return f"{who} was ended by {_signal_name(-run.exit_code)}"
    return f"{who} ended with exit code {run.exit_code}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _words(data: bytes) -> str:
    return data.decode("utf-8", "replace").strip()


def _short(text: str, limit: int = 200) -> str:
    text = text.strip()
    return repr(text) if len(text) <= limit else repr(text[:limit]) + "…"
