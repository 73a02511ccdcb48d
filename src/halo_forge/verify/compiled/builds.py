"""How a program is built, and when once more: to be fast where it is late, by another standard where it needs that.

Compiling is most of what judging costs, so programs are built without optimisation. A right one may then be too slow
where it is fast as anybody else builds it. And they are built by the standard that compiles fastest among those that
most programs are right by.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from halo_forge.verify.compiled.toolchain import Toolchain
from halo_forge.verify.sandbox.job import Report

FIRST_SHARE = 0.25
"""Of its time limit a program gets in a build that is not made to be fast. Nothing is lost: what is late then gets
all of its time in one that is, and an endless loop is found out four times sooner."""
FIRST_LEAST_S = 0.5
"""… and at least so much, if its limit is no less: to start and to run out of memory takes time, and a build made to
be fast may leave out what runs out of it."""

Build = TypeVar("Build")
Tools = TypeVar("Tools", bound=Toolchain)


def report_of(
    run: Callable[[Tools, float], Report],
    toolchain: Tools,
    language: str,
    code: str,
    *,
    late: bool = False,
    hasten: bool = True,
) -> Report:
    """What `run(tools, share of the time limit)` reports of a program that `toolchain` builds, in the way in which it
    does best.

    `late`: it is known that the first build is too slow, as when late answers are judged again. Without `hasten` no
    build is made to be fast.
    """

    def in_time(tools: Tools) -> Report:
        return report_in_time(run, tools, tools.quick() if hasten else None, late=late)

    first = toolchain.first(language, code)
    report = in_time(first)
    if _built(report) or report.compile is None:
        return report
    other = first.other_standard(language, (report.compile.stderr or report.compile.stdout).decode("utf-8", "replace"))
    return report if other is None else in_time(other)


def spared_s(limit_s: float, share: float) -> float:
    """What a run with a share of a time limit does not get of it."""
    return limit_s - max(share * limit_s, min(limit_s, FIRST_LEAST_S))


def report_in_time(
    run: Callable[[Build, float], Report], plain: Build, quick: Build | None, *, late: bool = False
) -> Report:
    """What `run` reports of a program built one way, or of the `quick` build if that is late and there is another."""
    if quick is None:
        return run(plain, 1.0)
    report = None if late else run(plain, FIRST_SHARE)
    if report and not any(test.limit in ("cpu", "wall") for test in report.tests):
        return report
    faster = run(quick, 1.0)
    return faster if _built(faster) else run(plain, 1.0)


def _built(report: Report) -> bool:
    return report.compile is not None and report.compile.exit_code == 0 and report.compile.limit == "-"
