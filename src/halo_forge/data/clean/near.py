"""Exact and near duplicates among texts: MinHash with locality-sensitive hashing, then the exact measure.

Broder, "On the resemblance and containment of documents" (1997); the sketches and the index are datasketch's. The
sketch only finds candidates: whether two texts are near duplicates is decided by the Jaccard index of their shingles,
so the answer does not depend on the sketch's luck except for pairs it never proposes.
"""

from __future__ import annotations

from collections.abc import Sequence

from halo_forge.data.clean.normal import hashed, words

SHINGLE = 3
PERMUTATIONS = 128
SEED = 1
_BELOW = 0.15
"""Candidates are looked for this much below the threshold: a pair at the threshold itself is then missed in about 1 of
1000 cases, where the sketch alone would miss every second one."""


def near_duplicates(texts: Sequence[str], threshold: float = 0.8) -> list[tuple[int, int]]:
    """(index, index of the earlier text that it repeats) for every text that repeats one, in order.

    Two texts repeat each other if the Jaccard index of their word 3-grams (case, punctuation and layout aside) is at
    least `threshold`, in (0, 1]; of texts with no words, if they are equal. What is repeated is always a text that is
    itself no repetition. The same texts give the same answer, on any machine.
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold must be in (0, 1], got {threshold}")
    found: list[tuple[int, int]] = []
    first: dict[frozenset[int], int] = {}
    kept: dict[int, frozenset[int]] = {}
    index = None
    for number, text in enumerate(texts):
        shingles = _shingles(text)
        same = first.setdefault(shingles, number)
        if same != number:
            found.append((number, same))
            continue
        if threshold == 1:
            continue
        index = index or _index(threshold)
        sketch = _sketch(shingles)
        candidates = ((other, _jaccard(shingles, kept[other])) for other in index.query(sketch))
        best = max(((share, -other) for other, share in candidates if share >= threshold), default=None)
        if best is None:
            index.insert(number, sketch)
            kept[number] = shingles
        else:
            found.append((number, -best[1]))
            first[shingles] = -best[1]
    return found


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
