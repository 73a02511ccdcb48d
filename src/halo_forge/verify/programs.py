"""What is to be judged: samples that hold the same program together, and what is known of them from before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from halo_forge.errors import InputError
from halo_forge.hashing import fingerprint
from halo_forge.jsonl import resumed
from halo_forge.parts import WHOLE, Part
from halo_forge.records import Sample, Task, Verdict
from halo_forge.settings.verify import Verify
from halo_forge.verify.core.protocol import Judgement, Verifier, clip
from halo_forge.verify.identity import identity
from halo_forge.verify.registry import get_verifier, resolve
from halo_forge.verify.verdict_cache import VerdictCache, decides, key_of


@dataclass
class Program:
    """Samples that hold the same program for the same tests, and the judgement known for it from before."""

    task: Task
    asked: str
    """The name that the verifier was asked for by; one of the user's own may call itself otherwise."""
    verifier: Verifier
    tests: str
    code: str | None
    samples: list[Sample] = field(default_factory=list)
    known: Judgement | None = None
    seconds: float = 0.0
    """What judging it has taken so far, or took when `known` was found; 0 if its samples are all but duplicates."""
    key: bytes | None = None


def refused(tasks: Iterable[Task], settings: Verify, verifier: str) -> dict[str, str]:
    """task_id -> why no verifier can judge it, for the tasks whose tests are at fault; the words name the cure."""
    made: dict[str, Verifier] = {}
    found = {}
    for task in tasks:
        try:
            name = resolve(verifier, task)
            if name not in made:
                made[name] = get_verifier(name, settings)
            made[name].check(task)
        except InputError as error:
            found[task.task_id] = str(error)
    return found


def refusal(sample: Sample, why: str, verifier: str) -> Verdict:
    """The verdict on an answer to a task that `refused` names: no answer is to blame for it."""
    return Verdict(
        sample_id=sample.sample_id,
        task_id=sample.task_id,
        status="infra_error",
        reward=None,
        tests_passed=0,
        tests_total=0,
        detail=clip(why),
        code="",
        duration_s=0.0,
        verifier=verifier,
        isolation="none",
    )


def group(tasks: Mapping[str, Task], samples: Sequence[Sample], settings: Verify, verifier: str) -> list[Program]:
    """The programs of `samples`. Raises InputError as `judge_samples` does."""
    made: dict[str, Verifier] = {}
    groups: dict[tuple, Program] = {}
    seen: set[str] = set()
    checked: dict[str, tuple[str, Verifier, str]] = {}
    for sample in samples:
        if sample.sample_id in seen:
            raise InputError(f"sample {sample.sample_id}: this sample_id comes twice; make sample ids unique")
        seen.add(sample.sample_id)
        task = tasks.get(sample.task_id)
        if task is None:
            raise InputError(f"sample {sample.sample_id}: no task {sample.task_id!r} among the {len(tasks)} given")
        if task.task_id not in checked:
            name = resolve(verifier, task)
            if name not in made:
                made[name] = get_verifier(name, settings)
            made[name].check(task)
            checked[task.task_id] = name, made[name], task.tests.model_dump_json()
        asked, chosen, tests = checked[task.task_id]
        code = chosen.extract(task, sample.completion)
        key = (chosen.name, *decides(task), tests, code)
        groups.setdefault(key, Program(task, asked, chosen, tests, code)).samples.append(sample)
    return list(groups.values())


def identities(programs: Sequence[Program]) -> dict[int, list[str]]:
    """id(verifier) -> its `identity`, for the verifiers of `programs`. Raises InfrastructureError if one is missing."""
    used = {id(program.verifier): program.verifier for program in programs}
    return {number: identity(verifier) for number, verifier in used.items()}


def resume(wips: Iterable[Path], programs: Sequence[Program]) -> dict[str, Verdict]:
    """sample_id -> verdict of an earlier run, where the sample still holds the program that was judged."""
    earlier = {verdict.sample_id: verdict for wip in wips for verdict in resumed(wip, Verdict)}
    kept = {}
    for program in programs:
        for sample in program.samples:
            verdict = earlier.get(sample.sample_id)
            if verdict is None or verdict.status == "infra_error" or verdict.task_id != sample.task_id:
                continue
            if verdict.code == (program.code or ""):
                kept[sample.sample_id] = verdict
                program.known = Judgement.of(verdict)
    return kept


def wip_of(wip: Path, judges: Mapping[int, list[str]], part: Part) -> Path:
    """The file beside `wip` for what these verifiers, as they are now, have judged of a part of the work."""
    return wip.with_stem("-".join(filter(None, [wip.stem, _name(judges), part.name])))


def wips_of(wip: Path, judges: Mapping[int, list[str]]) -> list[Path]:
    """The files of all parts of the work, those of the whole the last."""
    return [*sorted(wip.parent.glob(f"{wip.stem}-{_name(judges)}-*{wip.suffix}")), wip_of(wip, judges, WHOLE)]


def _name(judges: Mapping[int, list[str]]) -> str:
    return fingerprint(sorted(judges.values(), key=repr))


def look_up(programs: Sequence[Program], judges: Mapping[int, list[str]], cache: VerdictCache) -> int:
    """Take what earlier runs found from the cache: for how many programs there was something."""
    found = 0
    for program in programs:
        if program.known is not None or program.code is None or not hasattr(program.verifier, "fingerprint"):
            continue
        program.key = key_of(judges[id(program.verifier)], program.task, program.tests, program.code)
        if kept := cache.get(program.key):
            program.known, program.seconds = kept
            found += 1
    return found
