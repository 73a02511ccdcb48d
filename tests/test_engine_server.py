"""The engine `server`: what it asks of a server, and what it makes of one that fails, forgets or is somebody else's.

All over real HTTP; what answers is a stand-in that the transformers engine drives (completions_server.py).
"""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest
from completions_server import MODEL, StandIn
from test_generate import own_cache, requests  # noqa: F401 - a fixture

from halo_forge.errors import InfrastructureError, InputError
from halo_forge.files import read_json
from halo_forge.generate.drawing import Drawing, draws_of
from halo_forge.generate.engine import open_engine
from halo_forge.generate.run import generate_file
from halo_forge.generate.server import adapter_name
from halo_forge.model.checkpoint import Checkpoint
from halo_forge.settings.checking import check
from halo_forge.settings.generate import Generate, Server
from halo_forge.settings.model import BaseModelChoice
from halo_forge.settings.params import Params
from halo_forge.state import drop_state

FEW = slice(0, 4)


@pytest.fixture
def serve(tiny_model, tiny_chat):
    """serve(...) -> a stand-in on the tiny model, ended with the test."""
    opened = []

    def start(**fields) -> StandIn:
        opened.append(StandIn(tiny_model, tiny_chat, **fields))
        return opened[-1]

    yield start
    for server in opened:
        server.close()


@pytest.fixture
def connect(tiny_model, tiny_chat):
    """connect(server, ok_adapter) -> the engine."""

    def open_it(server: StandIn, chosen: Path | None = None, **fields):
        own = Server(model=fields.pop("model", MODEL), url=server.url, **{"patience_s": 20.0, **fields})
        return open_engine(Generate(engine="server", server=own), tiny_model, chosen, tiny_chat.end)

    return open_it


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr("halo_forge.generate.server_connection.FIRST_PAUSE_S", 0.02)


def test_prompts_go_as_ids_and_no_setting_is_left_to_the_server(serve, connect, tiny_chat) -> None:
    server = serve()
    drawn = requests(tiny_chat, temperature=0.8, new=4, seed=5, top_k=7, top_p=0.9)[:1]
    connect(server).generate(drawn + requests(tiny_chat, new=4)[:1])
    one, greedy = sorted(server.asked, key=lambda body: -body["temperature"])
    assert one["prompt"] == drawn[0].prompt_ids
    said = {name: one[name] for name in ("max_tokens", "temperature", "top_k", "top_p", "seed", "min_p")}
    assert said == {"max_tokens": 4, "temperature": 0.8, "top_k": 7, "top_p": 0.9, "seed": 5, "min_p": 0.0}
    assert (one["repetition_penalty"], one["presence_penalty"], one["frequency_penalty"]) == (1.0, 0.0, 0.0)
    assert one["stop_token_ids"] == [tiny_chat.end] and one["ignore_eos"]
    assert (greedy["temperature"], greedy["top_k"], greedy["top_p"]) == (0.0, -1, 1.0)


def test_a_server_that_takes_ignoring_its_ends_for_ignoring_all_is_not_asked_to(serve, connect, tiny_chat) -> None:
    server = serve(owner="sglang")
    connect(server).generate(requests(tiny_chat, new=4)[:1])
    assert "ignore_eos" not in server.asked[0]


def test_a_server_that_returns_text_alone_gives_the_same_samples(serve, connect, tiny_chat, ok_adapter) -> None:
    ids, text = (
        connect(serve(returns_ids=how), ok_adapter).generate(requests(tiny_chat, new=12)) for how in (True, False)
    )

    def sample(one):
        return tiny_chat.text(one.ids), one.n_tokens, one.finish_reason

    assert [sample(one) for one in text] == [sample(one) for one in ids]


def test_an_adapter_is_loaded_once_by_its_hash_and_what_lies_beside_it_changes_no_name(
    serve,
    connect,
    tiny_chat,
    ok_adapter,
    tmp_path,
) -> None:
    server, copy = serve(), shutil.copytree(ok_adapter, tmp_path / "copy")
    (copy / "README.md").write_text("A card.")
    for folder in (ok_adapter, copy):
        connect(server, folder).generate(requests(tiny_chat, new=4)[:1])
    assert server.loaded == [{"lora_name": adapter_name(ok_adapter), "lora_path": str(ok_adapter)}]
    assert {body["model"] for body in server.asked} == {adapter_name(ok_adapter)}


def test_another_adapter_has_another_name(ok_adapter, tmp_path) -> None:
    other = shutil.copytree(ok_adapter, tmp_path / "other")
    weights = bytearray((other / "adapter_model.safetensors").read_bytes())
    weights[-1] ^= 1
    (other / "adapter_model.safetensors").write_bytes(weights)
    assert adapter_name(other) != adapter_name(ok_adapter)


def test_an_adapter_that_the_server_was_started_with_is_taken(serve, connect, tiny_chat, ok_adapter) -> None:
    server = serve(loads=False, adapters={adapter_name(ok_adapter): ok_adapter})
    connect(server, ok_adapter).generate(requests(tiny_chat, new=4)[:1])
    assert (server.loaded, server.asked[0]["model"]) == ([], adapter_name(ok_adapter))


def test_a_server_that_takes_no_adapter_is_refused_with_how_to_serve_it(serve, connect, ok_adapter) -> None:
    served = rf"--max-lora-rank 16 --lora-modules {adapter_name(ok_adapter)}={ok_adapter}"
    with pytest.raises(InfrastructureError, match=served):
        connect(serve(loads=False), ok_adapter)


def test_a_server_that_was_started_anew_is_given_the_adapter_again(serve, connect, tiny_chat, ok_adapter) -> None:
    server = serve()
    engine = connect(server, ok_adapter)
    before = engine.generate(requests(tiny_chat, new=8)[FEW])
    server.adapters.clear()
    assert engine.generate(requests(tiny_chat, new=8)[FEW]) == before
    assert len(server.loaded) == 2


def test_a_server_that_forgets_without_end_is_an_error(serve, connect, tiny_chat) -> None:
    server = serve(fault=lambda order: (404, {}))
    with pytest.raises(InfrastructureError, match="lists it all the same"):
        connect(server).generate(requests(tiny_chat, new=4)[:1])


@pytest.mark.parametrize("status", [0, 429, 500, 503])
def test_what_fails_for_the_moment_is_sent_again_and_changes_no_answer(
    serve, connect, tiny_chat, quick, status
) -> None:
    wanted = requests(tiny_chat, temperature=1.0, new=8)[FEW]
    server = serve(fault=lambda order: (status, {}) if order in (0, 2, 3) else None)
    assert connect(server).generate(wanted) == connect(serve()).generate(wanted)
    assert len(server.asked) == len(wanted) + 3


def test_a_server_that_says_how_long_to_wait_is_given_that_long(serve, connect, tiny_chat) -> None:
    server = serve(fault=lambda order: (429, {"Retry-After": "0.4"}) if order == 0 else None)
    began = time.monotonic()
    connect(server).generate(requests(tiny_chat, new=4)[:1])
    assert time.monotonic() - began > 0.4


@pytest.mark.parametrize("status", [400, 422])
def test_what_the_server_does_not_take_is_sent_once(serve, connect, tiny_chat, status) -> None:
    server = serve(fault=lambda order: (status, {}))
    with pytest.raises(InfrastructureError, match=rf"HTTP {status}: .*to order.*does not take"):
        connect(server).generate(requests(tiny_chat, new=4)[:1])
    assert len(server.asked) == 1


def test_a_server_that_nobody_started_is_named_at_once(serve, connect) -> None:
    server = serve()
    server.close()
    began = time.monotonic()
    with pytest.raises(InfrastructureError, match=rf"{server.url}: cannot be reached.*is it running"):
        connect(server, patience_s=600.0)
    assert time.monotonic() - began < 5


def test_another_model_is_refused_with_the_names_of_those_there_are(serve, connect) -> None:
    with pytest.raises(InfrastructureError, match=r"no model 'tiny2' \(did you mean 'tiny'\?\)"):
        connect(serve(), model="tiny2")


def test_a_prompt_that_is_too_long_is_refused_before_anything_is_sent(serve, connect, tiny_chat) -> None:
    server = serve(longest=64)
    with pytest.raises(InfrastructureError, match=r"a prompt of \d+ tokens and 48 .* more than the 64 that the server"):
        connect(server).generate(requests(tiny_chat))
    assert server.asked == []


def test_an_answer_that_the_server_s_context_cut_is_no_sample(serve, connect, tiny_chat) -> None:
    longest = len(requests(tiny_chat)[0].prompt_ids) + 5
    with pytest.raises(InfrastructureError, match="ended after 5 of 48 tokens"):
        connect(serve(longest=None, context=longest)).generate(requests(tiny_chat)[:1])


def test_no_more_requests_are_under_way_than_batch_size(serve, tiny_model, tiny_chat) -> None:
    server = serve()
    chosen = Generate(engine="server", batch_size=3, server=Server(model=MODEL, url=server.url))
    open_engine(chosen, tiny_model, None, tiny_chat.end).generate(requests(tiny_chat, new=4))
    assert server.most_at_once == 3


def test_the_key_comes_from_the_environment_and_a_wrong_one_names_its_variable(serve, connect, monkeypatch) -> None:
    server = serve(key="secret")
    monkeypatch.setenv("MY_KEY", "secret")
    connect(server, key_variable="MY_KEY")
    monkeypatch.setenv("MY_KEY", "another")
    with pytest.raises(InfrastructureError, match="HTTP 401.*MY_KEY") as refused:
        connect(server, key_variable="MY_KEY")
    assert "another" not in str(refused.value)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"engine": "server"}, "server: missing; say which"),
        ({"engine": "server", "server": {"url": "http://h/v1"}}, "server.model: missing"),
        ({"server": {"model": "m", "url": "http://user:secret@h/v1"}}, "server.url"),
        ({"server": {"model": "m", "key": "secret"}}, "server.key: unknown key"),
    ],
)
def test_settings_that_no_server_can_be_asked_by_are_refused(value, words) -> None:
    with pytest.raises(InputError, match=words):
        check(Generate, value, "params.yaml")


def test_without_a_url_anywhere_the_error_says_where_it_goes(tiny_model, tiny_chat, monkeypatch) -> None:
    monkeypatch.delenv("HALO_FORGE_SERVER_URL", raising=False)
    with pytest.raises(InfrastructureError, match="HALO_FORGE_SERVER_URL"):
        open_engine(Generate(engine="server", server=Server(model=MODEL)), tiny_model, None, tiny_chat.end)


def test_a_dead_server_stops_the_stage_and_the_next_run_goes_on_at_another_address_to_the_same_file(
    serve, tiny_model, make_task, tmp_path, monkeypatch, quick
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    lock = {"provider": "local", "id": str(tiny_model), "revision": "0", "system_prompt": ""}
    chosen = Generate(engine="server", chunk_size=3, server=Server(model=MODEL, patience_s=0.3))
    base = BaseModelChoice(provider="local", id=str(tiny_model))
    params = Params(seed=1, preset="p", base_model=base, generate=chosen)

    def sample(server: StandIn, out: str) -> dict:
        monkeypatch.setenv("HALO_FORGE_SERVER_URL", server.url)
        drawing, checkpoint = Drawing("sft", "c1", 1.0, 8), Checkpoint("sft", lock, tiny_model, None)
        generate_file(params, checkpoint, drawing, draws_of([make_task(name) for name in "abc"], 3), Path(out))
        return read_json(Path(out) / "generation.json")

    sample(serve(), "whole")
    drop_state()
    dying = serve(fault=lambda order: (0, {}) if order >= 4 else None)
    with pytest.raises(InfrastructureError, match="patience_s allows.*run again"):
        sample(dying, "out")
    assert not Path("out/samples.jsonl").exists()
    other = serve()
    told = sample(other, "out")
    drop_state()
    assert len(other.asked) == 6  # the chunk of three that was saved is not asked for again
    assert Path("out/samples.jsonl").read_bytes() == Path("whole/samples.jsonl").read_bytes()
    assert (told["engine"], told["served_model"], told["weights"]) == ("server", MODEL, None)
