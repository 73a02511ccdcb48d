"""Judge many samples: identical programs once, in threads, resuming from what a killed run had judged."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from halo_forge.errors import InfrastructureError, UnusableTests
from halo_forge.jsonl import Appender
from halo_forge.parts import WHOLE, Part
from halo_forge.records import Sample, Task, Verdict
from halo_forge.settings.verify import Verify
from halo_forge.verify import late
from halo_forge.verify.ahead import batches, done_in_threads
from halo_forge.verify.core.protocol import Judgement, Verifier, clip
from halo_forge.verify.programs import Program, Programs, Todo, wip_of, wips_of
from halo_forge.verify.references import References
from halo_forge.verify.registry import get_verifier
from halo_forge.verify.shelf import Shelf
from halo_forge.verify.verdict_cache import VerdictCache, open_cache

TRIES = 3
PAUSE_S = 0.5
CACHED_A_WRITE = 16

Judged = Iterator[tuple[Program, Verifier, Judgement, float]]
"""(program, who judged it, judgement, seconds), as they are ready."""
Judge = Callable[[Todo, Verify], Judged]


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
) -> list[Verdict]:
    """The verdicts of `samples`, in their order: `shelve_verdicts` for what is held. Raises what that does."""
    with shelve_verdicts(
        tasks, samples, settings, verifier=verifier, wip=wip, progress=progress, tally=tally
    ) as verdicts:
        return list(verdicts)


def shelve_verdicts(
    tasks: Mapping[str, Task],
    samples: Iterable[Sample],
    settings: Verify,
    *,
    verifier: str = "auto",
    wip: Path,
    progress: Callable[[Verdict], None] | None = None,
    tally: Tally | None = None,
    part: Part = WHOLE,
    judged_by: Judge | None = None,
) -> Shelf:
    """The verdicts of `samples`, in their order, on disk beside `wip`; `samples` are gone through several times, and no
    text is held but those at hand.

    Samples whose extracted program and tests are the same are judged once; the copies carry duration_s 0. What comes
    from the cache of earlier runs (`settings.cache`) carries the seconds that it took then. Each verdict reached now is
    appended as it falls to a file beside `wip` that the identity of the verifiers names (`wip_of`), and a later call
    with the same verifiers takes from there what has the same program, except that infra_error is judged again: so
    `wip` must be a new one when tests or settings change. `progress` is called with every new verdict, from the calling
    thread. What a `part` of the work judges goes to a file of its own, and other places than its own are left empty; a
    call for the whole takes what all parts have judged. `judged_by` judges in place of the threads of this process.

    Raises InputError for a sample of an unknown task, a sample_id that comes twice, or tests that no verifier knows;
    InfrastructureError if the verifier cannot work here, or once more than `settings.max_infra_errors` programs could
    not be judged in three tries each (what was judged stays in the file).
    """
    programs = Programs(tasks, samples, settings, verifier, part)
    own = wip_of(wip, programs.identities, part)
    tally, progress = tally or Tally(), progress or (lambda verdict: None)
    tally.duplicates += programs.samples - len(programs)
    with contextlib.ExitStack() as held:
        shelf = Shelf(own.parent, programs.samples)
        held.callback(shelf.close)
        tally.resumed += programs.resume(wips_of(wip, programs.identities) if part.whole else [own], shelf)
        for verdict in programs.share(shelf):
            progress(verdict)
        with open_cache(settings.cache) as cache:
            if cache:
                _look_up(programs, shelf, cache, None if part.whole else own, progress, tally)
            _judge(programs, settings, shelf, cache, own, progress, tally, judged_by or judge_here)
        held.pop_all()  # all is there: whoever asked for it closes it
    return shelf


def _look_up(
    programs: Programs,
    shelf: Shelf,
    cache: VerdictCache,
    wip: Path | None,
    progress: Callable[[Verdict], None],
    tally: Tally,
) -> None:
    """Put what the cache knows on the shelf; and into `wip`, where the machine that takes all parts together reads it,
    which may have another cache."""
    with contextlib.ExitStack() as held:
        appender = held.enter_context(Appender(wip)) if wip else None
        for some in batches(programs.look_up(cache, shelf), CACHED_A_WRITE):
            tally.cached += len(some)
            new = list(chain.from_iterable(some))
            if appender:
                appender.write(new)
            for verdict in new:
                progress(verdict)


def _judge(
    programs: Programs,
    settings: Verify,
    shelf: Shelf,
    cache: VerdictCache | None,
    wip: Path,
    progress: Callable[[Verdict], None],
    tally: Tally,
    judge: Judge,
) -> None:
    """Put the verdicts that are not there yet on the shelf."""
    todo = programs.todo(shelf)
    if not todo.verifiers:
        return
    with contextlib.ExitStack() as held:
        judged = held.enter_context(contextlib.closing(judge(todo, settings)))
        appender, failures = None, 0
        for program, used, judgement, seconds in judged:
            tally.judged += 1
            if cache and (key := programs.key(program.number)):
                cache.put(key, judgement, seconds)
            new = programs.verdicts(program.number, judgement, seconds, used, shelf)
            appender = appender or held.enter_context(Appender(wip))  # there once anything is judged
            appender.write(new)
            for verdict in new:
                progress(verdict)
            failures += judgement.status == "infra_error"
            if failures > settings.max_infra_errors:
                raise InfrastructureError(
                    f"{failures} programs could not be judged (verify.max_infra_errors: {settings.max_infra_errors}); "
                    f"the last: {judgement.detail}"
                )


def judge_here(todo: Todo, settings: Verify) -> Judged:
    """Judge in threads of this process, by the verifiers that the programs hold, once all are probed."""
    asked = todo.verifiers.values()
    with contextlib.ExitStack() as held:
        for used in asked:
            used.probe()
            held.enter_context(_closing(used))
        cores = len(os.sched_getaffinity(0))
        workers = settings.workers or max([cores, *(getattr(used, "workers", 0) for used in asked)])
        yield from _judge_patiently(todo, settings, workers)


def _judge_patiently(todo: Todo, settings: Verify, workers: int) -> Judged:
    """What is late, and not for certain, is judged once more when all else is done, in less of a crowd and with its
    task's patience."""
    references = References(settings, _judge_one)
    late_ones: dict[int, float] = {}

    def judge(asked: tuple[Program, Verifier]) -> tuple[Judgement, float, bool]:
        judgement, seconds = _judge_one(asked)
        return judgement, seconds, late.is_late(judgement) and not references.settle(asked[0], judgement)

    first = ((one, one.verifier) for one in todo.programs)
    with contextlib.closing(done_in_threads(judge, first, workers, "judge")) as judged:
        for (program, used), (judgement, seconds, again) in judged:
            if again:
                late_ones[program.number] = seconds
            else:
                yield program, used, judgement, seconds
    if not late_ones:
        return
    patient: dict[tuple[str, int], Verifier] = {}
    with contextlib.ExitStack() as held:

        def once_more() -> Iterator[tuple[Program, Verifier]]:
            for program in todo.chosen(late_ones):
                program.seconds = late_ones[program.number]
                how = program.asked, references.limits(program)
                if how not in patient:
                    patient[how] = _patient(program, how[1], settings, held)
                yield program, patient[how]

        with contextlib.closing(done_in_threads(_judge_one, once_more(), late.at_once(workers), "judge")) as judged:
            for (program, used), (judgement, seconds) in judged:
                yield program, used, judgement, seconds


def _patient(program: Program, times: int, settings: Verify, held: contextlib.ExitStack) -> Verifier:
    """The verifier of a late program with `times` the time limit; what it holds ends with `held`."""
    if hasattr(program.verifier, "patient"):
        return program.verifier.patient(times)
    if times == 1:
        return program.verifier
    more = settings.model_copy(update={"run_timeout_s": times * settings.run_timeout_s})
    return held.enter_context(_closing(get_verifier(program.asked, more)))


@contextlib.contextmanager
def _closing(verifier: Verifier) -> Iterator[Verifier]:
    """Ends what the verifier holds, such as a connection, if it holds anything."""
    try:
        yield verifier
    finally:
        getattr(verifier, "close", lambda: None)()


def _judge_one(asked: tuple[Program, Verifier]) -> tuple[Judgement, float]:
    """The judgement and its seconds. What is not the answer's doing is tried again, then becomes infra_error."""
    program, verifier = asked
    started = time.monotonic()
    for attempt in range(1, TRIES + 1):
        try:
            judgement = verifier.judge(program.task, program.completion)
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
