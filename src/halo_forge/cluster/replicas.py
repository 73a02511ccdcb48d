"""Sampling on the GPUs of this machine: a process a share of them, each with an engine, draws chunk after chunk.

vLLM refuses data parallelism inside one process, and none is needed: chunks have nothing to do with each other, so that
whichever replica draws one gives the answers that this process would.
"""

from __future__ import annotations

import functools
import multiprocessing
import os
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any, NamedTuple

from halo_forge.devices import visible_gpus
from halo_forge.errors import HaloForgeError, InfrastructureError, InputError
from halo_forge.generate.drawing import Draw, Drawing
from halo_forge.generate.engine import has_gpu
from halo_forge.generate.protocol import Completion
from halo_forge.generate.run import opened
from halo_forge.generate.samples import Here, Kind, Sampler
from halo_forge.interrupts import die_with_parent, interruptible
from halo_forge.model.checkpoint import Checkpoint
from halo_forge.records import Sample
from halo_forge.settings.params import Params

_GRACE_S = 15.0
"""How long a replica that is to end may take for it."""
_WITHOUT_GPU = ("openvino", "server")

Given = tuple[Params, Checkpoint, Drawing]
Open = Callable[[Params, Checkpoint, Drawing], Sampler]


def on_gpus(params: Params) -> Callable[[Params, Checkpoint, Drawing], Replicas] | None:
    """Who samples where several engines find GPUs here, None where there is work for one: that is this process's.

    Raises InputError for numbers in compute.replicas and generate.tensor_parallel that the visible GPUs do not allow.
    """
    gpus = visible_gpus()
    uses = params.generate.engine not in _WITHOUT_GPU and (len(gpus) > 1 or params.compute.replicas) and has_gpu()
    shares = shares_of(params, gpus if uses else [])
    return functools.partial(Replicas, shares) if len(shares) > 1 else None


def shares_of(params: Params, gpus: Sequence[str]) -> list[list[str]]:
    """The GPUs of each engine: as many engines as fit, or as compute.replicas says."""
    each, wanted = params.generate.tensor_parallel, params.compute.replicas
    fitting = len(gpus) // each
    if gpus and not fitting:
        raise InputError(
            f"generate.tensor_parallel: {each}: only {len(gpus)} GPUs are visible here; set it to {len(gpus)} or less"
        )
    if wanted and wanted > max(fitting, 1):
        there = f"{len(gpus)} GPUs are visible" if gpus else "the engine has no GPU"
        raise InputError(
            f"compute.replicas: {wanted}: {there} here, and each engine needs {each} of its own; set it to "
            f"{max(fitting, 1)}, or leave it out"
        )
    return [list(gpus[number * each : (number + 1) * each]) for number in range(wanted or max(fitting, 1))]


class _Drawn(NamedTuple):
    number: int
    samples: list[Sample]
    seconds: float


class Replicas:
    """`Drawers` in processes of this machine, `shares` the GPUs of each; none is started that would find no chunk."""

    def __init__(
        self,
        shares: Sequence[Sequence[str]],
        params: Params,
        checkpoint: Checkpoint,
        drawing: Drawing,
        open_engine: Open = opened,
    ):
        first, *self._others = shares
        self._given = open_engine, (params, checkpoint, drawing)
        self._replicas = [_Replica(first, *self._given)]
        try:
            self.kind: Kind = self._replicas[0].says()
        except BaseException:
            self._end(at_once=True)
            raise

    def draw(
        self, chunks: Mapping[int, Sequence[Draw]], finished: Callable[[Completion], None]
    ) -> Iterator[tuple[int, list[Sample], float]]:
        """(chunk, samples, seconds) as they are ready. Raises the error of a replica, and InfrastructureError for one
        that was killed: then all end."""
        todo = iter(chunks.items())
        try:
            self._replicas += [_Replica(gpus, *self._given) for gpus in self._others[: max(0, len(chunks) - 1)]]
            busy = {replica.connection: replica for replica in self._replicas[1:]}  # with opening their engines
            if chunk := next(todo, None):
                busy[self._replicas[0].give(chunk)] = self._replicas[0]
            while busy:
                for connection in wait(list(busy)):
                    replica, said = busy[connection], busy[connection].says()
                    if isinstance(said, _Drawn):
                        for sample in said.samples:
                            finished(Completion([], sample.n_tokens, sample.finish_reason))
                        yield said
                    elif said != self.kind:
                        raise InfrastructureError(
                            f"compute.replicas: GPU {replica.gpus} draws with {said}, others with {self.kind}: set "
                            "generate.engine and generate.batch_size, or compute.replicas: 1"
                        )
                    if chunk := next(todo, None):
                        replica.give(chunk)
                    else:
                        del busy[connection]
        except BaseException:
            self._end(at_once=True)
            raise
        self._end()

    def _end(self, *, at_once: bool = False) -> None:
        for replica in self._replicas:
            replica.leave(at_once)
        for replica in self._replicas:
            replica.end()


class _Replica:
    """A process with an engine on `gpus`, and the connection by which it is given chunks."""

    def __init__(self, gpus: Sequence[str], open_engine: Open, given: Given):
        started = multiprocessing.get_context("spawn")
        self.gpus = ", ".join(gpus)
        self.connection, its_end = started.Pipe()
        # No daemon: vLLM's engine is a child of this process, and those have none.
        self._process = started.Process(target=_serve, args=(its_end, gpus, open_engine, given))
        self._process.start()
        its_end.close()

    def give(self, chunk: tuple[int, Sequence[Draw]]) -> Connection:
        """The connection at which the answer will be."""
        try:
            self.connection.send(chunk)
        except BrokenPipeError:
            raise self._gone() from None
        return self.connection

    def says(self) -> Any:
        """What comes next: its Kind once the engine is open, then each _Drawn. Raises the error that ended it."""
        try:
            said = self.connection.recv()
        except (EOFError, ConnectionResetError):
            raise self._gone() from None
        if isinstance(said, Exception):
            raise said
        return said

    def leave(self, at_once: bool) -> None:
        """Have it end: by itself as it waits for a chunk, or in the middle of one."""
        self.connection.close()
        if at_once:
            self._process.terminate()

    def end(self) -> None:
        self._process.join(_GRACE_S)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def _gone(self) -> InfrastructureError:
        self._process.join(_GRACE_S)
        return InfrastructureError(
            f"compute.replicas: the engine on GPU {self.gpus} is gone, its process ended with {self._process.exitcode} "
            "(-9: killed, by the kernel if memory ran out); what was drawn is kept: run the same command again"
        )


def _serve(connection: Connection, gpus: Sequence[str], open_engine: Open, given: Given) -> None:
    """A replica's process: says its kind, then draws what it is given until nobody is at the other end."""
    die_with_parent()
    os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(gpus)  # before torch or vLLM looks
    with interruptible(), connection:
        try:
            here = Here(open_engine(*given))
            connection.send(here.kind)
            while True:
                number, draws = connection.recv()
                for drawn in here.draw({number: draws}, lambda _: None):
                    connection.send(_Drawn(*drawn))
        except (EOFError, BrokenPipeError, KeyboardInterrupt):
            return
        except HaloForgeError as error:
            connection.send(error)
        except Exception as error:  # noqa: BLE001 - of whatever kind, it may not be one that can be sent
            traceback.print_exc()
            connection.send(InfrastructureError(f"compute.replicas: {type(error).__name__}: {error}"))
