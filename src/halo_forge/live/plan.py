"""Which stages are still to run: what DVC finds changed, and all that comes after these or after one that runs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Collection, Iterable
from pathlib import Path

from halo_forge.errors import InfrastructureError
from halo_forge.reachable import reachable

TRIES = 3
PAUSE_S = 2.0
_NODE, _EDGE = re.compile(r'^"([^"]+)";$'), re.compile(r'^"(.+?)" -> "(.+?)";$')


class Graph:
    """The stages in the order in which DVC names them, which is that of dvc.yaml."""

    def __init__(self, dot: str):
        """`dot`: what `dvc dag --dot` prints. Raises InfrastructureError if it names no stage."""
        lines = [line.strip() for line in dot.splitlines()]
        self.stages = [found[1] for line in lines if (found := _NODE.match(line))]
        self._after: dict[str, list[str]] = {}
        for found in filter(None, map(_EDGE.match, lines)):
            self._after.setdefault(found[1], []).append(found[2])
        if not self.stages:
            raise InfrastructureError("`dvc dag` names no stage; run this in the folder of dvc.yaml")

    def after(self, stages: Iterable[str]) -> set[str]:
        """`stages` and all that depend on them."""
        return reachable(stages, self._after)


def read_graph(folder: Path) -> Graph:
    return Graph(_dvc(folder, "dag", "--dot"))


def to_run(folder: Path, graph: Graph, running: Collection[str], done: Collection[str]) -> list[str]:
    """The stages that `dvc repro` has before it, in the order of dvc.yaml; what runs is not among them.

    DVC is asked about those alone that nobody writes for.
    """
    certain = graph.after(running) - set(running)
    asked = [stage for stage in graph.stages if stage not in certain and stage not in running and stage not in done]
    changed = json.loads(_dvc(folder, "status", "--json", *asked) or "{}") if asked else {}
    due = (certain | graph.after(set(changed) & set(graph.stages))) - set(running) - set(done)
    return [stage for stage in graph.stages if stage in due]


def _dvc(folder: Path, *words: str) -> str:
    """Asked again where `dvc repro` may just have been writing what is read. Raises InfrastructureError with DVC's own
    words."""
    for left in reversed(range(TRIES)):
        command = [sys.executable, "-m", "halo_forge.live.dvc_reader", *words]
        result = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        if not result.returncode:
            return result.stdout
        if left:
            time.sleep(PAUSE_S)
    raise InfrastructureError(f"`dvc {words[0]}`: {result.stderr.strip() or result.stdout.strip()}")
