"""Settings of the benchmark."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from halo_forge.settings.base import Positive, Section

USUAL_K = (1, 5, 10)
"""Where samples are as many as they are: those of these that they allow."""
Unanswered = Literal["stop", "failed", "left-out"]
"""What becomes of tasks without a sample: an error; counted as answered by an empty text; or not scored."""


class Benchmark(Section):
    samples_per_task: Positive = 10
    k: list[Positive] = [1, 5, 10]
    temperature: Annotated[float, Field(ge=0)] = 0.7
    max_new_tokens: Positive = 512
    bootstrap: Positive = 10_000
    """Resamples of the intervals."""

    @model_validator(mode="after")
    def _k_at_most_n(self) -> Benchmark:
        too_large = [k for k in self.k if k > self.samples_per_task]
        if too_large:
            raise ValueError(
                f"k: pass@{too_large[0]} needs at least {too_large[0]} samples a task, "
                f"samples_per_task is {self.samples_per_task}"
            )
        return self


class Validation(Section):
    """How models are compared to choose the best, on a side of the split of its own: sampled as for the benchmark."""

    samples_per_task: Positive = 4
