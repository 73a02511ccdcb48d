"""Judge many samples: identical programs once, in threads, resuming from what a killed run had judged."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from halo_forge.errors import InfrastructureError, UnusableTests
from halo_forge.jsonl import Appender
from halo_forge.parts import WHOLE, Part
from halo_forge.records import Sample, Task, Verdict
from halo_forge.settings.verify import Verify
from halo_forge.verify import late
from halo_forge.verify.core.protocol import Judgement, Verifier, clip
from halo_forge.verify.programs import Program, group, identities, look_up, resume, wip_of, wips_of
from halo_forge.verify.registry import get_verifier
from halo_forge.verify.verdict_cache import open_cache

TRIES = 3
PAUSE_S = 0.5

Judged = Iterator[tuple[Program, Judgement, float]]
"""(program, judgement, seconds), as they are ready."""


@dataclass
class Tally:
    """Where verdicts came from: `judged` programs now, `cached` from earlier runs; samples that were `duplicates`, or
    `resumed` from what a killed run had written."""

    judged: int = 0
    cached: int = 0
    duplicates: int = 0
    resumed: int = 0


def judge_samples(
    tasks: Mapping[str, Task],
    samples: Sequence[Sample],
    settings: Verify,
    *,
    verifier: str = "auto",
    wip: Path,
    progress: Callable[[Verdict], None] | None = None,
    tally: Tally | None = None,
    part: Part = WHOLE,
    judged_by: Callable[[Sequence[Program], Verify], Judged] | None = None,
) -> list[Verdict]:
    """The verdicts of `samples`, in their order; of a part of the work those that are there once it is done.

    Samples whose extracted program and tests are the same are judged once; the copies carry duration_s 0. What comes
    from the cache of earlier runs (`settings.cache`) carries the seconds that it took then. Each verdict reached now is
    appended as it falls to a file beside `wip` that the identity of the verifiers names (`wip_of`), and a later call
    with the same verifiers takes from there what has the same program, except that infra_error is judged again: so
    `wip` must be a new one when tests or settings change. `progress` is called with every new verdict, from the calling
    thread. What a `part` of the work judges goes to a file of its own; a call for the whole takes what all parts have
    judged. `judged_by` judges in place of the threads of this process.

    Raises InputError for a sample of an unknown task, a sample_id that comes twice, or tests that no verifier knows;
    InfrastructureError if the verifier cannot work here, or once more than `settings.max_infra_errors` programs could
    not be judged in three tries each (what was judged stays in the file).
    """
    programs = group(tasks, samples, settings, verifier)
    judges = identities(programs)
    verdicts = resume(wips_of(wip, judges) if part.whole else [wip_of(wip, judges, part)], programs)
    own = part.of(programs)
    todo = [program for program in own if any(sample.sample_id not in verdicts for sample in program.samples)]
    tally = tally or Tally()
    tally.resumed += len(verdicts)
    tally.duplicates += len(samples) - len(programs)
    failures = 0

    def take(new: Sequence[Verdict]) -> None:
        verdicts.update((verdict.sample_id, verdict) for verdict in new)
        for verdict in new if progress else ():
            progress(verdict)

    with contextlib.ExitStack() as held:
        cache = held.enter_context(open_cache(settings.cache))
        if cache:
            tally.cached += look_up(todo, judges, cache)
        cached = []
        for program in todo:
            if program.known is not None:
                cached += _verdicts(program, program.known, program.seconds, skip=verdicts)
        take(cached)
        todo = [program for program in todo if program.known is None]
        judged = held.enter_context(contextlib.closing((judged_by or judge_here)(todo, settings)))
        appender = held.enter_context(Appender(wip_of(wip, judges, part)))
        if not part.whole:
            appender.write(cached)  # the machine that takes all parts together may have another cache
        for program, judgement, seconds in judged:
            tally.judged += 1
            if cache and program.key:
                cache.put(program.key, judgement, seconds)
            new = _verdicts(program, judgement, seconds, skip=verdicts)
            appender.write(new)
            take(new)
            failures += judgement.status == "infra_error"
            if failures > settings.max_infra_errors:
                raise InfrastructureError(
                    f"{failures} programs could not be judged (verify.max_infra_errors: {settings.max_infra_errors}); "
                    f"the last: {judgement.detail}"
                )
    return [verdicts[sample.sample_id] for sample in samples if part == WHOLE or sample.sample_id in verdicts]


def judge_here(programs: Sequence[Program], settings: Verify) -> Judged:
    """Judge in threads of this process, by the verifiers that the programs hold, whose probes are made at once."""
    asked = list({id(program.verifier): program.verifier for program in programs}.values())
    for used in asked:
        used.probe()
    return _in_threads(programs, asked, settings)


def _in_threads(programs: Sequence[Program], asked: Sequence[Verifier], settings: Verify) -> Judged:
    with contextlib.ExitStack() as held:
        for used in asked:
            held.enter_context(_closing(used))
        cores = len(os.sched_getaffinity(0))
        workers = settings.workers or max([cores, *(getattr(used, "workers", 0) for used in asked)])
        yield from _judge_patiently(programs, settings, workers)


def _judge_patiently(programs: Sequence[Program], settings: Verify, workers: int) -> Judged:
    """What is late is judged once more when all else is done, in less of a crowd and with its task's patience."""
    again = []
    with contextlib.closing(_judge_all(programs, workers)) as judged:
        for program, judgement, seconds in judged:
            if late.is_late(judgement):
                again.append(dataclasses.replace(program, seconds=seconds))
            else:
                yield program, judgement, seconds
    few = late.at_once(workers)
    limits = _limits_asked(again, settings, few)
    patient: dict[tuple[str, int], Verifier] = {}
    with contextlib.ExitStack() as held:
        for program in again:
            times = limits.get(program.task.task_id, 1)
            if (program.asked, times) not in patient:
                patient[program.asked, times] = _patient(program, times, settings, held)
            program.verifier = patient[program.asked, times]
        yield from _judge_all(again, few)


def _patient(program: Program, times: int, settings: Verify, held: contextlib.ExitStack) -> Verifier:
    """The verifier of a late program with `times` the time limit; what it holds ends with `held`."""
    if hasattr(program.verifier, "patient"):
        return program.verifier.patient(times)
    if times == 1:
        return program.verifier
    more = settings.model_copy(update={"run_timeout_s": times * settings.run_timeout_s})
    return held.enter_context(_closing(get_verifier(program.asked, more)))


def _limits_asked(programs: Sequence[Program], settings: Verify, workers: int) -> dict[str, int]:
    """task_id -> how many times the time limit its late answers get."""
    references, limits = {}, {}
    for program in programs:
        task = program.task
        if task.solution is not None:
            answer = Sample.of_reference(task, f"````{task.language}\n{task.solution}\n````", "reference")
            references[task.task_id] = dataclasses.replace(program, samples=[answer], seconds=0.0)
            if hasattr(program.verifier, "patient"):  # built as the late ones will be
                references[task.task_id].verifier = program.verifier.patient(1)
        else:
            limits[task.task_id] = late.limits_without_reference()
    return limits | {
        reference.task.task_id: late.limits_asked(judgement, seconds, settings.run_timeout_s)
        for reference, judgement, seconds in _judge_all(list(references.values()), workers)
    }


def _judge_all(programs: Sequence[Program], workers: int) -> Judged:
    """A few programs ahead, so that stopping early stops soon."""
    queue = iter(programs)
    with ThreadPoolExecutor(workers, thread_name_prefix="judge") as pool:
        running: dict[Future, Program] = {}
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


@contextlib.contextmanager
def _closing(verifier: Verifier) -> Iterator[Verifier]:
    """Ends what the verifier holds, such as a connection, if it holds anything."""
    try:
        yield verifier
    finally:
        getattr(verifier, "close", lambda: None)()


def _judge_one(program: Program) -> tuple[Judgement, float]:
    """The judgement and its seconds. What is not the answer's doing is tried again, then becomes infra_error."""
    started = time.monotonic()
    for attempt in range(1, TRIES + 1):
        try:
            judgement = program.verifier.judge(program.task, program.samples[0].completion)
            break
        except (InfrastructureError, OSError) as error:
            judgement = Judgement("infra_error", None, 0, 0, clip(str(error)), "")
            if isinstance(error, UnusableTests):
                break
            if attempt < TRIES:
                time.sleep(PAUSE_S * attempt)
    # Where there is no program nothing is judged, and nothing is kept: no second run may give another figure.
    seconds = 0.0 if program.code is None else time.monotonic() - started
    return judgement, round(program.seconds + seconds, 4)


def _verdicts(program: Program, judgement: Judgement, seconds: float, *, skip: Mapping[str, Verdict]) -> list[Verdict]:
    new = [sample for sample in program.samples if sample.sample_id not in skip]
    return [
        judgement.verdict(sample.sample_id, sample.task_id, seconds if sample is new[0] else 0.0, program.verifier)
        for sample in new
    ]
