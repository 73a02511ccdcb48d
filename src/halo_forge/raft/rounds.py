"""The second round of a cycle: what is drawn once the first is judged.

At the same budget as one round, the samples go where they can find something: to the tasks that nothing has solved yet.
Samples beyond the first few of a task that is often solved would be duplicates or be left out by the gate.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from halo_forge.generate.drawing import Draw, first_draws
from halo_forge.raft.gate import Counts, counts_of
from halo_forge.raft.repair import repairs
from halo_forge.records import Task, Verdict
from halo_forge.settings.raft import Raft


def further_draws(
    name: str, tasks: Sequence[Task], verdicts: Sequence[Verdict], settings: Raft, seed: int
) -> list[Draw]:
    """What cycle `name` draws after its first round of `first_draws` samples a task, judged in `verdicts`.

    The rest of the budget goes in equal parts to the tasks that no sample passed, or, where there is none, to all; a
    seeded draw says who gets one more. Indices go on from the first round's, and with them the seeds, so that one round
    would have drawn the same. With `repair` the repairs of the first round follow.
    """
    counts = counts_of(verdicts)
    unsolved = [task for task in tasks if not counts.get(task.task_id, Counts()).passed]
    number = _shares(name, unsolved or tasks, _rest(tasks, settings), seed)
    start = first_draws(settings)
    after = {task.task_id: start + number.get(task.task_id, 0) for task in tasks}
    fresh = [Draw(task, index) for task in tasks for index in range(start, after[task.task_id])]
    return [*fresh, *repairs(name, tasks, verdicts, after, settings.repair, seed)]


def _rest(tasks: Sequence[Task], settings: Raft) -> int:
    return len(tasks) * (settings.samples_per_task - first_draws(settings))


def _shares(name: str, tasks: Sequence[Task], budget: int, seed: int) -> dict[str, int]:
    """task_id -> samples: the budget in equal parts, the remainder by a seeded draw."""
    each, more = divmod(budget, len(tasks))
    drawn = sorted(tasks, key=lambda task: hashlib.sha256(f"{seed}|{name}|{task.task_id}".encode()).digest())
    return {task.task_id: each + (place < more) for place, task in enumerate(drawn)}


def joined(first: Mapping[str, Any], further: Mapping[str, Any]) -> dict[str, Any]:
    """The generation.json of both rounds as one: samples, tokens and seconds together."""
    sums = {key: first[key] + further[key] for key in ("samples", "tokens", "seconds", "resumed_samples_tokens")}
    seconds = sums["seconds"]
    return dict(first) | sums | {"tokens_per_s": round(sums["tokens"] / seconds, 1) if seconds else 0.0}
