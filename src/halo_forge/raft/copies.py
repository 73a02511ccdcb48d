"""Nearly equal programs of one task count as one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from halo_forge.data.clean.normal import program
from halo_forge.records import Kept, Task


def weigh_copies(rows: Sequence[Kept], tasks: Mapping[str, Task]) -> list[Kept]:
    """Each row at 1 / the sum of its likenesses to the rows of its task, itself included: `n` copies of one program
    weigh 1 together, `n` different ones `n`. The likeness of two programs is the share of their grams that both have,
    names apart (`data.clean.normal`)."""
    grams_of: dict[str, list[frozenset[int]]] = defaultdict(list)
    own = []
    for row in rows:
        own.append(program(row.code, tasks[row.task_id].language))
        grams_of[row.task_id].append(own[-1])
    weighed = []
    for row, grams in zip(rows, own, strict=True):
        likeness = sum(len(grams & other) / len(grams | other) for other in grams_of[row.task_id] if grams | other)
        weighed.append(row.model_copy(update={"weight": 1 / max(likeness, 1.0)}))
    return weighed
