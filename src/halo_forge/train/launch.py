"""Training in several processes of this machine, started by `accelerate launch`: each is a rank of one group.

The process that calls keeps the locks, the outputs and the progress line; the ranks (`rank`) train. They tell it, in a
folder of its own, which step is done and how each of them ended.
"""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from halo_forge.errors import InfrastructureError, InputError
from halo_forge.files import read_json, write_json
from halo_forge.model.chat import Chat
from halo_forge.train import rank
from halo_forge.train.lora import Run, train
from halo_forge.train.processes import processes_of
from halo_forge.train.rank import JOB, STEPS, SUMMARY, end_of, process_of
from halo_forge.train.rows import Rows

_LOOK_S = 0.2
_ERRORS = {kind.__name__: kind for kind in (InputError, InfrastructureError)}
_STDERR = 2
_DDP = {"compute_environment": "LOCAL_MACHINE", "distributed_type": "MULTI_GPU"}
"""What is launched without a file of the user's; else accelerate would take the one in the user's home."""
_START = (
    "from halo_forge.interrupts import die_with_parent; die_with_parent(); "
    "from accelerate.commands.launch import main; main()"
)


def train_here(
    run: Run, rows: Rows, chat: Chat, out: Path, on_step: Callable[[dict], None] | None = None
) -> dict[str, Any]:
    """`lora.train` in as many processes as `run.compute` says, or as GPUs are visible; a single one, which no file of
    accelerate's is for, is this."""
    import torch

    processes = processes_of(run.compute, run.settings.batch_size, torch.cuda.device_count())
    if processes == 1 and not run.compute.accelerate:
        return train(run, rows, chat, out, on_step)
    return train_in_processes(processes, run, rows, chat, out, on_step)


def train_in_processes(
    processes: int, run: Run, rows: Rows, chat: Chat, out: Path, on_step: Callable[[dict], None] | None = None
) -> dict[str, Any]:
    """`lora.train` in so many processes, which makes the same steps on the same batches.

    Raises what that raises, and InfrastructureError when a rank was killed: then all of them end, and the same run goes
    on from its last checkpoint.
    """
    with tempfile.TemporaryDirectory(prefix="halo-forge-ranks-") as name:
        folder = Path(name)
        (folder / JOB).write_bytes(pickle.dumps((run, rows, chat, out)))
        write_json(folder / "ddp.json", _DDP)
        config = run.compute.accelerate or str(folder / "ddp.json")
        command = [sys.executable, "-c", _START, *_flags(processes, config)]
        command += ["--module", rank.__name__, str(folder)]
        lost: list[int] = []
        with _ended(subprocess.Popen(command, env=_environment(), stdout=_STDERR)) as launcher:
            steps = _Steps(folder / STEPS, on_step)
            while launcher.poll() is None:
                time.sleep(_LOOK_S)
                steps.read()
                lost = lost or _lost(folder, processes)
            steps.read()
        if (folder / SUMMARY).exists():
            return read_json(folder / SUMMARY)
        raise _why(folder, processes, lost or _lost(folder, processes), steps.last)


def _flags(processes: int, config: str) -> list[str]:
    flags = ["--num_processes", str(processes), "--num_machines", "1", "--main_process_port", "0"]
    flags += ["--mixed_precision", "no"]  # the training's own settings say what is computed in which type
    flags += ["--num_cpu_threads_per_process", str(max(1, len(os.sched_getaffinity(0)) // processes))]
    return [*flags, "--dynamo_backend", "no", "--config_file", config]


def _environment() -> dict[str, str]:
    """That of this process, in which the ranks find the same packages."""
    paths = [path for path in sys.path if path]
    return os.environ | {"PYTHONPATH": os.pathsep.join(paths)}


@contextlib.contextmanager
def _ended(launcher: subprocess.Popen) -> Iterator[subprocess.Popen]:
    """Ends the launcher, which ends its ranks, if the block does not wait for it."""
    try:
        yield launcher
    finally:
        if launcher.poll() is None:
            launcher.terminate()
            launcher.wait()


class _Steps:
    """What the first rank has logged, handed on once; `last` is the number of the last step."""

    def __init__(self, path: Path, on_step: Callable[[dict], None] | None):
        self._path, self._on_step, self._read, self.last = path, on_step, 0, 0

    def read(self) -> None:
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._read)
            lines = file.read()
        for line in lines[: lines.rfind(b"\n") + 1].splitlines(keepends=True):
            self._read += len(line)
            entry = json.loads(line)
            self.last = entry["step"]
            if self._on_step:
                self._on_step(entry)


def _lost(folder: Path, processes: int) -> list[int]:
    """Ranks that had begun and are gone without a word: nobody but the kernel or a user ends them so."""
    found = []
    for number in range(processes):
        with contextlib.suppress(FileNotFoundError):
            process = int(process_of(folder, number).read_text())
            if not _runs(process) and not end_of(folder, number).exists():
                found.append(number)
    return found


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def _why(folder: Path, processes: int, lost: list[int], step: int) -> Exception:
    """The error to raise, once all ranks have ended and no summary is there."""
    said = [read_json(end_of(folder, number)) for number in range(processes) if end_of(folder, number).exists()]
    ends = [end for end in said if end is not None]
    for end in ends:
        kind = _ERRORS.get(end["error"])
        if kind:
            return kind(end["words"])
    if lost:
        ranks = " and ".join(f"rank {number}" for number in lost)
        return InfrastructureError(
            f"training: {ranks} of {processes} was killed after step {step} (by the kernel, if memory ran out), and "
            "the others were ended; run the same command again to go on from the last checkpoint"
        )
    said = next((f": {end['error']}: {end['words']}" for end in ends if end["error"] != "KeyboardInterrupt"), "")
    return RuntimeError(f"training in {processes} processes failed{said}; what they said stands above")
