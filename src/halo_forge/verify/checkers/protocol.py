"""How a checker is asked about one output, and how what it did is read.

    score     checker input.txt correct_output.txt solution_output.txt
              It prints a number and nothing else and ends with 0; anything else is no opinion, and no pass.
    testlib   checker input.txt solution_output.txt correct_output.txt
              Exit code 0: right. 7: points, the first number on stderr. 1 and 2: wrong, presentation. 3: the checker
              has failed. Any other: wrong.

What a full mark is, a checker says itself: the mark that it gives to the expected output. A scale from 0 to 1 is thus
as good as one from 0 to 100, and an answer that it finds better than the expected output passes too.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from halo_forge.records import CheckerTests
from halo_forge.verify.core import grade
from halo_forge.verify.sandbox.job import Run

INPUT, EXPECTED, PRINTED = "input.txt", "correct_output.txt", "solution_output.txt"
ARGUMENTS = {"score": (INPUT, EXPECTED, PRINTED), "testlib": (INPUT, PRINTED, EXPECTED)}
POINTS, FAIL = 7, 3
# Of few digits, each read in one way: what a checker prints may be what the answer printed.
_NUMBER = re.compile(r"[-+]?[0-9]{1,20}(?:\.[0-9]{0,20})?(?![0-9])|[-+]?\.[0-9]{1,20}(?![0-9])")


class Mark(NamedTuple):
    """What a checker gives; marks of different exit codes are not compared."""

    exit_code: int
    points: float

    def reaches(self, full: Mark) -> bool:
        return self.exit_code == full.exit_code and self.points >= full.points


def mark_of(tests: CheckerTests, run: Run) -> Mark | None:
    """The mark that a checker gave, more than nothing; None if it gave none, was stopped or crashed."""
    if run.limit != "-":
        return None
    if tests.protocol == "testlib":
        if run.exit_code == 0:
            return Mark(0, 1.0)
        number = _NUMBER.search(run.stderr[:1000].decode("utf-8", "replace")) if run.exit_code == POINTS else None
    elif run.exit_code == 0:
        # All of what it printed: a score is not looked for among other words, which may be the answer's.
        number = _NUMBER.fullmatch(run.stdout.decode("utf-8", "replace").strip())
    else:
        number = None
    points = float(number[0]) if number else 0.0
    return Mark(run.exit_code, points) if points > 0 else None


def words_of(tests: CheckerTests, run: Run) -> str:
    """What a checker that gave no full mark has to say."""
    said = grade.words(run.stderr)
    if run.limit != "-":
        return grade.describe(run, "it")
    if run.exit_code < 0 or (tests.protocol == "score" and run.exit_code):
        last = said.rpartition("\n")[2]  # where a traceback says it
        return f"{grade.describe(run, 'it')}: {last[-300:]}"
    if tests.protocol == "testlib" and run.exit_code == FAIL:
        return f"it failed: {said[:300]}"
    if tests.protocol == "score":
        return f"it printed {grade.short(run.stdout.decode('utf-8', 'replace'))} {said[:300]}".strip()
    return said[:300] or f"its exit code is {run.exit_code}"
