"""A second look at programs that pass, before a model is trained on them: do they pass by right, or by luck?

They are built again with the address and undefined-behaviour sanitizers and run on the same tests. A program that
these stop reads beyond its arrays, uses what it has freed, overflows an int, or ends a function without its return:
it passes here and teaches what fails elsewhere.
"""

from __future__ import annotations

import re
from dataclasses import replace

from halo_forge.records import CLEAN, UNKNOWN
from halo_forge.verify.core.protocol import Judgement
from halo_forge.verify.sandbox.job import Job, Report

OTHER_OUTPUT = "other-output"
"""It prints something else when it is built another way."""
TIMES = 5
"""How many times the time limit, …"""
MEMORY_TIMES = 3
"""… and the memory limit, a program may take under the sanitizers."""
_SUMMARY = re.compile(rb"^SUMMARY: (?:Address|UndefinedBehavior)Sanitizer: ([\w-]+)", re.M)
_OF_THE_LOOK = {"stack-overflow", "allocation-size-too-big", "out-of-memory", "calloc-overflow"}
"""What the sanitizers' own appetite may bring about."""


def job(job: Job) -> Job:
    """The job of a sanitized build, with the limits that such a program needs."""
    limits = job.run_limits
    wide = replace(limits, cpu_s=TIMES * limits.cpu_s, memory_mb=MEMORY_TIMES * limits.memory_mb, reserves=True)
    return replace(job, run_limits=wide)


def finding(report: Report, judgement: Judgement) -> str:
    """CLEAN, the first fault by its name ("heap-buffer-overflow", "signed-integer-overflow"), or "unknown: …"."""
    for run in report.tests:
        named = _SUMMARY.search(run.stderr)
        if named and (name := named[1].decode()) not in _OF_THE_LOOK:
            return name
    if judgement.status == "pass":
        return CLEAN
    return OTHER_OUTPUT if judgement.status == "wrong_answer" else UNKNOWN + judgement.status
