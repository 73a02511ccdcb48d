"""What is drawn from a model, and how."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from halo_forge.records import Task


@dataclass(frozen=True)
class Drawing:
    """`model` is what the samples call it; `cycle` the RAFT cycle that they are drawn for, None for those that measure
    a model, which `side` then names."""

    model: str
    cycle: str | None
    temperature: float
    max_new_tokens: int
    side: str = "benchmark"

    @property
    def label(self) -> str:
        return self.cycle or self.side


@dataclass(frozen=True)
class Draw:
    """One sample to be drawn, the `index`-th of its task."""

    task: Task
    index: int


def draws_of(tasks: Iterable[Task], samples_per_task: int) -> list[Draw]:
    """As many of every task, in the order of (task, index)."""
    return [Draw(task, index) for task in tasks for index in range(samples_per_task)]
