"""What the journals say of the stages: which run, since when, how far, and which are done."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from halo_forge.live.journal import read, seconds_of


@dataclass(frozen=True)
class Stage:
    """One stage of an execution. `how`: running, done, failed, interrupted, killed."""

    name: str
    execution: str
    preset: str
    cwd: Path
    how: str
    began: float
    """Of its last attempt, in seconds since 1970."""
    seconds: float
    """All attempts together; of one that runs, up to the last that it said."""
    progress: dict[str, Any] | None
    """The last that it said in this attempt: label, done, total, fields, and `at`."""
    first: dict[str, Any] | None
    """The first that it said under the same label."""

    def left_s(self, now: float) -> float | None:
        """Seconds until its present work is done, at the rate of this attempt; None while that says nothing."""
        if not (self.progress and self.first and self.progress["total"]):
            return None
        new, passed = self.progress["done"] - self.first["done"], self.progress["at"] - self.first["at"]
        if passed <= 0 or new < 0.02 * self.progress["total"]:
            return None
        return max((self.progress["total"] - self.progress["done"]) * passed / new - (now - self.progress["at"]), 0.0)


def stages(folder: Path) -> list[Stage]:
    """Those whose journals lie below the folder of all executions, in the order in which they began."""
    found = [_stage(path) for path in folder.glob("*/*.jsonl")]
    return sorted(filter(None, found), key=lambda stage: stage.began)


def _stage(path: Path) -> Stage | None:
    lines, _ = read(path)
    begins = [number for number, line in enumerate(lines) if line["event"] == "begin"]
    if not begins:
        return None  # begun this moment
    begin, attempt = lines[begins[-1]], lines[begins[-1] :]
    said = [line for line in attempt if line["event"] == "progress"]
    ends = [line["how"] for line in attempt if line["event"] == "end"]
    same = [line for line in said if line["label"] == said[-1]["label"]]
    return Stage(
        name=begin["stage"],
        execution=begin["name"],
        preset=begin["preset"],
        cwd=Path(begin["cwd"]),
        how=ends[-1] if ends else "running" if _lives(begin) else "killed",
        began=begin["at"],
        seconds=seconds_of(lines),
        progress=said[-1] if said else None,
        first=same[0] if same else None,
    )


def _lives(begin: dict[str, Any]) -> bool:
    try:
        return psutil.Process(begin["pid"]).create_time() == begin["process_start"]
    except psutil.NoSuchProcess:
        return False
