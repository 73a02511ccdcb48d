"""C++ and C answers: compiled with g++ or gcc and run once a test, all in one box."""

from __future__ import annotations

import shutil

from halo_forge.config import Verify
from halo_forge.errors import InfrastructureError
from halo_forge.records import CompileTests, StdioTests, Task
from halo_forge.verify import grade, headers
from halo_forge.verify.extract import extract_code
from halo_forge.verify.job import Job, Limits
from halo_forge.verify.protocol import Judgement
from halo_forge.verify.sandbox import Sandbox

# -O0: the tests are small, so time goes into compiling. Warnings are asked for since the reward ladder knows them.
FLAGS = {
    "cpp": ["-std=c++17", "-O0", "-Wall", "-Wextra"],
    "c": ["-std=c17", "-O0", "-Wall", "-Wextra"],
}
_COMPILER = {"cpp": "g++", "c": "gcc"}
_SUFFIX = {"cpp": "cpp", "c": "c"}
COMPILE_MEMORY_MB = 2048
COMPILE_FILE_MB = 60
COMPILE_OUTPUT_KB = 1024
COMPILE_PROCESSES = 16


class GccVerifier:
    """Programs that read stdin and write stdout, and programs that must only compile."""

    name = "gcc"

    def __init__(self, settings: Verify):
        self._settings = settings
        self._headers = headers.folder()
        self._sandbox = Sandbox(settings, binds=[self._headers])
        self._run_limits = Limits(
            settings.run_timeout_s, settings.memory_mb, settings.max_processes, settings.max_output_kb
        )
        self._compile_limits = Limits(
            settings.compile_timeout_s, COMPILE_MEMORY_MB, COMPILE_PROCESSES, COMPILE_OUTPUT_KB, COMPILE_FILE_MB
        )

    @property
    def isolation(self) -> str:
        return self._sandbox.isolation

    def probe(self) -> None:
        for compiler in _COMPILER.values():
            if shutil.which(compiler) is None:
                raise InfrastructureError(f"{compiler} not found: apt install g++")
        self._sandbox.probe()

    def check(self, task: Task) -> None:
        grade.check_task(task, tuple(FLAGS), (StdioTests, CompileTests), self.name)

    def extract(self, task: Task, completion: str) -> str | None:
        return extract_code(completion, task.language)

    def judge(self, task: Task, completion: str) -> Judgement:
        code = self.extract(task, completion)
        if code is None:
            return grade.no_code(task, self._settings.rewards)
        job = Job(
            files={f"main.{_SUFFIX[task.language]}": code.encode("utf-8", "replace")},
            compile=self._command(task, code),
            compile_limits=self._compile_limits,
            run=["./main"],
            cases=grade.cases_of(task),
            run_limits=self._run_limits,
        )
        return grade.grade(task, code, self._sandbox.run(job), self._settings.rewards)

    def _command(self, task: Task, code: str) -> list[str]:
        compiler = shutil.which(_COMPILER[task.language])
        if compiler is None:
            raise InfrastructureError(f"{_COMPILER[task.language]} not found: apt install g++")
        flags = FLAGS[task.language]
        command = [compiler, *flags, "-fmax-errors=10", "-fdiagnostics-color=never", f"main.{_SUFFIX[task.language]}"]
        if task.language == "cpp":
            command += headers.options(compiler, flags, code)
        if isinstance(task.tests, CompileTests):
            return [*command, "-c", "-o", "main.o"]
        return [*command, *headers.fastest_linker(compiler), "-o", "main"]
