"""The benchmark of any model on any file of prompts, without DVC.

results/x.json                 the numbers of `evaluate.summarise`, with engine and provenance
results/x_answers/             tasks.jsonl, samples.jsonl, generation.json, verdicts.jsonl, run.json

The same benchmark again is not repeated; another one in the same place sets the old files aside (see `outputs`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from halo_forge.benchmark.evaluate import summarise
from halo_forge.errors import InputError
from halo_forge.files import read_json, write_json
from halo_forge.generate.drawing import Drawing
from halo_forge.hashing import digest
from halo_forge.jsonl import write_records
from halo_forge.model.checkpoint import Checkpoint
from halo_forge.provenance import provenance
from halo_forge.records import Task
from halo_forge.runs.outputs import RUN_FILE, claim
from halo_forge.runs.rollout import roll_out, settings_without_pipeline
from halo_forge.settings.benchmark import Benchmark
from halo_forge.settings.generate import Generate
from halo_forge.settings.verify import Verify
from halo_forge.state import state_dir

USUAL_K = (1, 5, 10)


def benchmark(
    model: Checkpoint,
    tasks: list[Task],
    prompts: Path,
    out: Path,
    *,
    verifier: str,
    settings: Benchmark,
    generate: Generate,
    verify: Verify,
    seed: int,
) -> dict[str, Any]:
    """Sample, judge, write `out` and its answers; returns what `out` holds. `prompts` is the file of the tasks."""
    answers = out.with_name(f"{out.stem}_answers")
    inputs = {
        "name": [out.name, model.name],
        "lock": model.lock,
        "adapter": model.adapter and digest(model.adapter),
        "tasks": tasks,
        "benchmark": settings,
        "generate": generate,
        "verify": verify.model_dump(mode="json", exclude={"workers", "cache"}),
        "verifier": verifier,
        "seed": seed,
    }
    state_dir("benchmark-run", {"out": out.resolve()})  # held: nobody else writes there meanwhile
    if claim(out.parent, answers / RUN_FILE, inputs, lambda: [out, answers]) and out.exists():
        print(f"{out}: measured before with the same prompts and settings; delete it to measure again")
        return read_json(out)
    tasks_path = answers / "tasks.jsonl"
    write_records(tasks_path, tasks)
    params = settings_without_pipeline(model, seed, verify, generate=generate, benchmark=settings)
    rolled = roll_out(
        params,
        model,
        tasks_path,
        answers,
        Drawing(short_name(model.name), None, settings.samples_per_task, settings.temperature, settings.max_new_tokens),
        verifier,
    )
    card = summarise(model.name, tasks, rolled.samples, rolled.verdicts, settings, seed, rolled.generation)
    inputs = [prompts, *([model.adapter] if model.adapter else [])]
    card |= {
        "base": model.lock,
        "compile_only": sum(task.tests.kind == "compile" for task in tasks),
        "provenance": provenance(params, inputs),
    }
    write_json(out, card)
    return card


def wanted_k(given: str | None, samples: int) -> list[int]:
    """The k of pass@k: those given as `1,5,10`, else the usual ones that `samples` answers allow.

    Raises InputError for what is no list of numbers, and for a k above `samples`.
    """
    if given is None:
        return [k for k in USUAL_K if k <= samples]
    words = [word.strip() for word in given.split(",")]
    wrong = [word for word in words if not word.isdecimal() or int(word) < 1]
    if wrong:
        raise InputError(f"--k: {wrong[0]!r} is no number of samples; write --k 1,5,10")
    too_large = [int(word) for word in words if int(word) > samples]
    if too_large:
        raise InputError(
            f"--k: pass@{too_large[0]} needs at least {too_large[0]} samples a prompt, --samples is {samples}; raise "
            f"--samples or drop {too_large[0]}"
        )
    return sorted({int(word) for word in words})


def short_name(model: str) -> str:
    """models/raft/cycle_5_final -> raft_cycle_5_final; owner/name -> owner_name."""
    parts = [part for part in Path(model).parts if part not in ("models", ".", "..", "/")]
    return "_".join(parts[-2:]).replace("==", "-") or "model"
