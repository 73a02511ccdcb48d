"""The entropy of the tokens that a model writes."""

from __future__ import annotations

import math

import pytest
import torch
from transformers import AutoModelForCausalLM

from halo_forge.benchmark import token_entropy as entropies
from halo_forge.benchmark.token_entropy import answer_bits, token_entropy
from halo_forge.model.checkpoint import Checkpoint
from halo_forge.records import Sample


def answer(completion: str, finish_reason: str = "stop") -> Sample:
    ids = {"sample_id": "s", "task_id": "t", "prompt": "Print 1.", "completion": completion, "model": "base"}
    return Sample(**ids, index=0, seed=1, n_tokens=9, finish_reason=finish_reason)


def test_every_token_of_an_answer_has_the_entropy_of_what_the_model_could_have_written_there(
    tiny_model, tiny_chat, monkeypatch
) -> None:
    monkeypatch.setattr(entropies, "training_dtype", lambda _: "float32")
    sample = answer("int main() { return 0; }")
    (bits,) = answer_bits(Checkpoint("base", {}, tiny_model, None), [sample])
    prompt, taught = tiny_chat.prompt_ids(sample.prompt), tiny_chat.answer_ids(sample.completion)
    model = AutoModelForCausalLM.from_pretrained(tiny_model, dtype=torch.float32).eval()
    with torch.no_grad():
        chances = model(torch.tensor([prompt + taught])).logits[0].double().softmax(-1)
    expected = [
        -sum(p * math.log2(p) for p in chances[len(prompt) + place - 1].tolist() if p) for place in range(len(taught))
    ]
    assert bits == pytest.approx(expected, abs=1e-4)


def test_an_answer_that_was_cut_has_no_end(tiny_model) -> None:
    model = Checkpoint("base", {}, tiny_model, None)
    whole, cut = answer_bits(model, [answer("return 0;"), answer("return 0;", "length")])
    assert len(whole) == len(cut) + 1 and whole[:-1] == pytest.approx(cut, abs=1e-2)


def test_a_long_answer_counts_as_much_as_a_short_one() -> None:
    found = token_entropy([[1.0], [0.0, 0.0, 0.0]], ["a", "b"], 200, 0)
    assert (found["answers"], found["tokens"], found["bits"]) == (2, 4, 0.5)
    assert (found["low"], found["high"]) == (0.0, 1.0)
    assert token_entropy([[1.0], [0.5]], ["a", "a"], 200, 0)["low"] is None
