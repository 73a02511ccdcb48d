"""Verifiers by name, and the verifier of a task's language."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

from halo_forge.errors import InputError
from halo_forge.records import Task
from halo_forge.settings.verify import Verify
from halo_forge.verify.compiled.verifier import CompiledVerifier
from halo_forge.verify.core.protocol import Judgement, Verifier

BY_LANGUAGE = {"cpp": "gcc", "c": "gcc", "python": "python", "rust": "rust", "go": "go"}
ALWAYS = ("gcc", "python")
"""What `auto` asks for before the first task is seen; the others when one of their language comes."""


class AutoVerifier:
    """Hands each task to the verifier of its language, which is made when the first such task comes."""

    name = "auto"

    def __init__(self, settings: Verify):
        self._settings = settings
        self._making = threading.Lock()
        self._made = {name: VERIFIERS[name](settings) for name in ALWAYS}

    @property
    def isolation(self) -> str:
        return " and ".join(sorted({verifier.isolation for verifier in self._made.values()}))

    def probe(self) -> None:
        for verifier in self._made.values():
            verifier.probe()

    def check(self, task: Task) -> None:
        self._verifier(task).check(task)

    def extract(self, task: Task, completion: str) -> str | None:
        return self._verifier(task).extract(task, completion)

    def judge(self, task: Task, completion: str) -> Judgement:
        return self._verifier(task).judge(task, completion)

    def _verifier(self, task: Task) -> Verifier:
        name = resolve("auto", task)
        with self._making:
            if name not in self._made:
                verifier = VERIFIERS[name](self._settings)
                verifier.probe()
                self._made[name] = verifier
            return self._made[name]


# Each is imported when it is asked for: nobody loads the ssh library, or reads the headers, of a verifier not used.
def _gcc(settings: Verify) -> Verifier:
    from halo_forge.verify.cpp.gcc import GCC
    from halo_forge.verify.harness.verifier import HarnessVerifier

    return HarnessVerifier(settings, GCC.under(settings))


def _clang(settings: Verify) -> Verifier:
    from halo_forge.verify.cpp.gcc import CLANG
    from halo_forge.verify.harness.verifier import HarnessVerifier

    return HarnessVerifier(settings, CLANG.under(settings))


def _gcc_compile(settings: Verify) -> Verifier:
    from halo_forge.verify.cpp.gcc import GCC

    return CompiledVerifier(settings, GCC.under(settings), compile_only=True)


def _clang_compile(settings: Verify) -> Verifier:
    from halo_forge.verify.cpp.gcc import CLANG

    return CompiledVerifier(settings, CLANG.under(settings), compile_only=True)


def _mingw(settings: Verify, *, compile_only: bool = False) -> Verifier:
    from halo_forge.verify.windows.mingw import MINGW

    return CompiledVerifier(settings, MINGW.under(settings), compile_only=compile_only)


def _rust(settings: Verify, *, compile_only: bool = False) -> Verifier:
    from halo_forge.verify.rust import Rust

    return CompiledVerifier(settings, Rust(), compile_only=compile_only)


def _go(settings: Verify, *, compile_only: bool = False) -> Verifier:
    from halo_forge.verify.go import Go

    return CompiledVerifier(settings, Go(), compile_only=compile_only)


def _python(settings: Verify) -> Verifier:
    from halo_forge.verify.python.verifier import PythonVerifier

    return PythonVerifier(settings)


def _custom(settings: Verify) -> Verifier:
    from halo_forge.verify.custom import custom_verifier

    return custom_verifier(settings)


def _msvc(settings: Verify) -> Verifier:
    if settings.msvc is None:
        raise InputError("verify.msvc: the verifier msvc wants a host and a user there: --host and --user, or params")
    from halo_forge.verify.windows.msvc import MsvcVerifier

    return MsvcVerifier(settings, settings.msvc)


VERIFIERS: dict[str, Callable[[Verify], Verifier]] = {
    "gcc": _gcc,
    "gcc-compile": _gcc_compile,
    "clang": _clang,
    "clang-compile": _clang_compile,
    "mingw": _mingw,
    "mingw-compile": partial(_mingw, compile_only=True),
    "rust": _rust,
    "rust-compile": partial(_rust, compile_only=True),
    "go": _go,
    "go-compile": partial(_go, compile_only=True),
    "python": _python,
    "pytest": _python,  # the name that people look for when their tests are pytest files
    "custom": _custom,
    "msvc": _msvc,
    "auto": AutoVerifier,
}


def get_verifier(name: str, settings: Verify) -> Verifier:
    """Raises InputError with the known names."""
    if name not in VERIFIERS:
        raise InputError(f"verifier {name!r} is not known (known: {', '.join(sorted(VERIFIERS))})")
    return VERIFIERS[name](settings)


def resolve(name: str, task: Task) -> str:
    """The name of the verifier that judges a task: `auto` goes by language. Raises InputError if none does."""
    if name != "auto":
        return name
    if task.language not in BY_LANGUAGE:
        raise InputError(
            f"{task.task_id}: no verifier for language {task.language!r} (known: {', '.join(sorted(BY_LANGUAGE))})"
        )
    return BY_LANGUAGE[task.language]
