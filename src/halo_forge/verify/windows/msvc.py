"""C++ and C answers, compiled with Visual Studio's cl and run on a Windows machine reached over ssh.

What that machine contains
- Every run, the compiler's too, is a job object from its first instruction: memory and processes are limited for the
  whole tree, CPU and wall time and what it prints are watched, nothing can leave the job, and when it ends, times out
  or the driver dies, all of it is killed. No window, no clipboard, no log-off.
- With `low_integrity` (the default) a program runs with a restricted token of low integrity and no privileges: it can
  write to no file, registry key or process of the account, so neither to the driver nor to another program.
- Expected outputs never go there: what a program printed is compared on this side, and checkers run in a box here.
- A folder for every program, and a fresh one for every test of it, removed when the results are out; inputs lie
  outside of them.

What it does not contain
- There is no bubblewrap on Windows. A program can read what the account can read, open network connections, and fill
  the disk where low integrity may write; so can the compiler, at the account's own level, by what an answer includes.
- So give it a virtual machine that can be thrown away, or an account of its own without rights and behind a firewall.
- What programs print is taken for UTF-8; `/utf-8` makes that so for what is written in the source.
"""

from __future__ import annotations

from halo_forge.errors import InfrastructureError
from halo_forge.records import CheckerTests, CompileTests, Source, StdioCase, StdioTests, Task
from halo_forge.settings.verify import Msvc, Verify
from halo_forge.verify.checkers.checkers import Checkers
from halo_forge.verify.compiled.builds import report_in_time
from halo_forge.verify.core import grade
from halo_forge.verify.core.extract import extract_code
from halo_forge.verify.core.protocol import Judgement
from halo_forge.verify.remote.sandbox import Pace, Platform, RemoteSandbox
from halo_forge.verify.sandbox.job import Job, Limits, Report
from halo_forge.verify.windows import diagnostics
from halo_forge.verify.windows.platform import WindowsPlatform

COMPILE_MEMORY_MB = 3072
COMPILE_PROCESSES = 16
COMPILE_OUTPUT_KB = 1024
_SOURCE = {"cpp": "main.cpp", "c": "main.c"}
_LANGUAGE = {"cpp": "/TP", "c": "/TC"}
# cl does not optimise unless it is asked to. Where flags of one's own exclude it the first build is what counts.
_PLAIN: list[str] = []
_QUICK = ["/O2"]


class MsvcVerifier:
    """Programs that read stdin and write stdout, and programs that must only compile.

    One connection for all threads that judge; `close` ends it. Raises InfrastructureError for everything that a host
    can do wrong: dead, slow, unknown, without a compiler.
    """

    name = "msvc"
    lacks = ("posix", "unistd", "gnu", "vla", "unset", "glibc")

    def __init__(self, settings: Verify, remote: Msvc, platform: Platform | None = None):
        """`platform`: what kind of host it is, if not Windows."""
        self._settings, self._remote = settings, remote
        pace = Pace(
            folder=remote.folder,
            batch_size=remote.batch_size,
            at_once=remote.programs_at_once,
            restricted=remote.low_integrity,
            start_timeout_s=remote.start_timeout_s,
            silence_s=remote.silence_s,
            leftovers_age_s=remote.leftovers_age_s,
        )
        self._sandbox = RemoteSandbox(remote, platform or WindowsPlatform(remote.visual_studio), pace)
        self._checkers = Checkers(settings)
        self._run_limits = Limits(
            settings.run_timeout_s, settings.memory_mb, settings.max_processes, settings.max_output_kb
        )
        self._compile_limits = Limits(
            settings.compile_timeout_s, COMPILE_MEMORY_MB, COMPILE_PROCESSES, COMPILE_OUTPUT_KB
        )

    @property
    def description(self) -> str:
        """What it does with a program, in a line."""
        return f"c and cpp: compiled by Visual Studio on {self._remote}; run there once a test"

    @property
    def isolation(self) -> str:
        return "remote-windows+job-object" + "+low-integrity" * self._remote.low_integrity

    @property
    def workers(self) -> int:
        """Threads worth judging with: one batch on the host, one collecting."""
        return 2 * self._remote.batch_size

    @property
    def compiler(self) -> str:
        """The compiler's own name and version; empty before the first contact."""
        ready = self._sandbox.ready
        return diagnostics.decode(ready.words, ready.codepage).strip() if ready else ""

    def probe(self) -> None:
        """Connect, find the compiler, compile and run a program. The host key must have been confirmed before."""
        program = '#include <cstdio>\nint main() { int n; if (std::scanf("%d", &n) == 1) std::printf("%d", 2 * n); }\n'
        judgement = self.judge(_DOUBLE, f"```cpp\n{program}```\n")
        if judgement.status == "compile_error":
            cure = f"check {self._remote.section}.cpp_flags and the C++ workload of Visual Studio there"
        elif judgement.status == "pass":
            return
        elif self._remote.low_integrity:
            cure = f"is the host overloaded? If it cannot run restricted programs: {self._remote.section}.low_integrity"
            cure += ": false"
        else:
            cure = "is the host overloaded?"
        raise InfrastructureError(
            f"{self._remote} does not run a right program, {judgement.status}: "
            f"{' '.join(judgement.detail.split())[:300]}; {cure}"
        )

    def check(self, task: Task) -> None:
        grade.check_task(task, tuple(_SOURCE), (StdioTests, CheckerTests, CompileTests), self.name)
        if isinstance(task.tests, CheckerTests):
            self._checkers.check(task)

    def extract(self, task: Task, completion: str) -> str | None:
        return extract_code(completion, task.language)

    def judge(self, task: Task, completion: str) -> Judgement:
        code = self.extract(task, completion)
        if code is None:
            return grade.no_code(task, self._settings.rewards)
        report = report_in_time(lambda flags, _: self._run(task, code, flags), _PLAIN, _QUICK)
        judge_run = self._checkers.judging(task, report)
        return grade.grade(task, code, report, self._settings.rewards, judge_run=judge_run)

    def _run(self, task: Task, code: str, flags: list[str]) -> Report:
        source = _SOURCE[task.language]
        only_compile = isinstance(task.tests, CompileTests)
        job = Job(
            files={source: code.encode("utf-8", "replace")},
            compile=self._command(task.language, flags, only_compile),
            compile_limits=self._compile_limits,
            run=None if only_compile else ["main.exe"],
            cases=grade.cases_of(task),
            run_limits=self._run_limits,
        )
        return diagnostics.readable(self._sandbox.run(job), source, self._sandbox.ready.codepage)

    def close(self) -> None:
        self._sandbox.close()

    def _command(self, language: str, more: list[str], only_compile: bool) -> list[str]:
        flags = [*(self._remote.cpp_flags if language == "cpp" else self._remote.c_flags), *more]
        result = ["/c"] if only_compile else ["/Femain.exe"]
        return ["cl.exe", "/nologo", *flags, _LANGUAGE[language], _SOURCE[language], *result]


_DOUBLE = Task(
    task_id="probe",
    language="cpp",
    prompt="",
    tests=StdioTests(cases=[StdioCase(stdin="21\n", stdout="42\n")]),
    source=Source(dataset="probe"),
    family="probe",
)
