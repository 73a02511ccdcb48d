"""Settings of the generation engines."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from halo_forge.settings.base import Fraction, Positive, Section


class Generate(Section):
    engine: Literal["auto", "openvino", "vllm", "transformers"] = "auto"
    dtype: Literal["float32", "bfloat16"] = "float32"
    batch_size: Positive = 64
    """Sequences decoded at once."""
    chunk_size: Positive = 256
    """Sequences between two saves: a killed run redoes at most these."""
    top_k: Annotated[int, Field(ge=0)] = 50
    """Draw among the most likely tokens only; 0 for all."""
    top_p: Fraction = 1.0
    """Draw among the likeliest tokens that together have this probability; on a CPU top_k is the cheaper cut."""
