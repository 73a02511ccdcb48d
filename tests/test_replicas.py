"""Several engines on the GPUs of one machine: who gets which, the samples of one process, one that is killed."""

from __future__ import annotations

import importlib.machinery
import json
import multiprocessing
import os
import signal
import sys
import types
from pathlib import Path

import pytest

from halo_forge.cluster import ray, replicas
from halo_forge.cluster.replicas import Replicas, on_gpus, shares_of
from halo_forge.errors import InfrastructureError, InputError
from halo_forge.generate.drawing import Drawing, draws_of
from halo_forge.generate.engine import open_engine
from halo_forge.generate.protocol import Completion
from halo_forge.generate.samples import Here, Sampler
from halo_forge.generate.vllm import lora_rank
from halo_forge.model.checkpoint import Checkpoint
from halo_forge.settings.compute import Compute
from halo_forge.settings.generate import Generate
from halo_forge.settings.model import BaseModelChoice
from halo_forge.settings.params import Params

GPUS = ["0", "1", "2", "3"]


def params(engine: str = "vllm", replicas_: int | None = None, **fields) -> Params:
    return Params(
        seed=3,
        preset="test",
        base_model=BaseModelChoice(provider="local", id="none"),
        generate=Generate(engine=engine, **fields),
        compute=Compute(replicas=replicas_),
    )


@pytest.mark.parametrize(
    ("gpus", "each", "wanted", "shares"),
    [
        ([], 1, None, [[]]),
        ([], 2, None, [[]]),  # a CPU build of vLLM may share its processors out
        (GPUS, 1, None, [["0"], ["1"], ["2"], ["3"]]),
        (GPUS, 2, None, [["0", "1"], ["2", "3"]]),
        (GPUS, 3, None, [["0", "1", "2"]]),
        (GPUS, 1, 2, [["0"], ["1"]]),
        (["GPU-a", "GPU-b"], 1, 1, [["GPU-a"]]),
    ],
)
def test_every_engine_gets_gpus_of_its_own(gpus, each, wanted, shares) -> None:
    assert shares_of(params(replicas_=wanted, tensor_parallel=each), gpus) == shares


@pytest.mark.parametrize(
    ("gpus", "each", "wanted", "said"),
    [
        (GPUS, 8, None, "generate.tensor_parallel: 8: only 4 GPUs are visible here; set it to 4 or less"),
        (GPUS, 2, 3, "compute.replicas: 3: 4 GPUs are visible here, and each engine needs 2 of its own; set it to 2"),
        ([], 1, 2, "compute.replicas: 2: the engine has no GPU here, .*; set it to 1, or leave it out"),
    ],
)
def test_numbers_that_the_gpus_do_not_allow_are_refused_with_one_that_they_do(gpus, each, wanted, said) -> None:
    with pytest.raises(InputError, match=said):
        shares_of(params(replicas_=wanted, tensor_parallel=each), gpus)


@pytest.mark.parametrize(
    ("engine", "there", "several"),
    [("vllm", True, True), ("transformers", True, True), ("openvino", True, False), ("auto", False, False)],
)
def test_several_processes_sample_only_where_the_engine_uses_several_gpus(monkeypatch, engine, there, several) -> None:
    monkeypatch.setattr(replicas, "visible_gpus", lambda: GPUS)
    monkeypatch.setattr(replicas, "has_gpu", lambda: there)
    assert (on_gpus(params(engine)) is not None) is several


@pytest.mark.parametrize("engine", ["transformers", "openvino"])
def test_tensor_parallel_is_refused_by_an_engine_of_one_device(engine, tmp_path) -> None:
    with pytest.raises(InfrastructureError, match=f"tensor_parallel: 2 is for the vllm engine; the {engine} engine"):
        open_engine(Generate(engine=engine, tensor_parallel=2), tmp_path, None, 2)


@pytest.fixture
def vllm(monkeypatch):
    """What stands in for vLLM's module, with the arguments that LLM was made with."""
    made = {}
    module, lora, request = (types.ModuleType(name) for name in ("vllm", "vllm.lora", "vllm.lora.request"))
    module.__spec__ = importlib.machinery.ModuleSpec("vllm", None)
    module.LLM = lambda **arguments: made.update(arguments)
    request.LoRARequest = lambda *arguments: arguments
    for one in (module, lora, request):
        monkeypatch.setitem(sys.modules, one.__name__, one)
    return made


def test_vllm_is_told_how_many_gpus_share_the_model(vllm, tmp_path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"num_attention_heads": 28}))
    open_engine(Generate(engine="vllm", tensor_parallel=4), tmp_path, None, 2)
    assert vllm["tensor_parallel_size"] == 4 and "data_parallel_size" not in vllm


def test_heads_that_the_gpus_cannot_share_are_told_before_vllm_is_loaded(vllm, tmp_path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"num_attention_heads": 14}))
    with pytest.raises(InfrastructureError, match="tensor_parallel: 4: the model has 14 attention heads.*set it to 2"):
        open_engine(Generate(engine="vllm", tensor_parallel=4), tmp_path, None, 2)
    assert vllm == {}


@pytest.mark.parametrize(
    ("config", "words"),
    [({"r": 1024}, "rank 1024, and vLLM takes 512 at most"), ({"r": 16, "use_dora": True}, "a DoRA adapter")],
    ids=["rank", "DoRA"],
)
def test_an_adapter_that_vllm_cannot_hold_is_refused_with_the_cure(tmp_path, config, words) -> None:
    (tmp_path / "adapter_config.json").write_text(json.dumps(config))
    with pytest.raises(InfrastructureError, match=f"{words}.*set generate.engine: transformers"):
        lora_rank(tmp_path)


def test_a_place_in_a_cluster_has_the_gpus_of_one_engine(monkeypatch) -> None:
    nodes = [("a", {"CPU": 32.0, "GPU": 4.0}), ("b", {"CPU": 8.0, "GPU": 1.0}), ("c", {"CPU": 4.0})]
    module = types.ModuleType("ray")
    module.nodes = lambda: [{"NodeID": name, "Alive": True, "Resources": has} for name, has in nodes]
    monkeypatch.setitem(sys.modules, "ray", module)
    assert [(place.node, place.gpus, place.cpus) for place in ray.places(2)] == [("a", 2, 16), ("a", 2, 16)]
    assert [place.node for place in ray.places(1)] == [*"aaaab"] and [place.node for place in ray.places(0)] == [*"abc"]
    with pytest.raises(InfrastructureError, match="tensor_parallel: 8: no node .* has so many GPUs; set it to 4"):
        ray.places(8)


class Letters:
    """A chat whose tokens are characters."""

    def prompt_ids(self, prompt):
        return [ord(letter) for letter in prompt]

    def text(self, ids):
        return "".join(map(chr, ids))


class SaysItsSeed:
    """An engine, which notes what GPUs it sees where the file `seen` is to be, and is killed where one says so."""

    name, batch_size = "transformers", 2

    def __init__(self, folder: Path):
        self.folder = folder
        with (folder / f"{os.getpid()}.seen").open("w") as file:
            file.write(os.environ.get("CUDA_VISIBLE_DEVICES", ""))

    def generate(self, requests, finished=None):
        if (self.folder / "kill").exists():
            (self.folder / "kill").unlink(missing_ok=True)
            os.kill(os.getpid(), signal.SIGKILL)
        if (self.folder / "fail").exists():
            raise InputError("a prompt of no use")
        said = [Completion([ord(digit) for digit in str(request.seed)], 3, "stop") for request in requests]
        for completion in said if finished else ():
            finished(completion)
        return said


def stand_in(params_: Params, checkpoint: Checkpoint, drawing: Drawing) -> Sampler:
    return Sampler(SaysItsSeed(checkpoint.base), Letters(), drawing, params_.generate, params_.seed)


def given(folder: Path) -> tuple:
    chosen = params("transformers", chunk_size=2, batch_size=2)
    return chosen, Checkpoint("m", {}, folder, None), Drawing("m", "c1", 1.0, 8)


@pytest.fixture
def chunks(make_task):
    """chunks(number) -> so many chunks, each the two samples of a task."""
    return lambda number: dict(enumerate(draws_of([make_task(f"t{index}")], 2) for index in range(number)))


def drawn(drawers, work: dict) -> dict:
    told = []
    found = {number: samples for number, samples, _ in drawers.draw(work, told.append)}
    assert len(told) == sum(map(len, work.values()))
    return found


def test_replicas_draw_what_one_process_draws_and_each_sees_its_own_gpus(tmp_path, chunks) -> None:
    several = Replicas([["5", "6"], ["7"], ["8"]], *given(tmp_path), stand_in)
    found = drawn(several, chunks(2))
    seen = sorted(path.read_text() for path in tmp_path.glob("*.seen"))
    assert seen == ["5,6", "7"]  # two chunks: a third engine would have nothing to do
    one = Here(stand_in(*given(tmp_path)))
    assert several.kind == one.kind and found == drawn(one, chunks(2))
    assert multiprocessing.active_children() == []


@pytest.mark.slow
def test_a_killed_replica_ends_all_and_says_what_to_do(tmp_path, chunks) -> None:
    several = Replicas([["0"], ["1"]], *given(tmp_path), stand_in)
    (tmp_path / "kill").touch()
    with pytest.raises(InfrastructureError, match="GPU [01] is gone, .* ended with -9 .*: run the same command again"):
        drawn(several, chunks(4))
    assert multiprocessing.active_children() == []


@pytest.mark.slow
def test_an_error_in_a_replica_is_the_error_of_the_run(tmp_path, chunks) -> None:
    several = Replicas([["0"], ["1"]], *given(tmp_path), stand_in)
    (tmp_path / "fail").touch()
    with pytest.raises(InputError, match="^a prompt of no use$"):
        drawn(several, chunks(4))
    assert multiprocessing.active_children() == []


@pytest.mark.slow
def test_two_engines_of_transformers_give_the_samples_of_one(tiny_model, chunks) -> None:
    lock = {"provider": "local", "id": str(tiny_model), "revision": "0", "system_prompt": ""}
    chosen = params("transformers", chunk_size=2, batch_size=2)
    own = chosen, Checkpoint("m", lock, tiny_model, None), Drawing("m", "c1", 1.0, 16)
    several = Replicas([[""], [""]], *own)
    assert drawn(several, chunks(6)) == drawn(Here(replicas.opened(*own)), chunks(6))
