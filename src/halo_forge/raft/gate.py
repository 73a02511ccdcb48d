"""Which tasks still teach something: the gate by what is known of their pass rate.

A task that the model solves nearly always gives rows that it would have written anyway, and they crowd out the others.
What is known is the posterior of the pass rate by the samples of all cycles so far; before the first it is uniform,
Beta(1, 1), so that few samples open or close no gate by luck alone: 3 of 3 stand for 0.8, 30 of 30 for 0.97.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from halo_forge.records import History
from halo_forge.settings.raft import Raft

UNIFORM = 1.0
"""Both parameters of the Beta prior."""


class Judged(Protocol):
    """A verdict, or what is held of one."""

    @property
    def task_id(self) -> str: ...

    @property
    def reward(self) -> float | None: ...

    @property
    def passed(self) -> bool: ...


@dataclass(frozen=True)
class Counts:
    """Samples of a task that were judged, and those of them that passed."""

    judged: int = 0
    passed: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.judged + other.judged, self.passed + other.passed)

    def __sub__(self, other: Counts) -> Counts:
        return Counts(self.judged - other.judged, self.passed - other.passed)

    def pass_rate(self, prior: float = UNIFORM) -> float:
        """Mean of the posterior that Beta(prior, prior) becomes; 0 where nothing is known, and nothing is assumed."""
        weight = self.judged + 2 * prior
        return (self.passed + prior) / weight if weight else 0.0


def counts_of(verdicts: Iterable[Judged]) -> dict[str, Counts]:
    """task_id -> counts; what could not be judged counts as not drawn."""
    found: dict[str, Counts] = defaultdict(Counts)
    for verdict in verdicts:
        if verdict.reward is not None:
            found[verdict.task_id] += Counts(1, int(verdict.passed))
    return dict(found)


def counts_before(history: Iterable[History]) -> dict[str, Counts]:
    """task_id -> counts by all cycles that `history` is of."""
    return {row.task_id: Counts(row.judged, row.passed) for row in history}


def history_after(now: Mapping[str, Counts], history: Iterable[History]) -> list[History]:
    """`history` with the counts `now` of the cycle that ends, in order of task."""
    known = counts_before(history)
    known |= {task_id: known.get(task_id, Counts()) + counts for task_id, counts in now.items()}
    return [History(task_id=name, judged=known[name].judged, passed=known[name].passed) for name in sorted(known)]


def too_easy(now: Mapping[str, Counts], history: Iterable[History], settings: Raft) -> set[str]:
    """The tasks of this cycle, `now`, that the gate leaves out; `history` is of the cycles before it."""
    before = counts_before(history)
    known = {task_id: before.get(task_id, Counts()) + counts for task_id, counts in now.items()}
    shut = {task_id for task_id, counts in known.items() if counts.pass_rate() >= settings.max_pass_rate}
    if settings.drop_solved:
        shut |= {task_id for task_id, counts in now.items() if counts.pass_rate(prior=0.0) >= 1.0}
    return shut
