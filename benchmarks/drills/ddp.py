"""`make drill-ddp`: two processes train together as one does; one of them is killed, and the run goes on.

A tiny random model on the CPU, whose two ranks talk by gloo. The last line says what was equal.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

from tiny import make_tiny_model  # noqa: E402

from halo_forge.errors import InfrastructureError  # noqa: E402
from halo_forge.model.chat import Chat  # noqa: E402
from halo_forge.settings.training import Lora, Training  # noqa: E402
from halo_forge.train.checkpoints import resumed_step  # noqa: E402
from halo_forge.train.launch import train_in_processes  # noqa: E402
from halo_forge.train.lora import HeldOut, Run, train  # noqa: E402
from halo_forge.train.rows import tokenised  # noqa: E402

PAIRS = [(f"Add {i % 7} and {i}.", f"The sum is {i % 7 + i}." + " Yes." * (i % 3)) for i in range(13)]
"""13 rows in batches of 4: the last batch has one row, and one rank has none of it."""
SETTINGS = Training(epochs=10, batch_size=4, micro_batch_size=2, save_steps=1)
RANKS = 2


def run_of(base: Path, folder: Path, **fields: Any) -> Run:
    given = {"lora": Lora(r=4, alpha=8), "settings": SETTINGS, "learning_rate": 1e-2, "seed": 1} | fields
    return Run(base=base, start=None, checkpoints=folder / "checkpoints", **given)


def killing(rank: int, step: int) -> Any:
    """Kills a rank of the training that calls it, once `step` is done."""

    def on_step(entry: dict) -> None:
        for process in psutil.Process().children(recursive=True) if entry["step"] == step else ():
            if process.environ().get("RANK") == str(rank):
                os.kill(process.pid, signal.SIGKILL)

    return on_step


def weights_of(folder: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return load_file(folder / "adapter_model.safetensors")


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        base = make_tiny_model(folder / "model")
        chat = Chat.of(str(base))
        rows = tokenised(chat, PAIRS, 512, "rows")
        began = time.monotonic()
        held_out = HeldOut(PAIRS[:3], every_steps=1, patience=0)
        runs = {name: run_of(base, folder / name, held_out=held_out) for name in ("one", "two", "killed")}
        one = train(runs["one"], rows, chat, folder / "one" / "out")
        two = train_in_processes(RANKS, runs["two"], rows, chat, folder / "two" / "out")
        try:
            train_in_processes(RANKS, runs["killed"], rows, chat, folder / "killed" / "out", killing(1, 3))
        except InfrastructureError as error:
            print(f"error: {error}")
            if "rank 1 of 2 was killed" not in str(error):
                sys.exit("the error does not name the rank that was killed")
        else:
            sys.exit("no error, though rank 1 was killed")
        step = resumed_step(runs["killed"].checkpoints)
        resumed = train_in_processes(RANKS, runs["killed"], rows, chat, folder / "killed" / "out")
        print(compared(one, two, resumed, {name: weights_of(folder / name / "out") for name in runs}, step, began))


def compared(one: dict, two: dict, resumed: dict, weights: dict[str, dict], step: int, began: float) -> str:
    """The line that says what is equal. Exits where something is not."""
    losses = max(abs(a["loss"] - b["loss"]) / a["loss"] for a, b in zip(one["loss"], two["loss"], strict=True))
    held = (one["held_out"]["loss"], two["held_out"]["loss"])
    held_out = max(abs(a["loss"] - b["loss"]) / a["loss"] for a, b in zip(*held, strict=True))
    apart = max((weights["one"][name] - tensor).abs().max().item() for name, tensor in weights["two"].items())
    size = max(tensor.abs().max().item() for tensor in weights["one"].values())
    if max(losses, held_out) > 1e-4 or apart > 1e-3 * size:
        sys.exit(f"two ranks differ from one process: losses {losses:.1e}, {held_out:.1e}, weights {apart:.1e}")
    if any(not weights["two"][name].equal(tensor) for name, tensor in weights["killed"].items()):
        sys.exit("the resumed run ends with other weights than the whole one")
    if two["loss"] != resumed["loss"] or two["held_out"] != resumed["held_out"]:
        sys.exit("the resumed run has other losses than the whole one")
    return (
        f"drill-ddp: equal: {one['steps']} losses of {RANKS} ranks and of one process to {losses:.0e} (held out "
        f"{held_out:.0e}), weights to {apart / size:.0e} of the greatest; rank 1 killed, resumed from step {step}: all "
        f"losses and weights bit for bit; {time.monotonic() - began:.0f} s"
    )


if __name__ == "__main__":
    main()
