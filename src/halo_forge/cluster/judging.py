"""Judging on a Ray cluster: tasks that judge some programs each, with the same judge and sandbox on every node."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from halo_forge.cluster.ray import Place, connect
from halo_forge.cluster.shared import shared_out
from halo_forge.errors import InfrastructureError
from halo_forge.records import Task
from halo_forge.settings.compute import Compute
from halo_forge.settings.verify import Verify
from halo_forge.verify.ahead import batches
from halo_forge.verify.core.protocol import Judgement
from halo_forge.verify.identity import identity
from halo_forge.verify.judge import Judged, judge_here
from halo_forge.verify.programs import Program, Todo
from halo_forge.verify.registry import get_verifier

PROGRAMS_A_TASK = 64
"""What a lost node costs at most. Judging so many takes seconds, handing them out milliseconds."""

Asked = tuple[str, Task, str]
"""The name of a verifier, a task, and the answer that holds the program."""


class RayJudging:
    """As `judge_here`, on the nodes of the cluster at `address`; `programs_a_task` are handed out at a time."""

    def __init__(self, address: str, programs_a_task: int = PROGRAMS_A_TASK):
        self._address, self._size = address, programs_a_task

    def __call__(self, todo: Todo, settings: Verify) -> Judged:
        import ray

        connect(self._address)
        judges = {name: identity(verifier) for name, verifier in todo.verifiers.items()}
        remote = ray.remote(judge_some)
        held: dict[int, list[Program]] = {}

        def pieces() -> Iterator[int]:
            for piece, programs in enumerate(batches(todo.programs, self._size)):
                held[piece] = programs
                yield piece

        def start(place: Place) -> Callable[[int], Any]:
            def begin(piece: int) -> Any:
                asked = [(program.asked, program.task, program.completion) for program in held[piece]]
                return remote.options(max_retries=0, **place.options).remote(os.getcwd(), asked, settings, judges)

            return begin

        for piece, judged in shared_out(pieces(), start, gpus=0, what="judging"):
            for program, (judgement, seconds) in zip(held.pop(piece), judged, strict=True):
                yield program, program.verifier, judgement, seconds


def judge_some(
    folder: str, asked: Sequence[Asked], settings: Verify, judges: dict[str, list[str]]
) -> list[tuple[Judgement, float]]:
    """On a node: the judgements of the programs, in their order, and the seconds they took.

    Raises InfrastructureError where its compilers, sandbox or code are not those of the machine that asks: then its
    verdicts would be another judge's.
    """
    os.chdir(folder)
    verifiers = {name: get_verifier(name, settings) for name in {name for name, _, _ in asked}}
    for name in verifiers:
        if _identity(name, settings.model_dump_json()) != judges[name]:
            raise InfrastructureError(
                f"the verifier {name} of this node is another one than where the run was started (compiler, sandbox or "
                "code differ); install the same there"
            )
    programs = [
        Program(number, task, name, verifiers[name], answer, verifiers[name].extract(task, answer))
        for number, (name, task, answer) in enumerate(asked)
    ]
    found: list[Any] = [None] * len(programs)
    todo = Todo(verifiers, programs, lambda numbers: [program for program in programs if program.number in numbers])
    for program, _, judgement, seconds in judge_here(todo, settings):
        found[program.number] = judgement, seconds
    return found


@functools.cache
def _identity(name: str, settings: str) -> list[str]:
    """Asked once by each process: it takes a while."""
    return identity(get_verifier(name, Verify.model_validate_json(settings)))


def on_ray(compute: Compute) -> RayJudging | None:
    """Who judges by these settings, None where that is this process."""
    return RayJudging(compute.ray) if compute.ray else None
