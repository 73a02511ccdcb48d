"""Sampling on a Ray cluster: an actor a place, each with an engine, draws chunk after chunk."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from halo_forge.cluster.ray import Place, connect, places
from halo_forge.cluster.replicas import on_gpus
from halo_forge.cluster.shared import shared_out
from halo_forge.errors import InfrastructureError
from halo_forge.generate.drawing import Draw, Drawing
from halo_forge.generate.protocol import Completion
from halo_forge.generate.run import opened
from halo_forge.generate.samples import Drawers, Here, Kind
from halo_forge.model.checkpoint import Checkpoint
from halo_forge.records import Sample
from halo_forge.settings.params import Params


class Drawer:
    """Lives in an actor: an engine, and what it draws."""

    def __init__(self, folder: str, params: Params, checkpoint: Checkpoint, drawing: Drawing):
        os.chdir(folder)
        self._here = Here(opened(params, checkpoint, drawing))

    def kind(self) -> Kind:
        return self._here.kind

    def draw(self, kind: Kind, draws: Sequence[Draw]) -> tuple[list[Sample], float]:
        """The samples of a chunk and the seconds they took. Raises InfrastructureError where this node's answers would
        not be those of the others."""
        if self._here.kind != kind:
            raise InfrastructureError(f"it draws with {self._here.kind}, others with {kind}: set generate.engine")
        ((_, samples, seconds),) = self._here.draw({0: draws}, lambda _: None)
        return samples, seconds


class RaySampling:
    """`Drawers` on the nodes of a cluster."""

    def __init__(self, params: Params, checkpoint: Checkpoint, drawing: Drawing):
        import ray

        server = params.generate.server
        connect(params.compute.ray, *([server.key_variable] if server else []))
        self._remote, self._given = ray.remote(Drawer), (os.getcwd(), params, checkpoint, drawing)
        self._gpus = params.generate.tensor_parallel
        self._first = places(self._gpus)[0]
        self._actors = {self._first: self._actor(self._first)}
        try:
            self.kind: Kind = ray.get(self._actors[self._first].kind.remote())
        except ray.exceptions.RayError as error:
            raise InfrastructureError(f"compute.ray: node {self._first.node[:8]} opens no engine: {error}") from error

    def draw(
        self, chunks: Mapping[int, Sequence[Draw]], finished: Callable[[Completion], None]
    ) -> Iterator[tuple[int, list[Sample], float]]:
        """(chunk, samples, seconds) as they are ready. Raises as `shared_out`."""

        def start(place: Place) -> Callable[[int], Any]:
            actor = self._actors.pop(place, None) or self._actor(place)
            return lambda number: actor.draw.remote(self.kind, chunks[number])

        for number, (samples, seconds) in shared_out(chunks, start, gpus=self._gpus, what="sampling"):
            for sample in samples:
                finished(Completion([], sample.n_tokens, sample.finish_reason))
            yield number, samples, seconds

    def _actor(self, place: Place) -> Any:
        return self._remote.options(**place.options).remote(*self._given)


def drawers_of(params: Params) -> Callable[[Params, Checkpoint, Drawing], Drawers] | None:
    """Who samples by these settings, None where that is this process. Raises InputError as `on_gpus`."""
    return RaySampling if params.compute.ray else on_gpus(params)
