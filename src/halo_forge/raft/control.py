"""What a control arm trains on in the place of the answers that RAFT kept: the rest of a cycle stays as it is.

Without such arms nobody knows what verification was worth: a model also changes when it is trained on any of its own
answers, or for as long on what SFT was taught.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from itertools import count, islice

from halo_forge.model.chat import fenced
from halo_forge.records import Kept, Sample, Task
from halo_forge.settings.control import Control


def reference_rows(tasks: Iterable[Task]) -> list[Kept]:
    """The solutions that SFT is trained on, in its own form, as rows that an arm may train on."""
    return [
        Kept(
            sample_id=f"sft/{task.task_id}",
            task_id=task.task_id,
            prompt=task.prompt,
            completion=fenced(task.solution, task.language),
            reward=1.0,
            code=task.solution,
        )
        for task in tasks
        if task.solution
    ]


def control_rows(
    name: str,
    control: Control,
    kept: Sequence[Kept],
    samples: Iterable[Sample],
    references: Sequence[Kept],
    seed: int,
) -> list[Kept]:
    """As many rows as `kept`, those of cycle `name`, by a seeded draw.

    `unfiltered`: answers out of `samples`, right or wrong, each at most once.
    `references`: solutions that SFT was taught, all of them before one comes again.
    """
    if control.rows == "references":
        return list(islice(_again(references, name, seed), len(kept))) if references else []
    answers = [sample for sample in samples if sample.completion.strip()]
    answers.sort(key=lambda sample: _draw(sample.sample_id, name, seed))
    return [
        Kept(
            sample_id=sample.sample_id,
            task_id=sample.task_id,
            prompt=sample.prompt,
            completion=sample.completion,
            reward=0.0,
        )
        for sample in answers[: len(kept)]
    ]


def _again(references: Sequence[Kept], name: str, seed: int) -> Iterable[Kept]:
    """All references in one order after another, without end."""
    for turn in count():
        yield from sorted(references, key=lambda row: _draw(row.sample_id, f"{name}/{turn}", seed))


def _draw(sample_id: str, name: str, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}|{name}|{sample_id}".encode()).digest()
