"""Judging on a Ray cluster: tasks that judge some programs each, with the same judge and sandbox on every node."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Sequence
from typing import Any

from halo_forge.cluster.ray import Place, connect
from halo_forge.cluster.shared import shared_out
from halo_forge.errors import InfrastructureError
from halo_forge.records import Sample, Task
from halo_forge.settings.compute import Compute
from halo_forge.settings.verify import Verify
from halo_forge.verify.core.protocol import Judgement
from halo_forge.verify.identity import identity
from halo_forge.verify.judge import Judged, judge_here
from halo_forge.verify.programs import Program
from halo_forge.verify.registry import get_verifier

PROGRAMS_A_TASK = 64
"""What a lost node costs at most. Judging so many takes seconds, handing them out milliseconds."""

Asked = tuple[str, Task, Sample]
"""The name of a verifier, and the program as the answer to its task."""


class RayJudging:
    """As `judge_here`, on the nodes of the cluster at `address`; `programs_a_task` are handed out at a time."""

    def __init__(self, address: str, programs_a_task: int = PROGRAMS_A_TASK):
        self._address, self._size = address, programs_a_task

    def __call__(self, programs: Sequence[Program], settings: Verify) -> Judged:
        if not programs:
            return
        import ray

        connect(self._address)
        judges = {program.asked: identity(program.verifier) for program in _one_of_each(programs)}
        remote = ray.remote(judge_some)
        batches = range(0, len(programs), self._size)

        def start(place: Place) -> Callable[[int], Any]:
            def begin(first: int) -> Any:
                some = programs[first : first + self._size]
                asked = [(program.asked, program.task, program.samples[0]) for program in some]
                return remote.options(max_retries=0, **place.options).remote(os.getcwd(), asked, settings, judges)

            return begin

        for first, judged in shared_out(batches, start, gpus=False, what="judging"):
            for program, (judgement, seconds) in zip(programs[first : first + self._size], judged, strict=True):
                yield program, judgement, seconds


def judge_some(
    folder: str, asked: Sequence[Asked], settings: Verify, judges: dict[str, list[str]]
) -> list[tuple[Judgement, float]]:
    """On a node: the judgements of the programs, in their order, and the seconds they took.

    Raises InfrastructureError where its compilers, sandbox or code are not those of the machine that asks: then its
    verdicts would be another judge's.
    """
    os.chdir(folder)
    programs = []
    verifiers = {name: get_verifier(name, settings) for name in judges}
    for name, task, sample in asked:
        verifier = verifiers[name]
        if _identity(name, settings.model_dump_json()) != judges[name]:
            raise InfrastructureError(
                f"the verifier {name} of this node is another one than where the run was started (compiler, sandbox or "
                "code differ); install the same there"
            )
        code = verifier.extract(task, sample.completion)
        programs.append(Program(task, name, verifier, task.tests.model_dump_json(), code, [sample]))
    places = {id(program.samples[0]): place for place, program in enumerate(programs)}
    found: list[Any] = [None] * len(programs)
    for program, judgement, seconds in judge_here(programs, settings):
        found[places[id(program.samples[0])]] = judgement, seconds
    return found


@functools.cache
def _identity(name: str, settings: str) -> list[str]:
    """Asked once by each process: it takes a while."""
    return identity(get_verifier(name, Verify.model_validate_json(settings)))


def _one_of_each(programs: Sequence[Program]) -> list[Program]:
    """A program for every verifier that is asked."""
    return list({program.asked: program for program in programs}.values())


def on_ray(compute: Compute) -> RayJudging | None:
    """Who judges by these settings, None where that is this process."""
    return RayJudging(compute.ray) if compute.ray else None
