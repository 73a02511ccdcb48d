"""pass@k for every k that the samples allow, with intervals: the curve of a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from halo_forge.benchmark.results import Results
from halo_forge.statistics.bootstrap import share_intervals
from halo_forge.statistics.passk import pass_at_k

_RESAMPLES = 2_000
"""At most: a band in a picture needs no more."""


@dataclass(frozen=True)
class Curve:
    """pass@k for k = 1, 2, … n, and [low, high] of each: shares in 0..1, 95 % intervals over families."""

    means: list[float]
    intervals: list[list[float]]


def curves_of(results: Results) -> dict[str, Curve]:
    """The curve of every benchmarked model, then of every control arm."""
    settings, cards = results.params, results.benchmark | results.controls
    return {model: curve(card, settings.benchmark.bootstrap, settings.seed) for model, card in cards.items()}


def curve(card: dict[str, Any], resamples: int, seed: int) -> Curve:
    """The curve of one model from its `evaluate.summarise`, up to the samples that every task has."""
    rows = list(card["per_task"].values())
    n = min(row["n"] for row in rows)
    # Tasks with as many passes share a row. (tasks, n)
    known = {pair: _of_task(*pair, n) for pair in {(row["n"], row["passed"]) for row in rows}}
    values = np.array([known[row["n"], row["passed"]] for row in rows])
    families = [row["family"] for row in rows]
    intervals = share_intervals(values, families, min(resamples, _RESAMPLES), seed)
    return Curve(values.mean(axis=0).tolist(), intervals)


def _of_task(drawn: int, passed: int, n: int) -> list[float]:
    return [pass_at_k(drawn, passed, k) for k in range(1, n + 1)]
