"""How long sampling took, over all the runs that it took."""

from __future__ import annotations

import time
from pathlib import Path

from halo_forge.files import read_json, write_json


class Clock:
    """Seconds spent on the samples that are there: of this run, and of those before it up to their last save.

    What a kill tore off counts neither as samples nor as time. `path` keeps, for each number of samples that was saved,
    the seconds they took.
    """

    def __init__(self, path: Path, done: int):
        """`done`: the samples that this run found and goes on from."""
        known = {int(samples): seconds for samples, seconds in read_json(path).items()} if path.exists() else {}
        self._path = path
        self._marks = {samples: seconds for samples, seconds in known.items() if samples <= done}
        self._before = self._marks[max(self._marks)] if self._marks else 0.0
        self._began = time.monotonic()

    @property
    def this_run(self) -> float:
        return time.monotonic() - self._began

    @property
    def seconds(self) -> float:
        return self._before + self.this_run

    def mark(self, samples: int) -> None:
        """Note the time, just before so many samples are saved: a kill in between leaves a mark that is not used."""
        self._marks[samples] = round(self.seconds, 3)
        write_json(self._path, self._marks)
