"""What a generation engine is, and what goes in and comes out."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from halo_forge.errors import InfrastructureError
from halo_forge.generate.code_block import CodeBlock


@dataclass(frozen=True)
class Request:
    """One completion to draw. Temperature 0 is greedy.

    Where `block` is given, the answer ends as that is closed. An engine may look after each token and save the rest;
    what one draws beyond it is cut off the sample, so that all of them give the same one.
    """

    prompt_ids: list[int]
    seed: int
    temperature: float
    top_k: int
    top_p: float
    max_new_tokens: int
    block: CodeBlock | None = None


@dataclass(frozen=True)
class Completion:
    """`ids` without the end-of-turn token; `n_tokens` counts it when it was drawn."""

    ids: list[int]
    n_tokens: int
    finish_reason: Literal["stop", "length"]


class Engine(Protocol):
    """Draws completions from the base model, or from it with a LoRA adapter."""

    name: str
    batch_size: int
    """Requests that it works on at once."""

    def generate(
        self, requests: Sequence[Request], finished: Callable[[Completion], None] | None = None
    ) -> list[Completion]:
        """Completions in the order of `requests`; `finished` is called as each ends.

        The same requests in the same order give the same completions on the same machine.
        """
        ...


def require(module: str, cure: str) -> None:
    """Raises InfrastructureError with the cure when `module` is not installed."""
    if importlib.util.find_spec(module) is None:
        raise InfrastructureError(f"generate.engine: {module} is not installed: {cure}, or set generate.engine: auto")


def check_lengths(requests: Sequence[Request], longest: int | None, who: str) -> None:
    """Raises InfrastructureError if prompt and answer of one take more tokens than `longest`, which `who` takes."""
    prompt, new = max(((len(one.prompt_ids), one.max_new_tokens) for one in requests), key=sum, default=(0, 0))
    if longest is not None and prompt + new > longest:
        raise InfrastructureError(
            f"generate: a prompt of {prompt} tokens and {new} of its answer are more than the {longest} that {who} "
            "takes; lower max_new_tokens, leave the task out, or open the model with a longer context"
        )
