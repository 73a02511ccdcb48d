"""Sample answers from one model into a folder: used by RAFT cycles and by the benchmark."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from halo_forge.files import write_json
from halo_forge.generate.clock import Clock
from halo_forge.generate.drawing import Draw, Drawing
from halo_forge.generate.engine import open_engine, weights_of
from halo_forge.generate.protocol import Completion
from halo_forge.generate.samples import chunk_size_of, draw_samples, whole_chunks
from halo_forge.hashing import digest
from halo_forge.jsonl import write_records
from halo_forge.model.chat import Chat
from halo_forge.model.checkpoint import Checkpoint
from halo_forge.progress import Progress
from halo_forge.records import Sample
from halo_forge.settings.generate import Generate
from halo_forge.settings.params import Params
from halo_forge.state import state_dir


def generate_file(
    params: Params,
    checkpoint: Checkpoint,
    drawing: Drawing,
    draws: Sequence[Draw],
    out: Path,
) -> None:
    """Write `out`/samples.jsonl and `out`/generation.json, whose seconds are the whole run's. Resumes a killed run.

    Without draws both files are there, and no model is loaded.
    """
    if not draws:
        _write(out, drawing, _engine(None, params.generate), [], [], 0.0)
        return
    lock, adapter = checkpoint.lock, checkpoint.adapter
    state = state_dir(
        f"sample-{drawing.label}-{drawing.model}",
        {
            "settings": params.generate,
            "seed": params.seed,
            "drawing": [drawing.temperature, drawing.max_new_tokens],
            "lock": lock,
            "draws": [[draw.task.task_id, draw.index, draw.turns or draw.task.prompt] for draw in draws],
            "adapter": adapter and digest(adapter),
        },
    )
    chat = Chat.of(str(checkpoint.base), lock["system_prompt"])
    engine = open_engine(params.generate, checkpoint.base, adapter, chat.end)
    wip, total = state / "samples.jsonl", len(draws)
    resumed = whole_chunks(wip, chunk_size_of(params.generate, engine), total)
    clock, tokens = Clock(state / "seconds.json", len(resumed)), 0
    with Progress(total, f"{drawing.label}: sampling from {drawing.model}", done=len(resumed)) as progress:

        def finished(completion: Completion) -> None:
            nonlocal tokens
            tokens += completion.n_tokens
            progress.advance(1, tokens_per_s=round(tokens / clock.this_run))

        samples = draw_samples(
            engine,
            chat,
            draws,
            drawing,
            params.generate,
            seed=params.seed,
            wip=wip,
            finished=finished,
            saving=clock.mark,
        )
    _write(out, drawing, _engine(engine.name, params.generate), samples, resumed, clock.seconds)


def _engine(name: str | None, settings: Generate) -> dict[str, str | None]:
    """What is said of the engine of that name, None where none was opened."""
    served = settings.server.model if name == "server" and settings.server else None
    return {"engine": name, "weights": name and weights_of(name, settings), "served_model": served}


def _write(
    out: Path,
    drawing: Drawing,
    engine: dict[str, str | None],
    samples: list[Sample],
    resumed: list[Sample],
    seconds: float,
) -> None:
    """Both files; `resumed` are those of the samples that an earlier run had drawn."""
    tokens = sum(sample.n_tokens for sample in samples)
    write_records(out / "samples.jsonl", samples)
    write_json(
        out / "generation.json",
        {
            **engine,
            "model": drawing.model,
            "temperature": drawing.temperature,
            "max_new_tokens": drawing.max_new_tokens,
            "samples": len(samples),
            "tokens": tokens,
            "tokens_per_s": round(tokens / seconds, 1) if seconds else 0.0,
            "seconds": round(seconds, 1),
            "resumed_samples_tokens": sum(sample.n_tokens for sample in resumed),
        },
    )
