"""Problems that are the same in other words belong to one family, so that no split can part them."""

from __future__ import annotations

from collections.abc import Sequence

from halo_forge.data.clean.fingerprint import Fingerprint
from halo_forge.data.overlap import Copy, copies

CURATED = "builtin"
"""The data set whose families were told apart by hand: what these have in common joins nothing."""


def joined_families(problems: Sequence[Fingerprint], threshold: float) -> dict[str, str]:
    """family -> the family that stands for it, for every family that was joined to another, in order of name.

    Families with a pair of problems that are copies (data/overlap.py) are one, and so on along the chain. What stands
    for a cluster is a built-in family if there is one, else the first by name.
    """
    by_name = {problem.name: problem for problem in problems}
    above: dict[str, str] = {}
    rank = {problem.family: (problem.origin != CURATED, problem.family) for problem in problems}

    def top(family: str) -> str:
        while family in above:
            family = above[family]
        return family

    for pair in foreign(copies(problems, threshold=threshold), by_name):
        first, *rest = sorted({top(by_name[pair.name].family), top(by_name[pair.of].family)}, key=rank.__getitem__)
        for other in rest:  # none if they were joined before
            above[other] = first
    return {family: top(family) for family in sorted(above)}


def foreign(pairs: Sequence[Copy], by_name: dict[str, Fingerprint]) -> list[Copy]:
    """The pairs that are not both of the curated families."""
    return [pair for pair in pairs if {by_name[pair.name].origin, by_name[pair.of].origin} != {CURATED}]
