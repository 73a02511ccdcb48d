"""Sample a file of tasks from one model into a folder: used by RAFT cycles and by the benchmark."""

from __future__ import annotations

import time
from pathlib import Path

from halo_forge.config import Params
from halo_forge.generate.engine import Completion, open_engine
from halo_forge.generate.samples import draw_samples, whole_chunks
from halo_forge.model.chat import Chat
from halo_forge.model.reference import Checkpoint
from halo_forge.progress import Progress
from halo_forge.records import Sample, Task, read_records, write_json, write_records
from halo_forge.stage import digest, state_dir


def generate_file(
    params: Params,
    checkpoint: Checkpoint,
    *,
    tasks_path: Path,
    out: Path,
    model: str,
    cycle: str | None,
    samples_per_task: int,
    temperature: float,
    max_new_tokens: int,
) -> list[Sample]:
    """Write `out`/samples.jsonl and `out`/generation.json. Resumes a killed run.

    `model` is what the samples call the model of `checkpoint`.
    """
    tasks = read_records(tasks_path, Task)
    lock, adapter = checkpoint.lock, checkpoint.adapter
    state = state_dir(
        f"generate-{cycle or 'benchmark'}-{model}",
        {
            "settings": params.generate,
            "seed": params.seed,
            "drawing": [samples_per_task, temperature, max_new_tokens],
            "lock": lock,
            "tasks": digest(tasks_path),
            "adapter": adapter and digest(adapter),
        },
    )
    chat = Chat.of(str(checkpoint.base), lock["system_prompt"])
    engine = open_engine(params.generate, checkpoint.base, adapter, chat.end)
    label = f"{cycle}: sampling from {model}" if cycle else f"benchmark: sampling from {model}"
    wip, total, chunk_size = state / "samples.jsonl", len(tasks) * samples_per_task, params.generate.chunk_size
    resumed = whole_chunks(wip, chunk_size, total)
    began, tokens = time.monotonic(), 0
    with Progress(total, label, done=len(resumed)) as progress:

        def finished(completion: Completion) -> None:
            nonlocal tokens
            tokens += completion.n_tokens
            progress.advance(1, tokens_per_s=round(tokens / (time.monotonic() - began)))

        samples = draw_samples(
            engine,
            chat,
            tasks,
            model=model,
            cycle=cycle,
            samples_per_task=samples_per_task,
            temperature=temperature,
            top_k=params.generate.top_k,
            top_p=params.generate.top_p,
            max_new_tokens=max_new_tokens,
            chunk_size=chunk_size,
            seed=params.seed,
            wip=wip,
            finished=finished,
        )
    seconds = time.monotonic() - began
    resumed_tokens = sum(sample.n_tokens for sample in resumed)
    write_records(out / "samples.jsonl", samples)
    write_json(
        out / "generation.json",
        {
            "engine": engine.name,
            "model": model,
            "samples": len(samples),
            "tokens": tokens + resumed_tokens,
            "tokens_per_s": round(tokens / seconds, 1),
            "seconds": round(seconds, 1),
            "resumed_samples_tokens": resumed_tokens,
        },
    )
    return samples
