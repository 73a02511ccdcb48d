"""What a killed run goes on from: its checkpoints, and what Trainer leaves out of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from halo_forge.files import read_json, write_json

ORDER_FILE = "epoch_orders.pt"
SECONDS_FILE = "seconds.json"


def last_checkpoint(folder: Path) -> str | None:
    """The newest whole checkpoint: one torn by a kill lacks ORDER_FILE, which is written last."""
    for path in sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]), reverse=True):
        if (path / ORDER_FILE).exists():
            return str(path)
    return None


def resumed_step(folder: Path) -> int:
    """The optimizer step that a killed run goes on from; 0 without a checkpoint."""
    checkpoint = last_checkpoint(folder)
    return int(checkpoint.rpartition("-")[2]) if checkpoint else 0


def seconds_before(folder: Path) -> float:
    """The seconds that a killed run had trained up to the checkpoint that is gone on from; 0.0 without one."""
    path = Path(last_checkpoint(folder) or folder) / SECONDS_FILE
    return read_json(path) if path.exists() else 0.0


def with_seconds(checkpoints: Path, seconds: Callable[[], float]) -> Any:
    """Keeps the `seconds` trained so far in every checkpoint. Comes before `same_order`, whose file makes it whole."""
    from transformers import TrainerCallback

    class WithSeconds(TrainerCallback):
        def on_save(self, args, state, control, **kwargs):  # noqa: ANN001, ANN202 - transformers' protocol
            if state.is_world_process_zero:
                write_json(checkpoints / f"checkpoint-{state.global_step}" / SECONDS_FILE, round(seconds(), 3))

    return WithSeconds()


def same_order(checkpoints: Path) -> Any:
    """Keeps, in every checkpoint, the state of the draw that put the rows of its epoch in order, and takes it from the
    checkpoint resumed from. Trainer restores only the state at the checkpoint itself, too late for the order, and not
    even that for a run that goes on in another number of processes: it is kept too, for the epoch after one that was
    over. Of several processes the first one's counts (`shares`)."""
    import torch
    from transformers import TrainerCallback

    class SameOrder(TrainerCallback):
        drawn = None

        def on_epoch_begin(self, args, state, control, **kwargs):  # noqa: ANN001, ANN202 - transformers' protocol
            path = checkpoints / f"checkpoint-{state.global_step}" / ORDER_FILE
            if self.drawn is None and path.exists():
                drawn, now = torch.load(path)
                over = state.global_step % (state.max_steps // int(args.num_train_epochs)) == 0
                torch.set_rng_state(now if over else drawn)
            self.drawn = torch.get_rng_state()

        def on_save(self, args, state, control, **kwargs):  # noqa: ANN001, ANN202
            if args.world_size > 1:
                torch.distributed.barrier()  # each process has written its part of the checkpoint
            if not state.is_world_process_zero:
                return
            path = checkpoints / f"checkpoint-{state.global_step}" / ORDER_FILE
            torch.save((self.drawn, torch.get_rng_state()), path.with_suffix(".tmp"))
            path.with_suffix(".tmp").rename(path)

    return SameOrder()


def early_stopping(patience: int, min_gain: float) -> Any:
    """Ends training after `patience` evaluations in a row that lower the least loss so far by less than `min_gain`.

    They are counted in the log, which is in every checkpoint. transformers' own EarlyStoppingCallback counts in itself:
    it forgets its count when a run is resumed, or takes its patience from the checkpoint, and cannot be saved by a run
    that goes on from a checkpoint made without it.
    """
    from transformers import TrainerCallback

    class EarlyStopping(TrainerCallback):
        def on_train_begin(self, args, state, control, **kwargs):  # noqa: ANN001, ANN202
            self.on_evaluate(args, state, control)  # the run may have been killed after its last evaluation

        def on_evaluate(self, args, state, control, **kwargs):  # noqa: ANN001, ANN202
            losses = [log["eval_loss"] for log in state.log_history if "eval_loss" in log]
            if idle_evaluations(losses, min_gain) >= patience:
                control.should_training_stop = True

    return EarlyStopping()


def idle_evaluations(losses: list[float], min_gain: float) -> int:
    """How many of the last losses in a row did not lower the least one before them by more than `min_gain`."""
    idle, least = 0, float("inf")
    for loss in losses:
        idle = 0 if least - loss > min_gain else idle + 1
        least = min(least, loss)
    return idle
