"""The gold gate: a reference solution that does not pass its own tests makes a task that nobody can solve.

It is run more than once, since tests that depend on time, order or chance pass by luck and would reward luck.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from halo_forge.errors import InfrastructureError
from halo_forge.progress import Progress
from halo_forge.records import Sample, Task, Verdict
from halo_forge.settings.verify import Verify
from halo_forge.verify.judge import judge_samples
from halo_forge.verify.programs import refused

_ADDRESS = re.compile(r"0x[0-9a-f]{6,}")


def gold_failures(
    tasks: Sequence[Task], settings: Verify, runs: int, wip: Path, *, verifier: str = "auto"
) -> dict[str, tuple[str, str]]:
    """task_id -> (reason, detail) for every task whose reference solution failed in one of `runs` runs.

    The reason is `tests cannot be used`, `reference: <status>`, or `reference is flaky: <status>` if it passed before.
    The first run may take its verdicts from the cache of earlier ones, the others never do. Tasks without a solution
    are not judged. `wip` is a folder for unfinished work; it must be new when tasks or settings change. Raises
    InfrastructureError if a reference could not be judged: that is no fault of the task's.
    """
    known = {task.task_id: task for task in tasks if task.solution is not None}
    broken = refused(known.values(), settings, verifier)
    failures = {task_id: ("tests cannot be used", error.splitlines()[0]) for task_id, error in broken.items()}
    for run in range(runs):
        left = {task_id: task for task_id, task in known.items() if task_id not in failures}
        # A cached verdict says nothing new, and judge_samples would take it for a second opinion.
        asked = settings if run == 0 else settings.model_copy(update={"cache": False})
        for verdict in _judge(left, asked, wip / f"gold-{run + 1}.jsonl", f"gold gate, run {run + 1}", verifier):
            if not verdict.passed:
                what = "reference" if run == 0 else "reference is flaky"
                failures[verdict.task_id] = f"{what}: {verdict.status}", _first_line(verdict)
    return failures


def _judge(tasks: dict[str, Task], settings: Verify, wip: Path, label: str, verifier: str) -> list[Verdict]:
    samples = [
        Sample.of_reference(task, f"````{task.language}\n{task.solution}\n````", f"{task.task_id}/reference")
        for task in tasks.values()
    ]
    with Progress(len(samples), label) as progress:
        verdicts = judge_samples(
            tasks, samples, settings, verifier=verifier, wip=wip, progress=lambda _: progress.advance(1)
        )
    for verdict in verdicts:
        if verdict.status == "infra_error":
            raise InfrastructureError(f"{verdict.task_id}: its reference could not be judged: {_first_line(verdict)}")
    return verdicts


def _first_line(verdict: Verdict) -> str:
    """What the verifier said, in a form that the next run repeats."""
    lines = [line.strip() for line in verdict.detail.splitlines() if line.strip()]
    return _ADDRESS.sub("0x…", lines[0])[:200] if lines else ""
