"""Judge many samples: identical programs once, in threads, resuming from what a killed run had judged."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from halo_forge.errors import InfrastructureError, InputError
from halo_forge.jsonl import Appender, resumed
from halo_forge.records import Sample, Task, Verdict
from halo_forge.settings.verify import Verify
from halo_forge.verify.core.protocol import Judgement, Verifier, clip
from halo_forge.verify.registry import get_verifier, resolve
from halo_forge.verify.verdict_cache import VerdictCache, judge_of, key_of, open_cache

TRIES = 3
PAUSE_S = 0.5
REFERENCE_TIMES = 10
"""A program that takes longer than this many times the reference solution is too slow."""


@dataclass
class Tally:
    """Where verdicts came from: `judged` programs now, `cached` from earlier runs; samples that were `duplicates`, or
    `resumed` from what a killed run had written."""

    judged: int = 0
    cached: int = 0
    duplicates: int = 0
    resumed: int = 0


@dataclass
class _Program:
    """Samples that hold the same program for the same tests, and the judgement known for it from before."""

    task: Task
    asked: str
    """The name that the verifier was asked for by; one of the user's own may call itself otherwise."""
    verifier: Verifier
    tests: str
    code: str | None
    samples: list[Sample] = field(default_factory=list)
    known: Verdict | Judgement | None = None
    key: bytes | None = None


def judge_samples(
    tasks: Mapping[str, Task],
    samples: Sequence[Sample],
    settings: Verify,
    *,
    verifier: str = "auto",
    wip: Path,
    progress: Callable[[Verdict], None] | None = None,
    tally: Tally | None = None,
) -> list[Verdict]:
    """The verdicts of `samples`, in their order.

    Samples whose extracted program and tests are the same are judged once; the copies carry duration_s 0, and so do
    verdicts from the cache of earlier runs (`settings.cache`). Each verdict is appended to `wip` as it falls, and a
    later call takes from there what has the same program, except that infra_error is judged again: so `wip` must be
    deleted when tests or settings change. `progress` is called with every new verdict, from the calling thread.

    Raises InputError for a sample of an unknown task, a sample_id that comes twice, or tests that no verifier knows;
    InfrastructureError if the verifier cannot work here, or once more than `settings.max_infra_errors` programs could
    not be judged in three tries each (what was judged stays in `wip`).
    """
    programs = _group(tasks, samples, settings, verifier)
    verdicts = _resume(wip, programs)
    todo = [program for program in programs if any(sample.sample_id not in verdicts for sample in program.samples)]
    tally = tally or Tally()
    tally.resumed += len(verdicts)
    tally.duplicates += len(samples) - len(programs)
    failures = 0
    with contextlib.ExitStack() as held:
        cache = held.enter_context(open_cache(settings.cache))
        if cache:
            _look_up(todo, cache, tally)
        asked = {id(program.verifier): program.verifier for program in todo if program.known is None}.values()
        for used in asked:
            used.probe()
            held.enter_context(_closing(used))
        cores = len(os.sched_getaffinity(0))
        workers = settings.workers or max([cores, *(getattr(used, "workers", 0) for used in asked)])
        appender = held.enter_context(Appender(wip))
        judged = held.enter_context(contextlib.closing(_judge_all(todo, workers)))
        for program, judgement, seconds in _again_if_late(judged, settings):
            if program.known is None:
                tally.judged += 1
                if cache and program.key:
                    cache.put([(program.key, judgement)])
            new = _verdicts(program, judgement, seconds, skip=verdicts)
            appender.write(new)
            verdicts.update((verdict.sample_id, verdict) for verdict in new)
            for verdict in new if progress else ():
                progress(verdict)
            failures += judgement.status == "infra_error"
            if failures > settings.max_infra_errors:
                raise InfrastructureError(
                    f"{failures} programs could not be judged (verify.max_infra_errors: {settings.max_infra_errors}); "
                    f"the last: {judgement.detail}"
                )
    return [verdicts[sample.sample_id] for sample in samples]


def _group(tasks: Mapping[str, Task], samples: Sequence[Sample], settings: Verify, verifier: str) -> list[_Program]:
    made: dict[str, Verifier] = {}
    groups: dict[tuple, _Program] = {}
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
        key = (chosen.name, task.language, tests, code)
        groups.setdefault(key, _Program(task, asked, chosen, tests, code)).samples.append(sample)
    return list(groups.values())


def _resume(wip: Path, programs: Sequence[_Program]) -> dict[str, Verdict]:
    """Verdicts of an earlier run, where the sample still holds the program that was judged."""
    earlier = {verdict.sample_id: verdict for verdict in resumed(wip, Verdict)}
    kept = {}
    for program in programs:
        for sample in program.samples:
            verdict = earlier.get(sample.sample_id)
            if verdict is None or verdict.status == "infra_error" or verdict.task_id != sample.task_id:
                continue
            if verdict.code == (program.code or ""):
                kept[sample.sample_id] = program.known = verdict
    return kept


def _look_up(programs: Sequence[_Program], cache: VerdictCache, tally: Tally) -> None:
    judges: dict[int, list[str] | None] = {}
    for program in programs:
        if program.known is not None or program.code is None:
            continue
        if id(program.verifier) not in judges:
            judges[id(program.verifier)] = judge_of(program.verifier)
        if judge := judges[id(program.verifier)]:
            program.key = key_of(judge, program.task, program.tests, program.code)
            program.known = cache.get(program.key)
            tally.cached += program.known is not None


def _judge_all(programs: Sequence[_Program], workers: int) -> Iterator[tuple[_Program, Judgement, float]]:
    """(program, judgement, seconds) as they are ready; a few programs ahead, so that stopping early stops soon."""
    queue = iter(programs)
    with ThreadPoolExecutor(workers, thread_name_prefix="judge") as pool:
        running: dict[Future, _Program] = {}
        try:
            while True:
                for program in islice(queue, 2 * workers - len(running)):
                    running[pool.submit(_judge_one, program)] = program
                if not running:
                    return
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    program = running.pop(future)
                    yield program, *future.result()
        finally:
            for future in running:
                future.cancel()


def _again_if_late(
    judged: Iterator[tuple[_Program, Judgement, float]], settings: Verify
) -> Iterator[tuple[_Program, Judgement, float]]:
    """What timed out is judged once more when all else is done: alone, and with the patience that its task asks for."""
    late = []
    for program, judgement, seconds in judged:
        if judgement.status == "timeout" and program.known is None:
            late.append((program, seconds))
        else:
            yield program, judgement, seconds
    asked: dict[str, float] = {}
    for program, seconds in late:
        if program.task.task_id not in asked:
            asked[program.task.task_id] = _seconds_asked(program)
        with _patient(program, settings, asked[program.task.task_id]) as verifier:
            judgement, again = _judge_one(dataclasses.replace(program, verifier=verifier))
        yield program, judgement, seconds + again


@contextlib.contextmanager
def _patient(program: _Program, settings: Verify, seconds: float) -> Iterator[Verifier]:
    """The verifier, with a time limit of at least `seconds` a test."""
    if seconds <= settings.run_timeout_s:
        yield program.verifier
        return
    with _closing(get_verifier(program.asked, settings.model_copy(update={"run_timeout_s": seconds}))) as verifier:
        yield verifier


def _seconds_asked(program: _Program) -> float:
    """REFERENCE_TIMES what the reference solution takes for a test; 0 if there is none, or it does not pass."""
    task = program.task
    if task.solution is None:
        return 0.0
    reference = dataclasses.replace(
        program,
        samples=[program.samples[0].model_copy(update={"completion": f"````{task.language}\n{task.solution}\n````"})],
    )
    judgement, seconds = _judge_one(reference)
    return REFERENCE_TIMES * seconds / max(judgement.tests_total, 1) if judgement.status == "pass" else 0.0


@contextlib.contextmanager
def _closing(verifier: Verifier) -> Iterator[Verifier]:
    """Ends what the verifier holds, such as a connection, if it holds anything."""
    try:
        yield verifier
    finally:
        getattr(verifier, "close", lambda: None)()


def _judge_one(program: _Program) -> tuple[Judgement, float]:
    """The judgement and its seconds. What is not the answer's doing is tried again, then becomes infra_error."""
    if program.known is not None:
        known = program.known
        return Judgement(*(getattr(known, name) for name in Judgement.__dataclass_fields__)), 0.0
    started = time.monotonic()
    for attempt in range(1, TRIES + 1):
        try:
            judgement = program.verifier.judge(program.task, program.samples[0].completion)
            break
        except (InfrastructureError, OSError) as error:
            judgement = Judgement("infra_error", None, 0, 0, clip(str(error)), "")
            if attempt < TRIES:
                time.sleep(PAUSE_S * attempt)
    return judgement, round(time.monotonic() - started, 4)


def _verdicts(program: _Program, judgement: Judgement, seconds: float, *, skip: Mapping[str, Verdict]) -> list[Verdict]:
    verdicts = []
    for sample in program.samples:
        if sample.sample_id in skip:
            continue
        verdicts.append(
            Verdict(
                sample_id=sample.sample_id,
                task_id=sample.task_id,
                **vars(judgement),
                duration_s=0.0 if verdicts else seconds,
                verifier=program.verifier.name,
                isolation=program.verifier.isolation,
            )
        )
    return verdicts
