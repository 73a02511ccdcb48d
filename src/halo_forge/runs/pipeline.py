"""The runs of the pipeline: what is sampled and judged, from which model, and where it lies.

A run is named by its folder below data/: `raft/c2` are the samples of cycle c2, `raft/c2/more` those of its second
round, `validation/c2` those by which its model may be chosen as the best, `benchmark/c2` those that it is measured by.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from halo_forge.errors import InputError
from halo_forge.generate.drawing import Drawing, first_draws
from halo_forge.settings.checking import one_of
from halo_forge.settings.params import Params


@dataclass(frozen=True)
class PipelineRun:
    """`folder` holds samples.jsonl, generation.json and verdicts.jsonl; `tasks` is the file of what is answered, each
    by `samples_per_task` samples, or 0 where the number is different from task to task."""

    folder: Path
    tasks: Path
    drawing: Drawing
    samples_per_task: int


def find_run(params: Params, name: str) -> PipelineRun:
    """Raises InputError for what is no run of these params."""
    cycles = [f"raft/{cycle}" for cycle in params.raft.cycles]
    runs = [*cycles, *(f"{cycle}/more" for cycle in cycles)]
    runs += [f"validation/{model}" for model in params.candidates()]
    runs += [f"benchmark/{model}" for model in [*params.models(), *params.controls]]
    if name not in runs:
        raise InputError(f"no run {name!r} in this pipeline {one_of(name, runs)}")
    side, model, *more = name.split("/")
    if side == "raft":
        cycle, settings = params.cycle(model), params.raft
        drawing = Drawing(cycle.start, model, cycle.temperature, settings.max_new_tokens)
        samples = 0 if more else first_draws(settings)
    else:
        drawing = Drawing(model, None, params.benchmark.temperature, params.benchmark.max_new_tokens, side)
        samples = (params.validation if side == "validation" else params.benchmark).samples_per_task
    return PipelineRun(Path("data") / name, Path(f"data/split/{side}.jsonl"), drawing, samples)
