"""What can be reached along the edges of a graph."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


def reachable(start: Iterable[str], edges: Mapping[str, Iterable[str]]) -> set[str]:
    """The nodes of `start` and all that `edges` (node -> nodes) lead to from them."""
    found: set[str] = set()
    waiting = list(start)
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            waiting += edges.get(node, ())
    return found
