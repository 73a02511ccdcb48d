"""Which model is the best: chosen on the validation side, so that the benchmark is free to measure the one chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from halo_forge.errors import InputError


def choose(cards: Mapping[str, Mapping[str, Any]], candidates: Sequence[str]) -> dict[str, Any]:
    """{"model", "by", "pass@1"} of the best of `candidates`, parents first; `cards` are their validation results.

    The highest pass@1 wins; of equal ones the first, since further training that shows no gain is not worth having.
    Where validation has no tasks nothing is chosen: the model is then the last one, and `by` says so.
    Raises InputError where the candidates were not validated on the same tasks.
    """
    if missing := [model for model in candidates if model not in cards]:
        raise InputError(f"validation: no result of {missing[0]!r}; run the stage validate for it")
    tasks = {model: set(cards[model]["per_task"]) for model in candidates}
    if unlike := [model for model in candidates if tasks[model] != tasks[candidates[0]]]:
        raise InputError(
            f"validation: {unlike[0]} and {candidates[0]} were asked different tasks; run the stage validate again"
        )
    if not tasks[candidates[0]]:
        return {"model": candidates[-1], "by": "last", "pass@1": {}}
    rates = {model: cards[model]["pass_at_k"]["1"] for model in candidates}
    return {"model": max(candidates, key=rates.__getitem__), "by": "validation", "pass@1": rates}
