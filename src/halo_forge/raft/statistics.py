"""One row a finished RAFT cycle, gathered from what the stages of the cycle wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from halo_forge.errors import InputError
from halo_forge.files import read_json
from halo_forge.settings.params import Params

_FROM_FILTER = {  # key here -> key in results/raft/<cycle>.json
    "from": "from",
    "temperature": "temperature",
    "total_samples": "samples",
    "tasks": "tasks",
    "passed": "passed",
    "success_rate": "pass_rate",
    "success_rate_interval": "pass_rate_interval",
    "compile_rate": "compile_rate",
    "avg_reward": "avg_reward",
    "reward_distribution": "reward_distribution",
    "distinct_programs": "distinct_programs",
    "duplicates": "duplicates",
    "above_threshold": "above_threshold",
    "sanitizers": "sanitizers",
    "faulty": "faulty",
    "kept": "kept",
    "avg_kept_reward": "avg_kept_reward",
    "tasks_covered": "tasks_covered",
    "tasks_too_easy": "tasks_too_easy",
    "tasks_all_passed": "tasks_all_passed",
    "tasks_none_passed": "tasks_none_passed",
    "by_status": "by_status",
    "generated_tokens": "generated_tokens",
    "generate_s": "generate_s",
    "verify_s": "verify_s",
}
_FROM_TRAINING = {  # key here -> key in data/train/<cycle>.json
    "trained_rows": "rows",
    "trained_tokens": "tokens",
    "steps": "steps",
    "learning_rate": "learning_rate",
    "loss_first": "loss_first",
    "loss_last": "loss_last",
    "train_s": "seconds",
}


def raft_statistics(params: Params, root: Path) -> list[dict[str, Any]]:
    """A row for every cycle of `params` that is filtered and trained under `root`, parents first.

    Has the usual keys of a raft_statistics.json (`cycle`, a number; `elapsed_minutes`, `total_samples`,
    `above_threshold`, `kept`, `avg_reward`, `avg_kept_reward`, `success_rate`, `reward_distribution`,
    `threshold_adjusted`, `effective_threshold`) and adds to them. `cycle` counts the RAFT updates since SFT, so two
    branches may share it; `name` is unique. `verify_s` adds up the samples, however many were judged at once. The
    threshold is never adjusted: that nothing reaches it is no reason to train on failures.
    Raises InputError for a file that lacks a key.
    """
    rows = []
    for name in params.models():
        filtered = root / "results" / "raft" / f"{name}.json"
        trained = root / "data" / "train" / f"{name}.json"
        if name not in params.raft.cycles or not (filtered.exists() and trained.exists()):
            continue
        values = []
        for path, keys in ((filtered, _FROM_FILTER), (trained, _FROM_TRAINING)):
            values.append(read_json(path))
            missing = [key for key in keys.values() if key not in values[-1]]
            if missing:
                raise InputError(f"{path}: no key {missing[0]!r}; run the stage that writes this file again")
        rows.append(statistics_row(params.depth(name), name, *values, params.raft.reward_threshold))
    return rows


def statistics_row(
    cycle: int, name: str, filtered: dict[str, Any], trained: dict[str, Any], threshold: float
) -> dict[str, Any]:
    """The row of one cycle: `filtered` is from `filter.cycle_statistics`, `trained` from `train.adapter`."""
    row: dict[str, Any] = {"cycle": cycle, "name": name}
    for values, keys in ((filtered, _FROM_FILTER), (trained, _FROM_TRAINING)):
        row |= {ours: values[theirs] for ours, theirs in keys.items()}
    seconds = [row[part] for part in ("generate_s", "verify_s", "train_s")]
    row["elapsed_minutes"] = None if None in seconds else sum(seconds) / 60
    row["threshold_adjusted"] = False
    row["effective_threshold"] = threshold
    return row
