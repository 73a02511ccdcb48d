"""From what the program did (a Report) to the Judgement: status by status, the expected values at hand."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable

from halo_forge.errors import InputError
from halo_forge.records import CallTests, CheckerTests, CompileTests, Status, StdioTests, Task
from halo_forge.settings.verify import Ladder
from halo_forge.verify.core.compare import outputs_match
from halo_forge.verify.core.protocol import Judgement, clip
from halo_forge.verify.core.rewards import reward_for
from halo_forge.verify.sandbox.job import Report, Run

STATUS_OF_LIMIT: dict[str, Status] = {
    "cpu": "timeout",
    "wall": "timeout",
    "memory": "memory_limit",
    "output": "output_limit",
}
OUT_OF_MEMORY = (b"std::bad_alloc", b"std::bad_array_new_length", b"MemoryError", b"Cannot allocate memory")


def cases_of(task: Task) -> list[dict]:
    """The inputs of a task's tests, as the runner takes them; nothing that is expected."""
    if isinstance(task.tests, (StdioTests, CheckerTests)):
        return [{"stdin": case.stdin.encode()} for case in task.tests.cases]
    return []


def count_tests(task: Task) -> int:
    """How many tests a task has; compiling is one where nothing else is asked."""
    if isinstance(task.tests, (StdioTests, CheckerTests, CallTests)):
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


def grade(
    task: Task,
    code: str,
    report: Report,
    ladder: Ladder,
    *,
    judge_run: Callable[[Task, int, Run], tuple[Status, str]] | None = None,
    judge_all: Callable[[Report], tuple[Status, int, str, int]] | None = None,
) -> Judgement:
    """The judgement of one program.

    `judge_run` gives (status, detail) of one test, by default by what it printed; `judge_all`, where tests are code,
    (status, tests that held, detail, all tests) of the whole report.

    The status is that of the worst step: not compiling, then the first test that was stopped or crashed, then the
    first with a wrong answer. A report that breaks off says that the answer brought the runner down: runtime_error.
    """
    total = count_tests(task)
    compiled = report.compile
    said = words(compiled.stderr or compiled.stdout) if compiled else ""

    def judgement(status: Status, passed: int, detail: str, total: int = total) -> Judgement:
        if status == "runtime_error" and report.out_of_memory:
            status = "memory_limit"
        reward = reward_for(status, passed, total, warnings=bool(said), ladder=ladder)
        slowest_s = max((run.limit_s for run in report.tests), default=0.0)
        used_up = any(run.limit == "cpu" for run in report.tests)
        return Judgement(status, reward, passed, total, clip(detail), code, slowest_s, used_up)

    if compiled and (compiled.exit_code != 0 or compiled.limit != "-"):
        return judgement("compile_error", 0, said or describe(compiled, "the compiler"))
    if isinstance(task.tests, CompileTests):
        if report.whole:
            return judgement("pass", 1, said)
        return judgement("compile_error", 0, "the compiler was brought down")
    if judge_all is not None:
        return judgement(*judge_all(report))
    judge_run = judge_run or judge_printed
    results = [judge_run(task, number, run) for number, run in enumerate(report.tests)]
    passed = sum(status == "pass" for status, _ in results)
    for number, (status, detail) in enumerate(results, 1):
        if status not in ("pass", "wrong_answer"):
            return judgement(status, passed, f"test {number}: {detail}")
    if not report.whole or len(results) < total:
        return judgement("runtime_error", passed, f"test {len(results) + 1}: the program brought the test runner down")
    for number, (status, detail) in enumerate(results, 1):
        if status == "wrong_answer":
            return judgement(status, passed, f"test {number}: {detail}")
    return judgement("pass", passed, said)


def stopped(run: Run) -> tuple[Status, str] | None:
    """(status, detail) of a run that a limit stopped or that crashed; None if it came to its end."""
    if run.limit != "-":
        return STATUS_OF_LIMIT[run.limit], describe(run, "the program")
    if run.exit_code != 0:
        status: Status = "memory_limit" if any(mark in run.stderr for mark in OUT_OF_MEMORY) else "runtime_error"
        return status, f"{describe(run, 'the program')}\n{words(run.stderr)}"
    return None


def judge_printed(task: Task, number: int, run: Run) -> tuple[Status, str]:
    """(status, detail) of one test by what the program printed."""
    if ended := stopped(run):
        return ended
    case = task.tests.cases[number]
    printed = run.stdout.decode("utf-8", "replace")
    if outputs_match(printed, case.stdout, task.tests):
        return "pass", ""
    return "wrong_answer", f"expected {short(case.stdout)}, printed {short(printed)}"


def printed(task: Task, report: Report) -> list[str | None]:
    """What a program printed for each of a task's tests; None where it did not come to a good end."""
    texts = [None if stopped(run) else run.stdout.decode("utf-8", "replace") for run in report.tests]
    return texts + [None] * (count_tests(task) - len(texts))


def failed_test(detail: str) -> int | None:
    """The test, counted from 0, that a judgement's detail says is the first to have failed."""
    found = re.match(r"test (\d+): ", detail)
    return int(found[1]) - 1 if found else None


def describe(run: Run, who: str) -> str:
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


def words(data: bytes) -> str:
    return data.decode("utf-8", "replace").strip()


def short(text: str, limit: int = 200) -> str:
    text = text.strip()
    return repr(text) if len(text) <= limit else repr(text[:limit]) + "…"
