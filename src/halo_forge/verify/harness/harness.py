"""Judging C and C++ answers by test code with a `main` (HumanEval-X): which way, the job, and the verdict."""

from __future__ import annotations

import functools
import shlex
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from halo_forge.errors import InfrastructureError, InputError
from halo_forge.records import HarnessTests, StdioCase, StdioTests, Task
from halo_forge.settings.verify import Verify
from halo_forge.verify.compiled import sanitizers
from halo_forge.verify.compiled.builds import report_of, spared_s
from halo_forge.verify.compiled.linker import fastest_linker
from halo_forge.verify.core import grade
from halo_forge.verify.core.protocol import Judgement, clip
from halo_forge.verify.cpp.gcc import UNSET_MEMORY, Gcc
from halo_forge.verify.harness import again, apart, beside, gate, recipe
from halo_forge.verify.harness.declarations import items
from halo_forge.verify.harness.join import join, read_prefix
from halo_forge.verify.harness.tokens import Unreadable, scan, words
from halo_forge.verify.sandbox.box import Sandbox
from halo_forge.verify.sandbox.job import Job, Limits, Report

IN_PROCESS = "[in-process] the tests ran in the answer's process"
_LIBRARIES = ("libc.so.6", "libm.so.6", "libstdc++.so.6", "libgcc_s.so.1")
_PASSED = "passed"
_THREADS = {"thread", "jthread", "async", "pthread_create", "thrd_create"}
_CLOSED = ["-Wl,-z,relro", "-Wl,-z,now"]
"""The table of library functions is filled and closed before the program starts."""


@dataclass(frozen=True)
class Apart:
    """The function's type is known from the prefix: plain values cross."""

    asked: list[apart.Function]
    built: apart.Built


@dataclass(frozen=True)
class Beside:
    """The tests can only be compiled into the answer's program."""

    why: str


Way = Apart | recipe.Recipe | Beside
"""How a task's answers are judged. The task alone decides."""


def asked_function(task: Task) -> str:
    """The name of what the task asks for; "" if only the tests know."""
    try:
        asked = read_prefix(task.tests.prefix, task.language).open
    except Unreadable:
        asked = None  # said by `check`
    return (asked.name if asked else "") or task.entry_point or ""


class Harness:
    """Compiles a task's test code with the compilers of a toolchain."""

    def __init__(
        self,
        settings: Verify,
        toolchain: Gcc,
        sandbox: Sandbox,
        compiling: Limits,
        running: Limits,
        *,
        late: bool = False,
    ):
        """`late`: for answers that were late, as in CompiledVerifier."""
        self._late = late
        self._settings, self._toolchain, self._sandbox = settings, toolchain, sandbox
        self._compiling, self._running = compiling, running

    def check(self, task: Task) -> None:
        """Raises InputError if the task's own code cannot be read or has no `main`."""
        try:
            read_prefix(task.tests.prefix, task.language)
            found = items(scan(task.tests.code, task.language))
        except Unreadable as error:
            raise InputError(f"{task.task_id}: the tests hold {error}; mend or leave out the task") from None
        if not any(item.name == "main" and item.kind == "function" and item.closed for item in found):
            raise InputError(f"{task.task_id}: the tests' code has no main; add one, or leave out the task")
        if apart.surely(read_prefix(task.tests.prefix, task.language), task.language):
            return
        if isinstance(way := self.way(task), Beside):
            self._only_if_allowed(task, way)

    def way(self, task: Task) -> Way:
        """The strongest way to judge a task's answers that its tests allow."""
        tests, language = task.tests, task.language
        prefix = read_prefix(tests.prefix, language)
        if asked := apart.functions(prefix, language):
            built = apart.build(self._toolchain, self._sandbox, prefix, asked, tests.code)
            if built is not None:
                return Apart(asked, built)
        names = recipe.solution_names(task.solution, language) | ({task.entry_point} - {None, "", "main"})
        made = recipe.build(self._toolchain, self._sandbox, prefix, tests.code, language, names)
        return made if isinstance(made, recipe.Recipe) else Beside(made)

    def judge(self, task: Task, code: str) -> Judgement:
        tests, language = task.tests, task.language
        assert isinstance(tests, HarnessTests)
        prefix = read_prefix(tests.prefix, language)
        try:
            joined = join(prefix, code, language)
        except Unreadable as error:
            return self._refused(code, f"the program holds {error}")
        way = self.way(task)
        if isinstance(way, Beside):
            self._only_if_allowed(task, way)
            if reason := gate.refuse(joined, scan(tests.code, language), language):
                return self._refused(code, f"{IN_PROCESS}, where a program may not hold: {reason}")
            guarded = beside.guarded(prefix, joined, tests.code, language)

            def run_beside(toolchain: Gcc, _: float) -> Report:
                return self._sandbox.run(self._beside(toolchain, guarded, tests.code, language))

            # Not hastened: what is compiled beside an answer must not be optimised by what the answer says.
            report = report_of(run_beside, self._toolchain, language, code, hasten=False)
            look, alarm = self._foreign_symbol(task, guarded.mark), f"{guarded.mark}_ cannot be guarded".encode()
            return self._graded(task, code, report, guarded.proof, IN_PROCESS, look, alarm)
        if isinstance(way, Apart):
            source, loop, program = (
                apart.answer_source(prefix, joined, way.asked, language),
                way.built.loop,
                way.built.tests,
            )
        else:
            source, loop, program = recipe.answer_source(way, prefix, joined, language), way.loop, way.tests
        nonce, head = apart.nonce(), joined.includes + prefix.head

        def run(toolchain: Gcc, share: float) -> Report:
            job = self._apart(toolchain, source, loop, program, nonce, head, language)
            limits = replace(self._running, cpu_s=self._running.cpu_s - spared_s(self._running.cpu_s, share))
            return self._sandbox.run(replace(job, run_limits=limits))

        report = report_of(run, self._toolchain, language, code, late=self._late)
        return self._graded(task, code, report, b"\n" + nonce + b"\n", "")

    def _only_if_allowed(self, task: Task, way: Beside) -> None:
        if self._settings.beside != "allow":
            raise InputError(
                f"{task.task_id}: the tests can only run in the answer's process ({way.why}), where a program can read "
                "what is expected of it; rewrite them, leave out the task, or set verify.beside: allow"
            )

    def look_again(self, task: Task, code: str) -> str:
        """As CompiledVerifier's."""
        source, language = again.program(task, code), task.language

        def run(toolchain: Gcc, _: float) -> Report:
            job = Job(
                files={toolchain.source(language): _bytes(source)},
                compile=toolchain.compile(language, source, link=True),
                compile_limits=self._compiling,
                run=toolchain.run(self._settings.memory_mb),
                cases=[{"stdin": b""}],
                run_limits=self._running,
            )
            return self._sandbox.run(sanitizers.job(job))

        report = report_of(run, self._toolchain.sanitized(), language, code)
        seen = grade.grade(task, code, report, self._settings.rewards, judge_run=again.ended)
        return sanitizers.finding(report, seen)

    def _apart(
        self, toolchain: Gcc, source: str, loop: bytes, tests: bytes, nonce: bytes, head: str, language: str
    ) -> Job:
        """The answer's program, linked with the loop that serves it, and the tests' program, which starts it."""
        linker = fastest_linker(toolchain.compiler("cpp"))
        linking = ["loop.o", "-Wl,--allow-multiple-definition", *linker, "-o", "main"]
        command = [*toolchain.options(language), f"answer.{language}"]
        if language == "c":
            compiling = [*command, "-c", "-o", "answer.o"]
            linking = [toolchain.compiler("cpp"), "answer.o", *linking, "-lm"]
            command = ["/bin/sh", "-c", f"{shlex.join(compiling)} && {shlex.join(linking)}"]
        else:
            command += toolchain.precompiled("cpp", head) + linking
        return Job(
            files={f"answer.{language}": _bytes(source), "loop.o": loop},
            compile=command,
            compile_limits=self._compiling,
            run=[UNSET_MEMORY, "/bin/sh", "-c", apart.START],
            cases=[{"stdin": nonce + b"\n" + tests}],
            run_limits=self._running,
        )

    def _beside(self, toolchain: Gcc, guarded: beside.Guarded, tests: str, language: str) -> Job:
        options, source = toolchain.options(language), f"{guarded.mark}.{language}"
        compiling = [*options, source, *toolchain.precompiled(language, guarded.includes), "-c", "-o", "main.o"]
        linking = [options[0], "main.o", *fastest_linker(options[0]), *_CLOSED, "-o", "main"]
        linking += ["-lm"] if language == "c" else []
        uses_threads = bool(_THREADS & words(scan(tests, language)))
        # The source is gone before the program starts; what it defines is printed for the judge to look at.
        script = (
            f"{shlex.join(compiling)}; code=$?; rm -f {source}; [ $code = 0 ] || exit $code; "
            f"nm -gP --defined-only main.o && {shlex.join(linking)}"
        )
        return Job(
            files={source: _bytes(guarded.source)},
            compile=["/bin/sh", "-c", script],
            compile_limits=self._compiling,
            run=[UNSET_MEMORY, "./main"],
            cases=[{"stdin": guarded.nonce}],
            run_limits=self._running if uses_threads else replace(self._running, processes=1),
        )

    def _foreign_symbol(self, task: Task, mark: str) -> Callable[[str], str | None]:
        """A look at what an object file defines: the first symbol that is not the answer's to define, or None."""
        library = _exported(self._toolchain.compiler(task.language))
        used = words(scan(task.tests.code, task.language))
        asked = asked_function(task)

        def look(listing: str) -> str | None:
            rows = [line.split(" ") for line in listing.splitlines()]
            # Weak C++ symbols are templates and inline functions, which every program has.
            defined = [row[0] for row in rows if len(row) > 1 and not (row[0].startswith("_Z") and row[1] in "WVu")]
            ours = [name for name in defined if mark not in name and name != "main"]
            return gate.symbol(ours, library, used, task.language, asked)

        return look

    def _graded(
        self,
        task: Task,
        code: str,
        report: Report,
        proof: bytes,
        note: str,
        look: Callable[[str], str | None] | None = None,
        alarm: bytes = b"",
    ) -> Judgement:
        if look is not None and report.compile is not None:
            listing = report.compile.stdout.decode("utf-8", "replace")
            report.compile = replace(report.compile, stdout=b"")
            if report.compile.exit_code == 0 and (name := look(listing)):
                return self._refused(code, f"{note}, where a program may not define {name}")
        if alarm and any(alarm in run.stderr for run in report.tests):
            raise InfrastructureError("this kernel takes no system call filters, which tests beside an answer need")
        said = _judged_outside(report, proof)
        seen = task.model_copy(update={"tests": StdioTests(cases=[StdioCase(stdin="", stdout=_PASSED)])})
        judgement = grade.grade(seen, code, report, self._settings.rewards)
        detail = judgement.detail
        if judgement.status == "wrong_answer":
            detail = said or "the program ended before the tests did"
        return replace(judgement, detail=clip("\n".join(filter(None, [note, detail]))))

    def _refused(self, code: str, detail: str) -> Judgement:
        return Judgement("compile_error", self._settings.rewards.compile_error, 0, 1, clip(detail), code)


def _judged_outside(report: Report, proof: bytes) -> str:
    """Put into the report what the proof says, in the place of what was printed; what the tests said on stderr."""
    if not report.tests:
        return ""
    run = report.tests[0]
    report.tests[0] = replace(run, stdout=_PASSED.encode() if run.stdout.endswith(proof) else b"failed")
    return run.stderr.decode("utf-8", "replace").strip()


@functools.cache
def _exported(compiler: str) -> set[str]:
    """The functions and variables of the libraries that every program is linked with."""
    if shutil.which("nm") is None:
        raise InfrastructureError("nm not found: apt install binutils")
    found: set[str] = set()
    for library in _LIBRARIES:
        path = subprocess.run([compiler, f"-print-file-name={library}"], capture_output=True, text=True).stdout.strip()
        if Path(path).is_absolute():
            listing = subprocess.run(["nm", "-DP", "--defined-only", path], capture_output=True, text=True).stdout
            found.update(line.split(" ", 1)[0].split("@")[0] for line in listing.splitlines())
    if "strcmp" not in found:
        raise InfrastructureError(f"{compiler}: its C library cannot be read; apt install libc6-dev binutils")
    return found


def _bytes(source: str) -> bytes:
    return source.encode("utf-8", "replace")
