"""What prepared tasks must satisfy, one check after the other; whatever is set aside has a reason and is counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from halo_forge.data.builtin import BUILTIN
from halo_forge.data.clean.near import near_duplicates
from halo_forge.data.clean.normal import words
from halo_forge.errors import InputError
from halo_forge.records import CallTests, CheckerTests, StdioTests, Task
from halo_forge.settings.clean import Clean
from halo_forge.settings.verify import Verify


def clean(tasks: Sequence[Task], settings: Clean, verify: Verify, wip: Path) -> tuple[list[Task], dict]:
    """The tasks that pass, in order, and a report: counts by reason, and every task set aside with its reason.

    Lengths come first, since they are free; then checkers, which no setting spares: one that is broken can judge
    nothing; then the gold gate, so that of two equal problems the one with a right
    solution stays; then duplicates. `wip` is a folder for unfinished work, new when tasks or settings change. Raises
    what `gold_failures` raises, and InputError if nothing is left.
    """
    kept, aside = list(tasks), []

    def drop(failures: dict[str, tuple[str, str]]) -> None:
        nonlocal kept
        aside.extend((task.task_id, *failures[task.task_id]) for task in kept if task.task_id in failures)
        kept = [task for task in kept if task.task_id not in failures]

    drop(_wrong_lengths(kept, settings))
    if any(isinstance(task.tests, CheckerTests) for task in kept):
        from halo_forge.data.clean.checkers import broken_checkers  # and with it the sandbox

        drop(broken_checkers(kept, verify))
    imported = [task for task in kept if task.source.dataset != BUILTIN]  # the project's own tests show the others
    if settings.gold_runs and imported:
        from halo_forge.data.clean.gold import gold_failures  # and with it the verifiers, which nothing else here needs

        drop(gold_failures(imported, verify, settings.gold_runs, wip))
    if settings.duplicates is not None:
        drop(_repetitions(kept, settings.duplicates))
    if not kept:
        task_id, reason, detail = aside[0]
        raise InputError(f"clean: none of {len(tasks)} tasks is left, the first {task_id}: {reason}: {detail}")
    return kept, {
        "kept": len(kept),
        "set_aside": dict(sorted(Counter(reason for _, reason, _ in aside).items())),
        "tasks": [{"task_id": task_id, "reason": reason, "detail": detail} for task_id, reason, detail in aside],
    }


def _wrong_lengths(tasks: Sequence[Task], settings: Clean) -> dict[str, tuple[str, str]]:
    found = {}
    for task in tasks:
        prompt, solution = len(task.prompt.strip()), len(task.solution or "")
        if prompt < settings.min_prompt_chars:
            found[task.task_id] = "prompt too short", f"{prompt} characters"
        elif settings.max_prompt_chars is not None and prompt > settings.max_prompt_chars:
            found[task.task_id] = "prompt too long", f"{prompt} characters"
        elif settings.max_solution_chars is not None and solution > settings.max_solution_chars:
            found[task.task_id] = "solution too long", f"{solution} characters"
        elif settings.require_solution and not solution:
            found[task.task_id] = "no solution", ""
    return found


def _repetitions(tasks: Sequence[Task], threshold: float) -> dict[str, tuple[str, str]]:
    found = {}
    for language in sorted({task.language for task in tasks}):
        own = [task for task in tasks if task.language == language]
        for number, first in near_duplicates([task.prompt for task in own], threshold):
            repeating, repeated = own[number], own[first]
            equal = words(repeating.prompt) == words(repeated.prompt)
            if equal or (repeating.family != repeated.family and not _disagree(repeating, repeated)):
                reason = "duplicate" if equal else "near duplicate"
                found[repeating.task_id] = reason, f"of {repeated.task_id}"
    return found


def _disagree(one: Task, other: Task) -> bool:
    """Whether the tests of two tasks expect different results for the same input: then they are different problems."""
    expected, others = _expected(one), _expected(other)
    return any(expected[given] != others[given] for given in expected.keys() & others.keys())


def _expected(task: Task) -> dict[str, object]:
    if isinstance(task.tests, StdioTests):
        return {" ".join(case.stdin.split()): case.stdout.split() for case in task.tests.cases}
    if isinstance(task.tests, CallTests):
        return {repr(case.args): case.expected for case in task.tests.cases}
    return {}
