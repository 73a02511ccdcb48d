"""Kinds of adapters beside plain LoRA: chosen layers, DoRA, four-bit weights below; what each needs and refuses."""

from __future__ import annotations

import importlib.util

import pytest
from test_train import PAIRS, adapter_weights, rows_of, run_of

from halo_forge.errors import InfrastructureError, InputError
from halo_forge.files import read_json
from halo_forge.settings.training import Lora, Training
from halo_forge.train import nf4
from halo_forge.train.lora import train

SETTINGS = Training(epochs=4, batch_size=4, micro_batch_size=4)


def trained(base, chat, folder, lora=None, **settings):
    run = run_of(base, folder, lora=lora or Lora(r=4, alpha=8), settings=SETTINGS.model_copy(update=settings))
    return train(run, rows_of(chat), chat, folder / "out")


def test_only_the_layers_that_are_named_get_matrices(tiny_model, tiny_chat, tmp_path) -> None:
    trained(tiny_model, tiny_chat, tmp_path, Lora(r=4, alpha=8, target_modules=["q_proj", "down_proj"]))
    layers = {name.split(".lora_")[0].rpartition(".")[2] for name in adapter_weights(tmp_path / "out")}
    assert layers == {"q_proj", "down_proj"}


def test_a_layer_that_the_model_has_not_is_named_with_those_it_has(tiny_model, tiny_chat, tmp_path) -> None:
    with pytest.raises(InputError, match=r"lora\.target_modules: \['w1'\].*this model has .*down_proj.*q_proj"):
        trained(tiny_model, tiny_chat, tmp_path, Lora(r=4, alpha=8, target_modules=["w1"]))


def test_dora_learns_lengths_too_and_the_transformers_engine_draws_from_it(tiny_model, tiny_chat, tmp_path) -> None:
    from halo_forge.generate.protocol import Request
    from halo_forge.generate.transformers import TransformersEngine
    from halo_forge.settings.generate import Generate

    told = trained(tiny_model, tiny_chat, tmp_path, Lora(r=4, alpha=8, use_dora=True))
    assert told["loss_last"] < told["loss_first"]
    assert any("magnitude" in name for name in adapter_weights(tmp_path / "out"))
    engine = TransformersEngine(Generate(batch_size=1), tiny_model, tmp_path / "out", tiny_chat.end)
    request = Request(tiny_chat.prompt_ids(PAIRS[0][0]), 0, 0.0, 0, 1.0, 4)
    assert engine.generate([request])[0].n_tokens >= 1


def test_openvino_refuses_dora_instead_of_leaving_half_of_it_out(tiny_model, tiny_chat, tmp_path, monkeypatch) -> None:
    pytest.importorskip("openvino_genai")
    from halo_forge.generate import openvino
    from halo_forge.settings.generate import Generate

    trained(tiny_model, tiny_chat, tmp_path, Lora(r=4, alpha=8, use_dora=True), epochs=1)
    monkeypatch.setattr(openvino, "exported", lambda base: base)
    with pytest.raises(InfrastructureError, match="DoRA.*set generate.engine: transformers"):
        openvino.OpenVinoEngine(Generate(weights="float32"), tiny_model, tmp_path / "out", tiny_chat.end)


def test_four_bits_without_bitsandbytes_say_what_to_install(monkeypatch) -> None:
    import torch

    monkeypatch.setattr(nf4.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InfrastructureError, match="base_weights: nf4 needs the package bitsandbytes: make setup GPU=1"):
        nf4.quantization(torch.bfloat16)


@pytest.mark.skipif(importlib.util.find_spec("bitsandbytes") is None, reason="bitsandbytes is not installed")
@pytest.mark.parametrize("checkpointing", [False, True])
def test_an_adapter_learns_over_four_bit_weights(tiny_model, tiny_chat, tmp_path, checkpointing) -> None:
    told = trained(tiny_model, tiny_chat, tmp_path, base_weights="nf4", gradient_checkpointing=checkpointing)
    assert told["loss_last"] < 0.95 * told["loss_first"]
    assert read_json(tmp_path / "out/adapter_config.json")["r"] == 4
    assert all("lora_" in name for name in adapter_weights(tmp_path / "out"))
