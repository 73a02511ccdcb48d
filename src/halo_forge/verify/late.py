"""Answers that came too late: which are judged again, how many at once, and with what patience."""

from __future__ import annotations

import functools
import math
import time

from halo_forge.verify.core.protocol import Judgement

REFERENCE_TIMES = 10
"""A program that takes longer than this many times the reference solution is too slow, …"""
MOST_LIMITS = 5
"""… and so is one that takes this many times the time limit: a reference may be slow itself."""
UNKNOWN_LIMITS = 3
"""How many time limits an answer gets, on a machine of usual speed, where no reference says what is needed. The slowest
references of HumanEval and MBPP, in Python, take one and a half."""
CROWD = 3
"""How many times the processor's time a crowded machine makes of a run at most: cores share caches and arithmetic."""
USUAL_S = 0.12
"""CPU seconds that `_work` takes on a machine of usual speed: one of the two cores that the limits were set on."""


def is_late(judgement: Judgement) -> bool:
    return judgement.status == "timeout"


def is_settled(judgement: Judgement, reference: Judgement, run_timeout_s: float) -> bool:
    """Whether a late answer need not be asked again: it has used up more of a processor than a crowd could have made of
    all that its reference allows it."""
    if not judgement.used_up or reference.status != "pass" or reference.slowest_s is None:
        return False
    return CROWD * REFERENCE_TIMES * reference.slowest_s <= run_timeout_s


def at_once(workers: int) -> int:
    """How many late answers are judged again side by side.

    Half of the workers: what was late because each core served several programs, or because memory was short, has a
    core to itself now, and a file of endless loops does not wait for each of them in turn.
    """
    return max(1, workers // 2)


def limits_asked(reference: Judgement, seconds: float, run_timeout_s: float) -> int:
    """How many times the time limit a late answer gets, from the judgement of its reference and what that took.

    What counts is the slowest test's run; compiling says nothing of an answer. A verifier that does not measure runs
    is taken at `seconds` for all tests together. Whole multiples, so that a few verifiers serve all tasks. A reference
    that is late itself asks for the most there is; one that fails otherwise says nothing.
    """
    if is_late(reference):
        return MOST_LIMITS
    if reference.status != "pass":
        return limits_without_reference()
    slowest_s = reference.slowest_s
    if slowest_s is None:
        slowest_s = seconds / max(reference.tests_total, 1)
    return min(MOST_LIMITS, max(1, math.ceil(REFERENCE_TIMES * slowest_s / run_timeout_s)))


def limits_without_reference() -> int:
    """How many times the time limit a late answer gets where no reference is known: more on a slow machine."""
    return min(MOST_LIMITS, math.ceil(UNKNOWN_LIMITS * max(1.0, _slowness())))


@functools.cache
def _slowness() -> float:
    """How many times the usual CPU time this machine takes for a fixed piece of work, beside what else it does now."""
    started = time.thread_time()
    _work()
    return (time.thread_time() - started) / USUAL_S


def _work() -> int:
    return sum(1 for number in range(1, 2800) for other in range(1, number) if number % other == 0)
