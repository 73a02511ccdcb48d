"""What can be watched while it trains: the curve for DVC, the logs of TensorBoard, the progress line."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

CURVE = ("step", "loss", "learning_rate", "grad_norm")
"""Columns of the curve, and what is kept of a step's log."""
_SCALARS = {"loss": "train/loss", "learning_rate": "train/learning_rate", "eval_loss": "eval/loss"}


def entry(log: dict) -> dict:
    """What is kept of a step's log."""
    return {key: log[key] for key in CURVE if key in log}


def write_curve_of_no_steps(curve: Path) -> None:
    """A header alone: `dvc plots` takes it for a run without points."""
    with _curve(curve):
        pass


@contextlib.contextmanager
def reports(logs: Path | None, curve: Path | None, on_step: Callable[[dict], None] | None) -> Iterator[Any]:
    """A callback for Trainer that writes TensorBoard's `logs` and the table `curve`, and calls `on_step` with the
    `entry` of every step.

    A resumed run writes both anew, first what the run before had logged up to its checkpoint.
    """
    from transformers import TrainerCallback

    with contextlib.ExitStack() as open_files:
        sinks = [open_files.enter_context(_scalars(logs))] if logs else []
        if curve:
            sinks.append(open_files.enter_context(_curve(curve)))

        class Report(TrainerCallback):
            def on_train_begin(self, args, state, control, **kwargs):  # noqa: ANN001, ANN202 - transformers' protocol
                for log in state.log_history:
                    self.write(log)

            def on_log(self, args, state, control, logs=None, **kwargs):  # noqa: ANN001, ANN202
                log = {**(logs or {}), "step": state.global_step}
                self.write(log)
                if on_step and "loss" in log:
                    on_step(entry(log))

            def write(self, log: dict) -> None:
                for sink in sinks:
                    sink(log)

        yield Report()


@contextlib.contextmanager
def _scalars(folder: Path) -> Iterator[Callable[[dict], None]]:
    from torch.utils.tensorboard import SummaryWriter

    shutil.rmtree(folder, ignore_errors=True)
    with SummaryWriter(str(folder)) as writer:

        def write(log: dict) -> None:
            for key, name in _SCALARS.items():
                if key in log:
                    writer.add_scalar(name, log[key], log["step"])

        yield write


@contextlib.contextmanager
def _curve(path: Path) -> Iterator[Callable[[dict], None]]:
    """Tab-separated, a line at once after its step: it is read while it grows, so it stands under its own name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="\n", buffering=1) as file:  # a line at a time
        print(*CURVE, sep="\t", file=file)

        def write(log: dict) -> None:
            if "loss" in log:
                print(*(log.get(key, "") for key in CURVE), sep="\t", file=file)

        yield write
