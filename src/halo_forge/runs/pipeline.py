"""The runs of the pipeline: what is sampled and judged, from which model, and where it lies.

A run is named by its folder below data/: `raft/c2` are the samples of cycle c2, `validation/c2` those by which its
model may be chosen as the best, `benchmark/c2` those that it is measured by, `benchmark/humaneval/best` the answers of
the best model to a public set.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from halo_forge.errors import InputError
from halo_forge.generate.drawing import Drawing
from halo_forge.settings.benchmark import MEASURED_BY_SETS, Benchmark
from halo_forge.settings.checking import one_of
from halo_forge.settings.params import Params


@dataclass(frozen=True)
class PipelineRun:
    """`folder` holds samples.jsonl, generation.json and verdicts.jsonl; `tasks` is the file of what is answered, each
    by `samples_per_task` samples. `measure`: how its model is measured by them, None where it is not."""

    folder: Path
    tasks: Path
    drawing: Drawing
    samples_per_task: int
    measure: Benchmark | None = None


def find_run(params: Params, name: str) -> PipelineRun:
    """Raises InputError for what is no run of these params."""
    runs = [f"raft/{cycle}" for cycle in params.raft.cycles]
    runs += [f"validation/{model}" for model in params.candidates()]
    runs += [f"benchmark/{model}" for model in [*params.models(), *params.controls]]
    runs += [f"benchmark/{set_}/{model}" for set_ in params.benchmark.sets for model in MEASURED_BY_SETS]
    if name not in runs:
        raise InputError(f"no run {name!r} in this pipeline {one_of(name, runs)}")
    folder, how = Path("data") / name, params.benchmark
    match name.split("/"):
        case ["raft", cycle]:
            its, settings = params.cycle(cycle), params.raft
            drawing = Drawing(its.start, cycle, its.temperature, settings.max_new_tokens)
            return PipelineRun(folder, Path("data/split/raft.jsonl"), drawing, settings.samples_per_task)
        case ["validation" as side, model]:
            drawing = Drawing(model, None, how.temperature, how.max_new_tokens, side)
            samples = params.validation.samples_per_task
            return PipelineRun(folder, Path("data/split/validation.jsonl"), drawing, samples)
        case ["benchmark" as side, model]:
            tasks, how = Path("data/split/benchmark.jsonl"), how.of_model(model)
        case [_, side, model]:
            tasks, how = Path(f"data/sets/{side}.jsonl"), how.of_set(side)
    drawing = Drawing(model, None, how.temperature, how.max_new_tokens, side)
    return PipelineRun(folder, tasks, drawing, how.samples_per_task, how)
