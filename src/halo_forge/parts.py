"""Which part of the work of a stage this machine does, where several share it: `--shard i/n`, and `--shard merge`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from halo_forge.errors import InputError

T = TypeVar("T")
HELP = (
    "i/n: do the i-th of n parts, for machines that share this folder; merge: write the outputs of all parts; without "
    "it do what is not done yet, and write the outputs"
)


@dataclass(frozen=True)
class Part:
    """The `number`-th of `count` parts, counted from 1. Number 0 is none of the work, and the whole of it 1 of 1."""

    number: int = 1
    count: int = 1

    @property
    def whole(self) -> bool:
        """Whether the outputs are to be written, and not only this part of the work."""
        return self.count == 1

    @property
    def name(self) -> str:
        """What files of this part have in their names: empty for the whole."""
        return "" if self.whole else f"part-{self.number}-of-{self.count}"

    def of(self, items: Sequence[T]) -> Sequence[T]:
        """Every `count`-th of `items`: those of all parts are neither missing nor twice."""
        return items[self.number - 1 :: self.count] if self.number else []

    @classmethod
    def parse(cls, text: str | None) -> Part:
        """What `--shard` says; None for the whole. Raises InputError."""
        if text is None:
            return WHOLE
        if text == "merge":
            return MERGE
        found = re.fullmatch(r"(\d+)/(\d+)", text)
        number, count = map(int, found.groups()) if found else (0, 0)
        if not 1 <= number <= count:
            raise InputError(f"--shard: {text!r} is neither i/n with i from 1 to n, such as 1/4, nor merge")
        return cls(number, count)


WHOLE, MERGE = Part(), Part(0, 1)
