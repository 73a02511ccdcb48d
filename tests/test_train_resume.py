"""A run that was killed ends as it would have: the same steps, the same weights, the same curve."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from conftest import REPOSITORY, adapter_weights
from test_train import PAIRS, rows_of, run_of

from halo_forge.settings.training import Training
from halo_forge.train.checkpoints import idle_evaluations, resumed_step
from halo_forge.train.lora import HeldOut, train

LONG = Training(epochs=9, batch_size=4, micro_batch_size=2, save_steps=1)
IDLE = HeldOut(PAIRS[:3], every_steps=1, patience=6, min_gain=1.0)
"""With a rate of 1e-12 no evaluation after the first gains anything: training ends at step 7."""


def idle_run(base, folder, **fields):
    return run_of(base, folder, **{"settings": LONG, "learning_rate": 1e-12, "held_out": IDLE} | fields)


def interrupted_at(step: int):
    def on_step(entry: dict) -> None:
        if entry["step"] == step:
            raise KeyboardInterrupt

    return on_step


def train_interrupted(run, rows, chat, out, step: int) -> None:
    """Training that dies in step `step`, before it is evaluated and saved."""
    with pytest.raises(KeyboardInterrupt):
        train(run, rows, chat, out, interrupted_at(step))
    assert resumed_step(run.checkpoints) == step - 1


def same_weights(one: Path, other: Path) -> bool:
    weights, others = adapter_weights(one), adapter_weights(other)
    return weights.keys() == others.keys() and all(weights[name].equal(others[name]) for name in weights)


@pytest.mark.parametrize("step", [2, 3], ids=["within an epoch", "at its end"])
def test_a_run_that_goes_on_in_fewer_processes_has_the_same_order_of_rows(
    tiny_model, tiny_chat, tmp_path, step
) -> None:
    """Trainer keeps the state of the draws for each process, and finds none where their number is another."""
    rows = rows_of(tiny_chat)
    assert len(rows.examples) == 12, "three steps an epoch"
    settings = Training(epochs=3, batch_size=4, micro_batch_size=4, save_steps=1)
    whole = train(
        run_of(tiny_model, tmp_path / "whole", settings=settings), rows, tiny_chat, tmp_path / "whole" / "out"
    )
    run = run_of(tiny_model, tmp_path / "other", settings=settings)
    train_interrupted(run, rows, tiny_chat, tmp_path / "other" / "out", step + 1)
    for file in run.checkpoints.glob("*/rng_state.pth"):
        file.unlink()
    torch.manual_seed(99)
    resumed = train(run, rows, tiny_chat, tmp_path / "other" / "out")
    assert [entry["loss"] for entry in resumed["loss"]] == [entry["loss"] for entry in whole["loss"]]


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


@pytest.mark.parametrize("step", [3, 7])
@pytest.mark.slow
def test_early_stopping_counts_on_after_an_interruption(tiny_model, tiny_chat, tmp_path, step) -> None:
    rows = rows_of(tiny_chat)
    whole = train(idle_run(tiny_model, tmp_path / "whole"), rows, tiny_chat, tmp_path / "whole" / "out")
    run = idle_run(tiny_model, tmp_path / "killed")
    train_interrupted(run, rows, tiny_chat, tmp_path / "killed" / "out", step)
    resumed = train(run, rows, tiny_chat, tmp_path / "killed" / "out")
    assert whole["steps"] == resumed["steps"] == 7 and whole["held_out"] == resumed["held_out"]
    assert same_weights(tmp_path / "whole" / "out", tmp_path / "killed" / "out")


@pytest.mark.parametrize("patience", [5, 6])
def test_a_run_killed_after_it_had_stopped_early_makes_no_step_more(tiny_model, tiny_chat, tmp_path, patience) -> None:
    """Stopped in the middle of an epoch, and with its last row: six steps are two epochs."""
    rows = rows_of(tiny_chat)
    run = idle_run(tiny_model, tmp_path, held_out=HeldOut(PAIRS[:3], 1, patience, 1.0), keep_checkpoints=2)
    first = train(run, rows, tiny_chat, tmp_path / "first")
    assert resumed_step(run.checkpoints) == patience + 1  # as if it had been killed before its adapter was written
    again = train(run, rows, tiny_chat, tmp_path / "again")
    assert first["steps"] == again["steps"] == patience + 1
    assert {**first, "seconds": 0} == {**again, "seconds": 0}
    assert same_weights(tmp_path / "first", tmp_path / "again")


def test_a_run_can_go_on_with_early_stopping_from_a_checkpoint_made_without(tiny_model, tiny_chat, tmp_path) -> None:
    rows = rows_of(tiny_chat)
    train_interrupted(
        idle_run(tiny_model, tmp_path, held_out=HeldOut(PAIRS[:3], 1, 0)), rows, tiny_chat, tmp_path / "out", 3
    )
    assert train(idle_run(tiny_model, tmp_path), rows, tiny_chat, tmp_path / "out")["steps"] == 7


@pytest.mark.slow
def test_the_seconds_of_a_resumed_run_are_those_of_both_without_what_was_torn_off(
    tiny_model, tiny_chat, tmp_path
) -> None:
    """Two seconds are spent before the checkpoint of step 1, five more in step 2, which the interruption loses."""
    rows, run = rows_of(tiny_chat), run_of(tiny_model, tmp_path, settings=LONG)

    def slow(entry: dict) -> None:
        time.sleep({1: 2.0, 2: 5.0}[entry["step"]])
        interrupted_at(2)(entry)

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        train(run, rows, tiny_chat, tmp_path / "out", slow)
    interrupted = time.monotonic()
    summary = train(run, rows, tiny_chat, tmp_path / "out")
    before = summary["seconds"] - (time.monotonic() - interrupted)
    assert 1.8 <= before < interrupted - began - 4.8


def test_evaluations_are_idle_unless_they_lower_the_least_loss_by_enough() -> None:
    assert idle_evaluations([], 0.1) == 0
    assert idle_evaluations([3.0, 2.0, 1.0], 0.1) == 0
    assert idle_evaluations([3.0, 2.95, 2.9, 2.85], 0.1) == 3  # a slow descent is measured from the last, not the first
    assert idle_evaluations([1.0, 2.0, 0.5], 0.1) == 0
    assert idle_evaluations([1.0, 2.0, 1.5, 1.0], 0.1) == 3


def lines(curve: Path) -> list[list[str]]:
    return [line.split("\t") for line in curve.read_text().splitlines()]


def test_the_curve_grows_by_a_line_a_step_while_it_trains(tiny_model, tiny_chat, tmp_path) -> None:
    run = run_of(tiny_model, tmp_path, curve=tmp_path / "train" / "curve.tsv")
    seen = []
    summary = train(run, rows_of(tiny_chat), tiny_chat, tmp_path / "out", lambda _: seen.append(len(lines(run.curve))))
    assert seen == [2, 3, 4, 5, 6, 7]
    header, *rows = lines(run.curve)
    assert header == ["step", "loss", "learning_rate", "grad_norm"]
    written = [dict(zip(header, map(float, row), strict=True)) for row in rows]
    assert written == summary["loss"]


@pytest.mark.slow
def test_the_curve_of_a_run_that_was_interrupted_is_that_of_a_whole_one(tiny_model, tiny_chat, tmp_path) -> None:
    rows = rows_of(tiny_chat)
    whole, killed = (
        run_of(tiny_model, tmp_path / name, curve=tmp_path / f"{name}.tsv") for name in ("whole", "killed")
    )
    train(whole, rows, tiny_chat, tmp_path / "whole" / "out")
    train_interrupted(killed, rows, tiny_chat, tmp_path / "killed" / "out", 4)
    assert len(lines(killed.curve)) == 5  # the last line is of a step that was lost
    killed.curve.unlink()  # DVC removes a stage's outputs before it runs again
    train(killed, rows, tiny_chat, tmp_path / "killed" / "out")
    assert whole.curve.read_bytes() == killed.curve.read_bytes()
