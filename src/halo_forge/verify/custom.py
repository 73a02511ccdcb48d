"""A verifier of the user's own: a command run in the box, or a class by import path.

The command judges by its exit code: 0 is a pass. That is sound for a tool that reads the answer (a compiler, a type
checker, a linter) and not for one that runs it, since a program can end with 0 whatever it did; the verdict says so.
"""

from __future__ import annotations

import functools
import importlib
import shutil
import sys
from pathlib import Path

from halo_forge.errors import InfrastructureError, InputError
from halo_forge.records import CompileTests, Task
from halo_forge.settings.verify import Custom, Verify
from halo_forge.verify.core import grade
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
    """Runs a command on the answer's file; the task's tests are not used."""

    name = "custom"

    def __init__(self, settings: Verify, custom: Custom):
        self._settings, self._custom = settings, custom
        self._sandbox = Sandbox(settings, binds=[Path(path).expanduser() for path in custom.binds])
        self._limits = Limits(
            settings.compile_timeout_s, max(settings.memory_mb, 2048), COMMAND_PROCESSES, settings.max_output_kb
        )

    @property
    def isolation(self) -> str:
        return self._sandbox.isolation

    def fingerprint(self) -> str:
        program = self._program()
        return repr([self._custom, self._settings.rewards, program, Path(program).stat().st_mtime_ns, self._limits])

    def probe(self) -> None:
        self._program()
        for path in self._custom.binds:
            if not Path(path).expanduser().exists():
                raise InfrastructureError(f"verify.custom.binds: {path} is not there")
        self._sandbox.probe()

    def check(self, task: Task) -> None:
        """Any task: the command looks at the answer alone."""

    def extract(self, task: Task, completion: str) -> str | None:
        return extract_code(completion, task.language)

    def judge(self, task: Task, completion: str) -> Judgement:
        code = self.extract(task, completion)
        if code is None:
            return grade.no_code(task, self._settings.rewards)
        words = [word.replace("{file}", self._custom.file) for word in self._custom.command]
        report = self._sandbox.run(
            Job(
                files={self._custom.file: code.encode("utf-8", "replace")},
                compile=[self._program(), *words[1:]],
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

    @functools.cache  # noqa: B019 - lives as long as the verifier
    def _program(self) -> str:
        name = self._custom.command[0]
        found = shutil.which(name, path=BOX_PATH) or shutil.which(name)
        if found is None:
            raise InfrastructureError(f"verify.custom.command: {name} is not installed")
        binds = [Path(path).expanduser().resolve() for path in self._custom.binds]
        real = Path(found).resolve()
        if self._sandbox.boxed and not any(real.is_relative_to(folder) for folder in (*SYSTEM, *binds)):
            raise InfrastructureError(
                f"verify.custom.command: {found} cannot be seen in the sandbox; add its folder to verify.custom.binds"
            )
        return found


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
