"""Python answers: parsed, then run as `python -I` once a test, each test in a process forked in the box."""

from __future__ import annotations

from halo_forge.config import Verify
from halo_forge.records import CallTests, CompileTests, StdioTests, Task
from halo_forge.verify import grade
from halo_forge.verify.extract import extract_code
from halo_forge.verify.job import Job, Limits
from halo_forge.verify.protocol import Judgement
from halo_forge.verify.sandbox import Sandbox


class PythonVerifier:
    """stdio programs, calls of one function, and programs that must only parse.

    Parsing stands in the place of compiling: a SyntaxError is what the reward ladder calls "does not compile".
    """

    name = "python"

    def __init__(self, settings: Verify):
        self._settings = settings
        self._sandbox = Sandbox(settings)
        self._limits = Limits(
            settings.run_timeout_s, settings.memory_mb, settings.max_processes, settings.max_output_kb
        )

    @property
    def isolation(self) -> str:
        return self._sandbox.isolation

    def probe(self) -> None:
        self._sandbox.probe()

    def check(self, task: Task) -> None:
        grade.check_task(task, ("python",), (StdioTests, CallTests, CompileTests), self.name)

    def extract(self, task: Task, completion: str) -> str | None:
        return extract_code(completion, "python")

    def judge(self, task: Task, completion: str) -> Judgement:
        code = self.extract(task, completion)
        if code is None:
            return grade.no_code(task, self._settings.rewards)
        source = code.encode("utf-8", "replace")
        job = Job(
            files={"main.py": source},
            compile_limits=self._limits,
            source=source,
            cases=grade.cases_of(task),
            run_limits=self._limits,
        )
        return grade.grade(task, code, self._sandbox.run(job), self._settings.rewards)
