"""The numbers of one RAFT cycle, from its samples, verdicts and selection."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from halo_forge.pairing import Pair
from halo_forge.raft.answers import Answer
from halo_forge.raft.select import Selection
from halo_forge.records import Kept, Sample, Task, Verdict
from halo_forge.settings.params import Params
from halo_forge.statistics.bootstrap import share_intervals


def kept_records(selection: Selection, tasks: Mapping[str, Task], pairs: Iterable[Pair]) -> list[Kept]:
    """What a cycle keeps of its own answers, in order of task and rank. The texts are taken from `pairs`, which hold
    the answers that were chosen from."""
    chosen = {answer.sample_id for answer in selection.kept}
    found = {sample.sample_id: _kept(sample, verdict) for sample, verdict in pairs if sample.sample_id in chosen}
    return [found[answer.sample_id] for answer in selection.kept]


def _kept(sample: Sample, verdict: Verdict) -> Kept:
    return Kept(
        sample_id=sample.sample_id,
        task_id=sample.task_id,
        prompt=sample.prompt,
        completion=sample.completion,
        reward=verdict.reward,
        code=verdict.code,
    )


def cycle_statistics(
    name: str,
    params: Params,
    tasks: Mapping[str, Task],
    answers: Sequence[Answer],
    selection: Selection,
    generation: Mapping[str, Any],
) -> dict[str, Any]:
    """Counts of samples unless a key says otherwise; rates are shares of the samples judged (0..1)."""
    seconds = round(sum(answer.duration_s for answer in answers), 1)
    judged = [answer for answer in answers if answer.reward is not None]
    passed = sum(answer.passed for answer in judged)
    rewards = [answer.reward for answer in judged]
    kept = [answer.reward for answer in selection.kept]
    return {
        "cycle": name,
        "from": generation["model"],
        "temperature": generation["temperature"],
        "tasks": len(tasks),
        "samples": len(answers),
        "infra_errors": len(answers) - len(judged),
        "passed": passed,
        "pass_rate": passed / len(judged) if judged else 0.0,
        "pass_rate_interval": _interval(tasks, judged, params),
        "compile_rate": sum(answer.compiled for answer in judged) / len(judged) if judged else 0.0,
        "avg_reward": sum(rewards) / len(rewards) if rewards else 0.0,
        "reward_distribution": _steps(rewards, params),
        "distinct_programs": selection.distinct_programs,
        "duplicates": selection.duplicates,
        "reward_threshold": params.raft.reward_threshold,
        "above_threshold": selection.above_threshold,
        "sanitizers": dict(sorted(Counter(answer.sanitizers for answer in answers if answer.sanitizers).items())),
        "faulty": selection.faulty,
        "kept": len(kept),
        "avg_kept_reward": sum(kept) / len(kept) if kept else 0.0,
        "tasks_covered": selection.tasks_covered,
        "tasks_too_easy": selection.tasks_too_easy,
        "tasks_all_passed": selection.tasks_all_passed,
        "tasks_none_passed": selection.tasks_none_passed,
        "by_status": dict(sorted(Counter(answer.status for answer in answers).items())),
        "truncated": sum(answer.truncated for answer in answers),
        "generated_tokens": generation["tokens"],
        "generate_s": generation["seconds"],
        "tokens_per_s": generation["tokens_per_s"],
        "verify_s": seconds,
        "verifier": sorted({answer.verifier for answer in answers}),
        "isolation": sorted({answer.isolation for answer in answers}),
    }


def _interval(tasks: Mapping[str, Task], judged: Sequence[Answer], params: Params) -> list[float]:
    """95 % interval of the pass rate, families resampled."""
    if not judged:
        return [0.0, 0.0]
    families = [tasks[answer.task_id].family for answer in judged]
    values = np.ones((len(judged), 2))
    values[:, 0] = [answer.passed for answer in judged]
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
