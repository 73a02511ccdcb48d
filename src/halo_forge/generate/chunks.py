"""The samples of a run as they are drawn: whole chunks, by whatever process or machine, in a folder they share.

A chunk is what one call of the engine draws, so that every batch has the same members as in a run of one process
without a break: then each answer is the same to the last bit. A chunk's file is there once all of it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from halo_forge.files import read_json, write_json
from halo_forge.jsonl import read_records, write_records
from halo_forge.records import Sample


@dataclass(frozen=True)
class Chunks:
    """`total` samples in chunks of `size`, numbered from 0, in `folder`."""

    folder: Path
    size: int
    total: int

    @property
    def numbers(self) -> range:
        """Of all the chunks."""
        return range(-(-self.total // self.size))

    def missing(self) -> list[int]:
        """The chunks that nobody has drawn yet."""
        return [number for number in self.numbers if not self._path(number).exists()]

    def span(self, number: int) -> slice:
        """The places of its samples among all."""
        return slice(number * self.size, min((number + 1) * self.size, self.total))

    def save(self, number: int, samples: Sequence[Sample], seconds: float) -> None:
        """Keep a chunk and the seconds that it took."""
        write_json(self._path(number).with_suffix(".seconds"), round(seconds, 3))
        write_records(self._path(number), samples)

    def read(self) -> list[Sample]:
        """The samples of the chunks that are there, in their order."""
        return [sample for number in self._there() for sample in read_records(self._path(number), Sample)]

    def seconds(self) -> float:
        """What the chunks that are there took, all machines together."""
        return sum(read_json(self._path(number).with_suffix(".seconds")) for number in self._there())

    def _there(self) -> list[int]:
        return [number for number in self.numbers if self._path(number).exists()]

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:06}.jsonl"
