"""`sft.lora: null`: all weights are trained, and what comes out is sampled, trained further, resumed and exported."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from conftest import PROMPTS
from safetensors.torch import load_file
from test_cli_training import SMALL_RAFT, cache, call, here, text_row, write_rows  # noqa: F401 - fixtures
from test_generate import own_cache, requests, settings  # noqa: F401 - a fixture
from test_memory import config_of
from test_train import SETTINGS, rows_of, run_of
from test_train_resume import train_interrupted
from transformers import Qwen2ForCausalLM

from halo_forge import memory
from halo_forge.errors import InfrastructureError, InputError
from halo_forge.export.evidence import evidence_of
from halo_forge.export.export import Export, export
from halo_forge.export.sampling import Sampling
from halo_forge.files import read_json
from halo_forge.generate.drawing import Drawing
from halo_forge.generate.engine import open_engine
from halo_forge.generate.run import opened
from halo_forge.memory import QWEN2_5_CODER, Shape
from halo_forge.model.base import BASE_FILE
from halo_forge.model.chat import Chat
from halo_forge.model.checkpoint import on_base
from halo_forge.model.reference import find_checkpoint
from halo_forge.settings.checking import check
from halo_forge.settings.generate import Generate, Server
from halo_forge.settings.model import BaseModelChoice
from halo_forge.settings.params import Params
from halo_forge.settings.training import Lora, Sft, Training
from halo_forge.train import lora
from halo_forge.train.adapter import train_adapter, unchanged
from halo_forge.train.lora import train

LOCK = {"provider": "local", "id": "base", "revision": "0" * 64, "system_prompt": "Be short.", "origin": "owner/name"}


def whole_run(base: Path, folder: Path, **fields):
    return run_of(base, folder, **{"lora": None, "learning_rate": 2e-3} | fields)


@pytest.fixture(scope="module")
def whole(tiny_model, tmp_path_factory) -> Path:
    """The tiny model, all of it trained to say ok."""
    folder = tmp_path_factory.mktemp("whole")
    run = whole_run(tiny_model, folder, settings=Training(epochs=40, save_steps=1000))
    train_adapter(run, [(prompt, "ok") for prompt in PROMPTS], LOCK, folder / "sft", "pairs", "SFT")
    return folder / "sft"


def weights(folder: Path) -> dict:
    return load_file(folder / "model.safetensors")


def test_every_weight_is_trained_and_the_folder_is_a_model_that_says_what_was_taught(whole, tiny_model) -> None:
    before, after = weights(tiny_model), weights(whole)
    assert before.keys() == after.keys()
    assert [name for name in before if before[name].equal(after[name])] == []
    assert not (whole / "adapter_config.json").exists() and read_json(whole / BASE_FILE) == LOCK
    assert read_json(whole / "config.json").get("use_cache", True) is True  # training has it off
    chat = Chat.of(str(whole), LOCK["system_prompt"])
    engine = open_engine(settings("transformers"), whole, None, chat.end)
    assert {chat.text(one.ids) for one in engine.generate(requests(chat))} == {"ok"}


def test_a_model_trained_whole_is_known_by_its_weights_and_keeps_the_system_prompt(whole, tmp_path, tiny_model) -> None:
    found = find_checkpoint(str(whole))
    assert (found.base, found.adapter, found.trained) == (whole, None, whole)
    assert found.lock["system_prompt"] == "Be short." and found.lock["origin"] == "owner/name"
    unchanged(whole, tmp_path / "c1")
    same = on_base("c1", tmp_path / "c1", LOCK, tiny_model)
    assert same.lock["revision"] == found.lock["revision"]
    torch_file = tmp_path / "c1" / "model.safetensors"
    torch_file.write_bytes(torch_file.read_bytes()[:-1] + b"\1")
    assert on_base("c1", tmp_path / "c1", LOCK, tiny_model).lock["revision"] != found.lock["revision"]


def test_a_cycle_goes_on_with_all_weights_of_what_it_started_from(whole, tiny_model, tmp_path) -> None:
    start = on_base("sft", whole, LOCK, tiny_model)
    run = whole_run(start.base, tmp_path, start=start.adapter, learning_rate=1e-9)
    summary = train_adapter(run, [(prompt, "ok") for prompt in PROMPTS], LOCK, tmp_path / "c1", "pairs", "c1")
    assert summary["loss_first"] < 0.1  # not that of the base model
    one, other = weights(whole), weights(tmp_path / "c1")
    assert all(torch.allclose(one[name], other[name], atol=1e-6) for name in one)
    assert read_json(tmp_path / "c1" / BASE_FILE) == LOCK
    assert (tmp_path / "c1/tokenizer.json").read_bytes() == (tiny_model / "tokenizer.json").read_bytes()


def test_an_interrupted_run_ends_with_the_same_weights(tiny_model, tiny_chat, tmp_path) -> None:
    rows = rows_of(tiny_chat)
    run = whole_run(tiny_model, tmp_path / "one")
    train(run, rows, tiny_chat, tmp_path / "one" / "out")
    run = whole_run(tiny_model, tmp_path / "two")
    train_interrupted(run, rows, tiny_chat, tmp_path / "two" / "out", 4)
    train(run, rows, tiny_chat, tmp_path / "two" / "out")
    one, two = (weights(tmp_path / name / "out") for name in ("one", "two"))
    assert [name for name in one if not one[name].equal(two[name])] == []


def test_what_is_trained_is_float32_and_what_is_written_has_the_type_of_the_settings(
    tiny_model, tiny_chat, tmp_path
) -> None:
    """bfloat16 tells weights apart that differ by a hundredth: most steps would be lost in it."""
    told = SETTINGS.model_copy(update={"dtype": "bfloat16", "epochs": 1})
    run = whole_run(tiny_model, tmp_path, settings=told)
    assert {weight.dtype for weight in lora._model(run).parameters()} == {torch.float32}
    train(run, rows_of(tiny_chat), tiny_chat, tmp_path / "out")
    assert {tensor.dtype for tensor in weights(tmp_path / "out").values()} == {torch.bfloat16}


@pytest.mark.slow
def test_openvino_answers_as_transformers_and_not_as_what_lay_there_before(
    whole, tiny_model, tiny_chat, tmp_path
) -> None:
    asked = requests(tiny_chat, new=12)
    place = tmp_path / "sft"
    for source in (whole, tiny_model):
        unchanged(source, place)
        answers = [
            open_engine(settings(name), place, None, tiny_chat.end).generate(asked)
            for name in ("transformers", "openvino")
        ]
        assert answers[0] == answers[1]


def test_a_server_with_the_base_model_is_not_asked_for_one_that_was_trained_whole(whole, tiny_model) -> None:
    params = Params(
        seed=0,
        preset="",
        base_model=BaseModelChoice(provider="local", id=""),
        generate=Generate(engine="server", server=Server(model="base", url="http://localhost:1/v1")),
    )
    with pytest.raises(InfrastructureError, match="sft was trained whole .* set another generate.engine"):
        opened(params, on_base("sft", whole, LOCK, tiny_model), Drawing("sft", None, 0.7, 8))


def test_an_export_has_the_weights_and_says_that_all_were_trained(whole, tmp_path) -> None:
    found = find_checkpoint(str(whole))
    how = Sampling(temperature=0.7, top_k=50, top_p=1.0, max_new_tokens=9)
    export(found, Export(tmp_path / "out", dtype="float32"), evidence_of(found, []), how, "halo-forge export")
    one, other = weights(whole), weights(tmp_path / "out")
    assert all(one[name].equal(other[name]) for name in one)
    card = (tmp_path / "out/README.md").read_text()
    assert "compile and pass their tests: all weights" in card and "not trained further" not in card
    assert "lora" not in card.lower()
    with pytest.raises(InputError, match="--adapter-only: .* it was trained whole"):
        export(found, Export(tmp_path / "other", adapter_only=True), evidence_of(found, []), how, "")


@pytest.mark.parametrize(("section", "key"), [("sft", "base_weights"), ("raft", "raft.train.base_weights")])
def test_four_bit_weights_are_refused_where_all_are_trained(section, key) -> None:
    own = {"seed": 0, "preset": "", "base_model": {"provider": "local", "id": ""}, "sft": {"lora": None}}
    nf4 = {"base_weights": "nf4"}
    own = own | ({"sft": {"lora": None} | nf4} if section == "sft" else {"raft": {"train": nf4}})
    with pytest.raises(InputError, match=f"{key}: nf4 holds weights that are frozen"):
        check(Params, own, "params.yaml")


def test_what_all_weights_take_is_worked_out_for_them_and_no_adapter() -> None:
    small = Shape(2, 112, 608, 7, 1, 16, 300, tied=True)
    with torch.device("meta"):
        model = Qwen2ForCausalLM(config_of(small))
    numbers = sum(p.numel() for p in model.parameters())
    assert memory.training(small, Sft(dtype="float32"), None, tokens=0) == 16 * numbers
    assert memory.training(small, Sft(dtype="bfloat16"), None, tokens=0) == 18 * numbers
    large = QWEN2_5_CODER["7b"]
    assert memory.training(large, Sft(), None, tokens=0) > 3 * memory.training(large, Sft(), Lora(), tokens=0)


@pytest.mark.slow
def test_the_command_line_trains_all_weights_and_cycles_put_adapters_on_them(call, here, tiny_model) -> None:  # noqa: F811
    write_rows(here / "rows.jsonl", [text_row(number) for number in range(6)])
    (here / "whole.yaml").write_text(
        f"model: {{name: {tiny_model}}}\nlora: null\ndata: {{train_file: rows.jsonl, validation_split: 0.34}}\n"
        "training: {num_train_epochs: 1, per_device_train_batch_size: 2, gradient_accumulation_steps: 1, save_steps: 1}\n"
    )
    call("sft", "train", "--config", "whole.yaml")
    assert (here / "models/sft/final_model/model.safetensors").exists()
    assert "trained before" in call("sft", "train", "--config", "whole.yaml")
    with pytest.raises(InputError, match="--resume: .* is of a training of all weights; set lora: null"):
        call("sft", "train", "--config", "whole.yaml", "--lora-rank", "4", "--resume", "models/sft/checkpoint-2")
    write_rows(here / "data/prompts.jsonl", [{"prompt": "Print 1."}])
    call("raft", "train", *SMALL_RAFT, "--cycles", "1")
    assert read_json(here / "models/raft/cycle_1_final" / BASE_FILE)["id"].endswith("final_model")
    with pytest.raises(InputError, match="is an adapter on others; merge the two first"):
        call("sft", "train", "--config", "whole.yaml", "--model", "models/raft/cycle_1_final", "--output", "models/no")


def test_eager_attention_is_used_where_it_is_asked_for_and_gives_the_same_losses(
    tiny_model, tiny_chat, tmp_path, monkeypatch
) -> None:
    real, kernels = torch.nn.functional.scaled_dot_product_attention, set()

    def seen(*given, **named):
        kernels.add((torch.backends.cuda.flash_sdp_enabled(), torch.backends.cuda.mem_efficient_sdp_enabled()))
        return real(*given, **named)

    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", seen)
    curves = []
    for how, used in (("sdpa", {(True, True)}), ("eager", {(False, False)})):
        kernels.clear()
        told = SETTINGS.model_copy(update={"attention": how})
        run = replace(run_of(tiny_model, tmp_path / how), settings=told)
        curves.append(
            [entry["loss"] for entry in train(run, rows_of(tiny_chat), tiny_chat, tmp_path / f"{how}-out")["loss"]]
        )
        assert kernels == used
    assert curves[0] == pytest.approx(curves[1], rel=1e-4)
