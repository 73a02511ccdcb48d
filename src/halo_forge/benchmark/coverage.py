"""Which tasks are solved at all: of RAFT's by the cycles' samples, of the benchmark's by each model."""

from __future__ import annotations

from typing import Any

from halo_forge.benchmark.results import Results
from halo_forge.jsonl import each_record
from halo_forge.raft.gate import Counts, counts_before
from halo_forge.records import History


def raft_coverage(results: Results) -> dict[str, Any]:
    """{"rows": a row a cycle, parents first, "missing": files that are not there}.

    A row: {"cycle", "from", "tasks": RAFT tasks with a judged sample of this cycle, "solved": those of them that a
    sample of this cycle passed, "known": tasks that some cycle on the way here has sampled, "ever": those of them that
    some cycle on the way here has solved}. Raises InputError for a broken file.
    """
    rows, missing = [], []
    for cycle in results.raft:
        start = results.params.raft.cycles[cycle].start
        paths = [results.root / "data" / "raft" / name / "history.jsonl" for name in (start, cycle)]
        absent = [path.relative_to(results.root).as_posix() for path in paths if not path.exists()]
        if absent:
            missing += absent
            continue
        before, after = (counts_before(each_record(path, History)) for path in paths)
        drawn = {task: counts - before.get(task, Counts()) for task, counts in after.items()}
        rows.append(
            {
                "cycle": cycle,
                "from": start,
                "tasks": sum(counts.judged > 0 for counts in drawn.values()),
                "solved": sum(counts.passed > 0 for counts in drawn.values()),
                "known": sum(counts.judged > 0 for counts in after.values()),
                "ever": sum(counts.passed > 0 for counts in after.values()),
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
