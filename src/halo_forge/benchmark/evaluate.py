"""From a benchmark's verdicts to the numbers of results/benchmark/<model>.json."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from math import fsum
from typing import Any, get_args

import numpy as np

from halo_forge.errors import InfrastructureError, InputError
from halo_forge.pairing import verdict_of_each
from halo_forge.records import Sample, Status, Task, Verdict
from halo_forge.settings.benchmark import Benchmark
from halo_forge.statistics.bootstrap import share_intervals
from halo_forge.statistics.passk import pass_at_k


def summarise(
    model: str,
    tasks: list[Task],
    samples: list[Sample],
    verdicts: list[Verdict],
    settings: Benchmark,
    seed: int,
    generation: Mapping[str, Any],
) -> dict[str, Any]:
    """The benchmark of one model as a JSON object; the same records give the same object, in whatever order.

    `generation` has the engine, its weights and the seconds of sampling. Rates are shares in 0..1, means over tasks;
    intervals are 95 %, by cluster bootstrap over families. `total`, `passed` and `pass_rate` count tasks: all, those
    with at least one passing sample, and the quotient. Samples whose verdict is `infra_error` are left out of every
    rate and counted in `infra_errors`.
    Raises InputError where the records do not belong together, InfrastructureError where infrastructure failures leave
    a task fewer judged samples than the largest k.
    """
    ks = sorted({1, *settings.k})
    verdict_of = verdict_of_each(samples, verdicts, "benchmark")
    per_task = _per_task(tasks, samples, verdict_of, ks[-1])
    judged = [verdict for verdict in verdict_of.values() if verdict.status != "infra_error"]

    families = [row["family"] for row in per_task.values()]
    # (tasks, len(ks) + 1): pass@k for every k, then the share that compiles
    values = np.array(
        [
            [*(pass_at_k(row["n"], row["passed"], k) for k in ks), row["compiled"] / row["n"]]
            for row in per_task.values()
        ]
    )
    names = [*(f"pass@{k}" for k in ks), "compile_rate"]
    means = {name: fsum(column) / len(column) for name, column in zip(names, values.T, strict=True)}
    intervals = dict(zip(names, share_intervals(values, families, settings.bootstrap, seed), strict=True))
    solved = sum(row["passed"] > 0 for row in per_task.values())
    tokens = sum(sample.n_tokens for sample in samples)
    generate_s = generation["seconds"]
    verify_s = round(sum(verdict.duration_s for verdict in verdicts), 1)
    return {
        "model": model,
        "pass_rate": solved / len(tasks),
        "pass_at_k": {str(k): means[f"pass@{k}"] for k in ks},
        "total": len(tasks),
        "passed": solved,
        "compile_rate": means["compile_rate"],
        "intervals": intervals,
        "n_tasks": len(tasks),
        "n_families": len(set(families)),
        "n_samples": len(judged),
        "infra_errors": len(samples) - len(judged),
        "by_status": {status: _count(verdict_of.values(), status) for status in get_args(Status)},
        "by_difficulty": _by(tasks, per_task, lambda task: "none" if task.difficulty is None else str(task.difficulty)),
        "by_language": _by(tasks, per_task, lambda task: task.language),
        "mean_tokens": tokens / len(samples),
        "truncated": sum(sample.finish_reason == "length" for sample in samples) / len(samples),
        "tokens_per_s": tokens / generate_s if generate_s else None,
        "seconds": {"generate": generate_s, "verify": verify_s},
        "verifier": ", ".join(sorted({verdict.verifier for verdict in verdicts})),
        "isolation": ", ".join(sorted({verdict.isolation for verdict in verdicts})),
        "samples_per_task": settings.samples_per_task,
        "temperature": settings.temperature,
        "max_new_tokens": settings.max_new_tokens,
        "seed": seed,
        "engine": generation["engine"],
        "weights": generation["weights"],
        "per_task": per_task,
    }


def _per_task(
    tasks: list[Task], samples: list[Sample], verdict_of: dict[str, Verdict], k: int
) -> dict[str, dict[str, Any]]:
    """task_id -> family, judged samples n, and how many of them passed and compiled; sorted by task_id."""
    verdicts_of: dict[str, list[Verdict]] = {task.task_id: [] for task in tasks}
    if not tasks or len(verdicts_of) < len(tasks):
        raise InputError(
            f"benchmark: {len(tasks)} tasks with {len(verdicts_of)} task_ids; give at least one, each once"
        )
    for sample in samples:
        if sample.task_id not in verdicts_of:
            raise InputError(
                f"benchmark: sample {sample.sample_id!r} answers task {sample.task_id!r}, which is not a benchmark task"
            )
        verdicts_of[sample.task_id].append(verdict_of[sample.sample_id])
    rows = {}
    for task in sorted(tasks, key=lambda task: task.task_id):
        all_verdicts = verdicts_of[task.task_id]
        judged = [verdict for verdict in all_verdicts if verdict.status != "infra_error"]
        if len(all_verdicts) < k:
            raise InputError(
                f"benchmark: task {task.task_id!r} has {len(all_verdicts)} samples, pass@{k} needs {k}; "
                "generate them again"
            )
        if len(judged) < k:
            failed = [verdict for verdict in all_verdicts if verdict.status == "infra_error"]
            reason = " ".join(failed[0].detail.split())[:200] or "no detail"
            raise InfrastructureError(
                f"benchmark: task {task.task_id!r}: {len(failed)} of {len(all_verdicts)} samples could not be judged, "
                f"pass@{k} needs {k} ({reason}); mend the cause and run the stage again"
            )
        rows[task.task_id] = {
            "family": task.family,
            "passed": sum(verdict.passed for verdict in judged),
            "compiled": sum(verdict.compiled for verdict in judged),
            "n": len(judged),
        }
    return rows


def _by(
    tasks: list[Task], per_task: dict[str, dict[str, Any]], key: Callable[[Task], str]
) -> dict[str, dict[str, Any]]:
    """pass@1, compile rate and number of tasks of each group of tasks, sorted by group."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for task in sorted(tasks, key=lambda task: task.task_id):
        groups.setdefault(key(task), []).append(per_task[task.task_id])
    return {
        group: {
            "n_tasks": len(rows),
            "pass@1": fsum(row["passed"] / row["n"] for row in rows) / len(rows),
            "compile_rate": fsum(row["compiled"] / row["n"] for row in rows) / len(rows),
        }
        for group, rows in sorted(groups.items())
    }


def _count(verdicts: Iterable[Verdict], status: str) -> int:
    return sum(verdict.status == status for verdict in verdicts)
