"""Whether what a Python function returned is the expected value."""

from __future__ import annotations

import math
from typing import Any

from halo_forge.verify.core.compare import ABS_TOL, REL_TOL


def values_match(actual: Any, expected: Any) -> bool:
    """Compare a returned value with the expected JSON value, as Python's `==` would, with a few differences.

    A tuple equals the list with the same items and dictionary keys equal their JSON spelling (JSON has neither
    tuples nor other keys); floats may differ by 1e-6 or, where a float is expected, by that part of it; where
    NaN is expected NaN is right; True is not 1.
    """
    if isinstance(expected, bool) or isinstance(actual, bool) or expected is None or actual is None:
        return actual is expected
    if isinstance(expected, (int, float)) and isinstance(actual, (int, float)):
        if isinstance(expected, int) and isinstance(actual, int):
            return actual == expected
        return actual == expected or _close(actual, expected) or (actual != actual and expected != expected)
    if isinstance(expected, (list, tuple)) and isinstance(actual, (list, tuple)):
        return len(actual) == len(expected) and all(map(values_match, actual, expected))
    if isinstance(expected, dict) and isinstance(actual, dict):
        ours = {str(key): value for key, value in actual.items()}
        theirs = {str(key): value for key, value in expected.items()}
        if len(actual) != len(ours) or ours.keys() != theirs.keys():
            return False
        return all(values_match(ours[key], theirs[key]) for key in theirs)
    return type(actual) is type(expected) and actual == expected


def _close(actual: float, expected: float) -> bool:
    try:
        return math.isclose(actual, expected, rel_tol=REL_TOL * isinstance(expected, float), abs_tol=ABS_TOL)
    except OverflowError:
        return False  # an integer beyond all floats
