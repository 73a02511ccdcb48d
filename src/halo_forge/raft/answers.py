"""What a cycle counts and compares of its judged samples, without their texts: some 400 bytes of each."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from sys import intern
from typing import NamedTuple

from halo_forge.errors import InputError
from halo_forge.pairing import Pair
from halo_forge.raft.programs import normalised
from halo_forge.records import Task, Verdict


class Answer(NamedTuple):
    """A sample and its verdict; what is not explained here is as in theirs."""

    sample_id: str
    task_id: str
    status: str
    reward: float | None
    passed: bool
    compiled: bool
    faulty: bool
    sanitizers: str | None
    truncated: bool
    program: bytes | None
    """A digest by which two spellings of one program are equal; None where there is no code or no reward."""
    duration_s: float
    verifier: str
    isolation: str


def answers_of(pairs: Iterable[Pair], tasks: Mapping[str, Task]) -> list[Answer]:
    """The answers in the order of `pairs`. Raises InputError where a sample is of none of `tasks`."""
    answers = []
    for sample, verdict in pairs:
        if sample.task_id not in tasks:
            raise InputError(f"raft: sample {sample.sample_id!r} answers task {sample.task_id!r}, which is not given")
        answers.append(
            Answer(
                sample_id=sample.sample_id,
                task_id=intern(sample.task_id),
                status=verdict.status,
                reward=verdict.reward,
                passed=verdict.passed,
                compiled=verdict.compiled,
                faulty=verdict.faulty,
                sanitizers=verdict.sanitizers and intern(verdict.sanitizers),
                truncated=sample.finish_reason == "length",
                program=_program(verdict, tasks[sample.task_id].language),
                duration_s=verdict.duration_s,
                verifier=intern(verdict.verifier),
                isolation=intern(verdict.isolation),
            )
        )
    return answers


def _program(verdict: Verdict, language: str) -> bytes | None:
    if verdict.reward is None or not verdict.code:
        return None
    code = normalised(verdict.code, language)
    return hashlib.blake2b(code.encode("utf-8", "surrogatepass"), digest_size=16).digest()
