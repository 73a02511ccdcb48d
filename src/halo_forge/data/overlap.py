"""Overlap between training and benchmark: the proof that the benchmark was not trained on.

`overlaps` is the plain measure: containment, the share of a training prompt's n-grams found in one benchmark prompt,
as in the decontamination of the GPT-3 paper (Brown et al. 2020, appendix C), per pair of tasks.

`copies` finds problems that are the same under another wording, by four kinds of grams (data/clean/fingerprint.py):
what the prompt says, in which words, what the solution does, what the tests ask. A gram weighs the more, the fewer
families have it (inverse document frequency), and a share is of the smaller side's weight, so that a problem inside a
longer story is found, and so is a part of one.

In both, grams that many families share (how to read input, what language to answer in) say nothing and are left out.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from halo_forge.data.clean.fingerprint import Fingerprint
from halo_forge.records import Task

_WORD = re.compile(r"[a-z]+|\d+|[^\sa-z\d]")
COMMON_SHARE = 0.05
"""A gram found in more families than this share (and in more than three) is boilerplate."""


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


@dataclass(frozen=True)
class _Enough:
    """How much two problems must share, in nats of surprise (the sum of -ln of how common each shared gram is)."""

    alone: float
    """With this much one channel is proof."""
    supported: float
    """With less than that, but this much, another channel must agree, if there is one to ask."""
    part: float = 1.0
    """The share to reach, as a part of the threshold."""


CHANNELS = {
    "prompt": _Enough(alone=40.0, supported=15.0, part=0.7),
    "wording": _Enough(alone=20.0, supported=10.0),
    "solution": _Enough(alone=50.0, supported=25.0),
    "tests": _Enough(alone=20.0, supported=8.0),
}
SUPPORT = 0.5
"""Another channel agrees if its share is at least this part of the threshold."""
FEWEST_FAMILIES = 100
"""Of fewer families nobody can tell what is common: they are weighed as if they were this many."""
MOST_FAMILIES = 300
"""Of more, a gram that two of them have would weigh more and more: they are weighed as if they were this many, for
which the sums of CHANNELS were found."""
RARE = 100
"""Pairs are looked for by grams that at most this many families have, which bounds the work on large files."""


@dataclass(frozen=True)
class Copy:
    """`name` is another wording of `of`. The shares are in 0..1, None where one of the two has nothing to compare."""

    name: str
    of: str
    prompt: float | None
    wording: float | None
    solution: float | None
    tests: float | None

    @property
    def share(self) -> float:
        return max(getattr(self, name) or 0.0 for name in CHANNELS)


def copies(
    left: Sequence[Fingerprint], right: Sequence[Fingerprint] | None = None, threshold: float = 0.6
) -> list[Copy]:
    """The pairs of a problem in `left` and one in `right` that are copies of each other, in order of both.

    Without `right` the pairs within `left`, each once, the later problem first, but none of one family: those are
    known to be variants. `threshold` is the share in (0, 1] that the prompts, the solutions or the tests must have in
    common; the prompts need a little less, since words are changed more easily than programs.
    """
    within = right is None
    right = left if right is None else right
    channels = [_Channel(name, left, right) for name in CHANNELS]
    said = defaultdict(list)
    for place, problem in enumerate(right):
        said[problem.says].append(place)
    found = []
    for number, problem in enumerate(left):
        places = set(said[problem.says]) if problem.says is not None else set()
        for channel in channels:
            places |= channel.candidates(number)
        for place in sorted(places):
            other = right[place]
            if within and (place >= number or other.family == problem.family):
                continue
            measured = {channel.name: channel.shared(number, place) for channel in channels}
            same_words = problem.says is not None and problem.says == other.says
            if same_words or any(_proves(name, measured, threshold) for name in CHANNELS):
                shares = {name: share for name, (share, _) in measured.items()}
                found.append(Copy(problem.name, other.name, **(shares | {"prompt": 1.0} if same_words else shares)))
    return found


class _Channel:
    """One kind of grams of all problems, and what each gram says: ln(families / families that have it)."""

    def __init__(self, name: str, left: Sequence[Fingerprint], right: Sequence[Fingerprint]):
        self.name = name
        self._left, self._right = ([getattr(problem, name) for problem in side] for side in (left, right))
        families = defaultdict(set)
        for problem in left if left is right else [*left, *right]:
            families[problem.family] |= getattr(problem, name)
        having = Counter(gram for grams in families.values() for gram in grams)
        number = min(max(len(families), FEWEST_FAMILIES), MOST_FAMILIES)
        limit = min(max(3, COMMON_SHARE * len(families)), number)
        self._weights = {gram: math.log(number / count) for gram, count in having.items() if count <= limit}
        self._totals = [self._weight(grams) for grams in self._left], [self._weight(grams) for grams in self._right]
        self._holders = defaultdict(list)
        for place, grams in enumerate(self._right):
            for gram in grams:
                if having[gram] <= min(limit, RARE):
                    self._holders[gram].append(place)

    def candidates(self, number: int) -> set[int]:
        """The places in `right` that share a rare gram with `left[number]`, and could share enough."""
        least, enough = CHANNELS[self.name].supported, set()
        if self._totals[0][number] >= least:
            places = {place for gram in self._left[number] for place in self._holders.get(gram, ())}
            enough = {place for place in places if self._totals[1][place] >= least}
        return enough

    def shared(self, number: int, place: int) -> tuple[float | None, float]:
        """The share that two problems have in common (None if one has nothing to compare), and its weight."""
        smaller = min(self._totals[0][number], self._totals[1][place])
        if not smaller:
            return None, 0.0
        weight = self._weight(self._left[number] & self._right[place])
        return round(weight / smaller, 4), weight

    def _weight(self, grams: frozenset[int]) -> float:
        return math.fsum(self._weights.get(gram, 0.0) for gram in grams)  # fsum: the same in any order


def _proves(channel: str, measured: dict[str, tuple[float | None, float]], threshold: float) -> bool:
    (share, weight), enough = measured[channel], CHANNELS[channel]
    if share is None or share < enough.part * threshold or weight < enough.supported:
        return False
    voices = ("solution", "tests") if channel in ("prompt", "wording") else CHANNELS  # these two say the same thing
    asked = [measured[name][0] for name in voices if name != channel and measured[name][0] is not None]
    return weight >= enough.alone or not asked or max(asked) >= SUPPORT * threshold
