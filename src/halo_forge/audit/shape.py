"""What the inputs of a task look like, as far as its own tests show: the rules that every one of them keeps.

Nobody says in a form that a program reads which inputs a problem allows. So a rule is taken for true that all tests
keep: where numbers stand and between which bounds, which number counts what follows, what is in order. Where the prompt
speaks of bounds (`stated`) the tests' own are kept to; where it does not, numbers may be 0 and negative.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from halo_forge.audit.order import rules_of
from halo_forge.audit.stated import Stated
from halo_forge.audit.text import Lines, number

_ENOUGH = 5
"""So many examples show a rule."""


@dataclass(frozen=True)
class Count:
    """The word `place` (line, word) says how many there are of what `counted` names."""

    place: tuple[int, int]
    counted: str

    def value(self, lines: Lines) -> int | None:
        """How many there are; None if that cannot be said."""
        row, column = self.place
        if row >= len(lines) or column >= len(lines[row]):
            return None
        rest = lines[row + 1 :]
        if self.counted == "words of the next line":
            return len(rest[0]) if rest else 0
        if self.counted == "letters of the next line":
            return len(rest[0][0]) if rest and len(rest[0]) == 1 else None
        if self.counted == "lines":
            return len(rest)
        if self.counted == "words of the line":
            return len(lines[row]) - column - 1
        if self.counted == "words":
            return len(lines[row]) - column - 1 + sum(map(len, rest))
        widths = {len(line) for line in rest} if self.counted == "columns" else {len("".join(line)) for line in rest}
        return widths.pop() if len(widths) == 1 else None


_COUNTED = (
    "words of the next line",
    "words of the line",
    "lines",
    "columns",
    "letters of each line",
    "letters of the next line",
    "words",
)


@dataclass
class Field:
    """The words that stand at one place of all inputs, or anywhere in lines of one kind."""

    words: list[str]
    stated: Stated

    def __post_init__(self) -> None:
        values = [number(word) for word in self.words]
        self.numbers = [value for value in values if value is not None] if None not in values else []
        self.letters = _alphabet(set("".join(self.words)))
        self.lengths = min(map(len, self.words)), max(map(len, self.words))
        self.form = _form(self.words)
        self.runs = list(zip(*(re.findall(r"\d+", word) for word in self.words), strict=True)) if self.form else []
        """Of words such as 12:45 the numbers that stood at each place: others may not be allowed."""
        if self.numbers:
            self.low, self.high = self.stated.lowest(self.numbers), max(self.numbers)
            self.divisor = math.gcd(*self.numbers) if len(self.numbers) >= _ENOUGH else 1

    def allows(self, word: str) -> bool:
        if self.numbers:
            value = number(word)
            return value is not None and self.low <= value <= self.high and value % (self.divisor or 1) == 0
        if self.form is not None:
            runs = re.findall(r"\d+", word)
            return _form([word]) == self.form and all(run in seen for run, seen in zip(runs, self.runs, strict=True))
        return self.lengths[0] <= len(word) <= self.lengths[1] and set(word) <= set(self.letters)


def _alphabet(letters: set[str]) -> list[str]:
    """What words may be made of: these, and of a class with many of them all between the first and the last."""
    found = set(letters)
    for first, last in ("az", "AZ", "09"):
        own = sorted(letter for letter in letters if first <= letter <= last)
        if len(own) >= _ENOUGH:
            found |= {chr(code) for code in range(ord(own[0]), ord(own[-1]) + 1)}
    return sorted(found)


def _form(words: Sequence[str]) -> str | None:
    """What words with digits and marks have in common, such as d:d; None for words that are free."""
    forms = {re.sub(r"\d+", "d", word) for word in words}
    one = forms.pop() if len(forms) == 1 else ""
    return one if "d" in one and len(one) > 1 else None


class Shape:
    """The rules that all of some inputs keep. Lines are of a kind: by their number, or all but the first alike."""

    def __init__(self, inputs: Sequence[Lines], prompt: str = ""):
        self.inputs = inputs
        self.edges: list[int] = []
        """Numbers worth trying wherever numbers stand."""
        stated = Stated(prompt)
        counts = {len(lines) for lines in inputs}
        self.fixed = len(counts) == 1
        self.n_lines = (stated.shortest(counts) if len(counts) > 1 else min(counts)), max(counts)
        self.widths: dict[int, tuple[int, int]] = {}
        for kind, lines in self._by_kind(inputs).items():
            found = {len(line) for line in lines}
            self.widths[kind] = (stated.shortest(found), max(found)) if len(found) > 1 else (min(found), max(found))
        words: dict[tuple[int, int], list[str]] = {}
        for lines in inputs:
            for row, line in enumerate(lines):
                for column, word in enumerate(line):
                    words.setdefault(self._key(row, column), []).append(word)
        self.fields = {key: Field(own, stated) for key, own in words.items()}
        self.counts = self._counts()
        self.sentinel = self._sentinel()
        """The last word, where it ends a list whose length nothing else says."""
        self._rules = [rule for rule in rules_of(self, prompt) if all(map(rule, inputs))]

    def kind(self, row: int) -> int:
        return row if self.fixed else min(row, 1)

    def field(self, row: int, column: int) -> Field | None:
        """That of the word at a place; None where no input has a word."""
        return self.fields.get(self._key(row, column))

    def _key(self, row: int, column: int) -> tuple[int, int]:
        kind = self.kind(row)
        return kind, column if self.fixed_width(kind) else -1

    def holds(self, lines: Lines) -> bool:
        """Whether an input keeps all rules."""
        if not self.n_lines[0] <= len(lines) <= self.n_lines[1]:
            return False
        for row, line in enumerate(lines):
            low, high = self.widths.get(self.kind(row), (0, -1))
            if not low <= len(line) <= high:
                return False
            places = {count.place for count in self.counts}
            for column, word in enumerate(line):
                if (row, column) not in places and not self.fields[self._key(row, column)].allows(word):
                    return False
        return all(rule(lines) for rule in self._rules)

    def counted(self, lines: Lines) -> Lines | None:
        """The input with its counts put right; None where that cannot be done."""
        lines = [list(line) for line in lines]
        for count in self.counts:
            value = count.value(lines)
            if value is None:
                return None
            lines[count.place[0]][count.place[1]] = str(value)
        return lines

    def is_count(self, row: int, column: int) -> bool:
        return any(count.place == (row, column) for count in self.counts)

    def _by_kind(self, inputs: Sequence[Lines]) -> dict[int, Lines]:
        found: dict[int, Lines] = {}
        for lines in inputs:
            for row, line in enumerate(lines):
                found.setdefault(self.kind(row), []).append(line)
        return found

    def fixed_width(self, kind: int) -> bool:
        low, high = self.widths.get(kind, (0, -1))
        return low == high

    def headers(self) -> list[tuple[int, int]]:
        """The places of words that every input has: lines of a number of their own, as many words as all have."""
        rows = range(self.n_lines[0]) if self.fixed else range(1)
        return [(row, column) for row in rows for column in range(self.widths[row][0])]

    def _counts(self) -> list[Count]:
        found = []
        for place in self.headers():
            said = [number(lines[place[0]][place[1]]) for lines in self.inputs]
            for counted in _COUNTED:
                count = Count(place, counted)
                if said == [count.value(lines) for lines in self.inputs] and len(set(said)) > 1:
                    found.append(count)
                    break
        return found

    def _sentinel(self) -> str | None:
        lasts = {lines[-1][-1] if lines[-1] else "" for lines in self.inputs}
        lengths = {sum(map(len, lines)) for lines in self.inputs}
        return lasts.pop() if len(lasts) == 1 and len(lengths) > 1 and not self.counts else None
