"""How different a model's answers are: the distinct programs of each task, and how the samples spread over them."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from math import fsum, log2
from typing import Any

from halo_forge.raft.programs import normalised
from halo_forge.records import Sample, Task, Verdict
from halo_forge.statistics.bootstrap import mean_and_interval

_SPELLINGS = 20_000
"""So many spellings are remembered at most: samples that are spelt alike stand near each other."""


@dataclass(slots=True)
class Program:
    """One program of a task: so many samples were it. `first` is the index of the first of them; `text`, the program as
    that one spelt it (the whole answer where there is none), is held only where it may be shown."""

    count: int
    passed: bool
    status: str
    first: int
    text: str | None


class Programs:
    """The distinct programs of one model, by task. Two answers are one program as RAFT's filter takes them for one
    (`raft.programs`); answers without a program are told apart by their texts. What could not be judged is left out."""

    def __init__(self, tasks: Mapping[str, Task], shown: Container[str] = ()):
        """`shown`: the tasks whose texts are held."""
        self._tasks, self._shown = tasks, shown
        self.of_task: dict[str, dict[int, Program]] = defaultdict(dict)
        self._spelt: dict[tuple[str, int], int] = {}

    def add(self, sample: Sample, verdict: Verdict) -> None:
        if verdict.status == "infra_error":
            return
        text = verdict.code or sample.completion
        own, key = self.of_task[sample.task_id], self._key(sample.task_id, verdict.code, text)
        held = text if sample.task_id in self._shown else None
        program = own.get(key)
        if program is None:
            own[key] = Program(1, verdict.passed, verdict.status, sample.index, held)
            return
        program.count += 1
        if verdict.passed > program.passed or (verdict.passed == program.passed and sample.index < program.first):
            program.passed, program.status = verdict.passed, verdict.status
            program.first, program.text = sample.index, held

    def _key(self, task_id: str, code: str, text: str) -> int:
        """What two answers share that are one program. Reading a program takes long, and many are spelt alike."""
        spelling = _digest(text)
        if not code or task_id not in self._tasks:
            return spelling
        spelt = self._tasks[task_id].language, spelling
        if spelt not in self._spelt:
            if len(self._spelt) >= _SPELLINGS:
                self._spelt.clear()
            self._spelt[spelt] = _digest(normalised(code, spelt[0]))
        return self._spelt[spelt]


def variety(
    of_model: Mapping[str, Programs], families: Mapping[str, str], resamples: int, seed: int
) -> list[dict[str, Any]]:
    """A row a model: {"model", "samples", "distinct": programs, each counted once a task, "passing": those of them that
    pass, "entropy", "low", "high", "most"}.

    `entropy`, in bits, is the mean over tasks of that of a task's samples over its distinct programs, -Σ p log2 p with
    p the shares found: 0 where all samples are one program, `most` (log2 of the samples a task) where none is like
    another. It is not that of the model's tokens, and only models with as many samples compare. The 95 % interval
    resamples `families` (task_id -> family); None where there is one.
    """
    return [_row(model, own.of_task, families, resamples, seed) for model, own in of_model.items() if own.of_task]


def _row(
    model: str, of_task: dict[str, dict[int, Program]], families: Mapping[str, str], resamples: int, seed: int
) -> dict[str, Any]:
    counts = [[program.count for program in of_task[task].values()] for task in sorted(of_task)]
    own = [families[task] for task in sorted(of_task)]
    mean, low, high = mean_and_interval([entropy(one) for one in counts], own, resamples, seed)
    return {
        "model": model,
        "samples": sum(map(sum, counts)),
        "distinct": sum(map(len, counts)),
        "passing": sum(program.passed for own in of_task.values() for program in own.values()),
        "entropy": mean,
        "low": low,
        "high": high,
        "most": log2(max(map(sum, counts))),
    }


def entropy(counts: Iterable[int]) -> float:
    """Of the shares that `counts` make, in bits."""
    counts = list(counts)
    total = sum(counts)
    return abs(fsum(count / total * log2(total / count) for count in counts))


def _digest(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest())
