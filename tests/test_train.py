"""Training: the loss covers the answer and its end, no step is idle, and what is not finite is never written."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from conftest import REPOSITORY, adapter_weights

from halo_forge.errors import InfrastructureError, InputError
from halo_forge.settings.params import load_params
from halo_forge.settings.training import Lora, Training
from halo_forge.train import lora
from halo_forge.train.checkpoints import resumed_step
from halo_forge.train.lora import HeldOut, Run, steps_of, train
from halo_forge.train.rows import IGNORED, tokenised

PAIRS = [(f"Add {i} and {i + 1}.", f"The sum is {2 * i + 1}." + " Yes." * (i % 3)) for i in range(12)]
SETTINGS = Training(epochs=2, batch_size=4, micro_batch_size=2, save_steps=1)


def run_of(base: Path, folder: Path, **fields) -> Run:
    shape = None if "start" in fields else Lora(r=4, alpha=8)
    given = {"start": None, "lora": shape, "settings": SETTINGS, "learning_rate": 1e-2} | fields
    return Run(base=base, seed=1, checkpoints=folder / "checkpoints", **given)


def rows_of(chat):
    return tokenised(chat, PAIRS, 512, "pairs")


def test_the_loss_covers_exactly_the_answer_and_its_end_of_turn(tiny_chat) -> None:
    row = rows_of(tiny_chat).examples[0]
    taught = [token for token, label in zip(row["input_ids"], row["labels"], strict=True) if label != IGNORED]
    assert tiny_chat.tokenizer.decode(taught) == "The sum is 1.<|im_end|>"


def test_training_and_generation_render_the_prompt_alike(tiny_chat) -> None:
    row = rows_of(tiny_chat).examples[3]
    prompt = tiny_chat.prompt_ids(PAIRS[3][0])
    assert row["input_ids"][: len(prompt)] == prompt
    whole = tiny_chat.tokenizer.apply_chat_template(
        [{"role": "user", "content": PAIRS[3][0]}, {"role": "assistant", "content": PAIRS[3][1]}], tokenize=False
    )
    assert tiny_chat.tokenizer.decode(row["input_ids"]) == whole.rstrip("\n")


def test_long_and_empty_rows_are_left_out_and_counted(tiny_chat) -> None:
    rows = tokenised(tiny_chat, [("p", "x" * 600), ("p", " "), ("p", "fine")], 100, "pairs")
    assert len(rows.examples) == 1
    assert rows.left_out == {"longer than 100 tokens": 1, "empty answer": 1}


def test_nothing_left_to_train_on_is_an_error(tiny_chat) -> None:
    with pytest.raises(InputError, match="pairs: nothing to train on: 1 empty answer"):
        tokenised(tiny_chat, [("p", "")], 100, "pairs")


@pytest.mark.parametrize("warmup_ratio", [0.0, 0.5])
def test_no_step_has_learning_rate_0_and_every_step_moves_the_weights(tiny_model, tiny_chat, tmp_path, warmup_ratio):
    settings = Training(epochs=2, batch_size=4, micro_batch_size=2, save_steps=1, warmup_ratio=warmup_ratio)
    rows = rows_of(tiny_chat)
    summary = train(run_of(tiny_model, tmp_path, settings=settings), rows, tiny_chat, tmp_path / "out")
    rates = [entry["learning_rate"] for entry in summary["loss"]]
    assert len(rates) == summary["steps"] == steps_of(12, settings) == 6
    assert min(rates) > 0 and max(rates) <= 1e-2
    assert any(tensor.abs().max() > 0 for name, tensor in adapter_weights(tmp_path / "out").items() if "lora_B" in name)


def test_training_lowers_the_loss(tiny_model, tiny_chat, tmp_path) -> None:
    settings = Training(epochs=8, batch_size=4, micro_batch_size=4)
    summary = train(run_of(tiny_model, tmp_path, settings=settings), rows_of(tiny_chat), tiny_chat, tmp_path / "out")
    assert summary["loss_last"] < 0.8 * summary["loss_first"]


def test_the_loss_is_the_mean_over_answer_tokens_whatever_the_micro_batches(tiny_model, tiny_chat, tmp_path) -> None:
    first = []
    for micro in (1, 12):
        settings = Training(epochs=1, batch_size=12, micro_batch_size=micro)
        run = run_of(tiny_model, tmp_path / str(micro), settings=settings)
        first.append(train(run, rows_of(tiny_chat), tiny_chat, tmp_path / f"out{micro}")["loss_first"])
    assert first[0] == pytest.approx(first[1], rel=1e-4)


def test_gradient_checkpointing_changes_no_loss(tiny_model, tiny_chat, tmp_path) -> None:
    curves = []
    for checkpointing in (False, True):
        settings = SETTINGS.model_copy(update={"gradient_checkpointing": checkpointing})
        run = run_of(tiny_model, tmp_path / str(checkpointing), settings=settings)
        curves.append(train(run, rows_of(tiny_chat), tiny_chat, tmp_path / f"out{checkpointing}")["loss"])
    assert [e["loss"] for e in curves[0]] == pytest.approx([e["loss"] for e in curves[1]], rel=1e-4)


@pytest.mark.parametrize(("computes", "dtype"), [(True, "bfloat16"), (False, "float32")])
def test_auto_computes_in_bfloat16_where_the_machine_does_and_learns_as_much(
    tiny_model, tiny_chat, tmp_path, monkeypatch, computes, dtype
) -> None:
    monkeypatch.setattr("halo_forge.model.dtype.computes_bfloat16", lambda: computes)
    plain, auto = (
        train(
            run_of(tiny_model, tmp_path / name, settings=SETTINGS.model_copy(update={"dtype": name})),
            rows_of(tiny_chat),
            tiny_chat,
            tmp_path / f"{name} out",
        )
        for name in ("float32", "auto")
    )
    assert auto["dtype"] == dtype
    losses, others = ([step["loss"] for step in one["loss"]] for one in (plain, auto))
    assert (losses == others) is not computes
    assert losses == pytest.approx(others, rel=0.02)


def test_an_update_goes_on_from_the_adapter_it_is_given(tiny_model, tiny_chat, tmp_path) -> None:
    rows = rows_of(tiny_chat)
    train(run_of(tiny_model, tmp_path / "a"), rows, tiny_chat, tmp_path / "sft")
    again = train(run_of(tiny_model, tmp_path / "b", start=tmp_path / "sft"), rows, tiny_chat, tmp_path / "c1")
    fresh = train(run_of(tiny_model, tmp_path / "c"), rows, tiny_chat, tmp_path / "other")
    assert again["loss_first"] < fresh["loss_first"]


def test_a_run_has_an_adapter_to_go_on_from_or_the_shape_of_a_fresh_one_or_trains_all_weights(
    tiny_model, tmp_path
) -> None:
    with pytest.raises(ValueError, match="either start or lora"):
        run_of(tiny_model, tmp_path, start=tmp_path, lora=Lora())
    assert run_of(tiny_model, tmp_path, lora=None).whole
    assert not run_of(tiny_model, tmp_path).whole and not run_of(tiny_model, tmp_path, start=tmp_path).whole


def test_training_stops_at_the_first_step_whose_loss_is_no_number(tiny_model, tiny_chat, tmp_path) -> None:
    """The first update makes weights of 1e30: finite still, and the next loss is not."""
    run = run_of(tiny_model, tmp_path, learning_rate=1e30)
    words = r"training: the loss is nan at step 2, no finite number; lower the learning rate, 1e\+30"
    with pytest.raises(InfrastructureError, match=words):
        train(run, rows_of(tiny_chat), tiny_chat, tmp_path / "out")
    assert resumed_step(run.checkpoints) == 1 and not (tmp_path / "out").exists()
    assert all(tensor.isfinite().all() for tensor in adapter_weights(run.checkpoints / "checkpoint-1").values())


def test_weights_that_an_update_makes_infinite_are_never_saved_though_its_loss_was_finite(
    tiny_model, tiny_chat, tmp_path
) -> None:
    run = run_of(tiny_model, tmp_path, learning_rate=1e39)
    with pytest.raises(
        InfrastructureError, match=r"a weight of \S*lora_\S+ is (nan|-?inf) at step 1, .*learning rate, 1e\+39"
    ):
        train(run, rows_of(tiny_chat), tiny_chat, tmp_path / "out")
    assert not list(run.checkpoints.glob("checkpoint-*")) and not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("factor", "words"),
    [
        (float("nan"), "the loss is nan at step 3"),
        (float("inf"), "the loss is inf at step 3"),
        (1e30, "the gradient norm is inf at step 3"),  # each gradient is finite, the sum of their squares is not
    ],
)
def test_every_form_of_a_bad_step_is_found_at_that_step(
    tiny_model, tiny_chat, tmp_path, monkeypatch, factor, words
) -> None:
    """The fault is made in the loss of the third step; all else is real."""
    made = lora.answer_trainer

    def faulty(settings):
        class Faulty(made(settings)):
            def compute_loss(self, *args, **kwargs):
                loss = super().compute_loss(*args, **kwargs)
                return loss * factor if self.state.global_step == 2 else loss

        return Faulty

    monkeypatch.setattr(lora, "answer_trainer", faulty)
    run = run_of(tiny_model, tmp_path)
    with pytest.raises(InfrastructureError, match=words):
        train(run, rows_of(tiny_chat), tiny_chat, tmp_path / "out")
    assert resumed_step(run.checkpoints) == 2 and not (tmp_path / "out").exists()


def test_a_held_out_loss_that_is_no_number_stops_training_before_that_step_is_saved(tiny_model, tiny_chat, tmp_path):
    run = run_of(tiny_model, tmp_path, learning_rate=1e30, held_out=HeldOut(PAIRS[:3], 1, 2))
    with pytest.raises(InfrastructureError, match="the loss on the rows held out is nan at step 1"):
        train(run, rows_of(tiny_chat), tiny_chat, tmp_path / "out")
    assert not list(run.checkpoints.glob("checkpoint-*"))


def test_an_update_of_a_damaged_adapter_does_not_blame_the_learning_rate(tiny_model, tiny_chat, tmp_path) -> None:
    from safetensors.torch import save_file

    rows = rows_of(tiny_chat)
    train(run_of(tiny_model, tmp_path / "a"), rows, tiny_chat, tmp_path / "sft")
    weights = adapter_weights(tmp_path / "sft")
    save_file(
        weights | {name: t * float("nan") for name, t in weights.items()},
        tmp_path / "sft" / "adapter_model.safetensors",
    )
    with pytest.raises(
        InfrastructureError, match="is nan at step 1, .*; no step was made yet: mend the model or adapter"
    ):
        train(run_of(tiny_model, tmp_path / "b", start=tmp_path / "sft"), rows, tiny_chat, tmp_path / "c1")


def test_one_process_trains_on_one_of_two_visible_devices_to_the_same_weights(
    tiny_model, tiny_chat, tmp_path, monkeypatch, capsys
) -> None:
    """Simulated: torch is made to count two GPUs and training is told that there is CUDA, on a machine that may have
    none; the tensors stay where torch puts them. Without the remedy Trainer wraps the model in DataParallel and fails
    on the shape of the loss, as it does with two GPUs."""
    import torch

    rows = rows_of(tiny_chat)
    train(run_of(tiny_model, tmp_path / "one"), rows, tiny_chat, tmp_path / "one" / "out")
    arguments = lora._arguments
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(lora, "_arguments", lambda run, cuda: arguments(run, cuda=True))
    run = run_of(tiny_model, tmp_path / "two")
    settled = arguments(run, cuda=True)
    assert (settled.n_gpu, settled.train_batch_size, settled.world_size) == (1, 2, 1)
    summary = train(run, rows, tiny_chat, tmp_path / "two" / "out")
    assert summary["steps"] == 6 and "one of 2 visible GPUs" in capsys.readouterr().err
    one, two = (adapter_weights(tmp_path / name / "out") for name in ("one", "two"))
    assert all(one[name].equal(two[name]) for name in one)


@pytest.mark.parametrize(
    ("section", "old", "new", "words"),
    [
        (
            "sft",
            "micro_batch_size: 4",
            "micro_batch_size: 3",
            r"batch_size 8 is no .* 3; set .* to 2, or batch_size to 9",
        ),
        (
            "raft.train",
            "micro_batch_size: 4",
            "micro_batch_size: 16",
            r"batch_size 8 is no .* 16; set .* to 8, or .* to 16",
        ),
        ("sft", "batch_size: 8", "batch_size: 7", r"batch_size 7 is no .* 4; set micro_batch_size to 1, or .* to 8"),
    ],
)
def test_a_batch_that_micro_batches_do_not_fill_is_refused_at_the_door(tmp_path, section, old, new, words) -> None:
    """It was rounded up to whole micro-batches, and a larger micro-batch cut down, while steps were counted for it."""
    for name in ("params.yaml", "presets.yaml"):
        shutil.copy(REPOSITORY / name, tmp_path / name)
    own = tmp_path / "params.yaml"
    own.write_text(re.sub(r"^preset: \S+", "preset: tiny", own.read_text(), flags=re.MULTILINE))
    presets = tmp_path / "presets.yaml"
    before, key, after = presets.read_text().partition(f"{section.rpartition('.')[2]}: {{learning_rate")
    presets.write_text(before + key + after.replace(old, new, 1))
    with pytest.raises(InputError, match=rf"params\.yaml: {section}: {words}"):
        load_params(tmp_path / "params.yaml")


@pytest.mark.parametrize("rows", [1, 7, 8, 9, 13])
def test_an_epoch_has_the_steps_that_are_announced(tiny_model, tiny_chat, tmp_path, rows) -> None:
    settings = Training(epochs=2, batch_size=8, micro_batch_size=4)
    some = tokenised(tiny_chat, (PAIRS * 2)[:rows], 512, "pairs")
    summary = train(run_of(tiny_model, tmp_path, settings=settings), some, tiny_chat, tmp_path / "out")
    assert summary["steps"] == steps_of(rows, settings)
