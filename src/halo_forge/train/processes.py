"""How many processes train together."""

from __future__ import annotations

import sys

from halo_forge.errors import InputError
from halo_forge.settings.compute import Compute


def processes_of(compute: Compute, batch_size: int, gpus: int) -> int:
    """The number that `compute.processes` asks for, or what `gpus` visible ones and a step's rows allow.

    Every process takes the same share of an optimizer step's `batch_size` rows. Raises InputError for a number that
    does not divide it, or that leaves a process without a GPU where there are some.
    """
    wanted = compute.processes or max(gpus, 1)
    fitting = _divisor(batch_size, wanted)
    if compute.processes is None:
        if fitting < wanted:
            print(
                f"training on {fitting} of {gpus} visible GPUs, as batch_size {batch_size} is no multiple of more",
                file=sys.stderr,
            )
        return fitting
    if 0 < gpus < wanted:
        raise InputError(
            f"compute.processes: {wanted}: only {gpus} GPUs are visible here, and each process needs its own; set it "
            f"to {_divisor(batch_size, gpus)}, or leave it out"
        )
    if fitting < wanted:
        raise InputError(
            f"compute.processes: {wanted}: batch_size {batch_size} is no multiple of it; set it to {fitting}, or "
            f"batch_size to {-(-batch_size // wanted) * wanted}"
        )
    return wanted


def _divisor(of: int, most: int) -> int:
    """The greatest that is at most `most`."""
    return max(number for number in range(1, most + 1) if of % number == 0)
