"""Exact and near duplicates among texts: MinHash with locality-sensitive hashing, then the exact measure.

Broder, "On the resemblance and containment of documents" (1997); the sketches and the index are datasketch's. The
sketch only finds candidates: whether two texts are near duplicates is decided by the Jaccard index of their shingles,
so the answer does not depend on the sketch's luck except for pairs it never proposes.

What several texts say in the same words, the preamble of a collection, tells none of them from the others and is left
out of the measure.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from halo_forge.data.clean.normal import hashed, words

SHINGLE = 3
PERMUTATIONS = 128
SEED = 1
COMMON = 3
"""A sentence that stands in so many different texts, …"""
COMMON_SHARE = 0.005
"""… and in this share of all, is part of a preamble."""
_SENTENCE_END = re.compile(r"\n+|(?<=[.!?:;])\s+")
_BELOW = 0.15
"""Candidates are looked for this much below the threshold: a pair at the threshold itself is then missed in about 1 of
1000 cases, where the sketch alone would miss every second one."""


def near_duplicates(texts: Sequence[str], threshold: float = 0.8) -> list[tuple[int, int]]:
    """(index, index of the earlier text that it repeats) for every text that repeats one, in order.

    Two texts repeat each other if the Jaccard index of their word 3-grams (case, punctuation, layout and preambles
    aside) is at least `threshold`, in (0, 1], or if they are equal; texts with no words, if they are equal. What is
    repeated is always a text that is itself no repetition. The same texts give the same answer, on any machine.
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold must be in (0, 1], got {threshold}")
    found: list[tuple[int, int]] = []
    first: dict[frozenset[int], int] = {}
    kept: dict[int, frozenset[int]] = {}
    index = None
    common = _common_sentences(texts) if threshold < 1 else frozenset()
    for number, text in enumerate(texts):
        shingles = _shingles(text)
        same = first.setdefault(shingles, number)
        if same != number:
            found.append((number, same))
            continue
        if threshold == 1:
            continue
        index = index or _index(threshold)
        own = _own_shingles(text, common) if common else shingles
        sketch = _sketch(own)
        candidates = ((other, _jaccard(own, kept[other])) for other in index.query(sketch))
        best = max(((share, -other) for other, share in candidates if share >= threshold), default=None)
        if best is None:
            index.insert(number, sketch)
            kept[number] = own
        else:
            found.append((number, -best[1]))
            first[shingles] = -best[1]
    return found


def _common_sentences(texts: Sequence[str]) -> frozenset[int]:
    """Sentences that stand in several texts. Texts that are equal count once: they have all of theirs in common."""
    different = {hashed(words(text)): text for text in texts}
    counts = Counter(sentence for text in different.values() for sentence, _ in {*_sentences(text)})
    least = max(COMMON, COMMON_SHARE * len(different))
    return frozenset(sentence for sentence, number in counts.items() if number >= least)


def _sentences(text: str) -> list[tuple[int, tuple[str, ...]]]:
    """(what stands for it, its words) of each sentence or line that has more than a word or two."""
    found = [tuple(words(part)) for part in _SENTENCE_END.split(text)]
    return [(hashed(part), part) for part in found if len(part) >= SHINGLE]


def _own_shingles(text: str, common: frozenset[int]) -> frozenset[int]:
    """The shingles of what a text says beside common sentences; of all that it says, if that is nothing."""
    own = [word for sentence, part in _sentences(text) if sentence not in common for word in part]
    return _shingles(" ".join(own)) if own else _shingles(text)


def _shingles(text: str) -> frozenset[int]:
    found = words(text)
    if not found:
        return frozenset({hashed([text])})
    starts = range(max(1, len(found) - SHINGLE + 1))
    return frozenset(hashed(found[start : start + SHINGLE]) for start in starts)


def _jaccard(one: frozenset[int], other: frozenset[int]) -> float:
    return len(one & other) / len(one | other)


def _index(threshold: float):
    from datasketch import MinHashLSH  # brings scipy: half a second that only those who look for duplicates pay

    return MinHashLSH(threshold=max(0.1, threshold - _BELOW), num_perm=PERMUTATIONS)


def _sketch(shingles: frozenset[int]):
    from datasketch import MinHash

    sketch = MinHash(num_perm=PERMUTATIONS, seed=SEED, hashfunc=lambda value: value & 0xFFFFFFFF)
    sketch.update_batch(sorted(shingles))
    return sketch
