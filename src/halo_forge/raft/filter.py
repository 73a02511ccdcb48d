"""The numbers of one RAFT cycle, from its samples, verdicts and selection."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from halo_forge.model.chat import fenced
from halo_forge.raft.select import Selection
from halo_forge.records import Kept, Sample, Task, Verdict
from halo_forge.settings.params import Params
from halo_forge.statistics.bootstrap import share_intervals


def kept_records(selection: Selection, tasks: Mapping[str, Task]) -> list[Kept]:
    """What a cycle keeps of its own answers, in order of task and rank; of a repair the program alone, as the answer to
    the task's prompt."""
    return [
        Kept(
            sample_id=sample.sample_id,
            task_id=sample.task_id,
            prompt=sample.prompt,
            completion=fenced(verdict.code, tasks[sample.task_id].language) if sample.repairs else sample.completion,
            reward=verdict.reward,
            code=verdict.code,
        )
        for sample, verdict in selection.kept
    ]


def cycle_statistics(
    name: str,
    params: Params,
    tasks: Mapping[str, Task],
    samples: Sequence[Sample],
    verdicts: Sequence[Verdict],
    selection: Selection,
    generation: Mapping[str, Any],
) -> dict[str, Any]:
    """Counts of samples unless a key says otherwise; rates are shares of the samples judged (0..1).

    Repairs count in `repairs`, `repaired` (those that pass), `kept`, tokens and seconds, and nowhere else.
    """
    mended = {sample.sample_id for sample in samples if sample.repairs is not None}
    repaired = [verdict for verdict in verdicts if verdict.sample_id in mended]
    seconds = round(sum(verdict.duration_s for verdict in verdicts), 1)
    samples = [sample for sample in samples if sample.sample_id not in mended]
    verdicts = [verdict for verdict in verdicts if verdict.sample_id not in mended]
    judged = [verdict for verdict in verdicts if verdict.reward is not None]
    passed = sum(verdict.passed for verdict in judged)
    rewards = [verdict.reward for verdict in judged]
    kept = [verdict.reward for _, verdict in selection.kept]
    return {
        "cycle": name,
        "from": generation["model"],
        "temperature": generation["temperature"],
        "tasks": len(tasks),
        "samples": len(samples),
        "infra_errors": len(verdicts) - len(judged),
        "passed": passed,
        "pass_rate": passed / len(judged) if judged else 0.0,
        "pass_rate_interval": _interval(tasks, judged, params),
        "compile_rate": sum(verdict.compiled for verdict in judged) / len(judged) if judged else 0.0,
        "avg_reward": sum(rewards) / len(rewards) if rewards else 0.0,
        "reward_distribution": _steps(rewards, params),
        "repairs": len(repaired),
        "repaired": sum(verdict.passed for verdict in repaired),
        "distinct_programs": selection.distinct_programs,
        "duplicates": selection.duplicates,
        "reward_threshold": params.raft.reward_threshold,
        "above_threshold": selection.above_threshold,
        "sanitizers": dict(sorted(Counter(verdict.sanitizers for verdict in verdicts if verdict.sanitizers).items())),
        "faulty": selection.faulty,
        "kept": len(kept),
        "avg_kept_reward": sum(kept) / len(kept) if kept else 0.0,
        "tasks_covered": selection.tasks_covered,
        "tasks_too_easy": selection.tasks_too_easy,
        "tasks_all_passed": selection.tasks_all_passed,
        "tasks_none_passed": selection.tasks_none_passed,
        "by_status": dict(sorted(Counter(verdict.status for verdict in verdicts).items())),
        "truncated": sum(sample.finish_reason == "length" for sample in samples),
        "generated_tokens": generation["tokens"],
        "generate_s": generation["seconds"],
        "tokens_per_s": generation["tokens_per_s"],
        "verify_s": seconds,
        "verifier": sorted({verdict.verifier for verdict in verdicts}),
        "isolation": sorted({verdict.isolation for verdict in verdicts}),
    }


def _interval(tasks: Mapping[str, Task], judged: Sequence[Verdict], params: Params) -> list[float]:
    """95 % interval of the pass rate, families resampled."""
    if not judged:
        return [0.0, 0.0]
    families = [tasks[verdict.task_id].family for verdict in judged]
    values = np.array([[float(verdict.passed), 1.0] for verdict in judged])
    return share_intervals(values, families, 2000, params.seed)[0]


def _steps(rewards: Sequence[float], params: Params) -> dict[str, int]:
    """How many samples reached each step of the ladder; partial credit counts on the step below it."""
    ladder = params.verify.rewards
    steps = sorted({ladder.compile_error, ladder.compiles_with_warnings, ladder.compiles, ladder.runs, ladder.correct})
    counts = {f"{step:g}" if step % 1 else f"{step:.1f}": 0 for step in steps}
    names = list(counts)
    for reward in rewards:
        counts[names[max(i for i, step in enumerate(steps) if reward >= step)]] += 1
    return counts
