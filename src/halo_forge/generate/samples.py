"""Samples for tasks: the loop that every stage and the command line draw completions with."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

from halo_forge.errors import InputError
from halo_forge.generate.code_block import code_block
from halo_forge.generate.drawing import Draw, Drawing
from halo_forge.generate.protocol import Completion, Engine, Request
from halo_forge.jsonl import Appender, cut_off, resumed
from halo_forge.model.chat import Chat
from halo_forge.records import Sample
from halo_forge.settings.generate import Generate

BATCHES_A_CHUNK = 4


def draw_samples(
    engine: Engine,
    chat: Chat,
    draws: Sequence[Draw],
    drawing: Drawing,
    settings: Generate,
    *,
    seed: int,
    wip: Path,
    finished: Callable[[Completion], None] | None = None,
    saving: Callable[[int], None] | None = None,
) -> list[Sample]:
    """The samples of `draws`, in their order.

    Work goes in chunks of `chunk_size_of` samples, each appended to `wip` when whole. After a kill the same call takes
    the `whole_chunks` found there and redoes the torn one, so that every batch has the same members as in an
    uninterrupted run. `finished` is called as each completion ends, `saving` just before a chunk is saved, with the
    number of samples that are there then.
    """
    model, label, chunk_size = drawing.model, drawing.label, chunk_size_of(settings, engine)
    done = whole_chunks(wip, chunk_size, len(draws))
    with Appender(wip) as file:
        for start in range(len(done), len(draws), chunk_size):
            chunk = draws[start : start + chunk_size]
            requests = [
                Request(
                    chat.prompt_ids(draw.turns or draw.task.prompt),
                    sample_seed(seed, label, draw.task.task_id, draw.index),
                    drawing.temperature,
                    settings.top_k,
                    settings.top_p,
                    drawing.max_new_tokens,
                    code_block(draw.task, chat.text) if settings.stop == "code_block" else None,
                )
                for draw in chunk
            ]
            samples = [
                Sample(
                    sample_id=f"{label}/{model}/{draw.task.task_id}/{draw.index}",
                    task_id=draw.task.task_id,
                    prompt=draw.task.prompt,
                    completion=chat.text(completion.ids),
                    model=model,
                    cycle=drawing.cycle,
                    index=draw.index,
                    seed=request.seed,
                    n_tokens=completion.n_tokens,
                    finish_reason=completion.finish_reason,
                    repairs=draw.repairs,
                )
                for draw, request, completion in zip(
                    chunk, requests, map(_ended, requests, engine.generate(requests, finished)), strict=True
                )
            ]
            if saving:
                saving(len(done) + len(samples))
            file.write(samples)
            done += samples
    return done


def _ended(request: Request, completion: Completion) -> Completion:
    """The completion up to where its request ends it."""
    length = request.block and request.block.length(completion.ids)
    return completion if length is None else Completion(completion.ids[:length], length, "stop")


def sample_seed(seed: int, label: str, task_id: str, index: int) -> int:
    """31 bits from (run, cycle or side, task, index): the same wherever and in whatever order the sample is drawn."""
    key = f"{seed}|{label}|{task_id}|{index}".encode()
    return int.from_bytes(hashlib.sha256(key).digest()[:4], "big") >> 1


def chunk_size_of(settings: Generate, engine: Engine) -> int:
    """Samples between two saves."""
    return settings.chunk_size or BATCHES_A_CHUNK * engine.batch_size


def whole_chunks(wip: Path, chunk_size: int, total: int) -> list[Sample]:
    """The samples that a killed run left in `wip`, up to its last whole chunk; the rest is cut off the file."""
    samples = resumed(wip, Sample)
    if len(samples) > total:
        raise InputError(f"{wip}: holds {len(samples)} samples, {total} are wanted; delete it")
    whole = len(samples) if len(samples) == total else len(samples) // chunk_size * chunk_size
    if whole < len(samples):
        cut_off(wip, whole)
    return samples[:whole]
