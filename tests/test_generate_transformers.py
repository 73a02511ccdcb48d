"""The transformers engine: what runs beside a sequence, or how many at once, changes nothing in its answer."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from conftest import REPOSITORY

from halo_forge.errors import InfrastructureError
from halo_forge.generate.draws import GROUP, Settings, _ranked, draw
from halo_forge.generate.protocol import Completion, Request
from halo_forge.generate.transformers import TransformersEngine
from halo_forge.settings.generate import Generate

CPU = torch.device("cpu")


def engine(tiny_model, tiny_chat, batch: int) -> TransformersEngine:
    return TransformersEngine(Generate(engine="transformers", batch_size=batch), tiny_model, None, tiny_chat.end)


@pytest.fixture(scope="module")
def requests(tiny_chat) -> list[Request]:
    """Prompts and answers of many lengths, several answers to a prompt, greedy ones and drawn ones."""
    prompts = [tiny_chat.prompt_ids("Say " + "very " * (i % 5) + f"{i}.") for i in range(7)]
    return [Request(prompts[i % 7], 100 + i, (0.0, 0.7, 1.0)[i % 3], 40 * (i % 2), 1.0, 3 + 2 * i) for i in range(18)]


@pytest.fixture(scope="module")
def alone(tiny_model, tiny_chat, requests) -> list[Completion]:
    opened = engine(tiny_model, tiny_chat, 1)
    return [opened.generate([request])[0] for request in requests]


@pytest.mark.parametrize("batch", [3, 8, 64])
def test_who_leaves_and_who_comes_in_changes_no_other_answer(tiny_model, tiny_chat, requests, alone, batch) -> None:
    ended: list[Completion] = []
    opened = engine(tiny_model, tiny_chat, batch)
    assert opened.generate(requests, ended.append) == alone
    assert len(ended) == len(requests) and len({len(completion.ids) for completion in ended}) > 5
    assert opened.generate(requests[::-1]) == alone[::-1]


def test_a_call_has_as_many_slots_as_without_one_before(tiny_model, tiny_chat, requests) -> None:
    """By their number sequences come together, and a killed run that goes on has had no call before."""
    used, fresh = (engine(tiny_model, tiny_chat, 8) for _ in range(2))
    used.generate(requests)
    assert used.generate(requests[:3]) == fresh.generate(requests[:3])
    assert used._cache.slots == fresh._cache.slots == 3


def test_greedy_answers_are_those_of_transformers_own_generate(tiny_model, tiny_chat, requests) -> None:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(tiny_model)
    greedy = [Request(request.prompt_ids, 0, 0.0, 0, 1.0, 40) for request in requests[:7]]
    for request, completion in zip(greedy, engine(tiny_model, tiny_chat, 4).generate(greedy), strict=True):
        ids = torch.tensor([request.prompt_ids])
        theirs = model.generate(ids, do_sample=False, max_new_tokens=40, eos_token_id=tiny_chat.end, pad_token_id=0)
        assert completion.ids == [token for token in theirs[0, ids.shape[1] :].tolist() if token != tiny_chat.end]


class Cramped:
    """A model on a device with room for `rows` sequences."""

    def __init__(self, model, rows: int):
        self.model, self.rows, self.refused = model, rows, 0

    def __getattr__(self, name):
        return getattr(self.model, name)

    def __call__(self, input_ids, **inputs):
        if len(input_ids) > self.rows:
            self.refused += 1
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return self.model(input_ids=input_ids, **inputs)


def test_a_batch_too_large_for_the_memory_is_halved_until_it_fits(tiny_model, tiny_chat, requests, alone) -> None:
    opened, ended = engine(tiny_model, tiny_chat, 16), []
    opened.model = Cramped(opened.model, 4)
    assert opened.generate(requests, ended.append) == alone
    assert len(ended) == len(requests)  # what had ended before is not drawn again
    assert opened.model.refused == 2
    assert opened.generate(requests) == alone and opened.model.refused == 2  # nor is the large batch tried again
    assert opened.batch_size == 16  # what is saved at once stays


def test_without_memory_for_one_sequence_the_error_names_the_cure(tiny_model, tiny_chat, requests) -> None:
    opened = engine(tiny_model, tiny_chat, 2)
    opened.model = Cramped(opened.model, 0)
    with pytest.raises(InfrastructureError, match="Tried to allocate 2.00 GiB.*lower max_new_tokens"):
        opened.generate(requests)


def test_answers_longer_than_a_layer_sees_are_refused(tiny_model, tiny_chat, requests) -> None:
    opened = engine(tiny_model, tiny_chat, 4)
    opened.model.config.sliding_window = 64
    opened.model.config.layer_types = ["full_attention", "sliding_attention"]
    with pytest.raises(InfrastructureError, match="layers see 64; lower max_new_tokens"):
        opened.generate(requests)
    short = [Request(requests[0].prompt_ids[-8:], 0, 0.0, 0, 1.0, 4)]
    assert len(opened.generate(short)) == 1


def logits(rows: int, vocabulary: int = 1000, dtype=torch.bfloat16) -> torch.Tensor:
    """In bfloat16 many are equal."""
    return torch.randn(rows, vocabulary, generator=torch.Generator().manual_seed(0)).mul(3).to(dtype)


def drawing(rows: int) -> list[Request]:
    kinds = [(0.0, 0, 1.0), (0.7, 50, 1.0), (1.0, 0, 1.0), (1.3, 20, 0.9), (1.0, 0, 0.5)]
    return [Request([0], 7 * row, *kinds[row % len(kinds)], 1) for row in range(rows)]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_a_row_draws_the_same_in_a_batch_of_any_size(dtype, monkeypatch) -> None:
    given, wanted, steps = logits(30, dtype=dtype), drawing(30), torch.arange(30)
    together = draw(given, Settings.of(wanted, CPU), steps)
    for size in (1, 4, 7):
        for start in range(0, 30, size):
            part = slice(start, start + size)
            assert draw(given[part], Settings.of(wanted[part], CPU), steps[part]).equal(together[part])
    monkeypatch.setattr("halo_forge.generate.draws.ELEMENTS", 3000)
    assert draw(given, Settings.of(wanted, CPU), steps).equal(together)


def test_seed_and_step_alone_change_a_draw() -> None:
    given, wanted = logits(1).expand(64, -1), [Request([0], 5, 4.0, 0, 1.0, 1)] * 64
    same = draw(given, Settings.of(wanted, CPU), torch.zeros(64, dtype=torch.int64))
    assert len(set(same.tolist())) == 1
    assert len(set(draw(given, Settings.of(wanted, CPU), torch.arange(64)).tolist())) > 20
    seeds = [Request([0], seed, 4.0, 0, 1.0, 1) for seed in range(64)]
    assert len(set(draw(given, Settings.of(seeds, CPU), torch.zeros(64, dtype=torch.int64)).tolist())) > 20


@pytest.mark.parametrize("vocabulary", [50, 1000, 10 * GROUP])
@pytest.mark.parametrize("k", [1, 7, 200])
def test_the_cut_takes_of_equal_logits_those_of_the_lowest_ids(vocabulary, k) -> None:
    given = torch.randint(-3, 3, (20, vocabulary), generator=torch.Generator().manual_seed(1)).to(torch.bfloat16)
    expected = given.float().sort(descending=True, stable=True).indices[:, :k]
    assert _ranked(given, k).equal(expected)


@pytest.mark.parametrize("top_k", [0, 3])
def test_draws_have_the_shares_of_the_softmax(top_k) -> None:
    given, n = logits(1, 12, torch.float32), 20_000
    wanted = [Request([0], seed, 1.5, top_k, 1.0, 1) for seed in range(n)]
    drawn = draw(given.expand(n, -1), Settings.of(wanted, CPU), torch.full((n,), 3)).bincount(minlength=12) / n
    scaled = given[0] / 1.5
    if top_k:
        scaled[scaled < scaled.topk(top_k).values[-1]] = -torch.inf
    shares = scaled.softmax(-1)
    assert ((drawn - shares).abs() < 5 * (shares * (1 - shares) / n).sqrt() + 1e-9).all()


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is here: gpu_check would measure it")
def test_gpu_check_without_a_gpu_says_so_in_one_line_and_ends_with_1() -> None:
    script = REPOSITORY / "benchmarks" / "gpu_check.py"
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True)
    assert (done.returncode, len(done.stdout.splitlines()), done.stderr) == (1, 1, "")
