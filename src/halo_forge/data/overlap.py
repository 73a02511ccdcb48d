"""n-gram overlap between training tasks and benchmark tasks: the proof that the benchmark was not trained on.

A task's text is its own words: n-grams that many tasks share (how to read input, what language to answer in) say
nothing and are left out. The measure is containment, the share of a training task's n-grams found in one benchmark
task, as in the decontamination of the GPT-3 paper (Brown et al. 2020, appendix C), per pair of tasks.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from halo_forge.records import Task

_WORD = re.compile(r"[a-z]+|\d+|[^\sa-z\d]")
COMMON_SHARE = 0.05
"""An n-gram found in more families than this share (and in more than three) is boilerplate."""


@dataclass(frozen=True)
class Overlap:
    """The benchmark task that `task_id` shares most with; `share` is in 0..1."""

    task_id: str
    benchmark_task_id: str | None
    share: float


def overlaps(training: Sequence[Task], benchmark: Sequence[Task], n: int) -> list[Overlap]:
    """For every training task, in order, its largest overlap with a benchmark task."""
    families = defaultdict(set)
    for task in [*training, *benchmark]:
        for gram in ngrams(task.prompt, n):
            families[gram].add(task.family)
    limit = max(3, COMMON_SHARE * len({task.family for task in [*training, *benchmark]}))
    common = {gram for gram, found in families.items() if len(found) > limit}
    holders = defaultdict(list)
    for task in benchmark:
        for gram in ngrams(task.prompt, n) - common:
            holders[gram].append(task.task_id)
    found = []
    for task in training:
        own = ngrams(task.prompt, n) - common
        shared = Counter(holder for gram in own for holder in holders.get(gram, ()))
        holder, count = min(shared.items(), key=lambda item: (-item[1], item[0])) if shared else (None, 0)
        found.append(Overlap(task.task_id, holder, count / len(own) if own else 0.0))
    return found


def ngrams(text: str, n: int) -> set[tuple[str, ...]]:
    """The n-grams of words, numbers and signs, case aside; a shorter text is one gram."""
    words = _WORD.findall(text.lower())
    if len(words) < n:
        return {tuple(words)} if words else set()
    return {tuple(words[start : start + n]) for start in range(len(words) - n + 1)}
