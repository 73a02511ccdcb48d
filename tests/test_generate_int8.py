"""8-bit weights: rounded as they should be, an adapter merged in first, kept in the cache for the last few."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from test_generate import own_cache, requests, settings  # noqa: F401 - a fixture

from halo_forge.errors import InfrastructureError, InputError
from halo_forge.generate.engine import open_engine, weights_of
from halo_forge.generate.openvino_export import exported
from halo_forge.generate.openvino_int8 import KEPT, compressed
from halo_forge.settings.generate import Generate


@pytest.fixture(scope="module")
def adapter(tiny_model, tmp_path_factory) -> Path:
    """An adapter of PEFT's with random matrices, large enough to change every answer."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    config = LoraConfig(r=4, lora_alpha=12, target_modules=["q_proj", "v_proj", "down_proj"], task_type="CAUSAL_LM")
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(tiny_model), config)
    for name, matrix in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(matrix, std=0.5)
    folder = tmp_path_factory.mktemp("adapter")
    model.save_pretrained(folder)
    return folder


def answers(engine: str, base: Path, chosen: Path | None, chat, **fields) -> list[list[int]]:
    opened = open_engine(settings(engine, **fields), base, chosen, chat.end)
    return [completion.ids for completion in opened.generate(requests(chat, new=1))]


def restored(folder: Path) -> dict[tuple[int, int], list[np.ndarray]]:
    """The matrices that the rounded model multiplies by, by shape, as the runtime itself restores them."""
    import openvino as ov

    core, found = ov.Core(), {}
    for node in core.read_model(folder / "openvino_model.xml").get_ops():
        if node.get_type_name() == "Multiply" and node.input_value(0).get_node().get_type_name() == "Subtract":
            below = node.input_value(0).get_node().input_value(0).get_node()
            if below.get_type_name() == "Convert" and len(below.get_output_shape(0)) == 2:
                values = core.compile_model(ov.Model([node.output(0)], []), "CPU")([])[0]
                found.setdefault(values.shape, []).append(values)
    return found


def test_every_weight_is_that_of_the_merged_model_within_half_a_step_of_its_channel(tiny_model, adapter) -> None:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(tiny_model), adapter).merge_and_unload()
    wanted = [
        module.weight.detach().numpy()
        for module in model.modules()
        if isinstance(module, torch.nn.Linear | torch.nn.Embedding)
    ]
    wanted = wanted[:-1]  # the head is the embedding
    found = restored(compressed(tiny_model, adapter))
    assert sum(map(len, found.values())) == len(wanted) == 15
    for weights in wanted:
        low, high = weights.min(axis=1, keepdims=True), weights.max(axis=1, keepdims=True)
        step = (np.maximum(high, 0) - np.minimum(low, 0)) / 255
        assert any((abs(ours - weights) <= step * 1.001).all() for ours in found[weights.shape])


def test_with_int8_weights_the_adapter_is_there_and_most_first_tokens_are_the_likeliest(
    tiny_model,
    tiny_chat,
    adapter,
) -> None:
    ours = answers("openvino", tiny_model, adapter, tiny_chat, weights="int8")
    exact = answers("transformers", tiny_model, adapter, tiny_chat)
    plain = answers("openvino", tiny_model, None, tiny_chat, weights="int8")
    assert sum(one == other for one, other in zip(ours, exact, strict=True)) >= 12
    assert sum(one == other for one, other in zip(ours, plain, strict=True)) <= 6


@pytest.mark.parametrize(
    ("change", "named"),
    [({"use_dora": True}, "use_dora"), ({"alpha_pattern": {"q_proj": 4}}, "alpha_pattern"), ({}, "lm_head")],
)
def test_an_adapter_that_cannot_be_merged_is_refused_with_the_reason(
    tiny_model,
    adapter,
    tmp_path,
    change,
    named,
) -> None:
    from safetensors.numpy import load_file, save_file

    shutil.copytree(adapter, tmp_path / "odd")
    config = tmp_path / "odd" / "adapter_config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | change))
    if not change:
        weights = tmp_path / "odd" / "adapter_model.safetensors"
        tensors = load_file(weights)
        half = next(name for name in tensors if name.endswith("q_proj.lora_A.weight"))
        for letter in "AB":
            tensors[f"base_model.model.lm_head.lora_{letter}.weight"] = tensors[
                half.replace("lora_A", f"lora_{letter}")
            ]
        save_file(tensors, weights)
    with pytest.raises(InputError, match=rf"{named}.*generate.weights: float32"):
        compressed(tiny_model, tmp_path / "odd")


def test_the_cache_keeps_the_models_that_were_used_last_and_the_conversion(
    tiny_model, adapter, tmp_path, monkeypatch
) -> None:
    shutil.copytree(exported(tiny_model).parent, tmp_path / "openvino", ignore=shutil.ignore_patterns("*-int8-*"))
    monkeypatch.setenv("HALO_FORGE_CACHE", str(tmp_path))
    made = []
    for number in range(KEPT + 2):
        own = tmp_path / str(number)
        shutil.copytree(adapter, own)
        (own / "README.md").write_text(f"adapter {number}")
        made.append(compressed(tiny_model, own))
        os.utime(made[-1], (number, number))
        if number == KEPT - 1:
            assert compressed(tiny_model, tmp_path / "0") == made[0]  # which now is the one used last
    assert [number for number, folder in enumerate(made) if folder.exists()] == [0, KEPT, KEPT + 1]
    assert exported(tiny_model).exists()


def test_only_the_openvino_engine_takes_a_choice_of_weights(tiny_model, tiny_chat) -> None:
    with pytest.raises(InfrastructureError, match="generate.weights: int8.*transformers engine"):
        open_engine(settings("transformers", weights="int8"), tiny_model, None, tiny_chat.end)
    assert weights_of("openvino", Generate(weights="int8")) == "int8"
    assert weights_of("transformers", Generate(dtype="bfloat16")) == "bfloat16"


def test_with_int8_weights_a_completion_depends_on_its_seed_and_not_on_its_neighbours(
    tiny_model, tiny_chat, adapter
) -> None:
    opened = open_engine(settings("openvino", weights="int8"), tiny_model, adapter, tiny_chat.end)
    wanted = requests(tiny_chat, temperature=1.0, new=16)
    together = opened.generate(wanted)
    assert opened.generate(wanted[7:8])[0] == together[7]
    assert opened.generate(wanted) == together
