"""What verdicts were reached with beside our own code: compilers, interpreter, C library, sandbox, by their versions.

As they are when this is asked, on the machine that asks: right after judging that is what judged.
"""

from __future__ import annotations

import platform
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Sequence

from halo_forge.provenance import versions
from halo_forge.records import Task, Verdict

COMPILERS = {  # verifier -> language -> its program
    "gcc": {"cpp": "g++", "c": "gcc"},
    "clang": {"cpp": "clang++", "c": "clang"},
    "mingw": {"cpp": "x86_64-w64-mingw32-g++", "c": "x86_64-w64-mingw32-gcc"},
    "rust": {"rust": "rustc"},
    "go": {"go": "go"},
}
TIMEOUT_S = 20


def judged_with(tasks: Iterable[Task], verdicts: Iterable[Verdict]) -> dict[str, str]:
    """Program -> its version, for all that decides these verdicts and is here.

    A key that is missing says that the program is not here: of a Windows host nothing is asked. `python` is that of the
    box, which is the interpreter that runs this one.
    """
    task_of = {task.task_id: task for task in tasks}
    names = {name for verdict in verdicts for name in _deciding(task_of[verdict.task_id], verdict)}
    found = {name: _version(name) for name in sorted(names)}
    return {name: version for name, version in found.items() if version}


def _deciding(task: Task, verdict: Verdict) -> Iterator[str]:
    verifier = verdict.verifier.removesuffix("-compile")
    if compiler := COMPILERS.get(verifier, {}).get(task.language):
        yield compiler
    if verifier == "mingw":
        yield "wine"
    boxed = verdict.isolation.startswith("bubblewrap")
    if boxed:
        yield "bwrap"
    if boxed or verdict.isolation == "none":  # judged on this machine
        yield from ("libc", "python")
    if task.tests.kind == "pytest":
        yield "pytest"
    if task.tests.kind == "checker":
        yield "python" if task.tests.language == "python" else "g++"


def _version(name: str) -> str | None:
    if name == "libc":
        return " ".join(platform.libc_ver()).strip() or None  # musl says nothing
    if name in ("python", "pytest"):
        return versions(["pytest"]).get(name)
    return first_line([name, "version" if name == "go" else "--version"])


def first_line(command: Sequence[str]) -> str | None:
    """The first line a program says about itself; None if it is not there or does not run."""
    if not shutil.which(command[0]):
        return None
    try:
        # From the root: rustup and go would follow a file of the project's folder to another version.
        done = subprocess.run(
            command, capture_output=True, errors="replace", stdin=subprocess.DEVNULL, cwd="/", timeout=TIMEOUT_S
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return (done.stdout or done.stderr).strip().partition("\n")[0] if done.returncode == 0 else None
