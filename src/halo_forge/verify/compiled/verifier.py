"""Answers in compiled languages: compiled, linked and run once a test, all in one box."""

from __future__ import annotations

from dataclasses import replace
from typing import Self

from halo_forge.errors import InfrastructureError, InputError
from halo_forge.records import CheckerTests, CompileTests, StdioTests, Task
from halo_forge.settings.verify import Verify
from halo_forge.verify.checkers.checkers import Checkers
from halo_forge.verify.compiled import sanitizers
from halo_forge.verify.compiled.builds import report_of, spared_s
from halo_forge.verify.compiled.toolchain import Toolchain, reason
from halo_forge.verify.core import grade
from halo_forge.verify.core.extract import extract_code
from halo_forge.verify.core.protocol import Judgement
from halo_forge.verify.sandbox.box import Sandbox
from halo_forge.verify.sandbox.job import Job, Limits, Report, Run

COMPILE_MEMORY_MB = 2048
COMPILE_FILE_MB = 60
COMPILE_OUTPUT_KB = 1024
COMPILE_PROCESSES = 16
TRIAL_S = 20.0
"""The time limit of a probe's program, on however loaded a machine."""
_worked: set[str] = set()
"""Trials that this process has seen go well: they take half a second."""
NOT_RUN = "compiled and linked; not run, so nothing is known about what it prints"


class CompiledVerifier:
    """Programs that read stdin and write stdout, and what must only compile.

    With `compile_only` a task is asked one thing: does the program compile and link? That is a pass where the
    tests ask no more. Elsewhere it is no pass and pays what the ladder gives for compiling, and the detail says that
    nothing was run; no test is counted as passed.
    """

    kinds: tuple[type, ...] = (StdioTests, CheckerTests, CompileTests)

    def __init__(self, settings: Verify, toolchain: Toolchain, *, compile_only: bool = False, late: bool = False):
        """`late`: for answers that were late, so that nothing is built but to be fast."""
        self.name = f"{toolchain.name}-compile" if compile_only else toolchain.name
        self._late = late
        self._settings, self._toolchain, self._compile_only = settings, toolchain, compile_only
        self._sandbox = Sandbox(settings, binds=toolchain.binds())
        self._checkers = Checkers(settings)
        memory_mb = settings.memory_mb + toolchain.address_space_mb
        run_s = settings.run_timeout_s + toolchain.start_s
        self._run_limits = Limits(
            run_s, memory_mb, settings.max_processes, settings.max_output_kb, open_files=toolchain.open_files
        )
        self._compile_limits = Limits(
            settings.compile_timeout_s, COMPILE_MEMORY_MB, COMPILE_PROCESSES, COMPILE_OUTPUT_KB, COMPILE_FILE_MB
        )

    @property
    def description(self) -> str:
        """What it does with a program, in a line."""
        languages = " and ".join(self._toolchain.languages)
        if self._compile_only:
            return f"{languages}: {NOT_RUN}"
        why = self._toolchain.cannot_run()
        return f"{languages}: compiled and linked; {f'not run: {why}' if why else 'run once a test'}"

    @property
    def lacks(self) -> tuple[str, ...]:
        return self._toolchain.lacks

    @property
    def isolation(self) -> str:
        return self._sandbox.isolation

    def fingerprint(self) -> str:
        """All that decides a verdict beside task, program and our own code. Raises InfrastructureError."""
        limits = [self._run_limits, self._compile_limits, self._settings.memory_mb]
        parts = [self._toolchain.version(), self._toolchain.cannot_run(), limits, self._settings.rewards]
        return repr([*parts, self._compile_only, self._checkers.fingerprint])

    def probe(self) -> None:
        self._toolchain.probe()
        self._sandbox.probe()
        trials = self._toolchain.trials
        trial = repr([self.name, self.isolation, self.fingerprint(), trials])
        if trial not in _worked:
            for language, program in trials.items():
                self._try(language, program)
            _worked.add(trial)

    def check(self, task: Task) -> None:
        grade.check_task(task, self._toolchain.languages, self.kinds, self.name)
        why = self._toolchain.cannot_run()
        if why and not self._compile_only and not isinstance(task.tests, CompileTests):
            raise InputError(
                f"{task.task_id}: its tests must be run and the verifier {self.name!r} cannot: {why}; or choose "
                f"'{self.name}-compile', which only compiles"
            )
        if isinstance(task.tests, CheckerTests) and not self._compile_only:
            self._checkers.check(task)

    def extract(self, task: Task, completion: str) -> str | None:
        return extract_code(completion, task.language)

    def judge(self, task: Task, completion: str) -> Judgement:
        code = self.extract(task, completion)
        if code is None:
            return grade.no_code(task, self._settings.rewards)
        if isinstance(task.tests, CompileTests) or self._compile_only:
            return self._judge_compiling(task, code)
        if why := self._toolchain.cannot_run():
            raise InfrastructureError(f"{self.name} cannot run programs: {why}")
        return self._judge_running(task, code)

    def outputs(self, task: Task, completion: str) -> list[str | None]:
        """What a program prints for the input of each stdio test, None where it fails; what is expected is not read."""
        job = self._job(task.language, self.extract(task, completion) or "", grade.cases_of(task))
        return grade.printed(task, self._sandbox.run(job))

    def patient(self, times: int) -> Self:
        """The verifier that judges late answers again, with so many times the time limit."""
        settings = self._settings.model_copy(update={"run_timeout_s": times * self._settings.run_timeout_s})
        return type(self)(settings, self._toolchain, late=True)

    def cannot_look_again(self, task: Task) -> str | None:
        """Why `look_again` cannot be asked about answers to a task, "" if there is nothing to look for; else None."""
        if self._toolchain.sanitized() is None or self._compile_only or isinstance(task.tests, CompileTests):
            return ""
        return self._toolchain.cannot_run() or self._toolchain.cannot_sanitize(task.language)

    def look_again(self, task: Task, code: str) -> str:
        """What the sanitizers say of a program that passes: CLEAN, the name of a fault, or "unknown: …".

        Raises InfrastructureError when the program is not to blame.
        """

        def run(toolchain: Toolchain, share: float) -> Report:
            job = self._job(task.language, code, grade.cases_of(task), toolchain, share=share)
            return self._sandbox.run(sanitizers.job(job))

        report = report_of(run, self._toolchain.sanitized(), task.language, code)
        seen = grade.grade(task, code, report, self._settings.rewards, judge_run=self._checkers.judging(task, report))
        return sanitizers.finding(report, seen)

    def _judge_running(self, task: Task, code: str) -> Judgement:
        report = self._report(task.language, code, grade.cases_of(task))
        judge_run = self._checkers.judging(task, report)
        return grade.grade(task, code, report, self._settings.rewards, judge_run=judge_run)

    def _judge_compiling(self, task: Task, code: str) -> Judgement:
        asked = isinstance(task.tests, CompileTests)
        report = self._report(task.language, code, (), link=not asked)
        compiling = task.model_copy(update={"tests": CompileTests()})
        judgement = grade.grade(compiling, code, report, self._settings.rewards)
        if asked:
            return judgement
        total = grade.count_tests(task)
        if judgement.status != "pass":
            return Judgement(judgement.status, judgement.reward, 0, total, judgement.detail, code)
        ladder = self._settings.rewards
        reward = ladder.compiles_with_warnings if judgement.detail else ladder.compiles
        return Judgement("wrong_answer", reward, 0, total, f"{NOT_RUN}\n{judgement.detail}".strip(), code)

    def _report(self, language: str, code: str, cases: list[dict] | tuple, *, link: bool = True) -> Report:
        def run(toolchain: Toolchain, share: float) -> Report:
            return self._sandbox.run(self._job(language, code, cases, toolchain, link=link, share=share))

        return report_of(run, self._toolchain, language, code, late=self._late)

    def _job(
        self,
        language: str,
        code: str,
        cases: list[dict] | tuple,
        toolchain: Toolchain | None = None,
        *,
        link: bool = True,
        share: float = 1.0,
    ) -> Job:
        """`share`: of the time limit."""
        toolchain = toolchain or self._toolchain
        run_s = self._run_limits.cpu_s - spared_s(self._settings.run_timeout_s, share)
        return Job(
            files={toolchain.source(language): code.encode("utf-8", "replace")},
            compile=toolchain.compile(language, code, link=link),
            compile_limits=self._compile_limits,
            run=toolchain.run(self._settings.memory_mb) if cases else None,
            cases=cases,
            run_limits=replace(self._run_limits, cpu_s=run_s),
        )

    def _try(self, language: str, program: str) -> None:
        """Raise InfrastructureError if a program that is right does not compile, or does not run where it should."""
        cases = () if self._compile_only or self._toolchain.cannot_run() else ({"stdin": b""},)
        patient = replace(self._run_limits, cpu_s=max(self._run_limits.cpu_s, TRIAL_S))
        report = self._sandbox.run(replace(self._job(language, program, cases), run_limits=patient))
        compiled, cure = report.compile, f"apt install --reinstall {self._toolchain.package}"
        if compiled is None or compiled.exit_code != 0 or compiled.limit != "-":
            why = _why(compiled) if compiled else "no report"
            raise InfrastructureError(f"{self.name} cannot compile a first program in the sandbox: {why}; {cure}")
        for run in report.tests:
            if run.exit_code != 0 or run.stdout.split() != [b"1"]:
                raise InfrastructureError(f"{self.name} cannot run a first program in the sandbox: {_why(run)}; {cure}")


def _why(run: Run) -> str:
    """Why a first program failed, in a line."""
    said = reason(grade.words(run.stderr) or grade.words(run.stdout))
    return f"{said} (exit code {run.exit_code}, limit {run.limit})".strip()
