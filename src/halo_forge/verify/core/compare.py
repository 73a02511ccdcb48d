"""Whether what a program printed is the expected output, and which numbers are as good as the expected ones."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable, Sequence
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal
from typing import NamedTuple

from halo_forge.records import StdioTests

TOLERANCE = Decimal("1e-6")
"""The largest error of a number, absolute or relative, where the task says nothing of it."""
_NOISE = Decimal("1e-9")
"""What floating-point arithmetic may leave of a whole number in a task that asks for whole numbers alone."""
_SHARE = Decimal("0.01")
"""An absolute error is at most this part of the largest number expected: else a constant would do for tiny ones."""
_ZERO = Decimal("1e-12")
"""Beside the largest number expected a number of this part of it may as well be zero: sin(pi) is 1.2e-16."""
_KINDS = 4
"""So many numbers may be results of different kinds, each as large as it is; more are a sequence of one kind."""
_ALL_WHOLE = 2**53
"""From here on every double is a whole number, and to be one says nothing of how it was found."""
_DOUBLE = Decimal("1e-12")
"""A relative error that doubles can tell from a smaller one."""
# Any exponent, no exceptions; fifty digits are more than a tolerance has. Comparisons are exact without it.
EXACT = Context(prec=50, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[])

# The exponent is bounded: Python reads a longer one too, to no use.
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d{1,9})?", re.ASCII | re.IGNORECASE)
_INTEGER = re.compile(r"[+-]?\d+", re.ASCII)
_SPECIAL = {"inf": "inf", "infinity": "inf", "-inf": "-inf", "-infinity": "-inf", "nan": "nan", "-nan": "nan"}


class Number(NamedTuple):
    """A finite number that a task expects; `integer` if it is written as one (5, and not 5.0 or 5e3)."""

    value: Decimal
    integer: bool


class Tolerance:
    """How far numbers may be from those that a task expects.

    - One that is written as an integer is met by no other whole number, and one with a fraction by no whole number
      that is only relatively near: 1000001 is not 1000000, and neither is 1000000.4.
    - Else an error is at most what the task states (`stated`) or 1e-6, relative or absolute. The absolute one is also
      at most a hundredth of the largest number expected: where all results are about 1e-9, 0 is none of them. It is
      that of the same place where all cases have as many numbers, and few.
    - Where all numbers expected are written as integers and nothing is stated, only noise is forgiven (1e-9).
    """

    def __init__(self, expected: Callable[[], Sequence[Sequence[Number | None]]], stated: float | None):
        """`expected` gives what each case expects, place by place, None for what is no number; it is asked once, and
        only where numbers differ."""
        self._expected = expected
        self._stated = stated is not None
        self._relative = TOLERANCE if stated is None else Decimal(repr(stated))
        self._clear = float(self._relative) / 2 if self._relative >= _DOUBLE else None

    def clearly_near(self, ours: str, theirs: str) -> bool:
        """Whether `near` would hold without a doubt, in a tenth of its time; both are written with a point.

        Doubles are exact enough to say so of fractions, and are asked first: most numbers of an output are right.
        """
        if self._clear is None or not ("." in ours and "." in theirs and ours.isascii()) or "_" in ours:
            return False
        try:
            found, expected = float(ours), float(theirs)
        except ValueError:
            return False
        return found % 1 != 0 and abs(found - expected) <= self._clear * abs(expected) < math.inf

    def near(self, ours: Decimal, theirs: Number, place: int) -> bool:
        """Whether `ours` will do for the number `theirs` in this place of a case."""
        if ours == theirs.value:
            return True
        whole = ours == ours.to_integral_value(context=EXACT)
        if whole and theirs.integer:
            return False
        error = EXACT.subtract(ours, theirs.value).copy_abs()
        guarded = theirs.integer or (whole and ours.copy_abs() < _ALL_WHOLE)
        if error <= self._absolute(theirs, place):
            return True
        return (self._stated or not guarded) and error <= EXACT.multiply(self._relative, theirs.value.copy_abs())

    def _absolute(self, theirs: Number, place: int) -> Decimal:
        anywhere, places = self._largest
        if anywhere is None:
            return self._relative if self._stated else _NOISE
        here = places[place] if places and theirs.value else anywhere
        allowed = max(EXACT.multiply(_SHARE, here or anywhere), EXACT.multiply(_ZERO, anywhere))
        return min(self._relative, allowed) if allowed else self._relative

    @functools.cached_property
    def _largest(self) -> tuple[Decimal | None, list[Decimal]]:
        """(the largest of the numbers with a fraction, None if there are none; the same for every place)."""
        cases = [[None if one is None or one.integer else one.value.copy_abs() for one in c] for c in self._expected()]
        anywhere = max((size for case in cases for size in case if size is not None), default=None)
        if len(set(map(len, cases))) > 1 or max(map(len, cases)) > _KINDS:
            return anywhere, []
        return anywhere, [
            max((size for size in place if size), default=Decimal()) for place in zip(*cases, strict=True)
        ]


def outputs_match(actual: str, expected: str, tests: StdioTests) -> bool:
    """Compare stdout with the expected text, as the tests that it belongs to say.

    tokens: equal after splitting on white space.
    exact:  equal line by line; only CRLF and the newline at the very end are forgiven.
    float:  as tokens, but decimal numbers may differ as Tolerance has it, and infinity and NaN be spelled otherwise.
    """
    if tests.ignore_case:
        actual, expected = actual.lower(), expected.lower()
    if tests.compare == "exact":
        return _newlines(actual) == _newlines(expected)
    ours, theirs = actual.split(), expected.split()
    if ours == theirs:
        return True
    if tests.compare == "tokens" or len(ours) != len(theirs):
        return False
    tolerance = _tolerance(tuple(case.stdout for case in tests.cases), tests.tolerance)
    pairs = enumerate(zip(ours, theirs, strict=True))
    return all(one == other or _same_number(one, other, place, tolerance) for place, (one, other) in pairs)


def _newlines(text: str) -> str:
    return text.replace("\r\n", "\n").removesuffix("\n")


def _same_number(ours: str, theirs: str, place: int, tolerance: Tolerance) -> bool:
    if tolerance.clearly_near(ours, theirs):
        return True
    found, expected = number(ours), number(theirs)
    if found is None or expected is None:
        special = _special(theirs)
        return special is not None and _special(ours) == special
    return tolerance.near(found.value, expected, place)


def number(token: str) -> Number | None:
    """The decimal number that a token is; None for anything else, such as 1_000, 0x10, nan or digits of other scripts.

    Of any length and size: decimals take no longer for a million digits than reading them.
    """
    return Number(Decimal(token), _INTEGER.fullmatch(token) is not None) if _NUMBER.fullmatch(token) else None


def _special(token: str) -> str | None:
    return _SPECIAL.get(token.lower().removeprefix("+"))


@functools.lru_cache(maxsize=32)
def _tolerance(outputs: tuple[str, ...], stated: float | None) -> Tolerance:
    return Tolerance(lambda: [list(map(number, output.split())) for output in outputs], stated)
