"""Sample answers from one model into a folder: used by RAFT cycles and by the benchmark."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from halo_forge.errors import InfrastructureError, InputError
from halo_forge.files import write_json
from halo_forge.generate.chunks import Chunks
from halo_forge.generate.drawing import Draw, Drawing
from halo_forge.generate.engine import open_engine
from halo_forge.generate.protocol import Completion
from halo_forge.generate.samples import Drawers, Here, Kind, Sampler, draw_samples, wanted
from halo_forge.hashing import digest
from halo_forge.jsonl import write_records
from halo_forge.model.base import is_whole
from halo_forge.model.chat import Chat
from halo_forge.model.checkpoint import Checkpoint
from halo_forge.parts import MERGE, WHOLE, Part
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
    part: Part = WHOLE,
    drawers_of: Callable[[Params, Checkpoint, Drawing], Drawers] | None = None,
) -> None:
    """Write `out`/samples.jsonl and `out`/generation.json, whose seconds are the whole run's. Resumes a killed run.

    Of a `part` that is not whole only the work is done, which the call for the whole finds. Without draws, and where
    all is drawn, no model is loaded. `drawers_of` makes who draws in place of this process. Raises InputError where
    `part` is MERGE and something is not drawn yet.
    """
    if not draws:
        if part.whole:
            _write(out, drawing, _engine(None, None, params.generate), [], 0, 0.0)
        return
    adapter = checkpoint.adapter
    state = state_dir(
        f"sample-{drawing.label}-{drawing.model}",
        {
            "settings": params.generate,
            "seed": params.seed,
            "drawing": [drawing.temperature, drawing.max_new_tokens],
            "lock": checkpoint.lock,
            "draws": [[draw.task.task_id, draw.index, draw.task.prompt] for draw in draws],
            "adapter": adapter and digest(adapter),
        },
        part.name,
    )
    done = next((chunks for chunks in _found(state, len(draws)) if not chunks.missing()), None)
    resumed = done and sum(sample.n_tokens for sample in done.read())
    if done is None and part == MERGE:
        raise InputError(f"{drawing.label}: {_still_missing(state, len(draws))}")
    if done is None:
        drawers = (drawers_of or _here)(params, checkpoint, drawing)
        done, resumed = _draw(drawers, drawing, draws, state, part)
    if part.whole:
        engine, weights, _ = _kind_of(done.folder)
        _write(out, drawing, _engine(engine, weights, params.generate), done.read(), resumed, done.seconds())


def opened(params: Params, checkpoint: Checkpoint, drawing: Drawing) -> Sampler:
    """The engine that the settings name, with all that decides what it draws.

    Raises InfrastructureError for a model trained whole that a server is to answer for: it has another.
    """
    if params.generate.engine == "server" and is_whole(checkpoint.base):
        raise InfrastructureError(
            f"generate.engine: server: {checkpoint.name} was trained whole (sft.lora: null), and a server has the base "
            "model, with adapters; set another generate.engine"
        )
    chat = Chat.of(str(checkpoint.base), checkpoint.lock["system_prompt"])
    engine = open_engine(params.generate, checkpoint.base, checkpoint.adapter, chat.end)
    return Sampler(engine, chat, drawing, params.generate, params.seed)


def _draw(drawers: Drawers, drawing: Drawing, draws: Sequence[Draw], state: Path, part: Part) -> tuple[Chunks, int]:
    """Draw what of `part` is not drawn yet; where it is, and the tokens of what was there before."""
    size = drawers.kind[-1]
    chunks = Chunks(_folder(state, drawers.kind), size, len(draws))
    before, todo = chunks.read(), wanted(chunks, part)
    number = sum(len(draws[chunks.span(chunk)]) for chunk in todo)
    began, tokens = time.monotonic(), 0
    label = f"{drawing.label}: sampling from {drawing.model}" + (f", {part.name}" if part.name else "")
    total, there = (len(draws), len(before)) if part.whole else (number, 0)
    with Progress(total, label, done=there) as progress:

        def finished(completion: Completion) -> None:
            nonlocal tokens
            tokens += completion.n_tokens
            progress.advance(1, tokens_per_s=round(tokens / (time.monotonic() - began)))

        draw_samples(drawers, draws, chunks, part, finished)
    if not part.whole:
        print(f"{label}: {len(todo)} chunks of {size} samples drawn now")
    return chunks, sum(sample.n_tokens for sample in before)


def _here(params: Params, checkpoint: Checkpoint, drawing: Drawing) -> Drawers:
    return Here(opened(params, checkpoint, drawing))


def _folder(state: Path, kind: Kind) -> Path:
    """Where what is drawn by this kind lies; `_kind_of` reads it from the name."""
    engine, weights, size = kind
    return state / f"{engine}.{weights or ''}.{size}"


def _kind_of(folder: Path) -> Kind:
    engine, weights, size = folder.name.split(".")
    return engine, weights or None, int(size)


def _found(state: Path, total: int) -> list[Chunks]:
    """What has been drawn for this run, by engine and size of chunk."""
    return [Chunks(folder, _kind_of(folder)[-1], total) for folder in sorted(state.glob("*.*.*"))]


def _still_missing(state: Path, total: int) -> str:
    found = _found(state, total)
    most = max(found, key=lambda chunks: -len(chunks.missing()), default=None)
    there = f"{len(most.missing())} of {len(most.numbers)} chunks are" if most else "nothing is drawn yet: all is"
    return (
        f"{there} missing under {state}; run every part (--shard 1/n to n/n, with one n), then --shard merge, or run "
        "without --shard to draw the rest here"
    )


def _engine(name: str | None, weights: str | None, settings: Generate) -> dict[str, str | None]:
    """What is said of the engine of that name, None where none was needed."""
    served = settings.server.model if name == "server" and settings.server else None
    return {"engine": name, "weights": weights, "served_model": served}


def _write(
    out: Path,
    drawing: Drawing,
    engine: dict[str, str | None],
    samples: list[Sample],
    resumed: int,
    seconds: float,
) -> None:
    """Both files; `resumed` are the tokens that earlier runs, or other machines, had drawn."""
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
            "resumed_samples_tokens": resumed,
        },
    )
