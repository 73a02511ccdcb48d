"""Rows that cannot be read: left out and counted, as long as they are few."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from halo_forge.errors import InputError

MOST = 0.1
"""More than this share of a file's rows is no accident: the mapping is wrong, or the file is."""
SHOWN = 5


@dataclass
class LeftOut:
    """Collects the error of each row that is left out; `strict` raises the first instead."""

    strict: bool = False
    errors: list[InputError] = field(default_factory=list)

    def add(self, error: InputError) -> None:
        if self.strict:
            raise error
        self.errors.append(error)

    def check(self, good: int) -> None:
        """Raises the first error if there are too many beside `good` rows, or nothing else."""
        if self.errors and len(self.errors) > MOST * (good + len(self.errors)):
            first, all_rows = self.errors[0], good + len(self.errors)
            if all_rows == 1:
                raise first
            raise InputError(f"{first}\n{len(self.errors)} of {all_rows} rows cannot be read") from first

    def reasons(self) -> Counter[str]:
        """How many rows for each reason, without places and values."""
        return Counter(_reason(str(error)) for error in self.errors)

    def words(self) -> str:
        """For a warning: the first rows with their places and reasons, and how many there are. "" if there is none."""
        if not self.errors:
            return ""
        lines = [str(error).splitlines()[0] for error in self.errors[:SHOWN]]
        more = len(self.errors) - SHOWN
        lines += [f"… and {more} more"] if more > 0 else []
        return f"{len(self.errors)} rows cannot be read and are left out (--strict stops at them):\n" + "\n".join(lines)


def _reason(error: str) -> str:
    """`file:line: what is wrong, got …; cure` -> what is wrong."""
    words = error.splitlines()[0].partition(": ")[2]
    words = words.removeprefix("row ").lstrip("0123456789: ") if words.startswith("row ") else words
    return words.partition(", got")[0].partition(" (")[0].partition(";")[0][:100]
