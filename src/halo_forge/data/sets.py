"""The tasks of the public sets that models are measured by (`benchmark.sets`)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from halo_forge.data.public.load import load
from halo_forge.data.public.registry import is_evaluation, registry
from halo_forge.errors import InputError
from halo_forge.records import Task
from halo_forge.settings.benchmark import BenchmarkSet
from halo_forge.settings.checking import one_of
from halo_forge.settings.data import DataSource

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def set_tasks(name: str, settings: BenchmarkSet, root: Path) -> tuple[list[Task], dict[str, Any]]:
    """The tasks of `benchmark.sets.<name>`, and what is said of them: how many, from where, what was left out and why.

    Raises InputError for a name that is no set to measure with, for dates where the set has none, for a set of which
    nothing is left; InfrastructureError where the set is neither reached nor in a cache.
    """
    where, dataset = f"params.yaml: benchmark.sets.{name}", settings.dataset or name
    known = [entry.name for entry in registry().values() if is_evaluation(entry, None)]
    if dataset not in known:
        raise InputError(f"{where}: {dataset!r} is no public set to measure with {one_of(dataset, known)}")
    loaded = load(DataSource(dataset=dataset, local=settings.local), root=root, training=False)
    found = [row.task for row in loaded if row.task is not None]
    dated = [(task, _day(task)) for task in found]
    if (settings.since or settings.before) and not any(day for _, day in dated):
        raise InputError(f"{where}: since and before: the problems of {dataset} have no dates")
    tasks = [task for task, day in dated if _within(day, settings)][: settings.limit]
    if not tasks:
        raise InputError(
            f"{where}: no problem is left of {len(found)}, with {settings.model_dump(exclude_defaults=True)}"
        )
    left_out = dict(loaded.reasons)
    if len(tasks) < len(found):
        left_out["beyond since, before and limit"] = len(found) - len(tasks)
    return tasks, {"tasks": len(tasks), "source": loaded.source.model_dump(), "left_out": left_out}


def _day(task: Task) -> str | None:
    return next((tag for tag in task.tags if _DAY.fullmatch(tag)), None)


def _within(day: str | None, settings: BenchmarkSet) -> bool:
    """Whether a day is in the range; as texts, of which a month comes before its days. One without a day is in none."""
    since, before = settings.since, settings.before
    if since is None and before is None:
        return True
    return day is not None and (since is None or day >= since) and (before is None or day < before)
