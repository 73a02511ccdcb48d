"""Python answers: parsed, then run as `python -I` once a test, each test in a process forked in the box.

Tests that are code run in a process of their own and call into the answer's (`inside/referee.py`).
"""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Any

from halo_forge.records import CallTests, CheckerTests, CompileTests, PytestTests, PythonTests, StdioTests, Task
from halo_forge.settings.verify import Verify
from halo_forge.verify.checkers.checkers import Checkers
from halo_forge.verify.core import grade
from halo_forge.verify.core.asked import asked_names
from halo_forge.verify.core.extract import extract_code
from halo_forge.verify.core.protocol import Judgement
from halo_forge.verify.python import asserts, pytest_files, pytest_library
from halo_forge.verify.python.grade import cases_of, grade_python, outputs_of
from halo_forge.verify.python.program import to_run
from halo_forge.verify.sandbox.box import Sandbox
from halo_forge.verify.sandbox.job import Job, Limits, Report

INSIDE = Path(__file__).with_name("inside")
"""What runs in the box beside the runner: the referee, and the answer's end of the line to it."""
PYTEST_CPU_S = 3.0
"""What pytest itself takes, on a slow machine."""
_KINDS = (StdioTests, CheckerTests, CallTests, PythonTests, PytestTests, CompileTests)


class PythonVerifier:
    """All kinds of tests: stdio, with a checker or without, calls of one function, HumanEval- and MBPP-style asserts,
    pytest files, parsing alone.

    Parsing stands in the place of compiling: a SyntaxError is what the reward ladder calls "does not compile".
    """

    name = "python"

    def __init__(self, settings: Verify):
        self._settings = settings
        self._sandbox = Sandbox(settings, binds=[pytest_library.folder()], inside=[INSIDE])
        self._checkers = Checkers(settings)
        self._limits = Limits(
            settings.run_timeout_s, settings.memory_mb, settings.max_processes, settings.max_output_kb
        )

    @property
    def isolation(self) -> str:
        return self._sandbox.isolation

    def fingerprint(self) -> str:
        parts = [self._limits, self._settings.rewards, sys.version, pytest_library.folder().name]
        return repr([*parts, self._checkers.fingerprint])

    def probe(self) -> None:
        self._sandbox.probe()

    def check(self, task: Task) -> None:
        grade.check_task(task, ("python",), _KINDS, self.name)
        if isinstance(task.tests, PythonTests):
            asserts.prepared(task.tests.model_dump_json(), task.task_id)
        if isinstance(task.tests, CheckerTests):
            self._checkers.check(task)
        if isinstance(task.tests, PytestTests):
            pytest_files.prepared(task.tests.model_dump_json(), task.task_id, task.entry_point)

    def extract(self, task: Task, completion: str) -> str | None:
        """The program as the answer gives it; what is run of it says `program.to_run`."""
        return extract_code(completion, "python", names=asked_names(task))

    def judge(self, task: Task, completion: str) -> Judgement:
        code = self.extract(task, completion)
        if code is None:
            return grade.no_code(task, self._settings.rewards)
        report = self._run(task, code)
        return grade_python(task, code, report, self._settings.rewards, self._checkers.judging(task, report))

    def outputs(self, task: Task, completion: str) -> list[Any]:
        """What a program prints, or its function returns, for the input of each stdio or calls test; None where it
        fails or returns nothing. What is expected is not read."""
        return outputs_of(task, self._run(task, self.extract(task, completion) or ""))

    def _run(self, task: Task, code: str) -> Report:
        tests, program, limits = None, code, self._limits
        if isinstance(task.tests, PythonTests):
            tests = asserts.prepared(task.tests.model_dump_json(), task.task_id)
            program = asserts.program(task, task.tests, code)
        elif isinstance(task.tests, PytestTests):
            limits = dataclasses.replace(limits, cpu_s=limits.cpu_s + PYTEST_CPU_S)
            tests = pytest_files.prepared(task.tests.model_dump_json(), task.task_id, task.entry_point)
        source = to_run(task, program).encode("utf-8", "replace")
        job = Job(
            files={"main.py": source},
            compile_limits=self._limits,
            source=source,
            cases=cases_of(task),
            tests=tests,
            run_limits=limits,
        )
        return self._sandbox.run(job)
