"""The connection to a Ray cluster, and the places in it where work can be done."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
from dataclasses import dataclass
from typing import Any

from halo_forge.errors import InfrastructureError


@dataclass(frozen=True)
class Place:
    """A node with all its processors, or some GPUs of a node; `number` tells those of a node apart."""

    node: str
    cpus: float
    gpus: int = 0
    number: int = 0

    @property
    def options(self) -> dict[str, Any]:
        """What puts a Ray task or actor there and nowhere else."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        strategy = NodeAffinitySchedulingStrategy(self.node, soft=False)
        return {"scheduling_strategy": strategy, "num_cpus": self.cpus, "num_gpus": self.gpus}


_HANDED_ON = ("OMP_NUM_THREADS", "HALO_FORGE_CACHE", "HALO_FORGE_SERVER_URL")
"""Variables of this process that decide how its work is done."""
_REACH_S = 20.0


def connect(address: str, *variables: str) -> None:
    """Connect this process to the cluster at `address`, or to the one that runs here if it is `auto`.

    Its workers find the packages where this process does, the project's folder being one that all nodes share, and the
    environment variables of these names. Raises InfrastructureError where Ray is not installed or no cluster answers.
    """
    try:
        import ray
    except ImportError as error:
        raise InfrastructureError(
            "compute.ray: ray is not installed: pip install -r requirements-ray.lock, or leave compute.ray out"
        ) from error
    if ray.is_initialized():
        return
    given = {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    given |= {name: os.environ[name] for name in (*_HANDED_ON, *variables) if name in os.environ}
    interrupted = signal.getsignal(signal.SIGTERM)
    try:
        _reach(address)  # Ray itself asks an address at which nobody listens for minutes
        ray.init(
            address,
            runtime_env={"env_vars": given},
            log_to_driver=False,
            logging_level=logging.ERROR,
            configure_logging=False,
        )
    except (OSError, RuntimeError, ValueError) as error:
        raise InfrastructureError(
            f"compute.ray: {address}: no Ray cluster answers ({error}); start one with `ray start --head`, and on "
            "every other node `ray start --address=HOST:PORT`"
        ) from error
    signal.signal(signal.SIGTERM, interrupted)  # Ray puts its own in place of that by which a stage is interrupted


def _reach(address: str) -> None:
    """Raises OSError where HOST:PORT takes no connection; another form of address is Ray's own to look for."""
    host, _, port = address.rpartition(":")
    if host and port.isdecimal() and "/" not in host:
        socket.create_connection((host, int(port)), _REACH_S).close()


def places(gpus: int) -> list[Place]:
    """Where work can be done now: where it takes `gpus`, each such share of the GPUs that the cluster has; where it
    takes none, or there are none, each node. Raises InfrastructureError for GPUs too few on every node."""
    import ray

    alive = [(node["NodeID"], node["Resources"]) for node in ray.nodes() if node["Alive"]]
    there = [(node, has, int(has.get("GPU", 0))) for node, has in alive if gpus and has.get("GPU")]
    found = []
    for node, has, most in there:
        shares = most // gpus
        found += [Place(node, int(has.get("CPU", 0)) // shares, gpus, number) for number in range(shares)]
    if there and not found:
        most = max(most for _, _, most in there)
        raise InfrastructureError(
            f"generate.tensor_parallel: {gpus}: no node of the cluster has so many GPUs; set it to {most} or less"
        )
    return found or [Place(node, has["CPU"]) for node, has in alive if has.get("CPU")]
