"""What a reward threshold keeps, said before a RAFT run begins: the guides' 0.5 is what compiling alone pays."""

from __future__ import annotations

from collections.abc import Sequence

from halo_forge.records import Task
from halo_forge.settings.verify import Verify


def what_is_kept(threshold: float, tasks: Sequence[Task], verifier: str, settings: Verify) -> str:
    """One line: what reaches `threshold` on the ladder of `settings`, for these tasks and this verifier, and the cure.

    `core/rewards.py` has the ladder: what it pays for what.
    """
    said = f"reward_threshold {threshold:g} keeps"
    compiled = _compiled(tasks)
    tested = [task for task in tasks if task.tests.kind != "compile"]
    if threshold <= settings.rewards.compile_error:
        cure = _CURE if tested else f"--reward-threshold 1.0 keeps only what {compiled}"
        return f"{said} every answer, even one without a program; {cure}"
    if verifier == "custom":
        return f"{said} {_accepted(threshold, settings)}"
    if not tested:
        return f"{said} every program that {compiled}: no prompt has tests, which could tell more"
    rest = "" if len(tested) == len(tasks) else f" (of prompts without tests: what {compiled})"
    if verifier.endswith("-compile"):
        name = verifier.removesuffix("-compile")
        return f"{said} {_linked(threshold, settings)}{rest}; --verifier {name} runs the tests"
    cure = "" if threshold >= settings.rewards.correct else f"; {_CURE}"
    return f"{said} {_ran(threshold, settings, _compiled(tested, plural=True))}{rest}{cure}"


_CURE = "--reward-threshold 1.0 keeps only what passes every test"


def _compiled(tasks: Sequence[Task], *, plural: bool = False) -> str:
    """What programs in the languages of the tasks do at the ladder's step `compiles`: Python is parsed."""
    compiled, parsed = ("compile", "parse") if plural else ("compiles", "parses")
    languages = {task.language for task in tasks}
    if languages == {"python"}:
        return parsed
    return f"{compiled} (Python: {parsed})" if "python" in languages else compiled


def _ran(threshold: float, settings: Verify, compile: str) -> str:
    ladder = settings.rewards
    if threshold >= ladder.correct:
        return "only programs that pass every test"
    if threshold > ladder.runs:
        share = (threshold - ladder.runs) / (ladder.correct - ladder.runs)
        return f"programs that run to their end and pass at least {share:.0%} of their tests"
    if threshold > ladder.compiles:
        return "programs that run to their end, right or wrong"
    clean = " without a warning" if threshold > ladder.compiles_with_warnings else ""
    return f"programs that run to their end, right or wrong, and those that {compile}{clean} and then crash or time out"


def _linked(threshold: float, settings: Verify) -> str:
    """Of a verifier that only compiles: no program passes where tests ask for more."""
    ladder = settings.rewards
    if threshold > ladder.compiles:
        return "no program of a prompt with tests, since none is run"
    clean = " without a warning" if threshold > ladder.compiles_with_warnings else ""
    return f"programs that compile{clean}, and none is run"


def _accepted(threshold: float, settings: Verify) -> str:
    custom = settings.custom
    if custom is None or custom.implementation is None:
        return "programs that the command of verify.custom accepts"
    return f"programs that {custom.implementation} gives at least {threshold:g}"
