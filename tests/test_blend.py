"""A blend: the mean of what two adapters add to the weights, of their rank."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from conftest import adapter_weights

from halo_forge.errors import InputError
from halo_forge.raft.blend import blend


@pytest.fixture(scope="module")
def adapters(tiny_model, tmp_path_factory):
    """Two adapters: `sft`, and `c1`, which came from it by a step of training."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    folder = tmp_path_factory.mktemp("adapters")
    torch.manual_seed(0)
    config = LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM")
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(tiny_model), config)
    for name, size in (("sft", 0.1), ("c1", 0.02)):
        for parameter, weight in model.named_parameters():
            if "lora_" in parameter:
                weight.data += size * torch.randn_like(weight)
        model.save_pretrained(folder / name)
    return folder / "c1", folder / "sft"


def added(folder) -> dict[str, torch.Tensor]:
    """What an adapter adds to each weight, but for the scaling."""
    weights = adapter_weights(folder)
    return {name: weights[name.replace("lora_A", "lora_B")] @ weights[name] for name in weights if "lora_A" in name}


@pytest.mark.parametrize(("weight", "same"), [(1.0, 0), (0.0, 1)])
def test_at_the_ends_a_blend_is_one_of_its_adapters(adapters, tmp_path, weight, same) -> None:
    assert blend(*adapters, weight, tmp_path / "out") == 0.0
    for file in adapters[same].iterdir():
        assert (tmp_path / "out" / file.name).read_bytes() == file.read_bytes()


def test_a_blend_is_the_closest_of_its_rank_to_the_mean(adapters, tmp_path) -> None:
    left_out = blend(*adapters, 0.3, tmp_path / "out")
    blended, (c1, sft) = added(tmp_path / "out"), map(added, adapters)
    plain = [adapter_weights(folder) for folder in adapters]
    lost = of_parts = whole = 0.0
    for name, product in blended.items():
        mean = 0.3 * c1[name] + 0.7 * sft[name]
        up, down = (0.3 * plain[0][part] + 0.7 * plain[1][part] for part in (name.replace("lora_A", "lora_B"), name))
        closest = torch.linalg.svdvals(mean)[4:].square().sum()
        assert (product - mean).square().sum() == pytest.approx(closest.item(), rel=1e-2, abs=1e-8)
        lost, whole = lost + (product - mean).square().sum(), whole + mean.square().sum()
        of_parts += (up @ down - mean).square().sum()
    assert left_out == pytest.approx((lost / whole).sqrt().item(), rel=1e-2) and 0 < left_out < 0.2
    assert lost < of_parts


def test_adapters_that_add_the_same_in_other_words_blend_to_what_both_add(adapters, tmp_path) -> None:
    """Turned by a rotation between A and B: the mean of A and that of B would be another adapter altogether."""
    from safetensors.torch import save_file

    shutil.copytree(adapters[0], tmp_path / "turned")
    weights, turn = adapter_weights(adapters[0]), torch.linalg.qr(torch.randn(4, 4)).Q
    turned = {name: turn.t() @ w if "lora_A" in name else w @ turn for name, w in weights.items()}
    save_file({name: w.contiguous() for name, w in turned.items()}, tmp_path / "turned" / "adapter_model.safetensors")
    assert blend(adapters[0], tmp_path / "turned", 0.5, tmp_path / "out") < 1e-6
    for name, product in added(tmp_path / "out").items():
        assert torch.allclose(product, added(adapters[0])[name], atol=1e-6)


def test_peft_loads_a_blend_and_training_goes_on_from_it(adapters, tiny_model, tiny_chat, tmp_path) -> None:
    from test_train import rows_of, run_of

    from halo_forge.train.lora import train

    blend(*adapters, 0.5, tmp_path / "out")
    run = run_of(tiny_model, tmp_path, start=tmp_path / "out")
    assert train(run, rows_of(tiny_chat), tiny_chat, tmp_path / "c2")["steps"] == 6


@pytest.mark.parametrize("weight", [-0.1, 1.1, float("nan")])
def test_a_weight_beyond_the_ends_is_refused(adapters, tmp_path, weight) -> None:
    with pytest.raises(InputError, match="from 0 .* to 1"):
        blend(*adapters, weight, tmp_path / "out")


@pytest.mark.parametrize(("field", "value"), [("r", 8), ("base_model_name_or_path", "another"), ("use_dora", True)])
def test_adapters_that_do_not_belong_together_are_refused(adapters, tmp_path, field, value) -> None:
    shutil.copytree(adapters[1], tmp_path / "other")
    path = tmp_path / "other" / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {field: value}))
    with pytest.raises(InputError, match=rf"{field} is"):
        blend(adapters[0], tmp_path / "other", 0.5, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_without_an_adapter_is_named(adapters, tmp_path) -> None:
    with pytest.raises(InputError, match="nowhere: no adapter, adapter_config.json is missing"):
        blend(adapters[0], tmp_path / "nowhere", 0.5, tmp_path / "out")


def test_the_command_says_what_it_wrote(adapters, tmp_path) -> None:
    from typer.testing import CliRunner

    from halo_forge.cli import raft as cli_raft

    flags = ["--a", str(adapters[0]), "--b", str(adapters[1]), "--weight", "0.25", "--output", str(tmp_path / "out")]
    result = CliRunner().invoke(cli_raft.app, ["blend", *flags])
    assert result.exit_code == 0 and "0.25 of" in result.output and "did not fit its rank" in result.output
    assert (tmp_path / "out" / "adapter_model.safetensors").exists()
