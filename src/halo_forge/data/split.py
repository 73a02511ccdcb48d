"""Every problem family on one side: sft, raft or benchmark.

A family's side is a hash of its name and the seed, so adding a family never moves another one, and one more
benchmark task changes no training file.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence

from halo_forge.config import Split
from halo_forge.data.overlap import overlaps
from halo_forge.errors import InputError
from halo_forge.records import Task

SIDES = ("sft", "raft", "benchmark")


def split(tasks: Sequence[Task], settings: Split, seed: int) -> tuple[dict[str, list[Task]], dict]:
    """The tasks of each side, and a report of counts and of the overlap check.

    SFT keeps only tasks with a solution. Training tasks that overlap a benchmark task by `max_overlap` or more are
    dropped and named in the report. Raises InputError for an unknown family in `assign` or an empty side.
    """
    families = {task.family for task in tasks}
    unknown = sorted(set(settings.assign) - families)
    if unknown:
        raise InputError(f"split.assign: no task is of family {unknown[0]!r}")
    sides: dict[str, list[Task]] = {side: [] for side in SIDES}
    for task in tasks:
        sides[side_of(task.family, settings, seed)].append(task)
    without_solution = sum(task.solution is None for task in sides["sft"])
    sides["sft"] = [task for task in sides["sft"] if task.solution is not None]
    for side, level in settings.max_difficulty.items():
        sides[side] = [task for task in sides[side] if (task.difficulty or 0) <= level]
    for side, number in settings.variants.items():
        sides[side] = _first_variants(sides[side], number)
    for side, limit in settings.max_tasks.items():
        sides[side] = _easiest(sides[side], limit, seed)
    dropped = []
    for side in ("sft", "raft"):
        found = overlaps(sides[side], sides["benchmark"], settings.ngram)
        over = {item.task_id: item for item in found if item.share >= settings.max_overlap}
        dropped += [{"side": side, **vars(item)} for item in over.values()]
        sides[side] = [task for task in sides[side] if task.task_id not in over]
    for side in SIDES:
        if not sides[side]:
            raise InputError(f"split: the {side} side is empty; add tasks or raise split.shares.{side}")
    kept = overlaps([*sides["sft"], *sides["raft"]], sides["benchmark"], settings.ngram)
    report = {
        "tasks": {side: len(sides[side]) for side in SIDES},
        "families": {side: len({task.family for task in sides[side]}) for side in SIDES},
        "difficulty": {side: _difficulties(sides[side]) for side in SIDES},
        "without_solution": without_solution,
        "dropped_for_overlap": dropped,
        "largest_overlap_left": max((item.share for item in kept), default=0.0),
        "ngram": settings.ngram,
        "max_overlap": settings.max_overlap,
    }
    return sides, report


def side_of(family: str, settings: Split, seed: int) -> str:
    """The side of a family: `assign`, else where its draw in 0..1 falls among the shares."""
    if family in settings.assign:
        return settings.assign[family]
    draw, edge = _draw(family, seed), 0.0
    for side in SIDES[:-1]:
        edge += settings.shares[side]
        if draw < edge:
            return side
    return SIDES[-1]


def _draw(family: str, seed: int) -> float:
    return int.from_bytes(hashlib.sha256(f"{seed}|{family}".encode()).digest()[:8], "big") / 2**64


def _first_variants(tasks: list[Task], number: int) -> list[Task]:
    """At most `number` tasks of each family and language, the first ones."""
    seen: dict[tuple[str, str], int] = defaultdict(int)
    kept = []
    for task in tasks:
        seen[task.family, task.language] += 1
        if seen[task.family, task.language] <= number:
            kept.append(task)
    return kept


def _easiest(tasks: list[Task], limit: int, seed: int) -> list[Task]:
    """At most `limit` tasks, in their order: easy ones first, families in the order of their draw."""
    ranked = sorted(tasks, key=lambda task: (task.difficulty or 0, _draw(task.family, seed), task.task_id))
    chosen = {task.task_id for task in ranked[:limit]}
    return [task for task in tasks if task.task_id in chosen]


def _difficulties(tasks: list[Task]) -> dict[str, int]:
    levels = sorted({task.difficulty for task in tasks if task.difficulty is not None})
    return {str(level): sum(task.difficulty == level for task in tasks) for level in levels}
