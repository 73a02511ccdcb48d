"""What a compiled-language verifier needs to know of a compiler: its commands, and where it lies."""

from __future__ import annotations

import contextlib
import functools
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from halo_forge.errors import InfrastructureError
from halo_forge.hashing import digest
from halo_forge.verify.sandbox.job import BOX_PATH, OPEN_FILES


class Toolchain(Protocol):
    """The compilers of one name. A program is one source file; commands run in the folder that holds it.

    What has a value here is how it is with most: a program that starts at once, as `main`.
    """

    name: str
    languages: tuple[str, ...]
    package: str
    """What to install where a compiler is missing or broken."""
    address_space_mb: int = 0
    """What programs reserve of addresses without using them; comes on top of the memory limit."""
    start_s: float = 0.0
    """CPU seconds that go by before a program's own code runs; they come on top of its time limit."""
    open_files: int = OPEN_FILES
    """Files that a program and its runtime may hold open."""
    lacks: tuple[str, ...] = ()
    """What its compilers do not have of the things that `selfcheck.cases` names."""
    trials: dict[str, str]
    """A program of each language that must compile, and run if programs can, for `probe` to be content."""

    def probe(self) -> None:
        """Raise InfrastructureError, naming the package, if a compiler is missing."""

    def binds(self) -> list[Path]:
        """What the box must be able to read beside /usr. Does not raise: a missing compiler has no files."""

    def source(self, language: str) -> str:
        """The name that the source file must have."""

    def compile(self, language: str, code: str, *, link: bool) -> list[str]:
        """The command that compiles the source file, and links it into the program if `link`."""

    def run(self, memory_mb: int) -> list[str]:
        """The command that starts the program, `Job.run`."""
        return ["./main"]

    def quick(self) -> Toolchain | None:
        """The same compilers, asked for programs that are fast; None if they make no others."""
        return None

    def first(self, language: str, code: str) -> Toolchain:
        """The same compilers by the standard that a program is tried by first."""
        return self

    def other_standard(self, language: str, said: str) -> Toolchain | None:
        """The same compilers by another standard of the language, if the errors that one `said` may come from its own;
        None if not."""
        return None

    def sanitized(self) -> Toolchain | None:
        """The same compilers, asked for programs that stop at what their language leaves undefined; None if it leaves
        nothing so."""
        return None

    def cannot_sanitize(self, language: str) -> str | None:
        """Why `sanitized` compiles nothing on this machine, with the cure; None if it does."""
        return None

    def cannot_run(self) -> str | None:
        """Why programs cannot be started on this machine, with the cure; None if they can."""
        return None

    def version(self) -> str:
        """All that decides what its programs do: compilers, their versions and flags. Raises InfrastructureError."""


def find(program: str, package: str) -> str:
    """The path of a compiler. Raises InfrastructureError naming the package that has it."""
    path = shutil.which(program)
    if path is None:
        raise InfrastructureError(f"{program} not found: apt install {package}")
    return path


def ask(command: Sequence[str], cure: str, environment: Mapping[str, str] | None = None, timeout_s: float = 60) -> str:
    """What a compiler prints about itself; on stderr, where it prints nothing.

    Raises InfrastructureError, in one line with the cure, if it does not start, or fails.
    """
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            env=environment or {"PATH": BOX_PATH},
            timeout=timeout_s,
            cwd="/",
        )
    except OSError as error:
        raise InfrastructureError(f"cannot start {command[0]}: {error.strerror}; {cure}") from error
    except subprocess.TimeoutExpired as error:
        raise InfrastructureError(f"{' '.join(command[:2])}: no answer in {timeout_s:.0f} s; {cure}") from error
    if done.returncode != 0:
        why = reason(done.stderr or done.stdout) or f"exit code {done.returncode}"
        raise InfrastructureError(f"{' '.join(command[:2])}: {why}; {cure}")
    return done.stdout or done.stderr


def reason(said: str) -> str:
    """The line of what a program said that tells why it failed: the first with an error, else the first."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    line = next((line for line in lines if "error" in line.lower()), lines[0] if lines else "")
    return line.removeprefix("error: ").removesuffix(".")[:300]


@functools.cache
def content(program: str) -> str:
    """SHA-256 of a compiler's file: one that is wrapped or built again may call itself what it did before."""
    return digest(program)


def prefixes_outside_usr(*programs: str) -> list[Path]:
    """`prefix_outside_usr` of each that has one; nothing for a compiler that `probe` will say is missing or refused."""
    found = []
    for program in programs:
        with contextlib.suppress(InfrastructureError):
            found.append(prefix_outside_usr(shutil.which(program)))
    return [prefix for prefix in found if prefix]


def prefix_outside_usr(program: str | None) -> Path | None:
    """The folder that a compiler outside /usr was installed into; None for one that the box has by itself.

    Raises InfrastructureError if that is a home or a root, which no box may read.
    """
    if program is None:
        return None
    path = Path(program).resolve()
    if path.is_relative_to("/usr"):
        return None
    prefix = path.parent.parent
    if Path.home().is_relative_to(prefix) or len(prefix.parts) < 3:
        raise InfrastructureError(
            f"{path}: the sandbox would have to show {prefix} to the answers; "
            "install the compiler into a folder of its own, or the distribution's package"
        )
    return prefix


def with_data_limit(memory_mb: int, command: str) -> list[str]:
    """`command` by the shell, its memory limited by what it writes to rather than by the addresses it reserves."""
    return ["/bin/sh", "-c", f"ulimit -d {memory_mb << 10}; {command}"]
