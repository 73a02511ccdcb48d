"""Settings of the generation engines."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from halo_forge.settings.base import Fraction, Positive, Section

Weights = Literal["int8", "float32"]
Stop = Literal["end_of_turn", "code_block"]


class Server(Section):
    """The server of the engine `server`, which speaks OpenAI's protocol /completions. No setting holds a key."""

    model: Annotated[str, Field(min_length=1)]
    """The base model, by the name that the server has for it."""
    url: Annotated[str, Field(pattern=r"^https?://[^\s@]+$")] | None = None
    """Such as http://localhost:8000/v1. None for the environment's HALO_FORGE_SERVER_URL: then a server that has moved
    makes no sample out of date."""
    key_variable: Annotated[str, Field(pattern=r"^[A-Za-z_]\w*$")] = "OPENAI_COMPATIBLE_API_KEY"
    """The environment variable that holds the key, if the server wants one."""
    timeout_s: Annotated[float, Field(gt=0)] = 600.0
    """For one try of one request, the time that it waits in the server included."""
    patience_s: Annotated[float, Field(ge=0)] = 120.0
    """How long a request that fails is sent again, from its first failure; then the run stops, to be resumed later."""


class Generate(Section):
    engine: Literal["auto", "openvino", "vllm", "transformers", "server"] = "auto"
    server: Server | None = None
    dtype: Literal["float32", "bfloat16"] = "float32"
    weights: Weights | None = None
    """How the openvino engine holds the weights; None for its default. The others hold them in `dtype`, but a server
    as it was started."""
    stop: Stop = "end_of_turn"
    """Where an answer ends: with its turn, or already with the code block that it is judged by; see
    generate/code_block.py."""
    batch_size: Positive | None = None
    """Sequences decoded at once, of the engine `server` requests under way at once; None for what suits the engine."""
    chunk_size: Positive | None = None
    """Sequences between two saves, of which a killed run redoes at most these; None for four times those decoded at
    once, so that the engine seldom waits for the last of them."""
    tensor_parallel: Positive = 1
    """GPUs that share the weights and the cache of one engine, for what one of them does not hold; vllm alone. A
    divisor of the model's attention heads. Not in `compute`, as sums over several cards are rounded otherwise."""
    top_k: Annotated[int, Field(ge=0)] = 50
    """Draw among the most likely tokens only; 0 for all."""
    top_p: Fraction = 1.0
    """Draw among the likeliest tokens that together have this probability; on a CPU top_k is the cheaper cut."""

    @model_validator(mode="after")
    def _a_server_to_ask(self) -> Generate:
        if self.engine == "server" and self.server is None:
            raise ValueError("server: missing; say which, such as {model: NAME, url: http://localhost:8000/v1}")
        return self
