"""Answers that came too late: which are judged again, how many at once, and with what patience."""

from __future__ import annotations

import math

from halo_forge.verify.core.protocol import Judgement

REFERENCE_TIMES = 10
"""A program that takes longer than this many times the reference solution is too slow, …"""
MOST_LIMITS = 5
"""… and so is one that takes this many times the time limit: a reference may be slow itself."""


def is_late(judgement: Judgement) -> bool:
    return judgement.status == "timeout"


def at_once(workers: int) -> int:
    """How many late answers are judged again side by side.

    Half of the workers: what was late because each core served several programs, or because memory was short, has a
    core to itself now, and a file of endless loops does not wait for each of them in turn.
    """
    return max(1, workers // 2)


def limits_asked(reference: Judgement, seconds: float, run_timeout_s: float) -> int:
    """How many times the time limit a late answer gets, from the judgement of its reference and what that took.

    What counts is the slowest test's run; compiling says nothing of an answer. A verifier that does not measure runs
    is taken at `seconds` for all tests together. Whole multiples, so that a few verifiers serve all tasks. 1 if the
    reference does not pass.
    """
    if reference.status != "pass":
        return 1
    slowest_s = reference.slowest_s
    if slowest_s is None:
        slowest_s = seconds / max(reference.tests_total, 1)
    return min(MOST_LIMITS, max(1, math.ceil(REFERENCE_TIMES * slowest_s / run_timeout_s)))
