"""The cases of the conformance suite, read from cases/*.yaml.

A file is of one language and holds tasks (tests, and a right answer) and cases (what is judged against one of them):

    language: python
    tasks:
      twice:
        tests: {kind: stdio, cases: [{stdin: "4821973\n", stdout: "9643946\n"}]}
        solution: |
          print(2 * int(input()))
    cases:
    - name: exit_code_zero
      task: twice                # the file's first if left out
      expect: no pass            # pass; no pass; a status; or a list of statuses
      why: An exit code proves nothing.
      program: |                 # put into a fence; `completion` is taken as it is
        import os
        os._exit(0)

`asks: [posix]`, in a task of its solution, names what a right answer wants beside the standard library: `posix`
(getline, dprintf), `unistd` (read, write), `gnu` (<bits/stdc++.h>, asm), `vla` (arrays of variable length); or what it
takes to find a wrong one out: variables that hold no zero where nobody sets them (`unset`), memory from malloc that
holds none (`glibc`). A verifier whose compiler has no such thing says so in `lacks` and is not asked.

The solution of each task is a case too. `<<secret>>` in tests is a text that nobody can guess, new in every run;
`~~TEXT*N~~` in a program or completion is TEXT, N times over.
"""

from __future__ import annotations

import dataclasses
import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args

import yaml
from pydantic import Field

from halo_forge.errors import InputError
from halo_forge.records import Source, Status, Task
from halo_forge.settings.base import Section
from halo_forge.settings.checking import check

FOLDER = Path(__file__).with_name("cases")
NO_PASS = tuple(status for status in get_args(Status) if status not in ("pass", "infra_error"))
"""What "no pass" stands for. An infra_error is no verdict: an answer that brings it about has stopped the judge."""
_REPEATED = re.compile(r"~~(.+?)\*(\d+)~~")


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    """File and name, "python_stdio/exit_code_zero"."""
    task: Task
    completion: str
    expect: tuple[str, ...]
    """The statuses that are right."""
    why: str
    solution: bool = False
    """Whether it is the task's own."""
    first: str | None = None
    """A completion that is judged just before, and must not matter."""
    boxed: bool = False
    """Whether it would do harm outside a box."""
    bomb: bool = False
    """Whether it starves its neighbours, where nothing holds it."""
    honest: Case | None = None
    """A right answer, which must pass after this one too."""
    asks: tuple[str, ...] = ()
    """What the program wants that not every compiler has."""


Feature = Literal["posix", "unistd", "gnu", "vla", "unset", "glibc"]


class _Task(Section):
    tests: Any
    """As in a Task record."""
    solution: str | None = None
    entry_point: str | None = None
    asks: list[Feature] = []
    """Of the solution."""


class _Case(Section):
    name: str = Field(pattern=r"^[a-z0-9_]+$")
    why: str
    expect: str | list[str]
    task: str | None = None
    program: str | None = None
    completion: str | None = None
    first: str | None = None
    boxed: bool = False
    bomb: bool = False
    asks: list[Feature] = []


class _File(Section):
    language: str
    boxed: bool = False
    """For all of its cases."""
    tasks: dict[str, _Task] = Field(min_length=1)
    cases: list[_Case]


def load_cases(folder: Path = FOLDER) -> list[Case]:
    """All cases, the solutions of the tasks among them. Raises InputError naming file, case and field."""
    paths = sorted(folder.glob("*.yaml"))
    if not paths:
        raise InputError(f"{folder}: no cases; is the package whole?")
    cases = [case for path in paths for case in _load(path)]
    names = [case.name for case in cases]
    if twice := {name for name in names if names.count(name) > 1}:
        raise InputError(f"{folder}: two cases are called {min(twice)}; rename one")
    return cases


def _load(path: Path) -> Iterator[Case]:
    try:
        # The C loader, where there is one: ten times as fast.
        content = yaml.load(path.read_text(encoding="utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not YAML: {error}") from error
    file: _File = check(_File, content, str(path))
    secret = secrets.token_hex(8)
    tasks = {name: _task(file, path, name, spec, secret) for name, spec in file.tasks.items()}
    honest = {
        name: Case(
            f"{path.stem}/right_{name}",
            task,
            _fenced(file.language, task.solution),
            ("pass",),
            "The task's own solution.",
            solution=True,
            boxed=file.boxed,
            asks=tuple(file.tasks[name].asks),
        )
        for name, task in tasks.items()
        if task.solution is not None
    }
    yield from honest.values()
    for spec in file.cases:
        where = f"{path}: case {spec.name}"
        name = spec.task or next(iter(tasks))
        if name not in tasks:
            raise InputError(f"{where}: there is no task {name!r} in this file")
        if (spec.program is None) == (spec.completion is None):
            raise InputError(f"{where}: give one of program and completion")
        program = None if spec.program is None else _fenced(file.language, _spelled(spec.program))
        yield Case(
            f"{path.stem}/{spec.name}",
            tasks[name],
            _spelled(spec.completion) if program is None else program,
            _statuses(spec.expect, where),
            spec.why,
            first=None if spec.first is None else _fenced(file.language, _spelled(spec.first)),
            boxed=file.boxed or spec.boxed,
            bomb=spec.bomb,
            asks=tuple(spec.asks),
            honest=honest.get(name) or next(iter(honest.values()), None),
        )


def _task(file: _File, path: Path, name: str, spec: _Task, secret: str) -> Task:
    fields = {
        "task_id": f"selfcheck/{path.stem}/{name}",
        "language": file.language,
        "prompt": "",
        "tests": _with_secret(spec.tests, secret),
        "solution": spec.solution,
        "entry_point": spec.entry_point,
        "source": Source(dataset="selfcheck"),
        "family": "selfcheck",
    }
    return check(Task, fields, f"{path}: task {name}")


def _with_secret(value: Any, secret: str) -> Any:
    if isinstance(value, str):
        return value.replace("<<secret>>", secret)
    if isinstance(value, dict):
        return {key: _with_secret(inner, secret) for key, inner in value.items()}
    return [_with_secret(inner, secret) for inner in value] if isinstance(value, list) else value


def _spelled(text: str) -> str:
    return _REPEATED.sub(lambda found: found[1].replace("\\n", "\n") * int(found[2]), text)


def _fenced(language: str, program: str) -> str:
    return f"```{language}\n{program}\n```\n"


def _statuses(expect: str | list[str], where: str) -> tuple[str, ...]:
    if expect == "no pass":
        return NO_PASS
    statuses = (expect,) if isinstance(expect, str) else tuple(expect)
    if unknown := set(statuses) - {"pass", *NO_PASS}:
        raise InputError(f"{where}: expect: {min(unknown)!r} is no status (known: no pass, pass, {', '.join(NO_PASS)})")
    return statuses
