"""Status and tests passed -> reward, by the ladder of the settings."""

from __future__ import annotations

from halo_forge.records import Status
from halo_forge.settings.verify import Ladder


def reward_for(status: Status, passed: int, total: int, *, warnings: bool, ladder: Ladder) -> float | None:
    """The reward of one judgement; None exactly for `infra_error`.

    no_code, compile_error           ladder.compile_error (for Python: the program does not parse)
    stopped early, with warnings     ladder.compiles_with_warnings (the compiler had said so)
    stopped early                    ladder.compiles: crash, non-zero exit, timeout or a limit in some test
    wrong_answer                     from ladder.runs (no test passed) towards ladder.correct, by share of tests passed
    pass                             ladder.correct = 1.0, and nothing else is

    A program that stops early gets no partial credit, however many of its tests passed: it does not run.
    """
    if status == "infra_error":
        return None
    if status == "pass":
        return ladder.correct
    if status in ("no_code", "compile_error"):
        return ladder.compile_error
    if status == "wrong_answer":
        share = passed / total if total else 0.0
        return round(ladder.runs + (ladder.correct - ladder.runs) * share, 6)
    return ladder.compiles_with_warnings if warnings else ladder.compiles
