"""The runs of the pipeline: what is sampled and judged, from which model, and where it lies.

A run is named by its folder below data/: `raft/c2` are the samples that cycle c2 trains on, `benchmark/c2` those that
its model is measured by.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from halo_forge.errors import InputError
from halo_forge.generate.drawing import Drawing
from halo_forge.settings.checking import one_of
from halo_forge.settings.params import Params


@dataclass(frozen=True)
class PipelineRun:
    """`folder` holds samples.jsonl, generation.json and verdicts.jsonl; `tasks` is the file of what is answered."""

    folder: Path
    tasks: Path
    drawing: Drawing


def find_run(params: Params, name: str) -> PipelineRun:
    """Raises InputError for what is no run of these params."""
    runs = [f"raft/{cycle}" for cycle in params.raft.cycles] + [f"benchmark/{model}" for model in params.models()]
    if name not in runs:
        raise InputError(f"no run {name!r} in this pipeline {one_of(name, runs)}")
    kind, _, model = name.partition("/")
    if kind == "raft":
        cycle, settings = params.cycle(model), params.raft
        drawing = Drawing(cycle.start, model, settings.samples_per_task, cycle.temperature, settings.max_new_tokens)
    else:
        own = params.benchmark
        drawing = Drawing(model, None, own.samples_per_task, own.temperature, own.max_new_tokens)
    return PipelineRun(Path("data") / name, Path(f"data/split/{kind}.jsonl"), drawing)
