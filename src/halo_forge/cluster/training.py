"""Training on a Ray cluster: ranks of one group as actors, on whatever nodes, with the trainer of one machine.

Not Ray Train: that would keep checkpoints of its own in a storage of its own, beside those that a killed run goes on
from here. The ranks are what `train.launch` starts; only who starts them differs.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from halo_forge.cluster.ray import connect, places
from halo_forge.errors import HaloForgeError, InfrastructureError
from halo_forge.model.chat import Chat
from halo_forge.settings.compute import Compute
from halo_forge.train.lora import Run, train
from halo_forge.train.processes import processes_of
from halo_forge.train.rows import Rows

TRIES = 3
_LOOK_S = 0.5
_START_S = 300.0
"""How long the ranks may take to begin, the import of torch included; longer, and there is no room for them."""
_SETTLE_S = 10.0
"""How long the cluster takes to see that a node is dead."""
_LAST_WORDS_S = 15.0
"""How long the other ranks have to end once one of them did."""


class _Lost(Exception):
    """A rank is gone, with its node or alone."""


class Rank:
    """Lives in an actor: one process that trains."""

    def __init__(self, folder: str):
        os.chdir(folder)
        self._steps: list[dict] = []

    def address(self) -> tuple[str, int]:
        """Host and port, free now, at which the ranks can meet."""
        import ray

        with socket.socket() as free:
            free.bind(("", 0))
            return ray.util.get_node_ip_address(), free.getsockname()[1]

    def train(self, variables: dict[str, str], run: Run, rows: Rows, chat: Chat, out: Path) -> dict[str, Any]:
        os.environ.update(variables)
        return train(run, rows, chat, out, self._steps.append)

    def steps(self, known: int) -> list[dict]:
        """What each step logged, from the `known`-th on."""
        return self._steps[known:]


def on_ray(compute: Compute) -> Callable[..., dict[str, Any]] | None:
    """`lora.train` on the cluster that the settings name, None where they name none."""
    return train_on_ray if compute.ray else None


def train_on_ray(
    run: Run, rows: Rows, chat: Chat, out: Path, on_step: Callable[[dict], None] | None = None
) -> dict[str, Any]:
    """`lora.train` in as many processes as `run.compute` says, or as the cluster has GPUs.

    The folders of the run are ones that all nodes share. A lost rank ends the others; those that still find room go on
    from the last checkpoint, with the same batches. Raises what `lora.train` raises, and InfrastructureError.
    """
    connect(run.compute.ray)
    gpus = sum(place.gpus for place in places(gpus=1))
    processes, batch = processes_of(run.compute, run.settings.batch_size, gpus), run.settings.batch_size
    said = ""
    for number in range(TRIES):
        if number:
            time.sleep(_SETTLE_S)
            there = sum(place.gpus if gpus else int(place.cpus) for place in places(gpus=int(gpus > 0)))
            processes = processes_of(Compute(), batch, min(processes, there))
        try:
            return _together(processes, bool(gpus), run, rows, chat, out, on_step)
        except _Lost as lost:
            said = str(lost)
            print(f"warning: training: {said}; going on from the last checkpoint", file=sys.stderr)
    raise InfrastructureError(
        f"compute.ray: training: {said} in {TRIES} tries; run the same command again to go on from the last checkpoint"
    )


def _together(
    processes: int,
    gpus: bool,
    run: Run,
    rows: Rows,
    chat: Chat,
    out: Path,
    on_step: Callable[[dict], None] | None,
) -> dict[str, Any]:
    import ray

    ends: list[Any] = []
    cpus = 1 if gpus else _cpus_of_a_rank([place.cpus for place in places(gpus=0)], processes)
    where = {"scheduling_strategy": "SPREAD", "num_cpus": cpus, "num_gpus": int(gpus), "max_concurrency": 2}
    ranks = [ray.remote(Rank).options(**where).remote(os.getcwd()) for _ in range(processes)]
    try:
        (host, port), *_ = ray.get([rank.address.remote() for rank in ranks], timeout=_START_S)
        given = [ray.put(value) for value in (replace(run, compute=Compute()), rows, chat, out)]
        ends = [
            rank.train.remote(_variables(number, processes, host, port), *given) for number, rank in enumerate(ranks)
        ]
        known, waiting = 0, ends
        while waiting:
            done, waiting = ray.wait(waiting, timeout=_LOOK_S)
            for entry in ray.get(ranks[0].steps.remote(known)):
                known += 1
                if on_step:
                    on_step(entry)
            for end in done:
                ray.get(end)
        return ray.get(ends[0])
    except ray.exceptions.RayError as error:
        raise _why(error, processes, ends) from error
    finally:
        for rank in ranks:
            ray.kill(rank)


def _cpus_of_a_rank(nodes: Sequence[float], ranks: int) -> int:
    """The most processors that each of `ranks` can have on nodes with so many: Ray gives a rank as many threads."""
    cpus = int(max(nodes, default=1))
    while cpus > 1 and sum(int(node) // cpus for node in nodes) < ranks:
        cpus -= 1
    return cpus


def _variables(rank: int, ranks: int, host: str, port: int) -> dict[str, str]:
    """What torch and accelerate know a rank by; nothing of it for one that is alone."""
    if ranks == 1:
        return {}
    known = {"RANK": rank, "WORLD_SIZE": ranks, "LOCAL_RANK": 0, "LOCAL_WORLD_SIZE": 1, "MASTER_PORT": port}
    return {"MASTER_ADDR": host, **{name: str(value) for name, value in known.items()}}


def _why(first: Exception, ranks: int, ends: list[Any]) -> Exception:
    """What to raise: a lost rank takes the others with it, whose errors say nothing of the cause."""
    import ray

    if not ends:
        return _Lost(f"of {ranks} ranks not all could begin ({type(first).__name__})")
    ray.wait(ends, num_returns=len(ends), timeout=_LAST_WORDS_S)
    errors = []
    for number, end in enumerate(ends):
        try:
            ray.get(end, timeout=0)
        except ray.exceptions.GetTimeoutError:
            continue
        except ray.exceptions.RayTaskError as error:
            errors.append(error.cause or error)
        except ray.exceptions.RayError as error:
            return _Lost(f"rank {number} of {len(ends)} was lost ({type(error).__name__})")
    return next((error for error in errors if isinstance(error, HaloForgeError)), first)
