"""Which tasks are solved at all: of RAFT's by the cycles' samples, of the benchmark's by each model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from halo_forge.benchmark.results import Results
from halo_forge.jsonl import each_record
from halo_forge.records import History


def raft_coverage(results: Results) -> dict[str, Any]:
    """{"rows": a row a cycle, parents first, "missing": files that are not there}.

    A row: {"cycle", "from", "tasks": RAFT tasks with a judged sample of this cycle, "solved": those of them that a
    sample of this cycle passed, "known": tasks that some cycle on the way here has sampled, "ever": those of them that
    some cycle on the way here has solved}. Repairs count as no sample. Raises InputError for a broken file.
    """
    rows, missing = [], []
    for cycle in results.raft:
        start = results.params.raft.cycles[cycle].start
        paths = [results.root / "data" / "raft" / name / "history.jsonl" for name in (start, cycle)]
        absent = [path.relative_to(results.root).as_posix() for path in paths if not path.exists()]
        if absent:
            missing += absent
            continue
        before, after = map(_counts, paths)
        drawn = {task: _minus(counts, before.get(task, (0, 0))) for task, counts in after.items()}
        rows.append(
            {
                "cycle": cycle,
                "from": start,
                "tasks": sum(judged > 0 for judged, _ in drawn.values()),
                "solved": sum(passed > 0 for _, passed in drawn.values()),
                "known": sum(judged > 0 for judged, _ in after.values()),
                "ever": sum(passed > 0 for _, passed in after.values()),
            }
        )
    return {"rows": rows, "missing": list(dict.fromkeys(missing))}


def benchmark_coverage(results: Results) -> list[dict[str, Any]]:
    """A row a benchmarked model: {"model", "tasks", "solved": by some of its samples, "ever": by it or a model before
    it in the order of `params.models()`}."""
    rows, ever = [], set()
    for model, card in results.benchmark.items():
        solved = {task for task, row in card["per_task"].items() if row["passed"]}
        ever |= solved
        rows.append({"model": model, "tasks": card["n_tasks"], "solved": len(solved), "ever": len(ever)})
    return rows


def _counts(path: Path) -> dict[str, tuple[int, int]]:
    """task_id -> (judged, passed) by all cycles so far."""
    return {row.task_id: (row.judged, row.passed) for row in each_record(path, History)}


def _minus(after: tuple[int, int], before: tuple[int, int]) -> tuple[int, int]:
    return after[0] - before[0], after[1] - before[1]
