"""Training: the loss covers the answer and its end, no step is idle, a killed run ends where it would have."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import REPOSITORY, adapter_weights

from halo_forge.errors import InputError
from halo_forge.settings.training import Lora, Training
from halo_forge.train.lora import Run, resumed_step, steps_of, train
from halo_forge.train.rows import IGNORED, tokenised

PAIRS = [(f"Add {i} and {i + 1}.", f"The sum is {2 * i + 1}." + " Yes." * (i % 3)) for i in range(12)]
SETTINGS = Training(epochs=2, batch_size=4, micro_batch_size=2, save_steps=1)


def run_of(base: Path, folder: Path, **fields) -> Run:
    return Run(
        base=base,
        start=fields.pop("start", None),
        lora=Lora(r=4, alpha=8),
        settings=fields.pop("settings", SETTINGS),
        learning_rate=1e-2,
        seed=1,
        checkpoints=folder / "checkpoints",
    )


def rows_of(chat):
    return tokenised(chat, PAIRS, 512, "pairs")


def test_the_loss_covers_exactly_the_answer_and_its_end_of_turn(tiny_chat) -> None:
    row = rows_of(tiny_chat).examples[0]
    taught = [token for token, label in zip(row["input_ids"], row["labels"], strict=True) if label != IGNORED]
    assert tiny_chat.tokenizer.decode(taught) == "The sum is 1.<|im_end|>"


def test_the_end_of_turn_is_trained_though_it_is_also_the_padding_token(tiny_chat) -> None:
    from transformers import DataCollatorForSeq2Seq

    rows = rows_of(tiny_chat).examples
    longest, shortest = max(rows, key=lambda r: len(r["input_ids"])), min(rows, key=lambda r: len(r["input_ids"]))
    assert tiny_chat.tokenizer.pad_token_id == tiny_chat.end
    batch = DataCollatorForSeq2Seq(tiny_chat.tokenizer, label_pad_token_id=IGNORED)([longest, shortest])
    end, last = len(shortest["labels"]) - 1, batch["labels"][1].tolist()
    assert last[end] == tiny_chat.end and set(last[end + 1 :]) == {IGNORED}


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


def test_an_update_goes_on_from_the_adapter_it_is_given(tiny_model, tiny_chat, tmp_path) -> None:
    rows = rows_of(tiny_chat)
    train(run_of(tiny_model, tmp_path / "a"), rows, tiny_chat, tmp_path / "sft")
    again = train(run_of(tiny_model, tmp_path / "b", start=tmp_path / "sft"), rows, tiny_chat, tmp_path / "c1")
    fresh = train(run_of(tiny_model, tmp_path / "c"), rows, tiny_chat, tmp_path / "other")
    assert again["loss_first"] < fresh["loss_first"]


def test_a_run_killed_with_9_ends_with_the_same_weights(tiny_model, tiny_chat, tmp_path) -> None:
    """The child is killed once its second checkpoint is there; the same run goes on and must end like a whole one."""
    rows = rows_of(tiny_chat)
    train(run_of(tiny_model, tmp_path / "whole"), rows, tiny_chat, tmp_path / "whole" / "out")
    script = tmp_path / "child.py"
    script.write_text(
        "import sys; from pathlib import Path\n"
        f"sys.path[:0] = [{str(REPOSITORY / 'src')!r}, {str(REPOSITORY / 'tests')!r}]\n"
        "import test_train as t; from halo_forge.model.chat import Chat; from halo_forge.train.lora import train\n"
        "base, folder = Path(sys.argv[1]), Path(sys.argv[2])\n"
        "chat = Chat.of(str(base))\n"
        "import time\n"
        "slow = lambda entry: time.sleep(1)\n"
        "train(t.run_of(base, folder), t.rows_of(chat), chat, folder / 'out', slow)\n"
    )
    child = subprocess.Popen([sys.executable, str(script), str(tiny_model), str(tmp_path / "killed")])
    run = run_of(tiny_model, tmp_path / "killed")
    deadline = time.monotonic() + 200
    while resumed_step(run.checkpoints) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert 2 <= resumed_step(run.checkpoints) < 6
    summary = train(run, rows, tiny_chat, tmp_path / "killed" / "out")
    assert summary["steps"] == 6 and len(summary["loss"]) == 6
    whole, resumed = (adapter_weights(tmp_path / name / "out") for name in ("whole", "killed"))
    assert all(whole[name].equal(resumed[name]) for name in whole)
