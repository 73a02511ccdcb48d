"""Checkers as programs in a box: built once if they are C++, then run once an output, all outputs in one box.

Nothing but stdin goes in for a run: three lengths in a line, then input, expected output and what the answer printed,
which are written to files before the checker starts. So what one run leaves behind is written over by the next, and
the box's small file system holds one case at a time.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path

from halo_forge.cache import cache_folder
from halo_forge.errors import InfrastructureError, UnusableTests
from halo_forge.files import whole_file
from halo_forge.hashing import digest
from halo_forge.records import CheckerTests
from halo_forge.verify.checkers.protocol import ARGUMENTS, EXPECTED, INPUT, PRINTED
from halo_forge.verify.core import grade
from halo_forge.verify.sandbox.box import Sandbox
from halo_forge.verify.sandbox.job import BOX_PATH, Job, Limits

RUN = Limits(cpu_s=10, memory_mb=1024, processes=8, output_kb=64)
"""For one output. A checker has more time than an answer: what it says is about the answer, not about its speed."""
BUILD = Limits(cpu_s=120, memory_mb=2048, processes=16, output_kb=16 << 10, file_mb=60)
FLAGS = ["-std=c++17", "-O2", "-w", "-I."]
_FILES = (INPUT, EXPECTED, PRINTED)
_SHELL = 'read -r a b c && head -c "$a" > {} && head -c "$b" > {} && head -c "$c" > {} && chmod 700 checker && '
_PYTHON = """\
import sys
sys.set_int_max_str_digits(0)
_sizes = [int(word) for word in sys.stdin.buffer.readline().split()]
for _name, _size in zip(NAMES, _sizes):
    with open(_name, "wb") as _file:
        _file.write(sys.stdin.buffer.read(_size))
sys.argv[:] = ["checker.py", *ARGUMENTS]
exec(compile(CODE, "checker.py", "exec", dont_inherit=True))
"""


def checking(tests: CheckerTests, program: bytes | None, cases: Sequence[tuple[int, bytes]]) -> Job:
    """The job that asks about outputs: (number of the case, what was printed). `program`: of a checker in C++."""
    arguments = ARGUMENTS[tests.protocol]
    given = [{"stdin": _stdin(tests, number, printed)} for number, printed in cases]
    if program is not None:
        script = f"{_SHELL.format(*_FILES)}exec ./checker {' '.join(arguments)} < /dev/null"
        return Job(files={"checker": program}, run_limits=RUN, cases=given, run=["/bin/sh", "-c", script])
    source = _PYTHON.replace("NAMES", repr(_FILES)).replace("ARGUMENTS", repr(arguments))
    source = source.replace("CODE", repr(tests.code)).encode("utf-8", "surrogatepass")
    return Job(files={}, run_limits=RUN, cases=given, source=source, compile_limits=RUN)


def _stdin(tests: CheckerTests, number: int, printed: bytes) -> bytes:
    case = tests.cases[number]
    parts = (case.stdin.encode(), case.stdout.encode(), printed)
    return b"%d %d %d\n" % tuple(map(len, parts)) + b"".join(parts)


def compiler() -> str:
    """The C++ compiler of the distribution. Raises InfrastructureError if there is none."""
    found = shutil.which("g++", path=BOX_PATH)
    if found is None:
        raise InfrastructureError("g++ not found, which checkers in C++ are built with: apt install g++")
    return found


def built(tests: CheckerTests, sandbox: Sandbox, testlib: Path | None) -> bytes | None:
    """The program of a checker in C++, from the cache or from the compiler; None for one in Python.

    Raises UnusableTests, with the compiler's words, if it does not compile.
    """
    if tests.language != "cpp":
        return None
    command = [compiler(), *FLAGS, "checker.cpp", "-o", "checker"]
    files = {"checker.cpp": tests.code.encode("utf-8", "surrogatepass")}
    if testlib is not None:
        files["testlib.h"] = testlib.read_bytes()
    key = hashlib.sha256(repr([command, digest(command[0]), files]).encode()).hexdigest()[:32]
    path = cache_folder("checkers") / f"{key}.program"
    if not path.exists():
        words = _build(command, files, sandbox, path)
        if words is not None:
            raise UnusableTests(f"its checker does not compile: {words}")
    return path.read_bytes()


def _build(command: list[str], files: dict[str, bytes], sandbox: Sandbox, path: Path) -> str | None:
    """Write the program to `path`, or say why there is none."""
    job = Job(
        files=files,
        run_limits=BUILD,
        compile=command,
        compile_limits=BUILD,
        run=["/bin/cat", "checker"],
        cases=[{"stdin": b""}],
    )
    report = sandbox.run(job)
    if report.compile is None or report.compile.limit != "-" or report.compile.exit_code:
        if report.compile is None:
            raise InfrastructureError("a checker cannot be compiled: the sandbox broke off")
        said = grade.words(report.compile.stderr)
        return said[:500] or grade.describe(report.compile, "the compiler")
    if not report.whole or not report.tests or report.tests[0].limit != "-":
        raise InfrastructureError("a checker's program cannot be taken out of the box")
    with whole_file(path, "wb") as file:
        file.write(report.tests[0].stdout)
    return None
