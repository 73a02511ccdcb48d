"""The mutants of a reference solution: each has one small fault. A few are chosen, spread over operators and places."""

from __future__ import annotations

import difflib
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from halo_forge.audit.grammars import GRAMMARS, parse
from halo_forge.audit.operators import edits


@dataclass(frozen=True)
class Mutant:
    operator: str
    line: int
    """Where it differs from the reference, counted from 1."""
    code: str

    def difference(self, reference: str) -> list[str]:
        """The lines that differ: `-` and the reference's, `+` and the mutant's."""
        lines = difflib.ndiff(reference.splitlines(), self.code.splitlines())
        return [f"{line[0]} {line[2:].strip()}" for line in lines if line[0] in "+-"]


def mutants(code: str, language: str) -> list[Mutant]:
    """All mutants of a program, from top to bottom, no two with the same text. [] for a language without grammar."""
    if language not in GRAMMARS:
        return []
    grammar, source = GRAMMARS[language], code.encode()
    found = {source: None}
    for operator, edit in edits(grammar, parse(grammar, source)):
        changed = source[: edit.start] + edit.text.encode() + source[edit.end :]
        if changed not in found:
            found[changed] = Mutant(operator, source.count(b"\n", 0, edit.start) + 1, changed.decode())
    return [mutant for mutant in found.values() if mutant is not None]


def choose(found: Sequence[Mutant], limit: int, seed: str) -> list[Mutant]:
    """At most `limit` of them, in their order: one an operator in turn, from the lines that have fewest so far."""
    draw = random.Random(seed)
    left = draw.sample(range(len(found)), len(found))
    operators = sorted({mutant.operator for mutant in found})
    draw.shuffle(operators)
    taken: list[int] = []
    used: Counter[int] = Counter()
    while left and len(taken) < limit:
        for operator in operators:
            own = [number for number in left if found[number].operator == operator]
            if own and len(taken) < limit:
                number = min(own, key=lambda number: used[found[number].line])  # the first drawn of those
                used[found[number].line] += 1
                taken.append(number)
                left.remove(number)
    return [found[number] for number in sorted(taken)]
