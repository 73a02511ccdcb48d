"""Verdicts that wait for the others on disk, each at the place of its sample."""

from __future__ import annotations

import tempfile
from array import array
from collections.abc import Iterator
from pathlib import Path

from halo_forge.records import Verdict

_NOWHERE = -1


class Shelf:
    """The verdicts of `size` samples by their places, in a file without a name in `folder`, which goes with the shelf.

    Of each only where it lies is held. Gone through in the order of the places, as often as asked, once all are there.
    Use from one thread.
    """

    def __init__(self, folder: Path, size: int):
        folder.mkdir(parents=True, exist_ok=True)
        self._file = tempfile.TemporaryFile(dir=folder)
        self._at = array("q", [_NOWHERE]) * size

    def __enter__(self) -> Shelf:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()

    def __contains__(self, place: int) -> bool:
        return self._at[place] != _NOWHERE

    @property
    def filled(self) -> int:
        """The places at which there is a verdict."""
        return len(self._at) - self._at.count(_NOWHERE)

    def put(self, place: int, verdict: Verdict) -> None:
        """Put it there, in the place of one that may be there."""
        self._at[place] = self._file.seek(0, 2)
        self._file.write(verdict.model_dump_json().encode("utf-8") + b"\n")

    def take_off(self, place: int) -> None:
        self._at[place] = _NOWHERE

    def get(self, place: int) -> Verdict:
        if place not in self:
            raise KeyError(place)
        self._file.seek(self._at[place])
        return Verdict.model_validate_json(self._file.readline())

    def __len__(self) -> int:
        return len(self._at)

    def __iter__(self) -> Iterator[Verdict]:
        return map(self.get, range(len(self._at)))
