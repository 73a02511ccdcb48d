"""Intervals of means over tasks.

Variants of one problem idea (a family) succeed and fail together, so intervals resample whole families, not tasks:
a cluster bootstrap (Davison and Hinkley, Bootstrap Methods and their Application, 1997, §3.8), percentile limits.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import fsum

import numpy as np

LEVEL = 0.95
_BLOCK = 1_000
"""Resamples drawn at once, …"""
_CELLS = 2_000_000
"""… or as many fewer as so many numbers hold, one a resample and family: what bounds the memory."""


def share_intervals(values: np.ndarray, families: Sequence[str], resamples: int, seed: int) -> list[list[float]]:
    """95 % intervals [low, high] of the means of the columns of `values` (tasks x measures, each in 0..1).

    All columns share the same resamples. Where every task has 0 (or every task 1) the bootstrap sees no spread and
    would claim certainty: then the exact binomial limit over families is given (Clopper and Pearson 1934), which holds
    because P(all families score 0) <= (1 - mean) ** families. One family alone says nothing about others: [0, 1].
    """
    values = np.asarray(values, dtype=float)
    n_families = len(set(families))
    if n_families < 2:
        return [[0.0, 1.0] for _ in range(values.shape[1])]
    intervals = bootstrap_means(values, families, resamples, seed)
    unseen = 1 - ((1 - LEVEL) / 2) ** (1 / n_families)
    for column, interval in zip(values.T, intervals, strict=True):
        if (column == 0).all():
            interval[:] = 0.0, unseen
        elif (column == 1).all():
            interval[:] = 1 - unseen, 1.0
    return intervals


def bootstrap_means(values: np.ndarray, families: Sequence[str], resamples: int, seed: int) -> list[list[float]]:
    """Percentile limits [low, high] of each column's mean over tasks when families are drawn with replacement."""
    sums, sizes = family_sums(values, families)
    n_families = len(sizes)
    rng = np.random.default_rng(seed)
    means = np.empty((resamples, sums.shape[1]))
    at_once = max(1, min(_BLOCK, _CELLS // n_families))
    for start in range(0, resamples, at_once):
        block = min(at_once, resamples - start)
        # How often each family is in each resample. (block, families)
        counts = rng.multinomial(n_families, np.full(n_families, 1 / n_families), size=block).astype(float)
        means[start : start + block] = (counts @ sums) / (counts @ sizes)[:, None]
    tail = (1 - LEVEL) / 2
    limits = np.quantile(means, [tail, 1 - tail], axis=0).T
    return [[float(low), float(high)] for low, high in limits]


def mean_and_interval(
    values: Sequence[float], families: Sequence[str], resamples: int, seed: int
) -> tuple[float, float | None, float | None]:
    """(mean over tasks, low, high), the limits as `bootstrap_means` gives them: None where all are of one family."""
    column = np.asarray(values, dtype=float)[:, None]
    low, high = bootstrap_means(column, families, resamples, seed)[0] if len(set(families)) > 1 else (None, None)
    return fsum(values) / len(values), low, high


def family_sums(values: np.ndarray, families: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Sum of each column within each family (families x measures), and the number of tasks of each family."""
    names, family_of = np.unique(np.asarray(families, dtype=object), return_inverse=True)
    sums = np.zeros((len(names), values.shape[1]))
    np.add.at(sums, family_of, values)
    return sums, np.bincount(family_of, minlength=len(names))
