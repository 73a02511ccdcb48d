"""Generation: samples, seeds, stops and resumed runs; what all engines do alike is in test_engines.py."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import PROMPTS, REPOSITORY

from halo_forge.files import read_json
from halo_forge.generate.chunks import Chunks
from halo_forge.generate.drawing import Drawing, draws_of
from halo_forge.generate.engine import open_engine
from halo_forge.generate.protocol import Completion, Request
from halo_forge.generate.run import generate_file
from halo_forge.generate.samples import Here, Sampler, chunk_size_of, draw_samples, sample_seed
from halo_forge.jsonl import write_records
from halo_forge.model.checkpoint import Checkpoint
from halo_forge.settings.generate import Generate
from halo_forge.settings.model import BaseModelChoice
from halo_forge.settings.params import Params
from halo_forge.state import drop_state

ENGINES = ["openvino", "transformers"]


@pytest.fixture(autouse=True, scope="module")
def own_cache(tmp_path_factory):
    """Conversions of the tiny model stay out of the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HALO_FORGE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def settings(engine: str, **fields) -> Generate:
    """float32 unless it is said otherwise: the openvino engine's answers are compared with the reference's."""
    weights = fields.pop("weights", "float32" if engine == "openvino" else None)
    return Generate(engine=engine, weights=weights, batch_size=fields.pop("batch_size", 4), **fields)


def requests(chat, temperature=0.0, new=48, seed=0, **fields):
    return [
        Request(chat.prompt_ids(prompt), seed + i, temperature, fields.get("top_k", 0), fields.get("top_p", 1.0), new)
        for i, prompt in enumerate(PROMPTS)
    ]


class After:
    """Ends an answer after so many tokens."""

    def __init__(self, tokens: int):
        self.tokens = tokens

    def closed(self, ids: list[int]) -> bool:
        return len(ids) >= self.tokens


def test_openvino_draws_nothing_beyond_a_closed_block_and_leaves_the_neighbours_alone(tiny_model, tiny_chat) -> None:
    opened = open_engine(settings("openvino"), tiny_model, None, tiny_chat.end)
    wanted = requests(tiny_chat, temperature=1.0)
    full = opened.generate(wanted)
    every_second = [replace(one, block=After(7)) if at % 2 else one for at, one in enumerate(wanted)]
    assert all(len(one.ids) > 7 for one in full[1::2])
    for at, (ours, whole) in enumerate(zip(opened.generate(every_second), full, strict=True)):
        assert ours.ids == (whole.ids[:7] if at % 2 else whole.ids)
        assert at % 2 == 0 or ours.n_tokens == 7


def test_openvino_has_let_go_of_what_was_stopped_when_its_cache_goes(tiny_model, tiny_chat, capfd) -> None:
    opened = open_engine(settings("openvino"), tiny_model, None, tiny_chat.end)
    stopped = [replace(one, block=After(7)) for one in requests(tiny_chat, temperature=1.0)]
    assert max(len(one.ids) for one in opened.generate(stopped)) == 7
    del opened
    assert "leaked" not in capfd.readouterr().err


def test_what_openvino_read_for_one_call_is_not_found_by_the_next(tiny_model, tiny_chat) -> None:
    """A killed run that goes on has had no call before, and what is read in other company is rounded otherwise."""
    opened, later = open_engine(settings("openvino"), tiny_model, None, tiny_chat.end), []
    plainly = opened._open
    opened._open = lambda: later.append(plainly()) or later[-1]
    answers = [opened.generate(requests(tiny_chat, temperature=1.0)) for _ in range(3)]
    assert len(later) == 2 and answers[0] == answers[1] == answers[2]


@pytest.mark.parametrize("stop", ["end_of_turn", "code_block"])
def test_a_sample_ends_with_its_block_whatever_the_engine_has_drawn_beyond(
    tiny_chat, make_task, tmp_path, stop
) -> None:
    short = "```cpp\nint main() {}\n```\n"
    ids = tiny_chat.answer_ids(f"{short}This does nothing.")[:-1]

    class Talking(Counting):
        def generate(self, requests, finished=None):
            return [Completion(ids, len(ids), "length") for _ in requests]

    drawing, chosen = Drawing("sft", "c1", 1.0, 80), Generate(chunk_size=2, stop=stop)
    wip = tmp_path / "wip"
    samples = drawn(Talking(), tiny_chat, draws_of([make_task("a")], 2), drawing, chosen, wip)
    ended = {(sample.completion, sample.n_tokens, sample.finish_reason) for sample in samples}
    whole = (f"{short}This does nothing.", len(ids), "length")
    assert ended == {whole if stop == "end_of_turn" else (short, len(short), "stop")}


@pytest.mark.parametrize("cut", [{"top_k": 3}, {"top_p": 0.3}], ids=["top_k", "top_p"])
def test_the_reference_draws_from_the_model_s_distribution_after_the_cut(tiny_model, tiny_chat, cut) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    prompt, n = tiny_chat.prompt_ids("Hi."), 400
    model = AutoModelForCausalLM.from_pretrained(tiny_model)
    with torch.no_grad():
        shares = model(torch.tensor([prompt])).logits[0, -1].div(1.3).softmax(-1)
    ranked, order = shares.sort(descending=True)
    size = cut.get("top_k") or int((ranked.cumsum(-1) < cut["top_p"]).sum()) + 1
    expected = dict(zip(order[:size].tolist(), (ranked[:size] / ranked[:size].sum()).tolist(), strict=True))
    wanted = [Request(prompt, seed, 1.3, cut.get("top_k", 0), cut.get("top_p", 1.0), 1) for seed in range(n)]
    engine = open_engine(settings("transformers", batch_size=200), tiny_model, None, tiny_chat.end)
    drawn = Counter((completion.ids or [tiny_chat.end])[0] for completion in engine.generate(wanted))
    assert set(drawn) <= set(expected)
    for token, share in expected.items():
        assert abs(drawn[token] / n - share) < 5 * (share * (1 - share) / n) ** 0.5 + 1e-9


def test_a_seed_is_fixed_by_run_cycle_task_and_index() -> None:
    assert sample_seed(1, "c1", "t", 0) == sample_seed(1, "c1", "t", 0)
    others = [
        sample_seed(2, "c1", "t", 0),
        sample_seed(1, "c2", "t", 0),
        sample_seed(1, "c1", "u", 0),
        sample_seed(1, "c1", "t", 1),
    ]
    assert len({sample_seed(1, "c1", "t", 0), *others}) == 5


class Counting:
    """An engine that answers with its request's seed and can be told to fail."""

    name = "counting"

    def __init__(self, fail_at: int = 10**9, pause_s: float = 0.0):
        self.drawn, self.fail_at, self.pause_s = 0, fail_at, pause_s

    def generate(self, requests, finished=None):
        self.drawn += len(requests)
        time.sleep(self.pause_s)
        if self.drawn > self.fail_at:
            time.sleep(4 * self.pause_s)
            raise KeyboardInterrupt
        return [Completion([65 + request.seed % 20], 2, "stop") for request in requests]


def draw(engine, chat, tasks, wip):
    drawing, settings = Drawing("sft", "c1", 1.0, 8), Generate(top_k=0, top_p=1.0, chunk_size=3)
    return drawn(engine, chat, draws_of(tasks, 4), drawing, settings, wip)


def drawn(engine, chat, draws, drawing, settings, wip):
    chunks = Chunks(wip, chunk_size_of(settings, engine), len(draws))
    return draw_samples(Here(Sampler(engine, chat, drawing, settings, seed=1)), draws, chunks)


def test_an_interrupted_run_redoes_nothing_that_was_saved_and_ends_the_same(tiny_chat, make_task, tmp_path) -> None:
    tasks = [make_task(name) for name in "abc"]
    whole = draw(Counting(), tiny_chat, tasks, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        draw(Counting(fail_at=7), tiny_chat, tasks, tmp_path / "cut")
    (tmp_path / "cut" / ".000002.jsonl.9.tmp").write_text('{"sample_id": "torn')
    again = Counting()
    assert draw(again, tiny_chat, tasks, tmp_path / "cut") == whole
    assert again.drawn == 12 - 6
    for path in (tmp_path / "whole").glob("*.jsonl"):
        assert path.read_bytes() == (tmp_path / "cut" / path.name).read_bytes()


@pytest.mark.parametrize("breaks", ["\u2028", "\u2029", "\x85", "\x0b\x0c\x1c\x1d\x1e", "\r", "\r\n"])
def test_an_answer_may_hold_any_kind_of_line_break_when_a_run_resumes(tmp_path, make_judged, breaks) -> None:
    made = [make_judged("t", index, 1.0)[0] for index in range(5)]
    samples = [sample.model_copy(update={"completion": f"a{breaks}b\nc"}) for sample in made]
    chunks = Chunks(tmp_path / "wip", 3, 12)
    chunks.save(0, samples[:3], 1.0)
    chunks.save(2, samples[3:], 1.0)
    assert chunks.missing() == [1, 3]
    assert chunks.read() == samples


@pytest.mark.slow
def test_the_seconds_of_a_resumed_run_are_those_of_all_its_chunks_and_of_nothing_torn_off(
    tiny_model, make_task, tmp_path, monkeypatch
) -> None:
    """Two chunks of three at half a second each, a kill after 2.5 s in the third, and the same command again."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    lock = {"provider": "local", "id": str(tiny_model), "revision": "0", "system_prompt": ""}
    base = BaseModelChoice(provider="local", id=str(tiny_model))
    params = Params(seed=1, preset="p", base_model=base, generate=Generate(chunk_size=3))

    def sample(engine) -> dict:
        monkeypatch.setattr("halo_forge.generate.run.open_engine", lambda *_: engine)
        drawing, checkpoint = Drawing("sft", "c1", 1.0, 8), Checkpoint("sft", lock, tiny_model, None)
        generate_file(params, checkpoint, drawing, draws_of([make_task(name) for name in "abc"], 3), Path("out"))
        return read_json("out/generation.json")

    with pytest.raises(KeyboardInterrupt):
        sample(Counting(fail_at=7, pause_s=0.5))
    (state,) = Path(".state").glob("*/")
    (chunks,) = state.iterdir()
    (chunks / "000002.seconds").write_text("7.0")  # the kill came between this and the samples
    told = sample(Counting(pause_s=0.1))
    drop_state()
    assert 1.1 <= told["seconds"] < 2.5  # 0.5 + 0.5, then 0.1: not 0.1 alone, and not the 2.5 before the kill
    assert (told["tokens"], told["resumed_samples_tokens"]) == (18, 12)
    assert told["tokens_per_s"] == pytest.approx(18 / told["seconds"], rel=0.1)


def test_a_run_killed_with_9_resumes_to_the_same_samples(tiny_model, tiny_chat, make_task, tmp_path) -> None:
    tasks = [make_task(name, prompt=f"Say {name}.") for name in "abcd"]
    script = tmp_path / "child.py"
    script.write_text(
        "import sys; from pathlib import Path\n"
        f"sys.path[:0] = [{str(REPOSITORY / 'src')!r}, {str(REPOSITORY / 'tests')!r}]\n"
        "import time, test_generate as t; from halo_forge.jsonl import read_records\n"
        "from halo_forge.model.chat import Chat; from halo_forge.records import Task\n"
        "base, wip, tasks = Path(sys.argv[1]), Path(sys.argv[2]), read_records(sys.argv[3], Task)\n"
        "chat = Chat.of(str(base)); engine = t.open_engine(t.settings('transformers'), base, None, chat.end)\n"
        "draw = engine.generate\n"
        "engine.generate = lambda *a: (time.sleep(0.5), draw(*a))[1]\n"
        "t.draw(engine, chat, tasks, wip)\n"
    )
    write_records(tmp_path / "tasks.jsonl", tasks)
    wip = tmp_path / "wip"
    child = subprocess.Popen([sys.executable, str(script), str(tiny_model), str(wip), str(tmp_path / "tasks.jsonl")])
    deadline = time.monotonic() + 120
    while not list(wip.glob("0*.jsonl")) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert 0 < len(list(wip.glob("*.jsonl"))) < 6
    engine = open_engine(settings("transformers"), tiny_model, None, tiny_chat.end)
    assert draw(engine, tiny_chat, tasks, wip) == draw(engine, tiny_chat, tasks, tmp_path / "whole")


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_on_the_real_model_openvino_gives_the_greedy_answers_of_transformers(capsys, monkeypatch) -> None:
    """60 prompts, 48 tokens. Where the two differ, the reference's two best logits must be a tie (within 1e-3)."""
    import torch

    from halo_forge.data.builtin import load_families, variants
    from halo_forge.model.base import materialise, resolve
    from halo_forge.model.chat import Chat
    from halo_forge.model.reference import EMBEDDED

    monkeypatch.delenv("HALO_FORGE_CACHE")
    lock = resolve(EMBEDDED)
    base = materialise(lock)
    chat = Chat.of(str(base))
    tasks = variants(load_families(REPOSITORY / "data" / "builtin"))[::8][:60]
    wanted = [Request(chat.prompt_ids(task.prompt("cpp")), 0, 0.0, 0, 1.0, 48) for task in tasks]
    exact = {"openvino": {"weights": "float32"}, "transformers": {}}
    found = {
        engine: open_engine(settings(engine, batch_size=30, **exact[engine]), base, None, chat.end).generate(wanted)
        for engine in ENGINES
    }
    reference = open_engine(settings("transformers"), base, None, chat.end).model
    differing = 0
    for request, ours, theirs in zip(wanted, found["openvino"], found["transformers"], strict=True):
        if ours.ids == theirs.ids:
            continue
        differing += 1
        pairs = zip([*ours.ids, chat.end], [*theirs.ids, chat.end], strict=False)
        same = next(i for i, (one, other) in enumerate(pairs) if one != other)
        with torch.no_grad():
            logits = reference(torch.tensor([request.prompt_ids + theirs.ids[:same]])).logits[0, -1]
        best = logits.topk(2).values
        assert best[0] - best[1] < 1e-3, json.dumps([ours.ids, theirs.ids])
    with capsys.disabled():
        print(f"\n{len(wanted)} prompts, {differing} differ at a tie of the two best tokens")
    assert len(wanted) >= 50
