"""Pieces of work handed out to the places of a cluster: a lost one costs its piece, which another place then does."""

from __future__ import annotations

import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from halo_forge.cluster.ray import Place, places
from halo_forge.errors import InfrastructureError

TRIES = 3
"""Of a piece, each at another place if there is one; and of a place, before it is given nothing more."""
_SHUNNED_S = 20.0
"""A place that lost a piece is given none for so long: the cluster takes a while to see that a node is dead."""
_LOOK_S = 1.0

Worker = Callable[[Any], Any]
"""Begins a piece at its place; returns Ray's reference to the result."""


def shared_out(
    pieces: Iterable[int], start: Callable[[Place], Worker], *, gpus: int, what: str
) -> Iterator[tuple[int, Any]]:
    """(piece, result) as they are ready; `start` makes the worker of a place of `gpus`, one piece at a time.

    Pieces are taken as places are free for them, one ahead, so that what they stand for need not be held at once.
    A piece whose worker is lost, or in which an error is raised, is done again, the others before it. Raises
    InfrastructureError for those that failed in `TRIES` tries once all others are done, and at once where no place is
    left.
    """
    import ray

    fresh, number = iter(pieces), 0
    upcoming, again, running = next(fresh, None), [], {}
    crew = _Crew(start, gpus, what)
    failed_at: dict[int, list[Place]] = defaultdict(list)
    given_up: dict[int, str] = {}
    while upcoming is not None or again or running:
        for place in crew.free({place for _, place in running.values()}):
            if upcoming is not None:
                piece, upcoming, number = upcoming, next(fresh, None), number + 1
            else:
                piece = next((piece for piece in again if crew.may(place, failed_at[piece])), None)
                if piece is None:
                    continue
                again.remove(piece)
            running[crew.worker(place)(piece)] = piece, place
        if not running:
            time.sleep(_LOOK_S)
            continue
        done, _ = ray.wait(list(running), timeout=_LOOK_S)
        for reference in done:
            piece, place = running.pop(reference)
            try:
                result = ray.get(reference)
            except ray.exceptions.RayError as error:
                said = _words(error)
                print(f"warning: {what}: piece {piece} failed on node {place.node[:8]}: {said}", file=sys.stderr)
                crew.failed(place, lost=not isinstance(error, ray.exceptions.RayTaskError))
                failed_at[piece].append(place)
                if len(failed_at[piece]) < TRIES:
                    again.append(piece)
                else:
                    given_up[piece] = said
            else:
                crew.succeeded(place)
                yield piece, result
    if given_up:
        first, said = next(iter(given_up.items()))
        raise InfrastructureError(
            f"compute.ray: {what}: {len(given_up)} of {number} pieces failed in {TRIES} tries each, the first "
            f"{first}: {said}; all others are kept: run the same command again for the rest"
        )


class _Crew:
    """The places, with their workers and what became of them."""

    def __init__(self, start: Callable[[Place], Worker], gpus: int, what: str):
        self._start, self._gpus, self._what = start, gpus, what
        self._workers: dict[Place, Worker] = {}
        self._shunned: dict[Place, float] = {}
        self._failures: Counter[Place] = Counter()
        self._usable: list[Place] = []

    def free(self, busy: set[Place]) -> list[Place]:
        """The places that can be given a piece now. Raises InfrastructureError if there is none, busy or free."""
        self._usable = [place for place in places(self._gpus) if self._failures[place] < TRIES]
        if not self._usable and not busy:
            raise InfrastructureError(
                f"compute.ray: {self._what}: no node is left that works; what was done is kept: run the same command "
                "again"
            )
        now = time.monotonic()
        return [place for place in self._usable if place not in busy and now > self._shunned.get(place, 0.0)]

    def may(self, place: Place, failed_at: list[Place]) -> bool:
        """Whether a piece is tried at `place`: not where it has failed, if it can be tried elsewhere."""
        return place not in failed_at or all(other in failed_at for other in self._usable)

    def worker(self, place: Place) -> Worker:
        if place not in self._workers:
            self._workers[place] = self._start(place)
        return self._workers[place]

    def failed(self, place: Place, *, lost: bool) -> None:
        """`lost`: the worker is gone, not only its piece."""
        self._failures[place] += 1
        if lost:
            self._workers.pop(place, None)
            self._shunned[place] = time.monotonic() + _SHUNNED_S
        if self._failures[place] == TRIES:
            print(f"warning: {self._what}: node {place.node[:8]} is given nothing more", file=sys.stderr)

    def succeeded(self, place: Place) -> None:
        self._failures[place] = 0


def _words(error: Exception) -> str:
    cause = getattr(error, "cause", None) or error
    lines = str(cause).strip().splitlines()
    return f"{type(cause).__name__}: {lines[0]}" if lines else type(cause).__name__
