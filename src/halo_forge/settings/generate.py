"""Settings of the generation engines."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from halo_forge.settings.base import Fraction, Positive, Section

Weights = Literal["int8", "float32"]
Stop = Literal["end_of_turn", "code_block"]


class Generate(Section):
    engine: Literal["auto", "openvino", "vllm", "transformers"] = "auto"
    dtype: Literal["float32", "bfloat16"] = "float32"
    weights: Weights | None = None
    """How the openvino engine holds the weights; None for its default. The others hold them in `dtype`."""
    stop: Stop = "end_of_turn"
    """Where an answer ends: with its turn, or already with the code block that it is judged by; see
    generate/code_block.py."""
    batch_size: Positive | None = None
    """Sequences decoded at once; None for what suits the engine."""
    chunk_size: Positive | None = None
    """Sequences between two saves, of which a killed run redoes at most these; None for four times those decoded at
    once, so that the engine seldom waits for the last of them."""
    top_k: Annotated[int, Field(ge=0)] = 50
    """Draw among the most likely tokens only; 0 for all."""
    top_p: Fraction = 1.0
    """Draw among the likeliest tokens that together have this probability; on a CPU top_k is the cheaper cut."""
