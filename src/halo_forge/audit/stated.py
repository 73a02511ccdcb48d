"""What a prompt says of the bounds of its inputs, as far as plain words and signs show it."""

from __future__ import annotations

import re
from collections.abc import Collection

_LEAST = re.compile(
    r"(-?\d+)\s*(?:<=|≤|\\leq?\b|to\b|and\b|-)|(?:>=|≥|\\geq?\b|at least|from|between)\s*(-?\d+)|(-?\d+) or more", re.I
)
_ABOVE = re.compile(r"(-?\d+)\s*<(?!=)|(?<![<>])>\s*(-?\d+)")
_WORDS = {
    r"\bpositive\b|\bnatural\b|\bnot empty\b|\bnon-?empty\b": 1,
    r"\bnon-?negative\b|\bnot negative\b": 0,
}
_BOUNDED = re.compile(
    r"[<>≤≥]|\\[lg]eq?\b|\b(at least|at most|between|positive|non-?negative|natural|or more|limit|constraint)"
    r"|\b(length|size)|\bfrom -?\d|\d to -?\d|\bnot (negative|empty)\b|\bdigits?\b",
    re.I,
)


class Stated:
    def __init__(self, prompt: str):
        self.bounded = bool(_BOUNDED.search(prompt))
        """Whether bounds are spoken of at all."""
        found = [int(number) for match in _LEAST.findall(prompt) for number in match if number]
        found += [int(number) + 1 for match in _ABOVE.findall(prompt) for number in match if number]
        found += [least for words, least in _WORDS.items() if re.search(words, prompt, re.I)]
        self.least = sorted(found)
        """Numbers that may be lower bounds."""

    def lowest(self, numbers: Collection[int]) -> int:
        """The least number that may stand where `numbers` do in the tests."""
        least = min(numbers)
        if not self.bounded:
            return min(least, -1, -max(numbers))
        return max((bound for bound in self.least if bound <= least), default=least)

    def shortest(self, lengths: Collection[int]) -> int:
        """The least length of what has these lengths in the tests; never 0 where none is."""
        least = min(lengths)
        if not self.bounded:
            return min(least, 1)
        return max((bound for bound in self.least if 0 < bound <= least), default=least)
