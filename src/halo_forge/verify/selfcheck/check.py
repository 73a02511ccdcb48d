"""The conformance suite: hostile answers that no verifier may pay for, and right answers in odd shapes that it must.

The cases lie in cases/*.yaml, by language and kind of tests; `Case` says what a case is. Any object that satisfies
`protocol.Verifier` can be run through them:

    settings = limited(Verify())
    verifier = get_verifier("python", settings)
    outcomes = run_selfcheck(verifier, load_cases())
    assert not any(outcome.problems for outcome in outcomes)

After every case nothing may be left of it (`leftovers.Watch`), and after every hostile one an honest program must still
pass. The programs attack the machine that they run on. A verifier whose `isolation` is "none" is spared the ones that
would do harm (`boxed`); one that claims a box and has none is not, so try a verifier of your own where it may break.
"""

from __future__ import annotations

import dataclasses
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from halo_forge.errors import HaloForgeError, InfrastructureError, InputError
from halo_forge.records import CompileTests
from halo_forge.settings.verify import Verify
from halo_forge.verify.core.protocol import DETAIL_BYTES, Judgement, Verifier
from halo_forge.verify.selfcheck.cases import Case
from halo_forge.verify.selfcheck.leftovers import Watch

JUDGE_CPU_S = 6.0
"""More of its own CPU time than this the judging process may not spend on one answer: it must read, not be read to. The
dearest case takes 1 s; beside other work a second of CPU time does up to three times less."""
SKIPPED = "skipped"


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of one case."""

    case: Case
    status: str
    """The judgement's; "skipped" if the verifier does not take such tasks (the detail says why), "none" if there was no
    judgement."""
    problems: tuple[str, ...]
    """What is wrong with the verifier; empty if nothing is."""
    detail: str
    seconds: float


def limited(settings: Verify) -> Verify:
    """The settings with limits that the cases are made for: small, so that running into them does not take long."""
    small = {"run_timeout_s": 1.0, "compile_timeout_s": 8.0, "memory_mb": 256, "max_processes": 16}
    return settings.model_copy(update={**small, "max_output_kb": 64, "cache": False})


def run_selfcheck(
    verifier: Verifier, cases: Sequence[Case], progress: Callable[[Outcome], None] | None = None
) -> list[Outcome]:
    """Judge every case, one after the other, and report what is wrong; the verifier has been probed.

    Right answers come first, so that what a verifier sets up once for some kind of tests is there before leftovers
    are looked for. `progress` is called after each case.
    """
    reasons = [_why_not(verifier, case) for case in cases]
    taken = [case for case, reason in zip(cases, reasons, strict=True) if not reason]
    outcomes = [Outcome(case, SKIPPED, (), reason, 0.0) for case, reason in zip(cases, reasons, strict=True) if reason]
    for outcome in outcomes if progress else ():
        progress(outcome)
    taken.sort(key=lambda case: case.expect != ("pass",))
    with Watch() as watch:
        for case in taken:
            if case.solution:
                _judge(verifier, case)  # what it sets up once
                watch.settle()
            outcome = _judge(verifier, case)
            more = [*outcome.problems, *watch.new()]
            if case.expect != ("pass",) and case.honest is not None and not _why_not(verifier, case.honest):
                after = _judge(verifier, case.honest)
                more += [f"an honest program after it: {problem}" for problem in after.problems]
            outcome = dataclasses.replace(outcome, problems=tuple(more))
            outcomes.append(outcome)
            if progress:
                progress(outcome)
    return outcomes


def run_stress(
    verifier: Verifier,
    cases: Sequence[Case],
    *,
    at_once: int = 8,
    progress: Callable[[Outcome], None] | None = None,
) -> list[Outcome]:
    """Judge each bomb `at_once` times, side by side with as many honest programs, which keep their verdicts.

    An outcome for every bomb and every honest program.
    """
    outcomes = []
    with Watch() as watch, ThreadPoolExecutor(2 * at_once) as threads:
        for case in cases:
            if not (case.bomb and case.honest) or _why_not(verifier, case) or _why_not(verifier, case.honest):
                continue
            asked = [case, case.honest] * at_once
            done = list(threads.map(lambda one: _judge(verifier, one, alone=False), asked))
            if not outcomes:
                watch.settle()  # threads and what a verifier keeps for each of them
            done[0] = dataclasses.replace(done[0], problems=(*done[0].problems, *watch.new()))
            outcomes += done
            for outcome in done if progress else ():
                progress(outcome)
    return outcomes


def failures(outcomes: Sequence[Outcome]) -> list[list[str]]:
    """Rows (case, what is wrong, why that matters) for a table of what failed."""
    return [
        [outcome.case.name, "; ".join(outcome.problems), outcome.case.why] for outcome in outcomes if outcome.problems
    ]


def skipped(outcomes: Sequence[Outcome]) -> Counter[str]:
    """Why cases were not judged, and how many for each reason."""
    return Counter(outcome.detail for outcome in outcomes if outcome.status == SKIPPED)


def _why_not(verifier: Verifier, case: Case) -> str:
    """Why a verifier is not asked: "" if it is. A toolchain that `auto` would need and that is missing is a reason."""
    if case.boxed and verifier.isolation == "none":
        return "it does harm outside a box, and the verifier's isolation is none"
    if verifier.name.endswith("-compile") and not isinstance(case.task.tests, CompileTests):
        return "the verifier says itself that it cannot tell"
    if missing := set(case.asks) & set(getattr(verifier, "lacks", ())):
        return f"it asks for {min(missing)}, which the verifier's compiler does not have"
    try:
        verifier.check(case.task)
    except InputError as error:
        return str(error).removeprefix(f"{case.task.task_id}: ")
    except InfrastructureError as error:
        return str(error)
    return ""


def _judge(verifier: Verifier, case: Case, *, alone: bool = True) -> Outcome:
    """`alone`: nothing else is judged meanwhile, so that this process's CPU time belongs to the case."""
    started, cpu_before = time.monotonic(), time.process_time()
    try:
        if case.first is not None:
            verifier.judge(case.task, case.first)
        judgement = verifier.judge(case.task, case.completion)
    except HaloForgeError as error:
        problem, detail, status = f"no judgement: {type(error).__name__}: {error}", str(error), "none"
        return Outcome(case, status, (problem,), detail, time.monotonic() - started)
    except Exception as error:  # noqa: BLE001 - an answer that makes the judge raise has brought it down
        problem = f"the judge was brought down: {type(error).__name__}: {str(error)[:200]}"
        return Outcome(case, "none", (problem,), "", time.monotonic() - started)
    problems = [*_unexpected(case, judgement), *_improper(verifier, case, judgement)]
    cpu = time.process_time() - cpu_before
    if alone and cpu > JUDGE_CPU_S:
        problems.append(f"it kept the judge itself busy for {cpu:.1f} s")
    return Outcome(case, judgement.status, tuple(problems), judgement.detail, time.monotonic() - started)


def _unexpected(case: Case, judgement: Judgement) -> list[str]:
    if judgement.status in case.expect:
        return []
    said = f" ({judgement.detail.strip()[:200]})" if judgement.detail.strip() else ""
    if judgement.status == "pass":
        return ["accepted"]
    if case.expect == ("pass",):
        return [f"refused as {judgement.status}{said}"]
    return [f"judged {judgement.status} instead of {' or '.join(case.expect)}{said}"]


def _improper(verifier: Verifier, case: Case, judgement: Judgement) -> list[str]:
    """What no judgement may be, whatever the answer."""
    found = []
    if (judgement.status == "pass") != (judgement.reward == 1.0):
        found.append(f"{judgement.status} pays {judgement.reward}")
    if (judgement.status == "infra_error") != (judgement.reward is None):
        found.append(f"{judgement.status} pays {judgement.reward}")
    if not 0 <= judgement.tests_passed <= judgement.tests_total or judgement.tests_total < 1:
        found.append(f"{judgement.tests_passed} of {judgement.tests_total} tests passed")
    if len(judgement.detail.encode("utf-8", "replace")) > DETAIL_BYTES:
        found.append(f"a detail of more than {DETAIL_BYTES} bytes")
    try:
        judgement.verdict(case.name, case.name, 0.0, verifier).model_dump_json()
    except ValueError as error:
        found.append(f"it makes no verdict that can be written: {str(error)[:200]}")
    return found
