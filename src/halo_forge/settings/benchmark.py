"""Settings of the benchmark."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from halo_forge.settings.base import Name, Positive, Section

USUAL_K = (1, 5, 10)
"""Where samples are as many as they are: those of these that they allow."""
Unanswered = Literal["stop", "failed", "left-out"]
"""What becomes of tasks without a sample: an error; counted as answered by an empty text; or not scored."""


MEASURED_BY_SETS = ("base", "sft", "best")
"""The models that public sets are asked of."""
Day = Annotated[str, Field(pattern=r"^\d{4}-\d{2}(-\d{2})?$")]


class BenchmarkSet(Section):
    """A public set that models are measured by beside the own tasks: greedily, with one answer each, if nothing else
    is said."""

    dataset: str | None = None
    """Its name in the registry, where the set is called otherwise here."""
    samples_per_task: Positive = 1
    temperature: Annotated[float, Field(ge=0)] = 0.0
    max_new_tokens: Positive = 512
    since: Day | None = None
    """Only problems of this month or day (2024-08, "2024-08-15") or later …"""
    before: Day | None = None
    """… and earlier than this one: for sets whose problems have dates, such as livecodebench."""
    limit: Positive | None = None
    """At most this many problems, the first ones."""
    local: list[str] = []
    """Copies of the set's files in data/own, in the hub's own columns, where the hub is not reached."""


class Benchmark(Section):
    samples_per_task: Positive = 10
    base_samples_per_task: Positive | None = None
    """Of the base model, whose answers are long and decide nothing; None: as many as of the others."""
    k: list[Positive] = [1, 5, 10]
    temperature: Annotated[float, Field(ge=0)] = 0.7
    max_new_tokens: Positive = 512
    bootstrap: Positive = 10_000
    """Resamples of the intervals."""
    sets: dict[Name, BenchmarkSet] = {}
    """Public sets by name."""

    @model_validator(mode="after")
    def _k_at_most_n(self) -> Benchmark:
        for name in ("samples_per_task", "base_samples_per_task"):
            samples = getattr(self, name)
            too_large = [k for k in self.k if samples is not None and k > samples]
            if too_large:
                raise ValueError(
                    f"k: pass@{too_large[0]} needs at least {too_large[0]} samples a task, {name} is {samples}"
                )
        return self

    def of_model(self, name: str) -> Benchmark:
        """How the model `name` is measured: the base model by its own number of samples."""
        if name != "base" or self.base_samples_per_task is None:
            return self
        return self.model_copy(update={"samples_per_task": self.base_samples_per_task})

    def of_set(self, name: str) -> Benchmark:
        """How models are measured by the public set `name`: pass@k for the usual k that its samples allow."""
        own = self.sets[name]
        return Benchmark(
            samples_per_task=own.samples_per_task,
            k=[k for k in USUAL_K if k <= own.samples_per_task],
            temperature=own.temperature,
            max_new_tokens=own.max_new_tokens,
            bootstrap=self.bootstrap,
        )


class Validation(Section):
    """How models are compared to choose the best, on a side of the split of its own: sampled as for the benchmark."""

    samples_per_task: Positive = 4
