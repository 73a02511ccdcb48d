"""What the sanitizers say of the programs that pass, before a model is trained on them (`verify.sanitize: kept`).

Each distinct program is looked at once, in threads, and what was found is kept between runs like verdicts. Verifiers
whose languages leave nothing undefined are not asked, nor is one of the user's own that has no `look_again`.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from halo_forge.errors import InfrastructureError
from halo_forge.progress import Progress
from halo_forge.records import CLEAN, UNKNOWN, Task, Verdict
from halo_forge.settings.verify import Verify
from halo_forge.verify.ahead import done_in_threads
from halo_forge.verify.core.protocol import Verifier, clip
from halo_forge.verify.identity import identity
from halo_forge.verify.registry import get_verifier, resolve
from halo_forge.verify.verdict_cache import key_of, open_cache

TRIES = 3
_NONE = -1


@dataclass
class _Passing:
    """A program that passes: the digest it is known by between runs, and what was said of it."""

    key: bytes
    finding: str


@dataclass(frozen=True)
class _Look:
    """A program that is to be looked at."""

    task: Task
    code: str
    verifier: Verifier
    passing: _Passing


def look_again(
    tasks: Mapping[str, Task], verdicts: Iterable[Verdict], settings: Verify, verifier: str, label: str
) -> Iterator[Verdict]:
    """The verdicts, those of passing programs with what the sanitizers say (`Verdict.sanitizers`).

    `verdicts` are gone through several times and not held. `verifier` is the name that they were asked for by. What the
    sanitizers found, and what it cost, is printed under `label` before this returns.
    """
    asked = _Asked(tasks, settings, verifier)
    programs, program_at = _programs(verdicts, asked)
    started = time.monotonic()
    with open_cache(settings.cache) as cache:
        for passing in programs:
            if cache and not passing.finding:
                passing.finding = cache.finding(passing.key) or ""
        looked = sum(not passing.finding for passing in programs)
        todo = _unknown(verdicts, programs, program_at, asked)
        for passing in _looked_at(todo, looked, settings, f"{label}: sanitizers"):
            if cache:
                cache.put_finding(passing.key, passing.finding)
    _say(programs, looked, time.monotonic() - started, label)
    return (
        verdict if at == _NONE else verdict.model_copy(update={"sanitizers": programs[at].finding})
        for verdict, at in zip(verdicts, program_at, strict=True)
    )


class _Asked:
    """The verifier of each task, for those whose passing programs can be looked at, and its identity."""

    def __init__(self, tasks: Mapping[str, Task], settings: Verify, name: str):
        self.tasks = tasks
        self._settings, self._name = settings, name
        self._verifiers: dict[str, Verifier] = {}
        self._identities: dict[str, list[str]] = {}

    def verifier(self, task: Task) -> Verifier:
        name = resolve(self._name, task)
        if name not in self._verifiers:
            self._verifiers[name] = get_verifier(name, self._settings)
        return self._verifiers[name]

    def key(self, task: Task, code: str) -> bytes:
        name = resolve(self._name, task)
        if name not in self._identities:
            self._identities[name] = identity(self.verifier(task))
        return key_of([*self._identities[name], "sanitizers"], task, task.tests.model_dump_json(), code)


def _programs(verdicts: Iterable[Verdict], asked: _Asked) -> tuple[list[_Passing], array]:
    """The distinct programs that pass, and for each verdict the place of its program among them, else _NONE."""
    found: dict[bytes, int] = {}
    programs: list[_Passing] = []
    program_at = array("q")
    for verdict in verdicts:
        program_at.append(_NONE)
        if not verdict.passed:
            continue
        task = asked.tasks[verdict.task_id]
        verifier = asked.verifier(task)
        if not hasattr(verifier, "look_again") or (why := verifier.cannot_look_again(task)) == "":
            continue
        key = asked.key(task, verdict.code)
        program_at[-1] = found.setdefault(key, len(programs))
        if program_at[-1] == len(programs):
            programs.append(_Passing(key, UNKNOWN + why if why else ""))
    return programs, program_at


def _unknown(
    verdicts: Iterable[Verdict], programs: Sequence[_Passing], program_at: array, asked: _Asked
) -> Iterator[_Look]:
    """The programs of which nothing is known yet, each once."""
    given: set[int] = set()
    for verdict, at in zip(verdicts, program_at, strict=True):
        if at != _NONE and at not in given and not programs[at].finding:
            given.add(at)
            task = asked.tasks[verdict.task_id]
            yield _Look(task, verdict.code, asked.verifier(task), programs[at])


def _looked_at(programs: Iterable[_Look], number: int, settings: Verify, label: str) -> Iterator[_Passing]:
    """Each of so many programs as its finding is there."""
    if not number:
        return
    workers = settings.workers or len(os.sched_getaffinity(0))
    done = done_in_threads(_look, programs, workers, "look")
    with Progress(number, label) as progress, contextlib.closing(done):
        for look, finding in done:
            look.passing.finding = finding
            progress.advance(1)
            yield look.passing


def _look(program: _Look) -> str:
    said = ""
    for _ in range(TRIES):
        try:
            return program.verifier.look_again(program.task, program.code)
        except (InfrastructureError, OSError) as error:
            said = str(error)
    return UNKNOWN + clip(said)


def _say(programs: Sequence[_Passing], looked: int, seconds: float, label: str) -> None:
    if not programs:
        return
    faults, unknown = Counter(), defaultdict(int)
    for program in programs:
        if program.finding.startswith(UNKNOWN):
            unknown[program.finding.removeprefix(UNKNOWN)] += 1
        elif program.finding != CLEAN:
            faults[program.finding] += 1
    named = ", ".join(f"{name} {number}" for name, number in faults.most_common()) or "none"
    print(
        f"{label}: {looked} of {len(programs)} passing programs looked at under sanitizers in {seconds:.0f} s; "
        f"with faults: {named}"
    )
    for why, number in unknown.items():
        print(f"warning: {label}: {number} programs could not be looked at under sanitizers: {why}", file=sys.stderr)
