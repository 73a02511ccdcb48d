"""Further inputs, made from those of the tests: numbers and words changed, lists shorter, longer, in another order."""

from __future__ import annotations

import copy
import random
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from halo_forge.audit.shape import Shape
from halo_forge.audit.stated import Stated
from halo_forge.audit.text import Lines, lines_of, number, text_of

TRIES = 40
"""How many are thrown away for each that is wanted, before there are no more."""
_EDGE = 0.35
"""How often a number becomes one that the reference compares with, or one beside it."""


def further_texts(
    stdins: Sequence[str], limit: int, seed: str, prompt: str = "", constants: Sequence[int] = ()
) -> list[str]:
    """At most `limit` inputs of the kind of `stdins`, none of them among these.

    `constants` are numbers that the reference compares with: what is equal to one, or beside it, is tried more often.
    """
    inputs = [lines_of(stdin) for stdin in stdins]
    shape, draw = Shape(inputs, prompt), random.Random(seed)
    shape.edges = _edges(constants)
    found = {text_of(lines): False for lines in inputs}
    for _ in range(limit * TRIES):
        if sum(found.values()) == limit:
            break
        lines = [list(line) for line in draw.choice(inputs)]
        for _ in range(draw.choice((1, 1, 1, 2, 3))):
            draw.choice(_CHANGES)(lines, shape, draw)
        counted = shape.counted(lines)
        if counted is not None and shape.holds(counted):
            found.setdefault(text_of(counted), True)
    return [text for text, new in found.items() if new]


def further_arguments(
    calls: Sequence[list[Any]], limit: int, seed: str, prompt: str = "", constants: Sequence[int] = ()
) -> list[list[Any]]:
    """As `further_texts`, for lists of arguments."""
    edges = _edges(constants)
    draw, stated = random.Random(seed), Stated(prompt)
    found = {repr(arguments): (arguments, False) for arguments in calls}
    places = range(max(map(len, calls)))
    numbers = [_integers([call[place] for call in calls if place < len(call)]) for place in places]
    lowest = [stated.lowest(own) if own else 0 for own in numbers]
    for _ in range(limit * TRIES):
        if sum(new for _, new in found.values()) == limit:
            break
        arguments = copy.deepcopy(draw.choice(calls))
        others = [other for other in calls if len(other) == len(arguments)]
        for _ in range(draw.choice((1, 1, 2))):
            if arguments:
                place = draw.randrange(len(arguments))
                arguments[place] = _other_value(arguments[place], draw.choice(others)[place], edges, draw)
        if all(value >= low for low, own in zip(lowest, arguments, strict=False) for value in _integers(own)):
            found.setdefault(repr(arguments), (arguments, True))
    return [arguments for arguments, new in found.values() if new]


def _integers(value: Any) -> list[int]:
    """The whole numbers in a value, at any depth."""
    if isinstance(value, dict):
        value = [*value.keys(), *value.values()]
    if isinstance(value, (list, tuple)):
        return [number for item in value for number in _integers(item)]
    return [value] if isinstance(value, int) and not isinstance(value, bool) else []


def _edges(constants: Sequence[int]) -> list[int]:
    return [constant + step for constant in constants for step in (-1, 0, 1)]


def _other_value(value: Any, other: Any, edges: Sequence[int], draw: random.Random) -> Any:
    """A value like `value`; `other` stands at the same place of another call."""
    if draw.random() < 0.15 and type(other) is type(value):
        return copy.deepcopy(other)
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return draw.choice(edges) if edges and draw.random() < _EDGE else _other_integer(value, draw)
    if isinstance(value, float):
        return draw.choice((value + 1, value - 1, value / 2, value + 0.5, float(round(value))))
    if isinstance(value, str):
        return _other_word(value, sorted(set(value + (other if isinstance(other, str) else ""))), draw)
    if isinstance(value, (list, tuple)):
        items = list(value)
        pool = [*items, *(other if isinstance(other, (list, tuple)) else ())]
        return type(value)(_other_list(items, pool, edges, draw))
    if isinstance(value, dict) and value:
        key = draw.choice(list(value))
        return {**value, key: _other_value(value[key], value[key], edges, draw)}
    return value


def _other_integer(value: int, draw: random.Random) -> int:
    near = (value - 1, value + 1, value * 2, value // 2, 1, draw.randint(1, 2 * abs(value) + 1))
    return draw.choice((*near, 0, -value, -1) if value <= 0 else (*near, 0))


def _other_list(items: list[Any], pool: list[Any], edges: Sequence[int], draw: random.Random) -> list[Any]:
    what = draw.randrange(7)
    if what == 0:
        draw.shuffle(items)
    elif what == 1 and items:
        del items[draw.randrange(len(items))]
    elif what == 2 and pool:
        items.insert(draw.randint(0, len(items)), copy.deepcopy(draw.choice(pool)))
    elif what == 3:
        items.reverse()
    elif what == 4 and items:
        items = items[: draw.randint(0, len(items))]
    elif items:
        place = draw.randrange(len(items))
        items[place] = _other_value(items[place], draw.choice(pool), edges, draw)
    return items


def _other_word(word: str, letters: Sequence[str], draw: random.Random) -> str:
    items = list(word)
    what = draw.randrange(6)
    if what == 0:
        draw.shuffle(items)
    elif what == 1 and items:
        del items[draw.randrange(len(items))]
    elif what == 2 and letters:
        items.insert(draw.randint(0, len(items)), draw.choice(letters))
    elif what == 3 and items:
        place = draw.randrange(len(items))
        items.insert(place, items[place])
    elif what == 4:
        items.reverse()
    elif items and letters:
        items[draw.randrange(len(items))] = draw.choice(letters)
    return "".join(items)


def _changed_number(lines: Lines, shape: Shape, draw: random.Random) -> None:
    places = [
        place for place in _places(lines) if not shape.is_count(*place) and number(_word(lines, place)) is not None
    ]
    if not places:
        return
    row, column = draw.choice(places)
    field, value = shape.field(row, column), int(lines[row][column])
    if shape.edges and draw.random() < _EDGE:
        lines[row][column] = str(draw.choice(shape.edges))
    elif field and field.numbers:
        beside = number(draw.choice(lines[row])) or 0
        near = (value - 1, value + 1, beside, beside - 1, beside + 1, draw.choice(field.numbers))
        edges = (field.low, field.low + 1, field.high, -value, 0, draw.randint(field.low, field.high))
        lines[row][column] = str(draw.choice(near + edges) // (field.divisor or 1) * (field.divisor or 1))


def _changed_word(lines: Lines, shape: Shape, draw: random.Random) -> None:
    places = [place for place in _places(lines) if number(_word(lines, place)) is None]
    if places:
        row, column = draw.choice(places)
        field = shape.field(row, column)
        if field is None:
            return
        if field.form is not None:
            runs = iter([draw.choice(seen) for seen in field.runs])
            lines[row][column] = re.sub(r"\d+", lambda _: next(runs), lines[row][column])
        elif draw.random() < 0.25:
            lines[row][column] = draw.choice(field.words)
        else:
            lines[row][column] = _other_word(lines[row][column], field.letters, draw)


def _changed_order(lines: Lines, shape: Shape, draw: random.Random) -> None:
    line = draw.choice(lines)
    what = draw.randrange(4)
    if what == 0:
        draw.shuffle(line)
    elif what == 1:
        line.sort(key=lambda word: (number(word) or 0, word))
    elif what == 2:
        line.reverse()
    elif len(line) > 1:
        a, b = draw.sample(range(len(line)), 2)
        line[a], line[b] = line[b], line[a]


def _equal_words(lines: Lines, shape: Shape, draw: random.Random) -> None:
    line = draw.choice(lines)
    if len(line) > 1:
        for place in draw.sample(range(len(line)), draw.randint(1, len(line))):
            line[place] = line[0] if draw.random() < 0.5 else draw.choice(line)


def _longer_line(lines: Lines, shape: Shape, draw: random.Random) -> None:
    row = draw.randrange(len(lines))
    pool = [
        word
        for other in shape.inputs
        for at, line in enumerate(other)
        if shape.kind(at) == shape.kind(row)
        for word in line
    ]
    for _ in range(draw.randint(1, 3)):
        lines[row].insert(draw.randint(0, len(lines[row])), draw.choice(pool or [""]))


def _shorter_line(lines: Lines, shape: Shape, draw: random.Random) -> None:
    line = draw.choice(lines)
    for _ in range(draw.randint(1, 3)):
        if len(line) > 1:
            del line[draw.randrange(len(line))]


def _more_lines(lines: Lines, shape: Shape, draw: random.Random) -> None:
    pool = [line for other in shape.inputs for line in other[1:]]
    if pool:
        lines.insert(draw.randint(1, len(lines)), list(draw.choice(pool if draw.random() < 0.5 else lines[1:] or pool)))


def _fewer_lines(lines: Lines, shape: Shape, draw: random.Random) -> None:
    if len(lines) > 2:
        del lines[draw.randrange(1, len(lines))]


def _other_lines(lines: Lines, shape: Shape, draw: random.Random) -> None:
    """A line from another test, or two lines in each other's place."""
    row = draw.randrange(len(lines))
    other = draw.choice(shape.inputs)
    if draw.random() < 0.5 and row < len(other):
        lines[row] = list(other[row])
    elif len(lines) > 2:
        a, b = draw.sample(range(1, len(lines)), 2)
        lines[a], lines[b] = lines[b], lines[a]


def _other_column(lines: Lines, shape: Shape, draw: random.Random) -> None:
    """A column or letter less or twice, below the first line."""
    body = lines[1:]
    narrow = min((len(line) for line in body), default=0)
    if narrow > 1:
        place, twice = draw.randrange(narrow), draw.random() < 0.5
        for line in body:
            line[place : place + 1] = [line[place]] * 2 if twice else []
    elif narrow == 1 and (letters := min(len(line[0]) for line in body)) > 1:
        place, twice = draw.randrange(letters), draw.random() < 0.5
        for line in body:
            line[0] = line[0][:place] + (line[0][place] * 2 if twice else "") + line[0][place + 1 :]


_CHANGES: tuple[Callable[[Lines, Shape, random.Random], None], ...] = (
    _changed_number,
    _changed_number,
    _changed_number,
    _changed_word,
    _changed_word,
    _changed_order,
    _equal_words,
    _longer_line,
    _shorter_line,
    _more_lines,
    _fewer_lines,
    _other_lines,
    _other_column,
)


def _places(lines: Lines) -> Iterator[tuple[int, int]]:
    for row, line in enumerate(lines):
        for column in range(len(line)):
            yield row, column


def _word(lines: Lines, place: tuple[int, int]) -> str:
    return lines[place[0]][place[1]]
