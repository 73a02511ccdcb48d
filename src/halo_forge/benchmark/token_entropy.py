"""How many ways a model sees to go on at each token of its answers: the entropy of its next-token distribution.

RAFT that only sharpens a model lowers it. The distribution is the whole one, at temperature 1, whatever the answers
were drawn at, so that models and settings compare.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import fsum, log
from typing import Any

from halo_forge.model.chat import Chat
from halo_forge.model.checkpoint import Checkpoint
from halo_forge.model.dtype import training_dtype
from halo_forge.records import Sample
from halo_forge.statistics.bootstrap import mean_and_interval

_PLACES = 64
"""Distributions at a time: what a processor's cache holds."""


def token_entropy(
    bits: Sequence[Sequence[float]], families: Sequence[str], resamples: int, seed: int
) -> dict[str, Any]:
    """{"answers", "tokens", "bits", "low", "high"}: the mean over answers of that over their tokens, with the 95 %
    interval that resamples `families`, None where there is one. `bits` has those of each answer's tokens, never none.
    """
    means = [fsum(own) / len(own) for own in bits]
    mean, low, high = mean_and_interval(means, families, resamples, seed)
    return {"answers": len(bits), "tokens": sum(map(len, bits)), "bits": mean, "low": low, "high": high}


def answer_bits(model: Checkpoint, samples: Sequence[Sample]) -> Iterator[list[float]]:
    """Bits at each token of each answer, the end of turn included where it was drawn; what was cut has none."""
    import torch

    chat, network = Chat.of(str(model.base)), _network(model)
    for sample in samples:
        prompt, answer = chat.prompt_ids(sample.prompt), chat.answer_ids(sample.completion)
        if sample.finish_reason == "length":
            answer.pop()
        ids = torch.tensor([prompt + answer], device=network.device)
        with torch.inference_mode():
            logits = network(input_ids=ids, logits_to_keep=len(answer) + 1).logits[0, :-1]
        yield [value for part in logits.split(_PLACES) for value in _bits(part)]


def _bits(logits: Any) -> list[float]:
    from torch.distributions import Categorical

    return (Categorical(logits=logits.float()).entropy() / log(2)).tolist()


def _network(model: Checkpoint) -> Any:
    import torch
    from transformers import AutoModelForCausalLM

    network = AutoModelForCausalLM.from_pretrained(model.base, dtype=getattr(torch, training_dtype("auto")))
    if model.adapter is not None:
        from peft import PeftModel

        network = PeftModel.from_pretrained(network, model.adapter)
    return network.to("cuda" if torch.cuda.is_available() else "cpu").eval()
