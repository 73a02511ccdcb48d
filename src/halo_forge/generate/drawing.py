"""How samples are drawn from a model."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Drawing:
    """`model` is what the samples call it; `cycle` the RAFT cycle that they are drawn for, None for a benchmark."""

    model: str
    cycle: str | None
    samples_per_task: int
    temperature: float
    max_new_tokens: int

    @property
    def label(self) -> str:
        return self.cycle or "benchmark"
