"""The benchmark of any model on any file of prompts, without DVC.

results/x.json                 the numbers of `evaluate.summarise`, with engine and provenance
results/x_answers/             tasks.jsonl, samples.jsonl, generation.json, verdicts.jsonl, run.json

The same benchmark again is not repeated; another one in the same place sets the old files aside (see `outputs`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from halo_forge.benchmark.evaluate import summarise
from halo_forge.files import write_json
from halo_forge.generate.drawing import Drawing, draws_of
from halo_forge.hashing import digest
from halo_forge.jsonl import write_records
from halo_forge.model.checkpoint import Checkpoint
from halo_forge.provenance import provenance
from halo_forge.records import Task
from halo_forge.runs.outputs import result_before
from halo_forge.runs.rollout import roll_out
from halo_forge.settings.params import Params
from halo_forge.toolchains import judged_with


def benchmark(
    model: Checkpoint, tasks: list[Task], prompts: Path, out: Path, *, params: Params, verifier: str, name: str
) -> dict[str, Any]:
    """Sample, judge, write `out` and its answers; returns what `out` holds.

    `prompts` is the file of the tasks, `name` what the samples call the model.
    """
    answers, settings = out.with_name(f"{out.stem}_answers"), params.benchmark
    inputs = {
        "name": [out.name, model.name],
        "lock": model.lock,
        "adapter": model.adapter and digest(model.adapter),
        "tasks": tasks,
        "benchmark": settings,
        "generate": params.generate,
        "verify": params.verify.model_dump(mode="json", exclude={"workers", "cache"}),
        "verifier": verifier,
        "seed": params.seed,
    }
    if (card := result_before(out, answers, inputs)) is not None:
        return card
    tasks_path = answers / "tasks.jsonl"
    write_records(tasks_path, tasks)
    drawing = Drawing(name, None, settings.temperature, settings.max_new_tokens)
    draws = draws_of(tasks, settings.samples_per_task)
    rolled = roll_out(params, model, tasks_path, answers, drawing, draws, verifier)
    card = summarise(model.name, tasks, rolled.pairs, settings, params.seed, rolled.generation)
    inputs = [prompts, *([model.adapter] if model.adapter else [])]
    card |= {
        "base": model.lock,
        "compile_only": sum(task.tests.kind == "compile" for task in tasks),
        "provenance": provenance(params, inputs)
        | {"judged_with": judged_with(tasks, (verdict for _, verdict in rolled.pairs))},
    }
    write_json(out, card)
    return card
