"""A verifier of the user's own: a command run in the box, or a class by import path.

The command judges by its exit code: 0 is a pass. That is sound for a tool that reads the answer (a compiler, a type
checker, a linter) and not for one that runs it, since a program can end with 0 whatever it did; the verdict says so.
"""

from __future__ import annotations

import functools
import importlib
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from halo_forge.errors import InfrastructureError, InputError
from halo_forge.hashing import digest
from halo_forge.records import CompileTests, Task
from halo_forge.settings.verify import Custom, Verify
from halo_forge.verify.core import grade
from halo_forge.verify.core.asked import asked_names
from halo_forge.verify.core.extract import extract_code
from halo_forge.verify.core.protocol import Judgement, Verifier, clip
from halo_forge.verify.sandbox.box import Sandbox
from halo_forge.verify.sandbox.job import BOX_PATH, Job, Limits

COMMAND_PROCESSES = 64
SYSTEM = (Path("/usr"), Path("/bin"))
"""What every box can read."""


def custom_verifier(settings: Verify) -> Verifier:
    """What `verify.custom` names. Raises InputError if it names nothing, or nothing that is a verifier."""
    custom = settings.custom
    if custom is None:
        raise InputError(
            "verify.custom: the verifier custom wants a command or an implementation; see settings/verify.py"
        )
    if custom.command is not None:
        return CommandVerifier(settings, custom)
    return _imported(custom.implementation, settings, custom.options)


class CommandVerifier:
    """Runs a command on the answer's file; the task's tests are not used.

    It runs in a folder of its own: words that name one of `binds`, or a file in one, reach it as full paths.
    """

    name = "custom"

    def __init__(self, settings: Verify, custom: Custom):
        self._settings, self._custom = settings, custom
        self._binds = [_full(path) for path in custom.binds]
        self._sandbox = Sandbox(settings, binds=self._binds)
        self._limits = Limits(
            settings.compile_timeout_s, max(settings.memory_mb, 2048), COMMAND_PROCESSES, settings.max_output_kb
        )

    @property
    def isolation(self) -> str:
        return self._sandbox.isolation

    def fingerprint(self) -> str:
        """The settings, and the contents of the program, of the files that the command names and of all `binds`.

        What it reads of /usr beside, such as a linter's modules, is not in it. Raises InfrastructureError if a file
        is missing or cannot be read.
        """
        named = [_full(word) for word in self._custom.command[1:] if os.path.isfile(_full(word))]
        contents = [_content(path) for path in (self._program, *named, *self._bound())]
        return repr([self._custom, self._settings.rewards, self._limits, contents])

    def probe(self) -> None:
        self._bound()
        for word in (str(self._program), *self._custom.command[1:]):
            if os.path.isfile(_full(word)) and not self._can_see(self._given(word)):
                raise InfrastructureError(
                    f"verify.custom.command: {word} cannot be seen where the command runs; add it, or its folder, to "
                    "verify.custom.binds"
                )
        self._sandbox.probe()

    def check(self, task: Task) -> None:
        """Any task: the command looks at the answer alone."""

    def extract(self, task: Task, completion: str) -> str | None:
        return extract_code(completion, task.language, names=asked_names(task))

    def judge(self, task: Task, completion: str) -> Judgement:
        code = self.extract(task, completion)
        if code is None:
            return grade.no_code(task, self._settings.rewards)
        words = [word.replace("{file}", self._custom.file) for word in self._custom.command]
        report = self._sandbox.run(
            Job(
                files={self._custom.file: code.encode("utf-8", "replace")},
                compile=[str(self._program), *map(self._given, self._custom.command[1:])],
                compile_limits=self._limits,
                run_limits=self._limits,
            )
        )
        only_compiled = task.model_copy(update={"tests": CompileTests()})
        judgement = grade.grade(only_compiled, code, report, self._settings.rewards)
        if judgement.status == "pass":
            detail = f"`{' '.join(words)}` ended with 0; nothing else was looked at\n{judgement.detail}"
            return Judgement("pass", judgement.reward, 1, 1, clip(detail), code)
        status = "wrong_answer" if report.compile and report.compile.exit_code > 0 else judgement.status
        return Judgement(status, self._settings.rewards.compile_error, 0, 1, judgement.detail, code)

    @functools.cached_property
    def _program(self) -> Path:
        name = self._custom.command[0]
        found = shutil.which(name, path=BOX_PATH) or shutil.which(name)
        if found is None:
            raise InfrastructureError(f"verify.custom.command: {name} is not installed")
        return _full(found)

    def _bound(self) -> list[Path]:
        for path, said in zip(self._binds, self._custom.binds, strict=True):
            if not path.exists():
                raise InfrastructureError(f"verify.custom.binds: {said} is not there")
        return self._binds

    def _given(self, word: str) -> str:
        """A word of the command as it reaches the program."""
        path = _full(word)
        if path in self._binds or (os.path.isfile(path) and _within(path, self._binds)):
            return str(path)
        return word.replace("{file}", self._custom.file)

    def _can_see(self, path: str) -> bool:
        """Whether the command finds this file, and what it is a link to."""
        if not os.path.isabs(path):
            return False
        places = [*SYSTEM, *self._binds, *(bind.resolve() for bind in self._binds)]
        return not self._sandbox.boxed or all(_within(one, places) for one in (Path(path), Path(path).resolve()))


def _full(path: str) -> Path:
    return Path(os.path.abspath(os.path.expanduser(path)))


def _within(path: Path, places: Sequence[Path]) -> bool:
    return any(path.is_relative_to(place) for place in places)


def _content(path: Path) -> list:
    """Digest of a file, or of all that is in a folder. Links count by their target too, which may be a folder."""
    try:
        links = [link for link in sorted(path.rglob("*")) if link.is_symlink()]
        return [digest(path), [(str(link.relative_to(path)), os.readlink(link)) for link in links]]
    except OSError as error:
        raise InfrastructureError(f"verify.custom: cannot read {error.filename}: {error.strerror}") from error


def _imported(path: str, settings: Verify, options: dict) -> Verifier:
    module, _, name = path.partition(":")
    if "" not in sys.path:
        sys.path.append("")  # a module beside params.yaml
    try:
        kind = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise InputError(f"verify.custom.implementation: cannot import {path}: {error}") from error
    made = kind(settings, options)
    if not isinstance(made, Verifier):
        parts = [part for part in (*Verifier.__annotations__, *vars(Verifier)) if not part.startswith("_")]
        missing = [part for part in parts if not hasattr(made, part)]
        raise InputError(f"verify.custom.implementation: {path} is no verifier: it lacks {', '.join(missing)}")
    return made
