"""Packed rows: what is shared is computed once, and every row learns as it would alone."""

from __future__ import annotations

import random
import shutil

import pytest
import torch
from conftest import REPOSITORY

from halo_forge.data.builtin import load_families, variants
from halo_forge.errors import InputError
from halo_forge.model.chat import fenced
from halo_forge.train.attention import use_branch_attention
from halo_forge.train.fused import fuse
from halo_forge.train.loss import answer_loss
from halo_forge.train.order import TogetherByPrompt
from halo_forge.train.packing import collate, packed
from halo_forge.train.rows import IGNORED, tokenised

ROUNDING = 2e-5  # relative: the models' norms are computed in float32 whatever the model is in


def model_of(folder, **lora):
    """A PEFT model in float64 whose adapters are not 0."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    base = folder if isinstance(folder, torch.nn.Module) else AutoModelForCausalLM.from_pretrained(folder)
    shape = {"r": 4, "lora_alpha": 8, "target_modules": "all-linear", "task_type": "CAUSAL_LM"} | lora
    model = get_peft_model(base, LoraConfig(**shape)).double()
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.1)
    return model


@pytest.fixture(scope="module")
def real_rows(tiny_chat, tmp_path_factory) -> list[dict]:
    """References of built-in tasks, one prompt twice with answers that part late, and one row two times."""
    folder = tmp_path_factory.mktemp("families")
    shutil.copy(REPOSITORY / "data" / "builtin" / "first_steps.yaml", folder)
    tasks = [variant.task("cpp") for variant in variants(load_families(folder))[:3]]
    pairs = [(task.prompt, fenced(task.solution[:160], "cpp")) for task in tasks]
    prompt, answer = pairs[0]
    pairs += [(prompt, answer[:-20] + "return 1;"), pairs[1]]
    return tokenised(tiny_chat, pairs, 4096, "rows").examples


def gradients(model, loss) -> dict[str, torch.Tensor]:
    model.zero_grad()
    loss.backward()
    return {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.requires_grad}


def packed_loss(model, rows) -> torch.Tensor:
    return answer_loss(model, collate(rows))


def alone_loss(model, rows) -> torch.Tensor:
    """The plain way: every row by itself through the model as transformers and PEFT have it."""
    total = 0.0
    for row in rows:
        logits = model(input_ids=torch.tensor([row["input_ids"]])).logits[0, :-1].double()
        labels = torch.tensor(row["labels"][1:])
        nll = torch.nn.functional.cross_entropy(logits, labels, ignore_index=IGNORED, reduction="none")
        total = total + nll.sum()
    return total


def assert_same(ours, theirs) -> None:
    assert ours.keys() == theirs.keys()
    for name, gradient in theirs.items():
        assert (ours[name] - gradient).norm() < ROUNDING * gradient.norm(), name


def as_packed(model):
    use_branch_attention(model.get_base_model(), "model")
    fuse(model)
    return model


def test_packed_rows_have_the_loss_and_the_gradients_of_each_row_alone(tiny_model, real_rows) -> None:
    model = model_of(tiny_model)
    expected = alone_loss(model, real_rows)
    theirs = gradients(model, expected)
    ours = packed_loss(as_packed(model), real_rows)
    assert ours.item() == pytest.approx(expected.item(), rel=1e-6)
    assert_same(gradients(model, ours), theirs)


def test_cudnn_whose_gradients_were_no_numbers_computes_no_attention_in_training(tiny_model) -> None:
    torch.backends.cuda.enable_cudnn_sdp(True)
    as_packed(model_of(tiny_model))
    assert not torch.backends.cuda.cudnn_sdp_enabled()


def test_how_rows_are_packed_changes_no_gradient(tiny_model, real_rows) -> None:
    model = as_packed(model_of(tiny_model))
    together = gradients(model, packed_loss(model, real_rows))
    parts = [gradients(model, packed_loss(model, real_rows[i : i + 2])) for i in range(0, len(real_rows), 2)]
    assert_same({name: sum(part[name] for part in parts) for name in together}, together)


def test_sliding_windows_and_biases_are_kept(real_rows) -> None:
    from transformers import Qwen2Config, Qwen2ForCausalLM

    shape = {"hidden_size": 32, "intermediate_size": 48, "num_attention_heads": 4, "num_key_value_heads": 2}
    layers = {"num_hidden_layers": 2, "use_sliding_window": True, "sliding_window": 40, "max_window_layers": 1}
    torch.manual_seed(0)
    base = Qwen2ForCausalLM(Qwen2Config(vocab_size=300, **shape, **layers, tie_word_embeddings=True))
    for name, weight in base.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(weight)
    assert "sliding_attention" in base.config.layer_types
    model = model_of(base)
    theirs = gradients(model, alone_loss(model, real_rows))
    assert_same(gradients(model, packed_loss(as_packed(model), real_rows)), theirs)


def test_layers_of_other_kinds_are_left_to_peft(tiny_model, real_rows) -> None:
    """With dropout and with DoRA the sums are others."""
    for kind in ({"lora_dropout": 0.5}, {"use_dora": True}):
        model = model_of(tiny_model, **kind)
        layer = model.get_base_model().model.layers[0].self_attn.q_proj
        fuse(model)
        assert "forward" not in vars(layer)
        theirs = gradients(model.eval(), alone_loss(model, real_rows))
        use_branch_attention(model.get_base_model(), "model")
        assert_same(gradients(model, packed_loss(model, real_rows)), theirs)


def random_rows(seed: int) -> list[dict]:
    """Rows over three tokens, so that they begin alike, repeat and contain each other."""
    draw = random.Random(seed)
    rows = []
    for _ in range(draw.randint(1, 9)):
        ids = [draw.randint(0, 2) for _ in range(draw.randint(2, 7))]
        prompt = draw.randint(1, len(ids) - 1)
        rows.append({"input_ids": ids, "labels": [IGNORED] * prompt + ids[prompt:]})
    return rows


@pytest.mark.parametrize("seed", range(60))
def test_every_beginning_is_there_once_and_every_row_can_be_read_along_its_branches(seed) -> None:
    rows = random_rows(seed)
    sequence = packed(rows)
    beginnings = {tuple(row["input_ids"][:end]) for row in rows for end in range(1, len(row["input_ids"]))}
    paths = [
        branch.shared[: place + 1 - branch.start]
        if place < branch.start
        else branch.shared + list(range(branch.start, place + 1))
        for branch in sequence.branches
        for place in range(branch.start, branch.start + branch.length)
    ]
    read = [tuple(sequence.tokens[place] for place in path) for path in paths]
    assert len(read) == len(sequence.tokens) == len(beginnings) and set(read) == beginnings
    assert sequence.positions == [len(path) - 1 for path in paths]
    taught = sorted((read[place], label) for place, label in zip(sequence.predicted_at, sequence.labels, strict=True))
    assert taught == sorted(
        (tuple(row["input_ids"][:end]), label)
        for row in rows
        for end, label in enumerate(row["labels"])
        if label != IGNORED
    )


def test_rows_of_one_prompt_follow_each_other_and_every_epoch_has_an_order_of_its_own() -> None:
    prompts = list("abcabcaXdefgh")
    torch.manual_seed(3)
    sampler = TogetherByPrompt(prompts)
    first, second = list(sampler), list(sampler)
    for order in (first, second):
        assert sorted(order) == list(range(len(prompts))) and len(sampler) == len(prompts)
        met = [prompts[row] for row in order]
        assert all(met[i] == met[i - 1] or met[i] not in met[:i] for i in range(1, len(met)))
    assert first != second
    torch.manual_seed(3)
    assert list(TogetherByPrompt(prompts)) == first


def test_the_end_of_turn_is_taught_though_it_is_also_the_padding_token(tiny_chat, real_rows) -> None:
    assert tiny_chat.tokenizer.pad_token_id == tiny_chat.end
    assert collate(real_rows)["labels"].eq(tiny_chat.end).sum() == len(real_rows)


def test_a_model_whose_layers_are_not_all_attention_is_refused(tiny_model) -> None:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(tiny_model)
    model.config.layer_types = ["full_attention", "linear_attention"]
    with pytest.raises(InputError, match="tiny: its layers compute linear_attention; training needs"):
        use_branch_attention(model, "tiny")
