"""Whether what a program printed is the expected output."""

from __future__ import annotations

import math
from typing import Literal

REL_TOL = 1e-6
ABS_TOL = 1e-6


def outputs_match(actual: str, expected: str, how: Literal["tokens", "exact", "float"]) -> bool:
    """Compare stdout with the expected text.

    tokens: equal after splitting on white space.
    exact:  equal line by line; only CRLF and the newline at the very end are forgiven.
    float:  as tokens, but finite decimal numbers may differ by 1e-6, relative or absolute.
    """
    if how == "exact":
        return _newlines(actual) == _newlines(expected)
    ours, theirs = actual.split(), expected.split()
    if how == "tokens":
        return ours == theirs
    return len(ours) == len(theirs) and all(map(_same_number, ours, theirs))


def _newlines(text: str) -> str:
    return text.replace("\r\n", "\n").removesuffix("\n")


def _same_number(ours: str, theirs: str) -> bool:
    if ours == theirs:
        return True
    if not (ours.isascii() and theirs.isascii()) or "_" in ours or "_" in theirs:
        return False  # float() takes digits of any script and 1_000
    try:
        a, b = float(ours), float(theirs)
    except ValueError:
        return False
    return math.isclose(a, b, rel_tol=REL_TOL, abs_tol=ABS_TOL) and math.isfinite(a)
