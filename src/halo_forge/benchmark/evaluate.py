"""From a benchmark's verdicts to the numbers of results/benchmark/<model>.json."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from math import fsum
from typing import Any, get_args

import numpy as np

from halo_forge.errors import InfrastructureError, InputError
from halo_forge.pairing import Pair
from halo_forge.records import Sample, Status, Task, Verdict
from halo_forge.settings.benchmark import Benchmark
from halo_forge.statistics.bootstrap import share_intervals
from halo_forge.statistics.passk import pass_at_k


@dataclass
class _Answers:
    """What is counted of the answers to a task. `failure`: the first detail of those that could not be judged."""

    drawn: int = 0
    judged: int = 0
    passed: int = 0
    compiled: int = 0
    failure: str = ""

    def add(self, verdict: Verdict) -> None:
        self.drawn += 1
        if verdict.status == "infra_error":
            self.failure = self.failure or verdict.detail
            return
        self.judged += 1
        self.passed += verdict.passed
        self.compiled += verdict.compiled


@dataclass
class _Totals:
    """What is counted of all answers together."""

    tokens: int = 0
    truncated: int = 0
    verify_s: float = 0.0
    by_status: Counter[str] = field(default_factory=Counter)
    verifiers: set[str] = field(default_factory=set)
    isolation: set[str] = field(default_factory=set)

    def add(self, sample: Sample, verdict: Verdict) -> None:
        self.tokens += sample.n_tokens
        self.truncated += sample.finish_reason == "length"
        self.verify_s += verdict.duration_s
        self.by_status[verdict.status] += 1
        self.verifiers.add(verdict.verifier)
        self.isolation.add(verdict.isolation)


def summarise(
    model: str,
    tasks: list[Task],
    pairs: Iterable[Pair],
    settings: Benchmark,
    seed: int,
    generation: Mapping[str, Any],
) -> dict[str, Any]:
    """The benchmark of one model as a JSON object; the same records give the same object, in whatever order. `pairs`,
    each sample with its verdict, are gone through once, and none of them is held.

    `generation` has the engine, its weights, what a server calls the model, and the seconds of sampling. Rates are
    shares in 0..1, means over tasks; intervals are 95 %, by cluster bootstrap over families. `total`, `passed` and
    `pass_rate` count tasks: all, those with at least one passing sample, and the quotient. Samples whose verdict is
    `infra_error` are left out of every rate and counted in `infra_errors`.
    Raises InputError where the records do not belong together, InfrastructureError where infrastructure failures leave
    a task fewer judged samples than the largest k, and what going through `pairs` raises.
    """
    ks = sorted({1, *settings.k})
    answers, totals = _counted(tasks, pairs)
    per_task = _per_task(tasks, answers, ks[-1])
    drawn = totals.by_status.total()

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
    generate_s = generation["seconds"]
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
        "n_samples": drawn - totals.by_status["infra_error"],
        "infra_errors": totals.by_status["infra_error"],
        "by_status": {status: totals.by_status[status] for status in get_args(Status)},
        "by_difficulty": _by(tasks, per_task, lambda task: "none" if task.difficulty is None else str(task.difficulty)),
        "by_language": _by(tasks, per_task, lambda task: task.language),
        "mean_tokens": totals.tokens / drawn,
        "truncated": totals.truncated / drawn,
        "tokens_per_s": totals.tokens / generate_s if generate_s else None,
        "seconds": {"generate": generate_s, "verify": round(totals.verify_s, 1)},
        "verifier": ", ".join(sorted(totals.verifiers)),
        "isolation": ", ".join(sorted(totals.isolation)),
        "samples_per_task": settings.samples_per_task,
        "temperature": settings.temperature,
        "max_new_tokens": settings.max_new_tokens,
        "seed": seed,
        "engine": generation["engine"],
        "weights": generation["weights"],
        "served_model": generation.get("served_model"),
        "per_task": per_task,
    }


def _counted(tasks: list[Task], pairs: Iterable[Pair]) -> tuple[dict[str, _Answers], _Totals]:
    """What is counted of each task, by its id, and of all."""
    answers, totals = {task.task_id: _Answers() for task in tasks}, _Totals()
    if not tasks or len(answers) < len(tasks):
        raise InputError(f"benchmark: {len(tasks)} tasks with {len(answers)} task_ids; give at least one, each once")
    for sample, verdict in pairs:
        if sample.task_id not in answers:
            raise InputError(
                f"benchmark: sample {sample.sample_id!r} answers task {sample.task_id!r}, which is not a benchmark task"
            )
        answers[sample.task_id].add(verdict)
        totals.add(sample, verdict)
    return answers, totals


def _per_task(tasks: list[Task], answers: Mapping[str, _Answers], k: int) -> dict[str, dict[str, Any]]:
    """task_id -> family, judged samples n, and how many of them passed and compiled; sorted by task_id."""
    rows = {}
    for task in sorted(tasks, key=lambda task: task.task_id):
        own = answers[task.task_id]
        if own.drawn < k:
            raise InputError(
                f"benchmark: task {task.task_id!r} has {own.drawn} samples, pass@{k} needs {k}; generate them again"
            )
        if own.judged < k:
            reason = " ".join(own.failure.split())[:200] or "no detail"
            raise InfrastructureError(
                f"benchmark: task {task.task_id!r}: {own.drawn - own.judged} of {own.drawn} samples could not be "
                f"judged, pass@{k} needs {k} ({reason}); mend the cause and run the stage again"
            )
        rows[task.task_id] = {
            "family": task.family,
            "passed": own.passed,
            "compiled": own.compiled,
            "n": own.judged,
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
