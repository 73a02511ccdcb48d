"""vLLM: the fast engine on a GPU. The adapter is loaded beside the base model (LoRARequest), not merged into it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from halo_forge.generate.protocol import Completion, Request, require
from halo_forge.settings.generate import Generate

BATCH_SIZE = 256
"""vLLM takes fewer by itself where its cache has no room for them."""


class VllmEngine:
    name = "vllm"

    def __init__(self, settings: Generate, base: Path, adapter: Path | None, end: int):
        require("vllm", "make setup GPU=1")
        from vllm import LLM
        from vllm.lora.request import LoRARequest

        self.end, self.batch_size = end, settings.batch_size or BATCH_SIZE
        self.adapter = LoRARequest("adapter", 1, str(adapter.resolve())) if adapter else None
        rank = _rank(adapter) if adapter else 16
        self.llm = LLM(
            model=str(base),
            dtype=settings.dtype,
            max_num_seqs=self.batch_size,
            enable_lora=adapter is not None,
            max_lora_rank=next(size for size in (8, 16, 32, 64, 128, 256, 320, 512) if size >= rank),
        )

    def generate(
        self, requests: Sequence[Request], finished: Callable[[Completion], None] | None = None
    ) -> list[Completion]:
        from vllm import SamplingParams

        settings = [
            SamplingParams(
                temperature=request.temperature,
                top_k=request.top_k,
                top_p=request.top_p if request.temperature else 1.0,
                seed=request.seed,
                max_tokens=request.max_new_tokens,
                stop_token_ids=[self.end],
            )
            for request in requests
        ]
        prompts = [{"prompt_token_ids": request.prompt_ids} for request in requests]
        outputs = self.llm.generate(prompts, settings, lora_request=self.adapter, use_tqdm=False)
        completions = []
        for output in outputs:
            ids = list(output.outputs[0].token_ids)
            stopped = output.outputs[0].finish_reason == "stop"
            kept = ids[:-1] if stopped and ids and ids[-1] == self.end else ids
            completions.append(Completion(kept, len(ids), "stop" if stopped else "length"))
            if finished:
                finished(completions[-1])
        return completions


def _rank(adapter: Path) -> int:
    from halo_forge.files import read_json

    return read_json(adapter / "adapter_config.json")["r"]
