"""Rules of order that inputs may keep: this number is no larger than that, the list is sorted, no word comes twice.

Tests keep many of them by accident, and such an accident is the very hole that the audit looks for. So a rule is only
thought of where the prompt has words for it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import permutations
from typing import TYPE_CHECKING

from halo_forge.audit.stated import Stated
from halo_forge.audit.text import Lines, number

if TYPE_CHECKING:
    from halo_forge.audit.shape import Shape

Rule = Callable[[Lines], bool]
Place = tuple[int, int]
_DISTINCT = re.compile(r"\b(distinct|different|differs?|unique|no two|pairwise|twice|once)\b", re.I)
_SORTED = re.compile(r"\b(sorted|order(ed)?|ascending|descending|increasing|decreasing|rising|falling)\b", re.I)
_STRICT = re.compile(r"<|>|\b(less|greater|smaller|larger|more|fewer|before|after) than\b|\b(before|after)\b", re.I)
_EQUALLY_LONG = re.compile(r"\b(lengths?|long|many|size)\b", re.I)


def rules_of(shape: Shape, prompt: str) -> list[Rule]:
    """The rules that the prompt may mean; which of them hold is for the tests to say."""
    rules = [*_of_headers(shape, prompt), *_of_lists(shape, prompt), *_of_columns(shape, prompt)]
    if shape.sentinel is not None:
        rules.append(lambda lines: _words(lines).count(shape.sentinel) == 1 and _words(lines)[-1] == shape.sentinel)
    return rules


def _of_headers(shape: Shape, prompt: str) -> Iterator[Rule]:
    """Between two words that every input has at their places."""
    bounded, strict = Stated(prompt).bounded, bool(_STRICT.search(prompt))
    for a, b in permutations(shape.headers(), 2):
        if shape.is_count(*a):
            continue
        if bounded:
            yield lambda lines, a=a, b=b: _at(lines, a) <= _at(lines, b)
            yield lambda lines, a=a, b=b: _at(lines, a) >= _at(lines, b)
        if strict or _DISTINCT.search(prompt):
            yield lambda lines, a=a, b=b: _word(lines, a) != _word(lines, b)
        if _EQUALLY_LONG.search(prompt):
            yield lambda lines, a=a, b=b: len(_word(lines, a)) == len(_word(lines, b))


def _of_lists(shape: Shape, prompt: str) -> Iterator[Rule]:
    """Of the numbers or words of a line, or that stand below each other."""
    for kind in shape.widths:
        if _SORTED.search(prompt):
            yield lambda lines, kind=kind: all(row == sorted(row) for row in _lists(shape, kind, lines))
            yield lambda lines, kind=kind: all(row == sorted(row, reverse=True) for row in _lists(shape, kind, lines))
        if _DISTINCT.search(prompt):
            yield lambda lines, kind=kind: all(len(set(row)) == len(row) for row in _lists(shape, kind, lines))
            yield lambda lines, kind=kind: _all_differ(_own(shape, kind, lines))
            yield lambda lines, kind=kind: all(_all_differ("".join(line)) for line in _own(shape, kind, lines))
        if Stated(prompt).bounded:
            for place in shape.headers():
                if place[0] != kind:
                    yield lambda lines, kind=kind, at=place: all(
                        max(row, default=0) <= _at(lines, at) for row in _lists(shape, kind, lines)
                    )


def _of_columns(shape: Shape, prompt: str) -> Iterator[Rule]:
    """Between the words of one line, where lines of this kind have as many each and their number varies."""
    strict = bool(_STRICT.search(prompt))
    if shape.fixed or not shape.fixed_width(1) or not Stated(prompt).bounded:
        return
    for a, b in permutations(range(shape.widths[1][0]), 2):

        def rule(lines: Lines, a: int = a, b: int = b) -> bool:
            pairs = [(_at([line], (0, a)), _at([line], (0, b))) for line in lines[1:]]
            return all(left < right if strict else left <= right for left, right in pairs)

        yield rule


def _own(shape: Shape, kind: int, lines: Lines) -> Lines:
    return [line for row, line in enumerate(lines) if shape.kind(row) == kind]


def _lists(shape: Shape, kind: int, lines: Lines) -> list[list[int]]:
    own = _own(shape, kind, lines)
    table = list(zip(*own, strict=False)) if shape.fixed_width(kind) and not shape.fixed else own
    return [[number(word) or 0 for word in line] for line in table]


def _all_differ(items: list[list[str]] | str) -> bool:
    return len({str(item) for item in items}) == len(items)


def _words(lines: Lines) -> list[str]:
    return [word for line in lines for word in line] or [""]


def _word(lines: Lines, place: Place) -> str:
    row, column = place
    return lines[row][column] if row < len(lines) and column < len(lines[row]) else ""


def _at(lines: Lines, place: Place) -> int:
    return number(_word(lines, place)) or 0
