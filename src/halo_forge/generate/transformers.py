"""The reference engine: transformers' own `generate`, on any device it runs on.

Each row draws with its own seeded generator through the Gumbel-max trick (argmax of logits plus Gumbel noise is a
sample of the softmax; Maddison et al. 2014, arXiv 1411.0030), so a completion does not depend on its neighbours.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from halo_forge.generate.protocol import Completion, Request
from halo_forge.settings.generate import Generate

BATCH_SIZE = 16
"""Every sequence waits for the longest of its batch and holds its cache until then."""


class TransformersEngine:
    name = "transformers"

    def __init__(self, settings: Generate, base: Path, adapter: Path | None, end: int):
        import torch
        from transformers import AutoModelForCausalLM

        self.batch_size, self.end = settings.batch_size or BATCH_SIZE, end
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        model = AutoModelForCausalLM.from_pretrained(base, dtype=getattr(torch, settings.dtype))
        if adapter is not None:
            from peft import PeftModel

            model = PeftModel.from_pretrained(model, adapter)
        self.model = model.to(self.device).eval()

    def generate(
        self, requests: Sequence[Request], finished: Callable[[Completion], None] | None = None
    ) -> list[Completion]:
        """Batches of requests alike in length, so that little is padded."""
        order = sorted(range(len(requests)), key=lambda i: (requests[i].max_new_tokens, len(requests[i].prompt_ids), i))
        done: dict[int, Completion] = {}
        for start in range(0, len(order), self.batch_size):
            batch = order[start : start + self.batch_size]
            for index, completion in zip(batch, self._batch([requests[i] for i in batch]), strict=True):
                done[index] = completion
                if finished:
                    finished(completion)
        return [done[i] for i in range(len(requests))]

    def _batch(self, requests: list[Request]) -> list[Completion]:
        import torch
        from transformers import GenerationConfig, LogitsProcessorList

        width = max(len(request.prompt_ids) for request in requests)
        ids = torch.full((len(requests), width), self.end)  # (batch, width), padded on the left
        mask = torch.zeros_like(ids)
        for row, request in enumerate(requests):
            ids[row, width - len(request.prompt_ids) :] = torch.tensor(request.prompt_ids)
            mask[row, width - len(request.prompt_ids) :] = 1
        limit = max(request.max_new_tokens for request in requests)
        config = GenerationConfig(
            do_sample=False, max_new_tokens=limit, eos_token_id=self.end, pad_token_id=self.end, use_cache=True
        )
        with torch.inference_mode():
            out = self.model.generate(
                input_ids=ids.to(self.device),
                attention_mask=mask.to(self.device),
                generation_config=config,
                logits_processor=LogitsProcessorList([_SeededSampling(requests)]),
            )
        return [self._completion(out[row, width:].tolist(), request) for row, request in enumerate(requests)]

    def _completion(self, ids: list[int], request: Request) -> Completion:
        ids = ids[: request.max_new_tokens]
        if self.end in ids:
            length = ids.index(self.end)
            return Completion(ids[:length], length + 1, "stop")
        return Completion(ids, len(ids), "length")


class _SeededSampling:
    """Turns logits (batch, vocabulary) into noisy ones whose argmax is a draw at each row's settings."""

    def __init__(self, requests: list[Request]):
        import torch

        self.requests = requests
        self.generators = [torch.Generator().manual_seed(request.seed) for request in requests]

    def __call__(self, input_ids, scores):  # noqa: ANN001, ANN204 - transformers' LogitsProcessor protocol
        import torch

        for row, (request, generator) in enumerate(zip(self.requests, self.generators, strict=True)):
            if request.temperature == 0:
                continue
            logits = scores[row].float() / request.temperature
            if 0 < request.top_k < len(logits):
                logits[logits < logits.topk(request.top_k).values[-1]] = -torch.inf
            if request.top_p < 1:
                ranked, order = logits.sort(descending=True)
                before = ranked.softmax(-1).cumsum(-1) - ranked.softmax(-1)
                logits[order[before >= request.top_p]] = -torch.inf
            noise = torch.empty(logits.shape).exponential_(generator=generator).log().neg()  # Gumbel(0, 1)
            scores[row] = logits + noise.to(logits.device)
        return scores
