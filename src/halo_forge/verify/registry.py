"""Verifiers by name, and the verifier of a task's language."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

from halo_forge.config_verify import Verify
from halo_forge.errors import InputError
from halo_forge.records import Task
from halo_forge.verify.compiled import CompiledVerifier
from halo_forge.verify.custom import custom_verifier
from halo_forge.verify.gcc import CLANG, GCC, MINGW
from halo_forge.verify.go import Go
from halo_forge.verify.protocol import Judgement, Verifier
from halo_forge.verify.python import PythonVerifier
from halo_forge.verify.rust import Rust

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


def _msvc(settings: Verify) -> Verifier:
    if settings.msvc is None:
        raise InputError("verify.msvc: the verifier msvc wants a host and a user there: --host and --user, or params")
    from halo_forge.verify.msvc import MsvcVerifier  # asks for the ssh library, which nobody else needs

    return MsvcVerifier(settings, settings.msvc)


TOOLCHAINS = (GCC, CLANG, MINGW, Rust(), Go())
VERIFIERS: dict[str, Callable[[Verify], Verifier]] = {
    **{toolchain.name: partial(CompiledVerifier, toolchain=toolchain) for toolchain in TOOLCHAINS},
    **{
        f"{toolchain.name}-compile": partial(CompiledVerifier, toolchain=toolchain, compile_only=True)
        for toolchain in TOOLCHAINS
    },
    "python": PythonVerifier,
    "pytest": PythonVerifier,  # the name that people look for when their tests are pytest files
    "custom": custom_verifier,
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
