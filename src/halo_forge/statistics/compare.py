"""Which of two models is better on the same tasks, and how sure that is.

The models are compared task by task, which removes the spread between easy and hard tasks. The interval of the
difference is a paired cluster bootstrap over families. The p-value is a paired randomization test: under the null
hypothesis the two models' results of a family could be swapped, so the sign of each family's difference is flipped
(Fisher 1935; for language models Dror et al. 2018, "The Hitchhiker's Guide to Testing Statistical Significance in
Natural Language Processing", §3.2). Few families: every sign pattern is counted. Many: random patterns, and
p = (b + 1) / (m + 1) (Phipson and Smyth 2010), which is never 0. How large a difference has to be to be seen comes from
the standard error over families (Miller 2024, "Adding Error Bars to Evals", arXiv 2411.00640, §5).
"""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil, fsum
from statistics import NormalDist
from typing import Any

import numpy as np

from halo_forge.errors import InputError
from halo_forge.progress import print_table
from halo_forge.statistics.bootstrap import bootstrap_means, family_sums
from halo_forge.statistics.passk import pass_at_k

SEEN = NormalDist().inv_cdf(0.975) + NormalDist().inv_cdf(0.8)
"""Standard errors that a true difference must have to be outside of a 95 % interval's reach of 0 four times in five."""
_EXACT_FAMILIES = 14  # 2 ** 14 sign patterns are counted in full


def compare(before: dict[str, Any], after: dict[str, Any], resamples: int, seed: int) -> dict[str, Any]:
    """Paired comparison of two benchmark summaries (`evaluate.summarise`), as `after` minus `before`.

    Returns {"before", "after", "n_tasks", "n_families", "gained", "lost", "better", "worse"} and, under "compile_rate",
    "pass@1" and "pass@k" for every other k that both have, {"difference", "low", "high", "p", "detectable"} as shares
    in -1..1: `detectable` is the true difference that as many families would show four times in five, None of one
    family. `gained` are the tasks that only `after` solves with any of its samples, `lost` the reverse; `better` and
    `worse` count tasks whose pass@1 moved at all.
    Raises InputError if the two were not benchmarked on the same tasks.
    """
    tasks = _same_tasks(before, after)
    old, new = ([summary["per_task"][task] for task in tasks] for summary in (before, after))
    families = [row["family"] for row in new]
    both = before.get("pass_at_k", {}).keys() & after.get("pass_at_k", {}).keys()
    ks = sorted({1, *map(int, both)})

    def rates(row: dict[str, Any]) -> list[float]:
        return [*(pass_at_k(row["n"], row["passed"], k) for k in ks), row["compiled"] / row["n"]]

    # (tasks, len(ks) + 1): difference in pass@k for every k, then in the share of samples that compile
    differences = np.array([rates(b) for b in new]) - np.array([rates(a) for a in old])
    names = [*(f"pass@{k}" for k in ks), "compile_rate"]
    n_families = len(set(families))
    one_family = [[-1.0, 1.0]] * len(names)  # says nothing about other families
    intervals = bootstrap_means(differences, families, resamples, seed) if n_families > 1 else one_family
    sums, sizes = family_sums(differences, families)
    measures = {
        name: {
            "difference": fsum(differences[:, column]) / len(tasks),
            "low": intervals[column][0],
            "high": intervals[column][1],
            "p": sign_flip_p(sums[:, column], resamples, seed),
            "detectable": _detectable(sums[:, column], sizes),
        }
        for column, name in enumerate(names)
    }
    solved = [(a["passed"] > 0, b["passed"] > 0) for a, b in zip(old, new, strict=True)]
    return {
        "before": before["model"],
        "after": after["model"],
        "n_tasks": len(tasks),
        "n_families": n_families,
        **measures,
        "gained": [task for task, flip in zip(tasks, solved, strict=True) if flip == (False, True)],
        "lost": [task for task, flip in zip(tasks, solved, strict=True) if flip == (True, False)],
        "better": int((differences[:, 0] > 0).sum()),
        "worse": int((differences[:, 0] < 0).sum()),
    }


def print_comparisons(rows: Iterable[dict[str, Any]]) -> None:
    """What `compare` returned, as a table on stdout."""
    print_table(
        ["change", "pass@1 points", "95 % interval", "p", "tasks gained", "lost"],
        [
            [
                f"{row['before']} -> {row['after']}",
                100 * row["pass@1"]["difference"],
                f"{100 * row['pass@1']['low']:+.1f} to {100 * row['pass@1']['high']:+.1f}",
                row["pass@1"]["p"],
                len(row["gained"]),
                len(row["lost"]),
            ]
            for row in rows
        ],
    )


def families_needed(n_families: int, detectable: float, difference: float) -> int:
    """How many families show a true `difference` four times in five, where so many show `detectable`."""
    return ceil(n_families * (detectable / difference) ** 2)


def _detectable(sums: np.ndarray, sizes: np.ndarray) -> float | None:
    """From the families' summed differences and numbers of tasks, (families,) each."""
    if len(sums) < 2:
        return None
    off = sums - sizes * sums.sum() / sizes.sum()
    error = np.sqrt((off**2).sum() * len(sums) / (len(sums) - 1)) / sizes.sum()
    return float(SEEN * error)


def sign_flip_p(sums: np.ndarray, resamples: int, seed: int) -> float:
    """Two-sided p-value of the families' summed differences (families,) against sign-symmetry around zero."""
    sums = sums[sums != 0]  # a zero stays zero under either sign
    if len(sums) == 0:
        return 1.0
    observed = abs(sums.sum()) - 1e-9  # sums of the same numbers in another order differ in the last bits
    if len(sums) <= _EXACT_FAMILIES:
        patterns = np.arange(2 ** len(sums))[:, None] >> np.arange(len(sums)) & 1
        return float((np.abs((1 - 2 * patterns) @ sums) >= observed).mean())
    rng = np.random.default_rng(seed)
    as_extreme = 0
    for start in range(0, resamples, 1_000):
        signs = rng.integers(0, 2, size=(min(1_000, resamples - start), len(sums))) * 2 - 1
        as_extreme += int((np.abs(signs @ sums) >= observed).sum())
    return (as_extreme + 1) / (resamples + 1)


def _same_tasks(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    old, new = set(before["per_task"]), set(after["per_task"])
    if old != new or not new:
        example = f", {min(old ^ new)!r} in only one" if old ^ new else ""
        raise InputError(
            f"{before['model']} and {after['model']} were benchmarked on different tasks: {len(old)} and {len(new)}, "
            f"{len(old & new)} in common{example}; benchmark both again on the same file"
        )
    return sorted(new)
