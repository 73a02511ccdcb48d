"""Every problem family on one side: sft, raft, validation or benchmark.

A family's side is a hash of its name and the seed, so adding a family never moves another one, and one more
benchmark task changes no training file. Families that hold the same problem in other words go together
(data/clean/families.py), and what a training task still shares with a benchmark problem makes it a leak.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import get_args

from halo_forge.data.apart import shared_with
from halo_forge.data.clean.families import CURATED, foreign, joined_families
from halo_forge.data.clean.fingerprint import Fingerprint, of_task
from halo_forge.data.overlap import CHANNELS, copies, overlaps
from halo_forge.errors import InputError
from halo_forge.records import Task
from halo_forge.settings.data import Side, Split

SIDES = get_args(Side)
TRAINING, HELD_OUT = SIDES[:2], SIDES[2:]


def split(
    tasks: Sequence[Task],
    settings: Split,
    seed: int,
    against: Sequence[Fingerprint] = (),
    sets: Mapping[str, Sequence[Task]] | None = None,
) -> tuple[dict[str, list[Task]], dict]:
    """The tasks of each side, and a report of counts and of the overlap checks.

    SFT keeps only tasks with a solution. Training tasks that overlap a task of validation or of the benchmark by
    `max_overlap` or more, or are copies of one or of a problem of `against`, are dropped and named in the report; so
    are those that do that to a task of `sets`, the public sets that models are measured by (data/apart.py).
    Raises InputError for an unknown family in `assign`, for an empty side (validation may be: without a share it is),
    and with `on_leak: fail` for a leak.
    """
    families = {task.family for task in tasks}
    unknown = sorted(set(settings.assign) - families)
    if unknown:
        raise InputError(f"split.assign: no task is of family {unknown[0]!r}")
    curated = all(task.source.dataset == CURATED for task in tasks)
    problems = {} if curated and not against else {task.task_id: of_task(task) for task in tasks}
    joined = {} if curated else joined_families(list(problems.values()), settings.max_copy)
    side_by_family = _sides(families, joined, settings, seed)
    sides: dict[str, list[Task]] = {side: [] for side in SIDES}
    for task in tasks:
        sides[side_by_family[task.family]].append(task)
    left_out = _narrow(sides, settings, seed)
    dropped = []
    held_out = [task for side in HELD_OUT for task in sides[side]]
    for side in TRAINING:
        found = overlaps(sides[side], held_out, settings.ngram)
        over = {item.task_id: item for item in found if item.share >= settings.max_overlap}
        dropped += [{"side": side, **vars(item)} for item in over.values()]
        sides[side] = [task for task in sides[side] if task.task_id not in over]
    leaks = _drop_leaks(sides, problems, settings, against) if problems else []
    measured = {name: _keep_apart(sides, name, own, problems, settings) for name, own in (sets or {}).items()}
    for side in settings.shares:
        if not sides[side]:
            raise InputError(f"split: the {side} side is empty; add tasks or raise split.shares.{side}")
    kept = overlaps([task for side in TRAINING for task in sides[side]], held_out, settings.ngram)
    report = {
        "tasks": {side: len(sides[side]) for side in SIDES},
        "families": {side: len({task.family for task in sides[side]}) for side in SIDES},
        "difficulty": {side: _difficulties(sides[side]) for side in SIDES},
        "without_solution": left_out["sft"].get("no solution", 0),
        "dropped_for_overlap": dropped,
        "largest_overlap_left": max((item.share for item in kept), default=0.0),
        "ngram": settings.ngram,
        "max_overlap": settings.max_overlap,
        "joined_families": joined,
        "leaks": leaks,
        "against": len(against),
        "sets": measured,
        "max_copy": settings.max_copy,
        "left_out": left_out,
    }
    return sides, report


def _narrow(sides: dict[str, list[Task]], settings: Split, seed: int) -> dict[str, dict[str, int]]:
    """Leave on each side what the settings ask for; side -> reason -> how many tasks it has taken off."""
    left_out: dict[str, dict[str, int]] = {side: {} for side in SIDES}

    def keep(side: str, kept: list[Task], reason: str) -> None:
        if gone := len(sides[side]) - len(kept):
            left_out[side][reason] = gone
        sides[side] = kept

    keep("sft", [task for task in sides["sft"] if task.solution], "no solution")
    for side, level in settings.max_difficulty.items():
        kept = [task for task in sides[side] if (task.difficulty or 0) <= level]
        keep(side, kept, f"harder than max_difficulty {level}")
    for side, number in settings.variants.items():
        keep(side, _first_variants(sides[side], number), f"beyond the first {number} variants of a family")
    for side, limit in settings.max_tasks.items():
        keep(side, _some(sides[side], limit, seed), f"beyond max_tasks {limit}")
    return left_out


def _sides(families: set[str], joined: dict[str, str], settings: Split, seed: int) -> dict[str, str]:
    """The side of every family: where it was put by hand, else with its joined families, by hand or by draw.

    What was put by hand stays there, copy or not; if that parts copies, the training one is dropped as a leak.
    """
    by_hand: dict[str, str] = {}
    for family in sorted(set(settings.assign) & families):
        stands = joined.get(family, family)
        if by_hand.get(stands) != SIDES[-1]:  # the benchmark claims what nobody else was given
            by_hand[stands] = settings.assign[family]
    shares, found = {side: settings.shares[side] for side in SIDES if side in settings.shares}, {}
    for family in families:
        stands = joined.get(family, family)
        found[family] = settings.assign.get(family) or by_hand.get(stands) or drawn_side(stands, shares, seed)
    return found


def _drop_leaks(
    sides: dict[str, list[Task]], problems: Mapping[str, Fingerprint], settings: Split, against: Sequence[Fingerprint]
) -> list[dict]:
    """Take training tasks that copy a problem held out off their sides, and say which and why.

    `problems` has the fingerprints of all tasks by their ids. What built-in tasks share with each other is no leak.
    Raises InputError if `on_leak` says so.
    """
    training = [problems[task.task_id] for side in TRAINING for task in sides[side]]
    held_out = [*(problems[task.task_id] for side in HELD_OUT for task in sides[side]), *against]
    by_name = {problem.name: problem for problem in [*training, *held_out]}
    leaks: dict[str, dict] = {}
    for copy in foreign(copies(training, held_out, settings.max_copy), by_name):
        if copy.name not in leaks or copy.share > max(leaks[copy.name]["shares"].values()):
            shares = {name: share for name in CHANNELS if (share := getattr(copy, name)) is not None}
            leaks[copy.name] = {"task_id": copy.name, "copy_of": copy.of, "shares": shares}
    found = []
    for side in TRAINING:
        found += [{"side": side, **leaks[task.task_id]} for task in sides[side] if task.task_id in leaks]
        sides[side] = [task for task in sides[side] if task.task_id not in leaks]
    if found and settings.on_leak == "fail":
        first = found[0]
        raise InputError(
            f"split: {len(found)} training tasks copy a benchmark problem, the first is {first['task_id']!r}, of "
            f"{first['copy_of']!r} (shared: {first['shares']}); take them out, or set split.on_leak: drop"
        )
    return found


def _keep_apart(
    sides: dict[str, list[Task]],
    name: str,
    measured: Sequence[Task],
    problems: Mapping[str, Fingerprint],
    settings: Split,
) -> dict:
    """Take training tasks that a public set holds too off their sides; what results/split.json says of the set.

    `problems` may have fingerprints of the tasks. Raises InputError if `on_leak` says so.
    """
    training = [task for side in TRAINING for task in sides[side]]
    prints = {task.task_id: problems.get(task.task_id) or of_task(task) for task in training}
    dropped, report = shared_with(measured, training, prints, settings)
    if dropped and settings.on_leak == "fail":
        first = min(dropped)
        raise InputError(
            f"split: {len(dropped)} training tasks are in {name} too, by which models are measured (benchmark.sets), "
            f"the first is {first!r}, as {dropped[first]!r}; take them out, or set split.on_leak: drop"
        )
    for side in TRAINING:
        sides[side] = [task for task in sides[side] if task.task_id not in dropped]
    return report


def drawn_side(family: str, shares: Mapping[str, float], seed: int) -> str:
    """The side on whose share the family's draw in 0..1 falls; the shares add up to 1."""
    draw, edge = _draw(family, seed), 0.0
    for side, share in shares.items():
        edge += share
        if draw < edge:
            return side
    return list(shares)[-1]


def split_problems(
    problems: Sequence[Fingerprint], shares: Mapping[str, float], seed: int, max_copy: float
) -> tuple[list[str], dict[str, str]]:
    """The side of each problem, in order, and the families that were joined (data/clean/families.py)."""
    joined = joined_families(problems, max_copy)
    sides = [drawn_side(joined.get(problem.family, problem.family), shares, seed) for problem in problems]
    return sides, joined


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


def _some(tasks: list[Task], limit: int, seed: int) -> list[Task]:
    """At most `limit` tasks, in their order: families in the order of their draw, easy and hard ones alike."""
    ranked = sorted(tasks, key=lambda task: (_draw(task.family, seed), task.task_id))
    chosen = {task.task_id for task in ranked[:limit]}
    return [task for task in tasks if task.task_id in chosen]


def _difficulties(tasks: list[Task]) -> dict[str, int]:
    levels = sorted({task.difficulty for task in tasks if task.difficulty is not None})
    return {str(level): sum(task.difficulty == level for task in tasks) for level in levels}
