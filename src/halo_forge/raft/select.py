"""Which verified samples a RAFT cycle trains on.

RAFT (Dong et al. 2023, arXiv 2304.06767) keeps the best sample of each prompt. Here a sample must also reach the
reward threshold, duplicates of one program count once, and a prompt may give several samples: the top
`keep_top_percent` of its distinct ones, rounded up, at most `max_keep_per_task`.
"""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from halo_forge.errors import InputError
from halo_forge.pairing import verdict_of_each
from halo_forge.raft.gate import counts_of, too_easy
from halo_forge.raft.programs import normalised
from halo_forge.records import History, Sample, Task, Verdict
from halo_forge.settings.raft import Raft


@dataclass(frozen=True)
class Selection:
    """`kept`: (sample, verdict) in order of task and rank. The other fields count samples or tasks; `faulty` counts
    the distinct programs that the sanitizers kept out."""

    kept: list[tuple[Sample, Verdict]]
    above_threshold: int
    duplicates: int
    distinct_programs: int
    faulty: int
    tasks_covered: int
    tasks_too_easy: int
    tasks_all_passed: int
    tasks_none_passed: int


def select(
    tasks: Mapping[str, Task],
    samples: Sequence[Sample],
    verdicts: Sequence[Verdict],
    settings: Raft,
    seed: int,
    history: Sequence[History] = (),
) -> Selection:
    """Rank by reward, break ties by a seeded draw, drop duplicate programs and low rewards, keep the top share of the
    tasks that the gate lets through; `history` is what the cycles before have seen of them. Repairs are kept like any
    other sample and say nothing of a task's pass rate.

    Verdicts with status infra_error are never kept, nor are programs that the sanitizers stopped. The result does not
    depend on the order of either input. Raises InputError unless samples and verdicts match one to one by their ids, or
    where a sample is of none of `tasks`.
    """
    by_task: dict[str, list[tuple[Sample, Verdict]]] = defaultdict(list)
    verdict_of = verdict_of_each(samples, verdicts, "raft")
    for sample in samples:
        if sample.task_id not in tasks:
            raise InputError(f"raft: sample {sample.sample_id!r} answers task {sample.task_id!r}, which is not given")
        verdict = verdict_of[sample.sample_id]
        if verdict.reward is not None:
            by_task[sample.task_id].append((sample, verdict))
    distinct = {
        task_id: _distinct(sorted(pairs, key=lambda pair: _rank(pair, seed)), tasks[task_id].language)
        for task_id, pairs in sorted(by_task.items())
    }
    good = {
        task_id: [pair for pair in pairs if pair[1].reward >= settings.reward_threshold]
        for task_id, pairs in distinct.items()
    }
    faulty = sum(verdict.faulty for pairs in good.values() for _, verdict in pairs)
    good = {task_id: [pair for pair in pairs if not pair[1].faulty] for task_id, pairs in good.items()}
    counts = counts_of(verdict_of[sample.sample_id] for sample in samples if sample.repairs is None)
    shut = too_easy(counts, history, settings)
    good = {task_id: pairs for task_id, pairs in good.items() if task_id not in shut}
    kept = _global(good, settings, seed) if settings.selection == "global" else _per_task(good, settings)
    return Selection(
        kept=kept,
        above_threshold=sum(
            verdict.reward >= settings.reward_threshold for pairs in by_task.values() for _, verdict in pairs
        ),
        duplicates=sum(map(len, by_task.values())) - sum(map(len, distinct.values())),
        distinct_programs=sum(map(len, distinct.values())),
        faulty=faulty,
        tasks_covered=len({sample.task_id for sample, _ in kept}),
        tasks_too_easy=len(shut),
        tasks_all_passed=sum(found.passed == found.judged for found in counts.values()),
        tasks_none_passed=sum(found.passed == 0 for found in counts.values()),
    )


def _rank(pair: tuple[Sample, Verdict], seed: int) -> tuple[float, bytes]:
    sample, verdict = pair
    return -verdict.reward, hashlib.sha256(f"{seed}|{sample.sample_id}".encode()).digest()


def _distinct(ranked: list[tuple[Sample, Verdict]], language: str) -> list[tuple[Sample, Verdict]]:
    """The first of each program; samples without code are all different."""
    seen: dict[str, tuple[Sample, Verdict]] = {}
    for sample, verdict in ranked:
        key = normalised(verdict.code, language) if verdict.code else f"no code: {sample.sample_id}"
        seen.setdefault(key, (sample, verdict))
    return list(seen.values())


def _per_task(good: Mapping[str, list], settings: Raft) -> list[tuple[Sample, Verdict]]:
    kept = []
    for pairs in good.values():
        if pairs:
            kept += pairs[: min(_share(len(pairs), settings), settings.max_keep_per_task)]
    return kept


def _global(good: Mapping[str, list], settings: Raft, seed: int) -> list[tuple[Sample, Verdict]]:
    """One ranking over all tasks; a task still gives at most `max_keep_per_task`."""
    pool = [pair for pairs in good.values() for pair in pairs[: settings.max_keep_per_task]]
    pool.sort(key=lambda pair: _rank(pair, seed))
    chosen = pool[: _share(len(pool), settings)]
    return sorted(chosen, key=lambda pair: (pair[0].task_id, _rank(pair, seed)))


def _share(number: int, settings: Raft) -> int:
    """`keep_top_percent` of `number`, rounded up; a hair above a whole number is the float's, not the user's."""
    return math.ceil(round(number * settings.keep_top_percent, 9))
