"""How long each stage took on this machine, by preset: what the end of a run is told by."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections import defaultdict
from statistics import median

from halo_forge.live.places import durations_file

LAST = 5
"""So many earlier runs of a stage count."""


def note_duration(stage: str, preset: str, seconds: float) -> None:
    """One write of one line: processes beside each other do not mix theirs."""
    line = {"stage": stage, "preset": preset, "seconds": round(seconds, 1), "at": round(time.time())}
    file = os.open(durations_file(), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.write(file, f"{json.dumps(line)}\n".encode())
    finally:
        os.close(file)


class Durations:
    """Seconds that stages took with a preset: the median of the last runs of the stage, else of those of its group
    (train@c1 for train@c4)."""

    def __init__(self, preset: str):
        self._of_stage: dict[str, list[float]] = defaultdict(list)
        self._of_group: dict[str, list[float]] = defaultdict(list)
        path = durations_file()
        for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
            with contextlib.suppress(json.JSONDecodeError):  # torn by a crash of the machine
                row = json.loads(line)
                if row["preset"] == preset:
                    self._of_stage[row["stage"]].append(row["seconds"])
                    self._of_group[row["stage"].partition("@")[0]].append(row["seconds"])

    def of(self, stage: str) -> float | None:
        known = self._of_stage.get(stage) or self._of_group.get(stage.partition("@")[0])
        return median(known[-LAST:]) if known else None
