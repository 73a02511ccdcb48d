"""Verifiers by name, and the verifier of a task's language."""

from __future__ import annotations

from collections.abc import Callable

from halo_forge.config import Verify
from halo_forge.errors import InputError
from halo_forge.records import Task
from halo_forge.verify.gcc import GccVerifier
from halo_forge.verify.protocol import Judgement, Verifier
from halo_forge.verify.python import PythonVerifier

BY_LANGUAGE = {"cpp": "gcc", "c": "gcc", "python": "python"}


class AutoVerifier:
    """Hands each task to the verifier of its language, which is made when the first such task comes."""

    name = "auto"

    def __init__(self, settings: Verify):
        self._settings = settings
        self._made = {name: VERIFIERS[name](settings) for name in sorted(set(BY_LANGUAGE.values()))}

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
        return self._made[resolve("auto", task)]


VERIFIERS: dict[str, Callable[[Verify], Verifier]] = {
    "gcc": GccVerifier,
    "python": PythonVerifier,
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
