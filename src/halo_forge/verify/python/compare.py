"""Whether what a Python function returned is the expected value."""

from __future__ import annotations

import math
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any

from halo_forge.records import CallTests
from halo_forge.verify.core.compare import EXACT, Number, Tolerance

_FLOAT_BITS = 1100
"""An integer of more bits is beyond all floats."""
_JSON_NAMES = {True: "true", False: "false", None: "null"}


def tolerance_of(tests: CallTests) -> Tolerance:
    """How far numbers may be from those that a task's calls should return."""
    return Tolerance(lambda: [list(_numbers(case.expected)) for case in tests.cases], tests.tolerance)


def values_match(actual: Any, expected: Any, tolerance: Tolerance) -> bool:
    """Compare a returned value with the expected JSON value, as Python's `==` would, with a few differences.

    A tuple equals the list with the same items and dictionary keys equal their JSON spelling (JSON has neither
    tuples nor other keys); numbers may be off as `tolerance` has it; where NaN is expected NaN is right; True is not 1.
    """
    pairs: list[tuple[Any, Any]] = []
    return _alike(actual, expected, pairs) and all(
        _same_number(ours, theirs, place, tolerance) for place, (ours, theirs) in enumerate(pairs)
    )


def _alike(actual: Any, expected: Any, pairs: list[tuple[Any, Any]]) -> bool:
    """Whether all but the numbers is as expected; these are put into `pairs`, in the order of `_numbers`."""
    if isinstance(expected, bool) or isinstance(actual, bool) or expected is None or actual is None:
        return actual is expected
    if isinstance(expected, (int, float)):
        pairs.append((actual, expected))
        return isinstance(actual, (int, float, Decimal, Fraction))
    if isinstance(expected, (list, tuple)) and isinstance(actual, (list, tuple)):
        return len(actual) == len(expected) and all(_alike(*pair, pairs) for pair in zip(actual, expected, strict=True))
    if isinstance(expected, dict) and isinstance(actual, dict):
        theirs = {str(key): value for key, value in expected.items()}
        ours = {_spelled(key, theirs): value for key, value in actual.items()}
        if len(actual) != len(ours) or ours.keys() != theirs.keys():
            return False
        return all(_alike(ours[key], theirs[key], pairs) for key in theirs)
    return type(actual) is type(expected) and actual == expected


def _spelled(key: Any, expected: dict[str, Any]) -> str:
    """A key as JSON spells it, or as Python does where the task has it so."""
    if isinstance(key, bool) or key is None:
        name = _JSON_NAMES[key]
        return name if name in expected else str(key)
    try:
        return str(key)
    except ValueError:  # an integer of more digits than are read or written here
        return "\0"


def _numbers(expected: Any) -> Iterator[Number | None]:
    """The numbers in an expected value, None for those that are not finite."""
    if isinstance(expected, (list, tuple)):
        for item in expected:
            yield from _numbers(item)
    elif isinstance(expected, dict):
        yield from _numbers(list(expected.values()))
    elif isinstance(expected, (int, float)) and not isinstance(expected, bool):
        value = _decimal(expected)
        yield None if value is None else Number(value, isinstance(expected, int))


def _same_number(actual: Any, expected: int | float, place: int, tolerance: Tolerance) -> bool:
    if isinstance(actual, Decimal) and not actual.is_finite():
        actual = math.nan if actual.is_nan() else float(actual)  # to compare a signalling NaN raises
    if actual == expected or (actual != actual and expected != expected):
        return True
    ours, theirs = _decimal(actual), _decimal(expected)
    return None not in (ours, theirs) and tolerance.near(ours, Number(theirs, isinstance(expected, int)), place)


def _decimal(value: Any) -> Decimal | None:
    """A number as a decimal, exactly; None for what no float could be near."""
    if isinstance(value, float):
        return Decimal(value) if math.isfinite(value) else None
    if isinstance(value, Decimal):
        return value
    if max(value.numerator.bit_length(), value.denominator.bit_length()) > _FLOAT_BITS:
        return None
    if isinstance(value, int):
        return Decimal(value)
    return EXACT.divide(Decimal(value.numerator), Decimal(value.denominator))
