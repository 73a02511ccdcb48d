"""One protocol for all engines: each is asked the same, and has to give the same record, stop, order and draws.

`server` is asked over real HTTP; what answers there is a stand-in that the transformers engine drives. `make
drill-vllm` asks the same of vLLM, in process and over its own server, on a real model.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
from pathlib import Path

import pytest
from completions_server import MODEL, StandIn
from conftest import PROMPTS, REPOSITORY
from test_generate import own_cache, settings  # noqa: F401 - a fixture

from halo_forge.generate.chunks import Chunks
from halo_forge.generate.drawing import Drawing, draws_of
from halo_forge.generate.engine import open_engine
from halo_forge.generate.protocol import Engine
from halo_forge.generate.samples import Here, Sampler, chunk_size_of, draw_samples
from halo_forge.records import Sample
from halo_forge.settings.generate import Generate, Server

sys.path.insert(0, str(REPOSITORY / "benchmarks"))
from engines import conformance  # noqa: E402

REFERENCE = "transformers"
ENGINES = ["openvino", "transformers", "server"]
NEW, LONGEST = 24, 400
SAID = [(prompt, "ok") for prompt in PROMPTS[:3]]
"""What the adapter was taught: after it nothing is left to say."""
every = pytest.mark.parametrize("engine", ENGINES)
with_and_without = pytest.mark.parametrize("tuned", [False, True], ids=["base", "adapter"])


@pytest.fixture(scope="module")
def opened(tiny_model, tiny_chat, ok_adapter):
    """opened(name, tuned) -> the engine of that name, on the tiny model or with the adapter; opened once."""
    found: dict[tuple[str, bool], Engine] = {}
    with StandIn(tiny_model, tiny_chat) as server:

        def open_it(name: str, tuned: bool) -> Engine:
            if (name, tuned) not in found:
                at_once = 16 if name == "server" else 4
                own = settings(name, batch_size=at_once, server=Server(model=MODEL, url=server.url))
                found[name, tuned] = open_engine(own, tiny_model, ok_adapter if tuned else None, tiny_chat.end)
            return found[name, tuned]

        yield open_it


@pytest.fixture(scope="module")
def answers(opened, tiny_chat):
    """answers(name, tuned) -> what that engine answers to all questions."""
    asked, found = conformance.questions(tiny_chat, PROMPTS, SAID, NEW, LONGEST), {}

    def ask(name: str, tuned: bool) -> conformance.Answers:
        if (name, tuned) not in found:
            found[name, tuned] = conformance.answered(opened(name, tuned), asked)
        return found[name, tuned]

    return ask


@with_and_without
@every
@pytest.mark.slow
def test_greedy_answers_are_those_of_the_reference_long_prompts_and_truncated_ones_too(answers, engine, tuned) -> None:
    assert conformance.differing(answers(engine, tuned), answers(REFERENCE, tuned)) == []


@with_and_without
@every
def test_every_answer_has_the_form_of_the_protocol(answers, tiny_chat, engine, tuned) -> None:
    assert conformance.form_faults(answers(engine, tuned), tiny_chat.end, NEW) == []


@every
def test_a_draw_depends_on_its_seed_and_neither_on_its_neighbours_nor_on_their_order(answers, engine) -> None:
    assert conformance.seed_faults(answers(engine, False)) == []


@every
def test_the_adapter_changes_the_answers(answers, engine) -> None:
    plain, tuned = (answers(engine, tuned)["greedy"] for tuned in (False, True))
    assert [one.ids for one in plain] != [one.ids for one in tuned]


@every
def test_a_trained_model_stops_at_the_end_of_turn_and_says_so(answers, engine) -> None:
    assert sum(one.finish_reason == "stop" for one in answers(engine, True)["greedy"]) >= 10


@every
def test_an_answer_may_be_nothing_but_its_end(answers, engine) -> None:
    for one in answers(engine, True)["nothing"]:
        assert (one.ids, one.n_tokens, one.finish_reason) == ([], 1, "stop")


class Stopping:
    """An engine that ends its process's work before its second batch."""

    def __init__(self, engine: Engine):
        self.name, self.batch_size, self.engine, self.batches = engine.name, engine.batch_size, engine, 0

    def generate(self, requests, finished=None):
        self.batches += 1
        if self.batches == 2:
            raise KeyboardInterrupt
        return self.engine.generate(requests, finished)


@every
def test_a_resumed_run_leaves_the_same_records_and_greedy_ones_are_those_of_the_reference(
    opened, tiny_chat, make_task, tmp_path, engine
) -> None:
    tasks = [make_task(name, prompt=f"Say {name}.") for name in "abc"]

    def sample(drawer, name: str, temperature: float) -> list[Sample]:
        drawing, chosen = Drawing("sft", "c1", temperature, 8), Generate(chunk_size=4)
        chunks = Chunks(tmp_path / name, 4, 9)
        return draw_samples(Here(Sampler(drawer, tiny_chat, drawing, chosen, seed=1)), draws_of(tasks, 3), chunks)

    drawer = opened(engine, False)
    whole = sample(drawer, "whole", 1.0)
    with contextlib.suppress(KeyboardInterrupt):
        sample(Stopping(drawer), "cut", 1.0)
    assert [path.name for path in (tmp_path / "cut").glob("*.jsonl")] == ["000000.jsonl"]
    assert sample(drawer, "cut", 1.0) == whole
    for path in (tmp_path / "whole").glob("*.jsonl"):
        assert path.read_bytes() == (tmp_path / "cut" / path.name).read_bytes()
    greedy = sample(drawer, "greedy", 0.0)
    assert greedy == sample(opened(REFERENCE, False), "reference", 0.0)
    assert [(one.task_id, one.index) for one in greedy] == [(name, index) for name in "abc" for index in range(3)]


@every
def test_an_engine_works_on_as_many_at_once_as_suits_it_unless_it_is_told(tiny_model, tiny_chat, engine) -> None:
    own = importlib.import_module(f"halo_forge.generate.{engine}").BATCH_SIZE
    asked = conformance.questions(tiny_chat, PROMPTS, SAID, 4, LONGEST)["greedy"]
    with StandIn(tiny_model, tiny_chat) as server:

        def opened(size: int | None) -> Engine:
            chosen = Generate(engine=engine, batch_size=size, server=Server(model=MODEL, url=server.url))
            return open_engine(chosen, tiny_model, None, tiny_chat.end)

        chosen, told = opened(None), opened(3)
        assert (chosen.batch_size, told.batch_size) == (own, 3)
        assert chosen.generate(asked) == told.generate(asked)
    assert chunk_size_of(Generate(), chosen) == 4 * own and chunk_size_of(Generate(chunk_size=5), chosen) == 5


def test_the_question_of_the_long_prompt_is_long_and_none_is_too_long_for_the_model(
    tiny_chat, tiny_model: Path
) -> None:
    from halo_forge.files import read_json

    asked = conformance.questions(tiny_chat, PROMPTS, SAID, NEW, LONGEST)
    lengths = [len(one.prompt_ids) + one.max_new_tokens for requests in asked.values() for one in requests]
    assert len(asked["long"][0].prompt_ids) == LONGEST
    assert max(lengths) <= read_json(tiny_model / "config.json")["max_position_embeddings"]
