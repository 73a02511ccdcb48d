"""The reference engine: transformers' models, on any device that they run on.

Sequences run side by side in the slots of one attention cache. One that ends leaves its slot to the next, prompts that
are asked for several answers are read once, and when nothing waits any more the batch becomes narrower. On a GPU the
number of slots is found from the free memory, and halved when that was too hopeful.
"""

from __future__ import annotations

import gc
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM

from halo_forge.errors import InfrastructureError
from halo_forge.generate.draws import Settings, draw
from halo_forge.generate.protocol import Completion, Request
from halo_forge.generate.slots import ATTENTION, Slots
from halo_forge.settings.generate import Generate

BATCH_SIZE = 16
"""On a CPU."""
MOST_SLOTS = 1024
"""On a GPU; with more a step takes longer in proportion."""
USUAL_LENGTH = 2048
"""Tokens of prompt and answer that the free memory is reckoned with."""
READ_AT_ONCE = 8192
"""Tokens of prompts."""
SHARE_FREE = 8
"""New sequences come in when one slot in so many is free: reading prompts holds up those that run."""


@dataclass
class _Running:
    """A sequence that is being drawn; `number` is its place among the requests."""

    number: int
    request: Request
    ids: list[int] = field(default_factory=list)

    @property
    def token(self) -> int:
        return self.ids[-1] if self.ids else self.request.prompt_ids[-1]

    @property
    def position(self) -> int:
        return len(self.request.prompt_ids) + len(self.ids) - 1

    def completion(self, end: int) -> Completion | None:
        """None while it goes on."""
        if self.ids and self.ids[-1] == end:
            return Completion(self.ids[:-1], len(self.ids), "stop")
        return Completion(self.ids, len(self.ids), "length") if len(self.ids) == self.request.max_new_tokens else None


class TransformersEngine:
    name = "transformers"

    def __init__(self, settings: Generate, base: Path, adapter: Path | None, end: int):
        self.end = end
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        dtype = getattr(torch, settings.dtype)
        model = AutoModelForCausalLM.from_pretrained(base, dtype=dtype, attn_implementation=ATTENTION)
        if adapter is not None:
            from peft import PeftModel

            model = PeftModel.from_pretrained(model, adapter)
        # Adapters are kept in float32; multiplied so, every layer would be converted to and fro at every step.
        self.model = model.to(self.device, dtype).eval()
        fitting = _fitting(self.model) if self.device == "cuda" else BATCH_SIZE
        self.batch_size = settings.batch_size or fitting
        self._slots = self.batch_size
        self._cache: Slots | None = None

    @torch.inference_mode()
    def generate(
        self, requests: Sequence[Request], finished: Callable[[Completion], None] | None = None
    ) -> list[Completion]:
        """Those with the longest answers first, then by prompt, so that a prompt's requests come together."""
        longest = max(len(request.prompt_ids) + request.max_new_tokens for request in requests)
        _check_attention(self.model.config, longest)
        order = sorted(
            range(len(requests)),
            key=lambda i: (-requests[i].max_new_tokens, len(requests[i].prompt_ids), requests[i].prompt_ids, i),
        )
        waiting, done = deque(_Running(i, requests[i]) for i in order), {}
        while len(done) < len(requests):
            batch = _Batch(self._room(min(len(waiting), self._slots), longest), waiting, self.end)
            lack: str | None = None
            try:
                for number, completion in batch.run():
                    done[number] = completion
                    if finished:
                        finished(completion)
            except torch.OutOfMemoryError as error:
                lack = str(error).splitlines()[0]
            if lack:  # after the exception: it holds what the memory was wanted for
                waiting.extendleft(_Running(row.number, row.request) for row in reversed(batch.running))
                del batch
                self._back_off(lack)
        return [done[i] for i in range(len(requests))]

    def _room(self, slots: int, length: int) -> Slots:
        """The cache of the call before if it is long enough: what is recorded for it still holds. By the number of
        slots sequences come together, and a run that goes on after a kill has had no call before."""
        if self._cache is None or self._cache.slots != slots or self._cache.length < length:
            self._cache = None  # given back before the next is made
            self._cache = Slots(self.model, slots, length)
        return self._cache

    def _back_off(self, lack: str) -> None:
        if self._slots == 1:
            raise InfrastructureError(
                f"generate: one sequence at a time is too much for the memory of the device: {lack}; lower "
                "max_new_tokens, set generate.dtype: bfloat16, or take a smaller model"
            )
        slots = self._cache.slots
        self._cache = None
        gc.collect()
        if self.device == "cuda":
            torch.cuda.empty_cache()
        self._slots = max(1, min(self._slots, slots) // 2)


class _Batch:
    """The sequences in the slots of `cache`, and those of `waiting` that take the place of what ends."""

    def __init__(self, cache: Slots, waiting: deque[_Running], end: int):
        self.cache, self.waiting, self.end = cache, waiting, end
        self.rows: list[_Running | None] = []  # by slot; None once it has ended
        self.settings: Settings | None = None

    @property
    def running(self) -> list[_Running]:
        return [row for row in self.rows if row]

    def run(self) -> Iterator[tuple[int, Completion]]:
        """(place among the requests, completion) as each ends."""
        unit = max(1, self.cache.slots // SHARE_FREE)
        while self.waiting or self.running:
            free = self.cache.slots - len(self.running)
            if self.waiting and (free >= unit or not self.running):
                self._admit(free)
            width = -(-len(self.running) // unit) * unit
            if width < len(self.rows):
                self._narrow(width)
            yield from self._step()

    def _admit(self, free: int) -> None:
        """Fill the free slots."""
        self.rows += [None] * (self.cache.slots - len(self.rows))
        empty = [slot for slot, row in enumerate(self.rows) if row is None]
        came: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for slot in empty[: len(self.waiting)]:
            row = self.waiting.popleft()
            self.rows[slot] = row
            came[tuple(row.request.prompt_ids)].append(slot)
        for prompts in _parts(sorted(came, key=len)):
            self.cache.fill([list(prompt) for prompt in prompts], [came[prompt] for prompt in prompts])
        self._settle()

    def _narrow(self, width: int) -> None:
        """Leave out what has ended, but for what fills up `width`."""
        kept = [slot for slot, row in enumerate(self.rows) if row]
        self.cache.keep(kept)
        self.rows = [self.rows[slot] for slot in kept] + [None] * (width - len(kept))
        self._settle()

    def _settle(self) -> None:
        """What depends on who is in which slot. What has ended is drawn greedily, and not looked at."""
        nothing = Request([0], 0, 0.0, 0, 1.0, 1)
        requests = [row.request if row else nothing for row in self.rows]
        self.settings = Settings.of(requests, self.cache.device)

    def _step(self) -> Iterator[tuple[int, Completion]]:
        tokens = [row.token if row else 0 for row in self.rows]
        positions = [row.position if row else 0 for row in self.rows]
        drawn = torch.tensor([len(row.ids) if row else 0 for row in self.rows], device=self.cache.device)
        logits = self.cache.step(tokens, positions)
        for slot, token in enumerate(draw(logits, self.settings, drawn).tolist()):
            if row := self.rows[slot]:
                row.ids.append(token)
                if completion := row.completion(self.end):
                    self.rows[slot] = None
                    yield row.number, completion


def _parts(prompts: list[tuple[int, ...]]) -> Iterator[list[tuple[int, ...]]]:
    """Prompts, shorter ones first, in parts of at most READ_AT_ONCE tokens, each as long as the longest of its part."""
    part: list[tuple[int, ...]] = []
    for prompt in prompts:
        if part and (len(part) + 1) * len(prompt) > READ_AT_ONCE:
            yield part
            part = []
        part.append(prompt)
    yield part


def _fitting(model: Any) -> int:
    """Slots, a power of two, for sequences of USUAL_LENGTH in two thirds of the memory that is free on the GPU."""
    config = model.config.get_text_config()
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    token = 2 * config.num_hidden_layers * heads * size  # keys and values
    slot = (token * USUAL_LENGTH + 4 * config.vocab_size) * model.dtype.itemsize
    free, _ = torch.cuda.mem_get_info()
    return min(MOST_SLOTS, 1 << max(0, (int(free * 2 / 3) // slot).bit_length() - 1))


def _check_attention(config: Any, length: int) -> None:
    """Raises InfrastructureError for a model whose layers do not all see the whole sequence."""
    config = config.get_text_config()
    kinds = set(getattr(config, "layer_types", None) or ["sliding_attention"])  # without the list a window is for all
    if others := kinds - {"full_attention", "sliding_attention"}:
        raise InfrastructureError(
            f"generate.engine: transformers: layers of the kind {min(others)} are not supported; take vllm"
        )
    window = getattr(config, "sliding_window", None) if "sliding_attention" in kinds else None
    if window and window < length:
        raise InfrastructureError(
            f"generate.engine: transformers: prompt and answer take up to {length} tokens, this model's layers see "
            f"{window}; lower max_new_tokens or take vllm"
        )
