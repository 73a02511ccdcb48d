"""What the sanitizers say of the programs that pass, before a model is trained on them (`verify.sanitize: kept`).

Each distinct program is looked at once, in threads, and what was found is kept between runs like verdicts. Verifiers
whose languages leave nothing undefined are not asked, nor is one of the user's own that has no `look_again`.
"""

from __future__ import annotations

import os
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field

from halo_forge.errors import InfrastructureError
from halo_forge.progress import Progress
from halo_forge.records import CLEAN, UNKNOWN, Task, Verdict
from halo_forge.settings.verify import Verify
from halo_forge.verify.core.protocol import Verifier, clip
from halo_forge.verify.identity import identity
from halo_forge.verify.registry import get_verifier, resolve
from halo_forge.verify.verdict_cache import key_of, open_cache

TRIES = 3


@dataclass
class _Program:
    """A program that passes, and where its verdicts stand."""

    task: Task
    code: str
    verifier: Verifier
    key: bytes
    places: list[int] = field(default_factory=list)
    finding: str = ""


def look_again(
    tasks: Mapping[str, Task], verdicts: Sequence[Verdict], settings: Verify, verifier: str, label: str
) -> list[Verdict]:
    """The verdicts, those of passing programs with what the sanitizers say (`Verdict.sanitizers`).

    `verifier` is the name that they were asked for by. What they found, and what it cost, is printed under `label`.
    """
    programs = _programs(tasks, verdicts, settings, verifier)
    started = time.monotonic()
    with open_cache(settings.cache) as cache:
        for program in programs:
            if cache and not program.finding:
                program.finding = cache.finding(program.key) or ""
        todo = [program for program in programs if not program.finding]
        for program in _looked_at(todo, settings, f"{label}: sanitizers"):
            if cache:
                cache.put_finding(program.key, program.finding)
    looked = list(verdicts)
    for program in programs:
        for place in program.places:
            looked[place] = looked[place].model_copy(update={"sanitizers": program.finding})
    _say(programs, len(todo), time.monotonic() - started, label)
    return looked


def _programs(tasks: Mapping[str, Task], verdicts: Sequence[Verdict], settings: Verify, asked: str) -> list[_Program]:
    verifiers: dict[str, Verifier] = {}
    identities: dict[str, list[str]] = {}
    found: dict[bytes, _Program] = {}
    for place, verdict in enumerate(verdicts):
        if not verdict.passed:
            continue
        task = tasks[verdict.task_id]
        name = resolve(asked, task)
        if name not in verifiers:
            verifiers[name] = get_verifier(name, settings)
        verifier = verifiers[name]
        if not hasattr(verifier, "look_again") or (why := verifier.cannot_look_again(task)) == "":
            continue
        if name not in identities:
            identities[name] = identity(verifier)
        key = key_of([*identities[name], "sanitizers"], task, task.tests.model_dump_json(), verdict.code)
        program = found.setdefault(key, _Program(task, verdict.code, verifier, key))
        program.places.append(place)
        program.finding = UNKNOWN + why if why else ""
    return list(found.values())


def _looked_at(programs: Sequence[_Program], settings: Verify, label: str) -> Iterator[_Program]:
    """Each program as its finding is there."""
    if not programs:
        return
    workers = settings.workers or len(os.sched_getaffinity(0))
    with Progress(len(programs), label) as progress, ThreadPoolExecutor(workers, "look") as pool:
        running = {pool.submit(_look, program): program for program in programs}
        try:
            for done in as_completed(running):
                running[done].finding = done.result()
                progress.advance(1)
                yield running[done]
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _look(program: _Program) -> str:
    said = ""
    for _ in range(TRIES):
        try:
            return program.verifier.look_again(program.task, program.code)
        except (InfrastructureError, OSError) as error:
            said = str(error)
    return UNKNOWN + clip(said)


def _say(programs: Sequence[_Program], looked: int, seconds: float, label: str) -> None:
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
