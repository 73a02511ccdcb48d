"""GPUs for work that runs side by side: each process takes free ones for itself, by lock files of this machine.

Without this all experiments of a queue see the same GPUs and begin on the first: DVC hands out none. $HALO_FORGE_GPUS
says how many a process takes; unset, it uses what it sees. A lock ends with its process, however that ends.
"""

from __future__ import annotations

import fcntl
import os
import re
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path

from halo_forge.errors import InputError

WANTED = "HALO_FORGE_GPUS"
_LOOK_S = 1.0

_held: list[int] = []  # descriptors of the locks of this process


def take_gpus() -> None:
    """Have this process see $HALO_FORGE_GPUS GPUs that no other one has taken; waits until so many are free.

    To be called before anything asks for a GPU. Does nothing where the variable is unset or no GPU is here. Raises
    InputError for a number that cannot be.
    """
    text = os.environ.get(WANTED)
    gpus = visible_gpus()
    if text is None or not gpus or _held:
        return
    if not text.isdecimal() or not 1 <= int(text) <= len(gpus):
        raise InputError(f"{WANTED}={text}: give a number from 1 to {len(gpus)}, the GPUs that are visible here")
    taken = wait_for(gpus, int(text), _locks())
    os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(taken)
    print(f"GPU {', '.join(taken)} of {', '.join(gpus)}", file=sys.stderr)


def named_gpus() -> list[str] | None:
    """The numbers and UUIDs in CUDA_VISIBLE_DEVICES, None where it is not set.

    As CUDA reads it: what cannot be a device, `-1` above all, ends the list, and those before it count.
    """
    listed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if listed is None:
        return None
    names = (name.strip() for name in listed.split(","))
    return list(takewhile(re.compile(r"\d+|(GPU|MIG)-.+").fullmatch, names))


def visible_gpus() -> list[str]:
    """What CUDA_VISIBLE_DEVICES names, else a number for each NVIDIA GPU that is here, from 0; no CUDA is asked.

    CUDA counts those that it finds: the only card of a container is its 0, though the file may be /dev/nvidia3.
    """
    named = named_gpus()
    if named is not None:
        return named
    cards = [path for path in Path("/dev").glob("nvidia*") if re.fullmatch(r"nvidia\d+", path.name)]
    return [str(number) for number in range(len(cards))]


def wait_for(gpus: Sequence[str], count: int, folder: Path) -> list[str]:
    """`count` of `gpus`, locked by files in `folder` for the life of this process: all of them or, meanwhile, none."""
    said = False
    while True:
        taken = {gpu: lock for gpu in gpus if (lock := _lock(folder / f"gpu-{gpu}.lock")) is not None}
        spare = list(taken)[count:] if len(taken) >= count else list(taken)
        for gpu in spare:
            os.close(taken.pop(gpu))
        if taken:
            _held.extend(taken.values())
            return list(taken)
        if not said:
            print(f"waiting for {count} of the GPUs {', '.join(gpus)} to be free ({folder})", file=sys.stderr)
            said = True
        time.sleep(_LOOK_S)


def _lock(path: Path) -> int | None:
    """The descriptor of the lock, None where another process has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _locks() -> Path:
    """Of this machine, not of a home that several share."""
    return Path(tempfile.gettempdir()) / f"halo-forge-gpus-{os.getuid()}"
