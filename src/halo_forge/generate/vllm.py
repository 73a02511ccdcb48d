"""vLLM: the fast engine on a GPU. The adapter is loaded beside the base model (LoRARequest), not merged into it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from halo_forge.errors import InfrastructureError
from halo_forge.files import read_json
from halo_forge.generate.protocol import Completion, Request, check_lengths, require
from halo_forge.settings.generate import Generate

BATCH_SIZE = 256
"""vLLM takes fewer by itself where its cache has no room for them."""
RANKS = (8, 16, 32, 64, 128, 256, 320, 512)


class VllmEngine:
    name = "vllm"

    def __init__(self, settings: Generate, base: Path, adapter: Path | None, end: int):
        require("vllm", "make setup GPU=1")
        from vllm import LLM
        from vllm.lora.request import LoRARequest

        _check_heads(base, settings.tensor_parallel)
        self.end, self.batch_size = end, settings.batch_size or BATCH_SIZE
        self.adapter = LoRARequest("adapter", 1, str(adapter.resolve())) if adapter else None
        self.llm = LLM(
            model=str(base),
            dtype=settings.dtype,
            max_num_seqs=self.batch_size,
            tensor_parallel_size=settings.tensor_parallel,
            enable_lora=adapter is not None,
            max_lora_rank=lora_rank(adapter) if adapter else RANKS[0],
        )

    def generate(
        self, requests: Sequence[Request], finished: Callable[[Completion], None] | None = None
    ) -> list[Completion]:
        from vllm import SamplingParams

        check_lengths(requests, self.llm.model_config.max_model_len, "the vllm engine")
        settings = [
            SamplingParams(
                temperature=request.temperature,
                top_k=request.top_k,
                top_p=request.top_p if request.temperature else 1.0,
                seed=request.seed,
                max_tokens=request.max_new_tokens,
                stop_token_ids=[self.end],
                ignore_eos=True,  # what else generation_config.json lets end an answer ends none of the other engines'
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


def _check_heads(base: Path, shares: int) -> None:
    """Raises InfrastructureError where the attention heads cannot be dealt out evenly."""
    heads = read_json(base / "config.json").get("num_attention_heads", 0)
    if heads % shares:
        fitting = [number for number in range(2, shares) if heads % number == 0]
        raise InfrastructureError(
            f"generate.tensor_parallel: {shares}: the model has {heads} attention heads, which so many GPUs cannot "
            f"share; set it to {fitting[-1] if fitting else 1}"
        )


def lora_rank(adapter: Path) -> int:
    """The least of the ranks that vLLM makes room for in which the adapter fits. Raises InfrastructureError for an
    adapter that vLLM cannot hold."""
    config = read_json(adapter / "adapter_config.json")
    cure = "set generate.engine: transformers"
    if config.get("use_dora"):
        raise InfrastructureError(
            f"generate.engine: vllm: {adapter} is a DoRA adapter, which vLLM does not know; {cure}"
        )
    if config["r"] > RANKS[-1]:
        raise InfrastructureError(
            f"generate.engine: vllm: {adapter} has rank {config['r']}, and vLLM takes {RANKS[-1]} at most; {cure}, or "
            "train with a smaller sft.lora.r"
        )
    return next(size for size in RANKS if size >= config["r"])
