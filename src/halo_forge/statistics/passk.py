"""The unbiased estimate of pass@k."""

from __future__ import annotations

from math import comb

from halo_forge.errors import InputError


def pass_at_k(n: int, c: int, k: int) -> float:
    """Unbiased estimate of the chance that one of `k` samples passes, from `c` passes among `n`.

    1 - C(n-c, k) / C(n, k): Chen et al. 2021, arXiv 2107.03374, equation 1. In integers, so no overflow or
    cancellation. Raises InputError unless 1 <= k <= n and 0 <= c <= n.
    """
    if k < 1:
        raise InputError(f"pass@{k}: k must be at least 1")
    if k > n:
        raise InputError(
            f"pass@{k} needs at least {k} samples a task, got {n}; "
            f"raise benchmark.samples_per_task or drop {k} from benchmark.k"
        )
    if not 0 <= c <= n:
        raise InputError(f"pass@{k}: {c} passes among {n} samples; the count must lie between 0 and {n}")
    return (comb(n, k) - comb(n - c, k)) / comb(n, k)
