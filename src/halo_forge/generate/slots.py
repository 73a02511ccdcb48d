"""The attention cache of the transformers engine: one slot a running sequence, and the step that lengthens them all.

Every sequence begins at position 0 of its slot, so nothing is padded, and a slot whose sequence has ended is given to
the next. A step has the same shapes whoever is in the slots; on a GPU it is recorded once a shape (CUDA graph) and
played back, as launching its kernels one by one takes ten times as long as running them.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import AttentionInterface, AttentionMaskInterface, DynamicCache
from transformers.cache_utils import Cache
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

ATTENTION = "halo_forge_grouped"
LENGTHS = 128
"""Positions are looked at in multiples of this: a shape a step would be too many to record."""


def grouped_attention(
    module: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **settings: Any
) -> tuple[Tensor, None]:
    """sdpa, which for one new token a sequence lets the query heads of a group look at their one key head together.

    transformers 5.17 copies keys and values for each query head there: at 14 heads on 2, seven times the cache a step.
    `query` (n, heads, 1, size), `key` and `value` (n, key heads, length, size), mask (n, 1, 1, length).
    """
    n, heads, tokens, _ = query.shape
    if tokens > 1 or attention_mask is None or key.shape[1] == heads:
        return sdpa_attention_forward(module, query, key, value, attention_mask, **settings)
    packed = query.reshape(n, key.shape[1], heads // key.shape[1], -1)
    out = torch.nn.functional.scaled_dot_product_attention(
        packed, key, value, attn_mask=attention_mask, scale=settings.get("scaling")
    )
    return out.reshape(n, 1, heads, -1), None


AttentionInterface.register(ATTENTION, grouped_attention)
AttentionMaskInterface.register(ATTENTION, sdpa_mask)


class Slots(Cache):
    """Keys and values of `slots` sequences of up to `length` tokens, and the step over the first n of them."""

    def __init__(self, model: Any, slots: int, length: int):
        super().__init__(layers=[])
        self.model, self.slots, self.length = model, slots, -(-length // LENGTHS) * LENGTHS
        device = next(model.parameters()).device
        self.device = device
        self._inputs = torch.zeros(2, slots, dtype=torch.int64, device=device)  # the last token, its position
        self._places = torch.arange(self.length, device=device)
        self._keys: list[Tensor] = []  # a layer: (slots, key heads, length, size)
        self._values: list[Tensor] = []
        self._seen = (0, 0)  # slots and positions that a step looks at
        self._graphs: dict[tuple[int, int], torch.cuda.CUDAGraph] = {}
        self._pool: Any = None
        self._logits: Tensor | None = None
        self._records = device.type == "cuda"

    def fill(self, prompts: Sequence[list[int]], slots: Sequence[Sequence[int]]) -> None:
        """Read each prompt, but for its last token, into each of its slots. Prompts alike in length waste least."""
        read = [prompt[:-1] or prompt for prompt in prompts]
        width = max(map(len, read))
        ids = torch.tensor([prompt + prompt[-1:] * (width - len(prompt)) for prompt in read])  # (prompts, width)
        # What is read after a prompt's end is never seen: a step overwrites a position before it looks at it.
        found = DynamicCache()
        self.model(input_ids=ids.to(self.device), past_key_values=found, use_cache=True, logits_to_keep=1)
        to = torch.tensor([slot for own in slots for slot in own], device=self.device)
        of = torch.tensor([row for row, own in enumerate(slots) for _ in own], device=self.device)
        for number, layer in enumerate(found.layers):
            if number == len(self._keys):
                shape = (self.slots, layer.keys.shape[1], self.length)
                # Zeros, as what is masked still is multiplied by 0, which leaves no garbage but NaN.
                self._keys.append(layer.keys.new_zeros(*shape, layer.keys.shape[-1]))
                self._values.append(layer.values.new_zeros(*shape, layer.values.shape[-1]))
            self._keys[number][to, :, :width] = layer.keys[of]
            self._values[number][to, :, :width] = layer.values[of]

    def keep(self, slots: Sequence[int]) -> None:
        """Move these slots to the front, in their order."""
        kept = torch.tensor(slots, device=self.device)
        for tensor in (*self._keys, *self._values):
            tensor[: len(slots)] = tensor[kept]

    def step(self, tokens: Sequence[int], positions: Sequence[int]) -> Tensor:
        """Logits (n, vocabulary) after `tokens`, the last of the first n slots, which stand at `positions`.

        They are overwritten by the next step.
        """
        n = len(tokens)
        self._inputs[:, :n] = torch.tensor([tokens, positions])
        shape = (n, (max(positions) // LENGTHS + 1) * LENGTHS)
        if self._records and shape not in self._graphs:
            self._record(shape)
        if shape not in self._graphs:
            return self._forward(shape)
        self._graphs[shape].replay()
        return self._logits[:n]

    def _forward(self, shape: tuple[int, int]) -> Tensor:
        n, length = self._seen = shape
        tokens, positions = self._inputs[:, :n]
        unseen = self._places[:length] > positions[:, None]  # (n, length)
        mask = torch.zeros(n, 1, 1, length, dtype=self._keys[0].dtype, device=self.device)
        mask = mask.masked_fill(unseen[:, None, None], -torch.inf)
        return self.model(
            input_ids=tokens[:, None],
            position_ids=positions[:, None],
            attention_mask=mask,
            past_key_values=self,
            use_cache=True,
        ).logits[:, -1]

    def _record(self, shape: tuple[int, int]) -> None:
        """Record the step of this shape; where a model cannot be recorded, say so and run its steps one by one."""
        stream = torch.cuda.Stream(self.device)
        stream.wait_stream(torch.cuda.current_stream(self.device))
        with torch.cuda.stream(stream):  # what is set up at a first call must not be recorded
            logits = self._forward(shape)
        torch.cuda.current_stream(self.device).wait_stream(stream)
        if self._logits is None:
            self._logits = logits.new_empty(self.slots, logits.shape[1])
            self._pool = torch.cuda.graph_pool_handle()
        del logits
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph, pool=self._pool):
                self._logits[: shape[0]] = self._forward(shape)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            reason = str(error).splitlines()[0]
            print(f"warning: transformers engine: steps are not recorded, so are slower: {reason}", file=sys.stderr)
            self._records = False
        else:
            self._graphs[shape] = graph

    # What a model asks of its cache.

    def update(self, key_states: Tensor, value_states: Tensor, layer_idx: int, *_: Any, **__: Any) -> tuple:
        """Put the new token's key and value, (n, key heads, 1, size), at its position; all that is looked at."""
        n, length = self._seen
        rows, positions = torch.arange(n, device=self.device), self._inputs[1, :n]
        keys, values = self._keys[layer_idx], self._values[layer_idx]
        keys[rows, :, positions] = key_states[:, :, 0]
        values[rows, :, positions] = value_states[:, :, 0]
        return keys[:n, :, :length], values[:n, :, :length]

    def get_seq_length(self, layer_idx: int = 0) -> int:
        return self._seen[1]
