"""How a model's answers were drawn when it was measured: what an export tells every program that serves it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from halo_forge.settings.params import load_section


@dataclass(frozen=True)
class Sampling:
    """`top_k` 0 is all tokens; `max_new_tokens` counts the end of the turn."""

    temperature: float
    top_k: int
    top_p: float
    max_new_tokens: int


def sampling_of(result: Mapping[str, Any] | None) -> Sampling:
    """That of a benchmark's result; without one that of the benchmark in params.yaml here, or the defaults."""
    generate, benchmark = load_section("generate"), load_section("benchmark")
    said = result or {"temperature": benchmark.temperature, "max_new_tokens": benchmark.max_new_tokens}
    return Sampling(said["temperature"], generate.top_k, generate.top_p, said["max_new_tokens"])
