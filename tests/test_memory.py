"""The memory that is worked out: against the models themselves, against what autograd keeps, against a GPU's figure."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from test_train import rows_of
from transformers import Qwen2Config, Qwen2ForCausalLM

from halo_forge import hours, memory
from halo_forge.cli import presets
from halo_forge.data.prepare import prepare
from halo_forge.data.split import split
from halo_forge.generate.protocol import Request
from halo_forge.generate.transformers import TransformersEngine
from halo_forge.memory import QWEN2_5_CODER, Shape
from halo_forge.settings.checking import merge, read_yaml
from halo_forge.settings.data import Split
from halo_forge.settings.generate import Generate
from halo_forge.settings.params import load_params
from halo_forge.settings.training import Lora, Sft, Training
from halo_forge.train.attention import use_branch_attention
from halo_forge.train.fused import fuse
from halo_forge.train.lora import Run, train
from halo_forge.train.loss import answer_loss
from halo_forge.train.packing import collate

ROOT = Path(__file__).resolve().parents[1]
KNOBS = read_yaml(ROOT / "presets.yaml")
ROWS = {row.preset: row for row in presets.table(ROOT / "presets.yaml", Lora())}


def config_of(shape: Shape, **fields) -> Qwen2Config:
    sizes = {
        "num_hidden_layers": shape.layers,
        "hidden_size": shape.hidden,
        "intermediate_size": shape.intermediate,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.key_heads,
        "vocab_size": shape.vocabulary,
        "tie_word_embeddings": shape.tied,
    }
    return Qwen2Config(**sizes | fields)


@pytest.mark.parametrize("size", QWEN2_5_CODER)
def test_the_parameters_are_those_of_the_model_built_without_weights(size) -> None:
    shape = QWEN2_5_CODER[size]
    with torch.device("meta"):
        model = Qwen2ForCausalLM(config_of(shape))
    assert sum(p.numel() for p in model.parameters()) == shape.parameters
    assert Shape.of(model.config) == shape


@pytest.mark.parametrize(
    "lora", [Lora(), Lora(r=8, target_modules=["q_proj", "down_proj"]), Lora(use_dora=True)], ids=["all", "two", "dora"]
)
def test_the_adapter_is_that_of_peft(lora) -> None:
    shape = Shape(2, 112, 608, 7, 1, 16, 300, tied=True)
    base = Qwen2ForCausalLM(config_of(shape))
    config = LoraConfig(r=lora.r, target_modules=lora.target_modules, use_dora=lora.use_dora, task_type="CAUSAL_LM")
    model = get_peft_model(base, config)
    assert sum(p.numel() for p in model.parameters() if p.requires_grad) == shape.adapted(lora)


def kept_bytes(shape: Shape, tokens: int) -> int:
    """What autograd saves in a forward pass of two rows of so many tokens, but for parameters."""
    model = Qwen2ForCausalLM(config_of(shape)).to(torch.bfloat16)
    model.config.use_cache = False
    use_branch_attention(model, "small")
    model = get_peft_model(model, LoraConfig(r=16, target_modules="all-linear", task_type="CAUSAL_LM"))
    fuse(model)
    own = {p.untyped_storage().data_ptr() for p in [*model.parameters(), *model.buffers()]}
    ids = torch.randint(0, shape.vocabulary, (2, tokens + 1)).tolist()
    batch = collate([{"input_ids": row, "labels": [-100, *row[1:]]} for row in ids])
    kept = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x), torch.autocast("cpu", torch.bfloat16):
        answer_loss(model, batch)
    return sum(kept.values())


def test_a_layer_keeps_for_each_token_what_the_formula_says() -> None:
    torch.manual_seed(0)
    shape, tokens = Shape(1, 112, 608, 7, 1, 16, 300, tied=True), 128
    more = kept_bytes(replace(shape, layers=3), tokens) - kept_bytes(shape, tokens)
    copies = 2 * 2 * shape.adapted(Lora())  # of the adapter, in bfloat16
    assert (more - copies) / (2 * 2 * tokens) == pytest.approx(memory.kept_by_layer(shape, 2, Lora()), rel=0.02)


def test_the_formula_gives_the_peak_that_was_measured_on_a_gpu() -> None:
    """8.3 GB: Qwen2.5-Coder-0.5B from the GGUF (embeddings untied), LoRA, 16 rows of 512 built-in solutions at a time;
    98 of 100 such micro-batches have at most 3,406 tokens, 1,737 of them answers."""
    settings = Training(batch_size=32, micro_batch_size=16, dtype="bfloat16")
    found = memory.training(replace(QWEN2_5_CODER["0.5b"], tied=False), settings, Lora(), 3406, 1737)
    assert found / 1e9 == pytest.approx(8.3, rel=0.05)


def test_four_bits_checkpointing_and_fewer_rows_take_less() -> None:
    shape, plain = QWEN2_5_CODER["7b"], Sft(batch_size=8, micro_batch_size=4, dtype="bfloat16")
    for change in ({"base_weights": "nf4"}, {"gradient_checkpointing": True}, {"micro_batch_size": 1}):
        assert memory.training(shape, plain.model_copy(update=change), Lora()) < memory.training(shape, plain, Lora())
    assert memory.training(shape, plain, Lora()) < memory.training(shape, plain, Lora(use_dora=True))


@pytest.mark.parametrize("preset", ROWS)
def test_a_preset_fits_the_gpu_that_it_is_for(preset) -> None:
    """A driver's 8 GB are 8 × 1024³ bytes, of which it keeps some: gigabytes of 1000³ leave that room."""
    row = ROWS[preset]
    assert max(row.train_gb, row.sample_gb) < 0.95 * row.cards.memory_gb


def one_of_each(kind) -> dict[str, list[str]]:
    """The presets by what tells them apart in a test, under the first of each kind."""
    kinds: dict[str, list[str]] = defaultdict(list)
    for name, row in ROWS.items():
        kinds[repr(kind(name, row))].append(name)
    return {names[0]: names for names in kinds.values()}


@pytest.mark.slow
@pytest.mark.parametrize(
    "preset", one_of_each(lambda _, row: [row.shape, row.sft.base_weights, row.generate.tensor_parallel])
)
def test_the_model_of_a_preset_built_without_weights_has_the_memory_that_the_table_reckons_with(preset) -> None:
    row, lora = ROWS[preset], Lora()
    with torch.device("meta"):
        model = Qwen2ForCausalLM(config_of(row.shape)).to(torch.bfloat16)
        model = get_peft_model(model, LoraConfig(r=lora.r, target_modules=lora.target_modules, task_type="CAUSAL_LM"))
    held = {name: p.numel() * p.element_size() for name, p in model.named_parameters() if not p.requires_grad}
    adapter = sum(p.numel() for p in model.parameters() if p.requires_grad)
    matrices = [size for name, size in held.items() if "_proj.base_layer.weight" in name]
    weights = sum(held.values())
    if row.sft.base_weights:
        weights += (memory.NF4 / 2 - 1) * sum(matrices) + max(matrices)
    assert memory.training(row.shape, row.sft, lora, tokens=0) == pytest.approx(weights + 18 * adapter)
    shared = memory.sampling(row.shape, "bfloat16", 0, 0, row.generate.tensor_parallel)
    assert shared == sum(held.values()) / row.generate.tensor_parallel


@pytest.mark.parametrize("preset", ROWS)
def test_a_step_of_a_preset_is_shared_out_evenly_among_2_and_8_gpus(preset) -> None:
    row = KNOBS[preset]
    for section in (row["sft"], row["raft"]["train"]):
        assert section["batch_size"] % (8 * section["micro_batch_size"]) == 0


@pytest.mark.parametrize("preset", [name for name, row in ROWS.items() if row.cards.number > 1])
def test_every_engine_of_several_gpus_finds_two_chunks_in_each_cycle_and_its_share_of_the_heads(preset) -> None:
    row, knobs = ROWS[preset], KNOBS[preset]
    engines = row.cards.number // row.generate.tensor_parallel
    chunks = -(-hours.TASKS["raft"] * knobs["raft"]["samples_per_task"] // row.generate.chunk_size)
    assert chunks >= 2 * engines
    assert row.shape.heads % row.generate.tensor_parallel == 0


def test_the_sizes_that_no_card_of_a_kind_holds_alone_are_shared_out_where_two_do() -> None:
    sizes = {shape: size for size, shape in QWEN2_5_CODER.items()}
    several = [(sizes[row.shape], *row.cards) for row in ROWS.values() if row.cards.number > 1]
    shared = [("3b", 2, 8), ("7b", 2, 16)]
    assert several == [*shared, *((size, *cards) for cards in ((2, 24), (8, 80)) for size in QWEN2_5_CODER)]
    for size, number, gb in shared:
        shape = QWEN2_5_CODER[size]
        assert memory.of_gpu(memory.sampling(shape, "bfloat16", 8, 2048)) > 0.92e9 * gb
        assert memory.of_gpu(memory.sampling(shape, "bfloat16", 8, 2048, number)) < 0.92e9 * gb


def test_the_hours_of_a_preset_are_those_of_the_formula_worked_out_by_hand() -> None:
    """qwen-7b-8x80gb: 7.616e9 parameters, checkpointing, 256 sequences, 8 cards."""
    trained = 212 * (268 * 3 + 2 * 0.86 * 518) * 6 * 7.616e9
    drawn = 307 * 20 * 1024 + 95 * (2 * 518 * 8 + 3 * 89 * 8 + 3 * 307 * 20)
    row = ROWS["qwen-7b-8x80gb"]
    assert row.train_h == pytest.approx(trained / 13e12 / 3600 / 8, rel=1e-3)
    assert row.sample_h == pytest.approx(drawn * 2 * 7.616e9 / 43.6e12 / 3600 / 8, rel=1e-3)
    assert hours.judging(KNOBS["qwen-7b"]) == pytest.approx((307 * 20 * 4 + 2 * 518 * 8 + 3 * 89 * 8) / 5 / 3600)


def test_more_sequences_at_once_are_sampled_faster_and_never_faster_than_was_measured() -> None:
    rates = [hours.sampling_rate(number) for number in (16, 64, 100, 256, 500, 1024, 4096)]
    assert rates == sorted(rates) and rates[0] == pytest.approx(15.0e12 / 4) and rates[-1] == 75.6e12
    assert [hours.sampling_rate(number) for number in hours.SAMPLING] == list(hours.SAMPLING.values())


def test_there_is_a_preset_for_every_size_and_card_but_for_three_that_hold_no_weights() -> None:
    sizes = {shape: size for size, shape in QWEN2_5_CODER.items()}
    have = {(sizes[row.shape], row.cards.memory_gb) for row in ROWS.values() if row.cards.number == 1}
    missing = {(size, gb) for size in QWEN2_5_CODER for gb in (8, 16, 24, 48, 80)} - have
    assert missing == {("3b", 8), ("7b", 8), ("7b", 16)}
    for size, gb in missing:
        assert memory.of_gpu(memory.sampling(QWEN2_5_CODER[size], "bfloat16", 8, 2048)) > 0.92e9 * gb


def test_the_readme_has_the_table_that_the_command_prints() -> None:
    said = re.findall(r"^\| (qwen-[^|]+) \|(.+)\|$", (ROOT / "docs/gpu.md").read_text(), re.MULTILINE)
    found = [[name, *(cell.strip() for cell in rest.split("|"))] for name, rest in said]
    assert found == [presets.cells(row) for row in ROWS.values()]


@pytest.fixture(scope="module")
def small_base(tiny_chat, tmp_path_factory):
    """small_base(preset) -> a random model of its architecture, two layers of a few heads' width."""
    made: dict[Shape, Path] = {}

    def of(preset: str) -> Path:
        shape = ROWS[preset].shape
        if shape not in made:
            small = replace(
                shape, layers=2, hidden=8 * shape.heads, intermediate=64, vocabulary=len(tiny_chat.tokenizer)
            )
            made[shape] = tmp_path_factory.mktemp("base")
            torch.manual_seed(0)
            config = config_of(small, bos_token_id=1, eos_token_id=2, pad_token_id=2)
            Qwen2ForCausalLM(config).save_pretrained(made[shape])
            tiny_chat.tokenizer.save_pretrained(made[shape])
        return made[shape]

    return of


@pytest.mark.slow
@pytest.mark.parametrize(
    "preset",
    one_of_each(lambda name, row: [row.shape, row.generate.dtype, KNOBS[name]["sft"], KNOBS[name]["raft"]["train"]]),
)
def test_one_step_of_every_stage_runs_with_a_small_model_of_the_same_architecture(
    preset, small_base, tiny_chat, tmp_path
) -> None:
    """SFT, sampling from its adapter, the update that starts from it, all with the settings of the preset."""
    knobs, base = KNOBS[preset], small_base(preset)
    if knobs["sft"].get("base_weights"):
        pytest.importorskip("bitsandbytes", reason="four bits need bitsandbytes, which requirements-gpu.lock brings")
    once = {"epochs": 1}
    sft = Sft(**knobs["sft"]).model_copy(update=once)
    update = Training(**knobs["raft"]["train"]).model_copy(update=once)
    rows = rows_of(tiny_chat)
    for name, settings, start in (("sft", sft, None), ("c1", update, tmp_path / "sft")):
        lora = None if start else Lora()
        run = Run(base, start, lora, settings, settings.learning_rate, seed=0, checkpoints=tmp_path / f"{name}-state")
        told = train(run, rows, tiny_chat, tmp_path / name)
        assert told["steps"] == 1 and told["rows"] == len(rows.examples)
        engine = TransformersEngine(Generate(**knobs["generate"]), base, tmp_path / name, tiny_chat.end)
        asked = [Request(tiny_chat.prompt_ids("Add."), seed, 0.7, 50, 1.0, 4) for seed in range(3)]
        assert [one.n_tokens > 0 for one in engine.generate(asked)] == [True] * 3


@pytest.mark.slow
def test_the_hours_reckon_with_the_tasks_that_the_split_makes() -> None:
    params = load_params(ROOT / "params.yaml")
    settings = Split(**merge(KNOBS["qwen-7b"]["split"], read_yaml(ROOT / "params.yaml")["split"]))
    tasks, _ = prepare(params.prepare, ROOT)
    _, report = split(tasks, settings, params.seed)
    assert report["tasks"] == hours.TASKS
