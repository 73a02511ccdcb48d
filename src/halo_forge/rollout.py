"""Sample a model's answers to a file of tasks and judge them: RAFT cycles and benchmarks of the command line do it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from halo_forge.config import BaseModelChoice, Generate, Params
from halo_forge.config_verify import Verify
from halo_forge.generate.engine import has_gpu
from halo_forge.generate.run import generate_file
from halo_forge.model.dtype import computes_bfloat16
from halo_forge.model.reference import Checkpoint
from halo_forge.progress import Progress
from halo_forge.records import Sample, Task, Verdict, read_json, read_records, write_records
from halo_forge.stage import digest, state_dir
from halo_forge.verify.judge import judge_samples


@dataclass(frozen=True)
class Rollout:
    """`samples` and `verdicts` are parallel; `generation` has engine, tokens and seconds."""

    samples: list[Sample]
    verdicts: list[Verdict]
    generation: dict[str, Any]

    def timing(self) -> dict[str, float | None]:
        judging = sum(verdict.duration_s for verdict in self.verdicts)
        return {"generate": self.generation["seconds"], "verify": round(judging, 1)}


def settings_without_pipeline(checkpoint: Checkpoint, seed: int, verify: Verify, **sections: Any) -> Params:
    """The settings of the command line as the library's functions take them."""
    lock = checkpoint.lock
    base = BaseModelChoice(provider=lock["provider"], id=lock["id"], revision=lock["revision"])
    return Params(seed=seed, preset="command line", base_model=base, verify=verify, **sections)


def generation(sequences: int) -> Generate:
    """`sequences` decoded at once, in the type that the engine of this machine takes."""
    dtype = "bfloat16" if has_gpu() and computes_bfloat16() else "float32"
    return Generate(batch_size=sequences, chunk_size=max(256, sequences), dtype=dtype)


def roll_out(
    params: Params,
    checkpoint: Checkpoint,
    tasks_path: Path,
    out: Path,
    *,
    name: str,
    cycle: str | None,
    verifier: str,
    samples_per_task: int,
    temperature: float,
    max_new_tokens: int,
) -> Rollout:
    """Write samples.jsonl, generation.json and verdicts.jsonl to `out`; `name` is what samples call the model.

    Resumes a killed run. Raises what `generate_file` and `judge_samples` raise.
    """
    samples = generate_file(
        params,
        tasks_path=tasks_path,
        out=out,
        model=name,
        cycle=cycle,
        samples_per_task=samples_per_task,
        temperature=temperature,
        max_new_tokens=max_new_tokens,
        checkpoint=checkpoint,
    )
    verdicts = _judge(params.verify, tasks_path, samples, out, verifier, f"{cycle or 'benchmark'}")
    return Rollout(samples, verdicts, read_json(out / "generation.json"))


def _judge(
    settings: Verify, tasks_path: Path, samples: list[Sample], out: Path, verifier: str, label: str
) -> list[Verdict]:
    tasks = {task.task_id: task for task in read_records(tasks_path, Task)}
    inputs = {"settings": settings, "verifier": verifier, "tasks": digest(tasks_path)}
    state = state_dir(f"verify-{label}", inputs | {"samples": digest(out / "samples.jsonl")})
    counts: Counter[bool] = Counter()
    with Progress(len(samples), f"{label}: verifying") as progress:

        def count(verdict: Verdict) -> None:
            counts[verdict.passed] += 1
            progress.advance(1, passing=f"{100 * counts[True] / counts.total():.1f} %")

        wip = state / "verdicts.jsonl"
        verdicts = judge_samples(tasks, samples, settings, verifier=verifier, wip=wip, progress=count)
    write_records(out / "verdicts.jsonl", verdicts)
    return verdicts
