"""Which verified samples a RAFT cycle trains on.

RAFT (Dong et al. 2023, arXiv 2304.06767) keeps the best sample of each prompt. Here a sample must also reach the
reward threshold, duplicates of one program count once, and a prompt may give several samples: the top
`keep_top_percent` of its distinct ones, rounded up, at most `max_keep_per_task`.
"""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from halo_forge.raft.answers import Answer
from halo_forge.raft.gate import counts_of, too_easy
from halo_forge.records import History
from halo_forge.settings.raft import Raft


@dataclass(frozen=True)
class Selection:
    """`kept` in order of task and rank. The other fields count samples or tasks; `faulty` counts the distinct programs
    that the sanitizers kept out."""

    kept: list[Answer]
    above_threshold: int
    duplicates: int
    distinct_programs: int
    faulty: int
    tasks_covered: int
    tasks_too_easy: int
    tasks_all_passed: int
    tasks_none_passed: int


def select(answers: Iterable[Answer], settings: Raft, seed: int, history: Sequence[History] = ()) -> Selection:
    """Rank by reward, break ties by a seeded draw, drop duplicate programs and low rewards, keep the top share of the
    tasks that the gate lets through; `history` is what the cycles before have seen of them.

    Answers with status infra_error are never kept, nor are programs that the sanitizers stopped. The result does not
    depend on the order of `answers`.
    """
    by_task: dict[str, list[Answer]] = defaultdict(list)
    for answer in answers:
        if answer.reward is not None:
            by_task[answer.task_id].append(answer)
    distinct = {
        task_id: _distinct(sorted(own, key=lambda answer: _rank(answer, seed)))
        for task_id, own in sorted(by_task.items())
    }
    good = {
        task_id: [answer for answer in own if answer.reward >= settings.reward_threshold]
        for task_id, own in distinct.items()
    }
    faulty = sum(answer.faulty for own in good.values() for answer in own)
    good = {task_id: [answer for answer in own if not answer.faulty] for task_id, own in good.items()}
    counts = counts_of(answer for own in by_task.values() for answer in own)
    shut = too_easy(counts, history, settings)
    good = {task_id: own for task_id, own in good.items() if task_id not in shut}
    kept = _global(good, settings, seed) if settings.selection == "global" else _per_task(good, settings)
    return Selection(
        kept=kept,
        above_threshold=sum(answer.reward >= settings.reward_threshold for own in by_task.values() for answer in own),
        duplicates=sum(map(len, by_task.values())) - sum(map(len, distinct.values())),
        distinct_programs=sum(map(len, distinct.values())),
        faulty=faulty,
        tasks_covered=len({answer.task_id for answer in kept}),
        tasks_too_easy=len(shut),
        tasks_all_passed=sum(found.passed == found.judged for found in counts.values()),
        tasks_none_passed=sum(found.passed == 0 for found in counts.values()),
    )


def _rank(answer: Answer, seed: int) -> tuple[float, bytes]:
    return -answer.reward, hashlib.sha256(f"{seed}|{answer.sample_id}".encode()).digest()


def _distinct(ranked: list[Answer]) -> list[Answer]:
    """The first of each program; answers without code are all different."""
    seen: dict[bytes | str, Answer] = {}
    for answer in ranked:
        seen.setdefault(answer.program or answer.sample_id, answer)
    return list(seen.values())


def _per_task(good: Mapping[str, list[Answer]], settings: Raft) -> list[Answer]:
    kept = []
    for own in good.values():
        if own:
            kept += own[: min(_share(len(own), settings), settings.max_keep_per_task)]
    return kept


def _global(good: Mapping[str, list[Answer]], settings: Raft, seed: int) -> list[Answer]:
    """One ranking over all tasks; a task still gives at most `max_keep_per_task`."""
    pool = [answer for own in good.values() for answer in own[: settings.max_keep_per_task]]
    pool.sort(key=lambda answer: _rank(answer, seed))
    chosen = pool[: _share(len(pool), settings)]
    return sorted(chosen, key=lambda answer: (answer.task_id, _rank(answer, seed)))


def _share(number: int, settings: Raft) -> int:
    """`keep_top_percent` of `number`, rounded up; a hair above a whole number is the float's, not the user's."""
    return math.ceil(round(number * settings.keep_top_percent, 9))
