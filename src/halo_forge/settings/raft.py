"""Settings of the RAFT cycles."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from halo_forge.settings.base import Fraction, Name, Positive, Section
from halo_forge.settings.training import Training


class Cycle(Section):
    """One RAFT cycle: samples from the model `from`, trains it on what passed."""

    model_config = ConfigDict(extra="forbid", strict=True, populate_by_name=True)
    start: str = Field(alias="from")
    temperature: Annotated[float, Field(gt=0)]
    learning_rate: Annotated[float, Field(gt=0)] | None = None
    """None for that of `raft.train`."""


class Raft(Section):
    cycles: dict[Name, Cycle] = {}
    samples_per_task: Positive = 8
    max_new_tokens: Positive = 512
    reward_threshold: Annotated[float, Field(ge=0, le=1)] = 1.0
    keep_top_percent: Fraction = 0.5
    """Share of a task's distinct samples at or above the threshold that is trained on."""
    max_keep_per_task: Positive = 2
    selection: Literal["per_task", "global"] = "per_task"
    drop_solved: bool = False
    """Leave out tasks that every sample of this cycle passed: they teach nothing new. A case of max_pass_rate: the gate
    by this cycle alone, without a prior, at a rate of 1."""
    max_pass_rate: Fraction = 1.0
    """Leave out tasks whose pass rate, by all cycles up to this one, has reached this. It is the mean of a Beta
    posterior that began uniform: (passed + 1) / (drawn + 2), which never reaches 1."""
    train: Training = Training()
