"""Samples for tasks: the loop that every stage and the command line draw completions with."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from halo_forge.generate.chunks import Chunks
from halo_forge.generate.code_block import code_block
from halo_forge.generate.drawing import Draw, Drawing
from halo_forge.generate.engine import weights_of
from halo_forge.generate.protocol import Completion, Engine, Request
from halo_forge.model.chat import Chat
from halo_forge.parts import WHOLE, Part
from halo_forge.records import Sample
from halo_forge.settings.generate import Generate

BATCHES_A_CHUNK = 4

Kind = tuple[str, str | None, int]
"""Engine, what it holds the weights in (None if it does not say) and samples a chunk."""


@dataclass(frozen=True)
class Sampler:
    """An engine with all that decides what it draws; `seed` is that of the run."""

    engine: Engine
    chat: Chat
    drawing: Drawing
    settings: Generate
    seed: int

    def draw(self, draws: Sequence[Draw], finished: Callable[[Completion], None] | None = None) -> list[Sample]:
        """The samples of `draws`, in their order; `finished` is called as each completion ends."""
        label, model = self.drawing.label, self.drawing.model
        requests = [self._request(draw) for draw in draws]
        completions = map(_ended, requests, self.engine.generate(requests, finished))
        return [
            Sample(
                sample_id=f"{label}/{model}/{draw.task.task_id}/{draw.index}",
                task_id=draw.task.task_id,
                prompt=draw.task.prompt,
                completion=self.chat.text(completion.ids),
                model=model,
                cycle=self.drawing.cycle,
                index=draw.index,
                seed=request.seed,
                n_tokens=completion.n_tokens,
                finish_reason=completion.finish_reason,
            )
            for draw, request, completion in zip(draws, requests, completions, strict=True)
        ]

    def _request(self, draw: Draw) -> Request:
        settings = self.settings
        return Request(
            self.chat.prompt_ids(draw.task.prompt),
            sample_seed(self.seed, self.drawing.label, draw.task.task_id, draw.index),
            self.drawing.temperature,
            settings.top_k,
            settings.top_p,
            self.drawing.max_new_tokens,
            code_block(draw.task, self.chat.text) if settings.stop == "code_block" else None,
        )


class Drawers(Protocol):
    """Who draws: this process, or others in its place."""

    kind: Kind
    """What is drawn by another kind is not the same to the last bit."""

    def draw(
        self, chunks: Mapping[int, Sequence[Draw]], finished: Callable[[Completion], None]
    ) -> Iterator[tuple[int, list[Sample], float]]:
        """(number of the chunk, samples, seconds) as they are ready; `finished` is called for each sample."""
        ...


class Here:
    """This process draws."""

    def __init__(self, sampler: Sampler):
        engine, settings = sampler.engine, sampler.settings
        self.kind = engine.name, weights_of(engine.name, settings), chunk_size_of(settings, engine)
        self._sampler = sampler

    def draw(
        self, chunks: Mapping[int, Sequence[Draw]], finished: Callable[[Completion], None]
    ) -> Iterator[tuple[int, list[Sample], float]]:
        for number, draws in chunks.items():
            began = time.monotonic()
            samples = self._sampler.draw(draws, finished)
            yield number, samples, time.monotonic() - began


def draw_samples(
    drawers: Drawers,
    draws: Sequence[Draw],
    chunks: Chunks,
    part: Part = WHOLE,
    finished: Callable[[Completion], None] = lambda _: None,
) -> list[Sample]:
    """The samples of `draws`, in their order; of a part of the work those that are there once it is done.

    Each chunk is saved when whole. After a kill the same call takes those it finds and has the others drawn.
    """
    todo = {number: draws[chunks.span(number)] for number in wanted(chunks, part)}
    for number, samples, seconds in drawers.draw(todo, finished):
        chunks.save(number, samples, seconds)
    return chunks.read()


def wanted(chunks: Chunks, part: Part) -> list[int]:
    """The chunks of this part that nobody has drawn yet."""
    missing = set(chunks.missing())
    return [number for number in part.of(chunks.numbers) if number in missing]


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
