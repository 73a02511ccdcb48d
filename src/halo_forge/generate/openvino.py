"""OpenVINO GenAI's continuous batching: the fast engine on a CPU.

With float32 weights the adapter is loaded beside the converted base model and fused as the pipeline opens
(`MODE_FUSE`: four times the speed of applying it at every step), and greedy answers are those of the transformers
engine. With 8-bit weights it is merged in before (`openvino_int8`). The files of the base model are never changed. The
attention cache is float32 either way: in 8 bits it is no faster.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from halo_forge.errors import InfrastructureError
from halo_forge.files import read_json
from halo_forge.generate.code_block import CodeBlock
from halo_forge.generate.openvino_export import exported
from halo_forge.generate.openvino_int8 import compressed
from halo_forge.generate.protocol import Completion, Request, require
from halo_forge.settings.generate import Generate

WEIGHTS = "int8"
CACHE_GB = 2
BATCH_SIZE = 128
"""A finished sequence makes room for the next at once, nothing is padded."""


class OpenVinoEngine:
    name = "openvino"

    def __init__(self, settings: Generate, base: Path, adapter: Path | None, end: int):
        require("openvino_genai", "pip install openvino-genai openvino-tokenizers")
        if settings.dtype != "float32":
            raise InfrastructureError(
                "generate.dtype: the openvino engine computes in float32; set float32 or another engine"
            )
        import openvino_genai as genai

        self.batch_size = settings.batch_size or BATCH_SIZE
        scheduler = genai.SchedulerConfig()
        scheduler.cache_size = CACHE_GB
        scheduler.max_num_seqs = self.batch_size
        scheduler.enable_prefix_caching = True
        properties: dict = {"INFERENCE_PRECISION_HINT": "f32", "KV_CACHE_PRECISION": "f32"}
        rounded = (settings.weights or WEIGHTS) == "int8"
        folder = compressed(base, adapter) if rounded else exported(base)
        if adapter is not None and not rounded:
            lora = genai.Adapter(str(adapter / "adapter_model.safetensors"))
            # GenAI reads the matrices alone: PEFT's scaling, alpha / r, stands in the adapter's config.
            config = read_json(adapter / "adapter_config.json")
            if config.get("use_dora"):
                raise InfrastructureError(
                    f"generate.engine: openvino: {adapter} is a DoRA adapter, of which this engine would leave out the "
                    "lengths; set generate.engine: transformers"
                )
            scaling = config["lora_alpha"] / config["r"]
            properties["adapters"] = genai.AdapterConfig(lora, scaling, mode=genai.AdapterConfig.Mode.MODE_FUSE)
        self.end = end
        self.genai = genai
        self._open = lambda: genai.ContinuousBatchingPipeline(str(folder), scheduler, "CPU", properties)
        self._fresh = self._open()

    def generate(
        self, requests: Sequence[Request], finished: Callable[[Completion], None] | None = None
    ) -> list[Completion]:
        """One request of each prompt goes before the others, which then find its prompt in the cache.

        They find nothing that an earlier call left there, as a killed run that goes on would not: what is read in other
        company is rounded otherwise, by which one draw in ten of a real model came out otherwise. GenAI has no word to
        empty the cache; another pipeline is open in two seconds.

        At most `batch_size` are in the pipeline at once: it looks at every waiting request in every step, and with
        hundreds of them that took most of the time.
        """
        pipeline, self._fresh = self._fresh or self._open(), None
        seen: set[tuple[int, ...]] = set()
        leaders, others = deque(), deque()
        for number, request in enumerate(requests):
            prompt = tuple(request.prompt_ids)
            (others if prompt in seen else leaders).append(number)
            seen.add(prompt)
        waiting, running = leaders + others, {}
        done: dict[int, Completion] = {}
        while waiting or running:
            while waiting and len(running) < self.batch_size:
                number = waiting.popleft()
                running[number] = self._submit(pipeline, number, requests[number])
            pipeline.step()
            for number, answer in list(running.items()):
                if answer.goes_on():
                    continue
                done[number] = self._completion(answer.ids)
                del running[number]
                if finished:
                    finished(done[number])
        while pipeline.has_non_finished_requests():  # those that were stopped are let go of by a step
            pipeline.step()
        return [done[number] for number in range(len(requests))]

    def _submit(self, pipeline: Any, number: int, request: Request) -> _Answer:
        import numpy as np
        import openvino as ov

        ids = ov.Tensor(np.array([request.prompt_ids], dtype=np.int64))
        return _Answer(pipeline.add_request(number, ids, self._settings(request)), request.block)

    def _settings(self, request: Request):  # noqa: ANN202 - a type of the engine's
        settings = self.genai.GenerationConfig()
        settings.max_new_tokens = request.max_new_tokens
        settings.eos_token_id = self.end
        settings.stop_token_ids = {self.end}
        settings.apply_chat_template = False
        settings.do_sample = request.temperature > 0
        if settings.do_sample:
            settings.temperature = request.temperature
            settings.top_p = request.top_p
            if request.top_k:
                settings.top_k = request.top_k
            settings.rng_seed = request.seed
        return settings

    def _completion(self, ids: list[int]) -> Completion:
        if ids and ids[-1] == self.end:
            return Completion(ids[:-1], len(ids), "stop")
        return Completion(ids, len(ids), "length")


class _Answer:
    """An answer being drawn: the handle of its request, and the ids that were read from it."""

    def __init__(self, handle: Any, block: CodeBlock | None):
        from openvino_genai import GenerationStatus

        self._handle, self._block, self._running = handle, block, GenerationStatus.RUNNING
        self.ids: list[int] = []

    def goes_on(self) -> bool:
        """Whether it is still drawn after this step; where its block is closed, no more is drawn."""
        goes_on = self._handle.get_status() == self._running
        if self._block or not goes_on:
            while self._handle.can_read():
                self.ids += self._handle.read()[0].generated_ids
        if goes_on and self._block and self._block.closed(self.ids):
            self._handle.stop()
            return False
        return goes_on
