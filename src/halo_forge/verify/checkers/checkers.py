"""Outputs judged by the checker of a task, outside the answer's box and after that is closed.

What an answer printed is hostile data to a checker, and the checker may be anybody's program: it runs in a box of its
own that holds the case and nothing else, under limits. Nothing of the answer but the bytes on its stdout gets there.

Before the first output of a task its checker is tried on what is known: it must accept every expected output, and must
not accept an empty one everywhere. One that fails this, or fails, crashes or times out in it, is the task's fault
(UnusableTests) and never a reward. After that, a checker that fails, crashes or times out does so by what the answer
printed, and the answer is wrong.
"""

from __future__ import annotations

import functools
import hashlib
import shutil
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from halo_forge.cache import cache_folder
from halo_forge.errors import InputError, UnusableTests
from halo_forge.files import read_json, write_json
from halo_forge.hashing import digest
from halo_forge.records import CheckerTests, Status, Task
from halo_forge.settings.verify import Verify
from halo_forge.verify.checkers import form, jobs
from halo_forge.verify.checkers.protocol import Mark, mark_of, words_of
from halo_forge.verify.core import grade
from halo_forge.verify.sandbox.box import Sandbox
from halo_forge.verify.sandbox.job import BOX_PATH, Report, Run

Opinion = tuple[Status, str]


class Checkers:
    """Asks the checkers of any number of tasks. Thread-safe."""

    def __init__(self, settings: Verify):
        self._sandbox = Sandbox(settings)
        self._testlib = Path(settings.testlib).expanduser() if settings.testlib else None
        self._tried: dict[str, list[Mark] | UnusableTests] = {}
        self._locks: dict[str, threading.Lock] = {}

    @functools.cached_property
    def fingerprint(self) -> str:
        """What decides a checker's opinion beside its code and ours."""
        found = shutil.which("g++", path=BOX_PATH)
        parts = [sys.version, found and digest(found), self._testlib and digest(self._testlib)]
        return repr([*parts, jobs.FLAGS, jobs.RUN])

    def check(self, task: Task) -> None:
        """Raises InputError if the task's checker cannot be used, as far as reading it tells."""
        tests = task.tests
        assert isinstance(tests, CheckerTests)
        if fault := form.fault(tests):
            raise InputError(f"{task.task_id}: {fault}; mend it, or leave out the task")
        if tests.language == "cpp":
            jobs.compiler()
        if form.wants_testlib(tests) and self._testlib is None:
            raise InputError(
                f"{task.task_id}: its checker includes testlib.h, which is not here: name your copy in "
                "verify.testlib, or leave out the task"
            )
        if self._testlib is not None and not self._testlib.is_file():
            raise InputError(f"verify.testlib: {self._testlib}: no such file")

    def judging(self, task: Task, report: Report) -> Callable[[Task, int, Run], Opinion] | None:
        """How `grade.grade` is to judge the runs of a report; None where the tests are of another kind.

        Raises UnusableTests if the checker is broken.
        """
        tests = task.tests
        if not isinstance(tests, CheckerTests):
            return None
        # Windows programs end their lines in two characters; a checker that reads lines expects one.
        ended = [
            (number, run.stdout.replace(b"\r\n", b"\n"))
            for number, run in enumerate(report.tests)
            if not grade.stopped(run)
        ]
        full = self._full_marks(task) if ended else []
        # The expected output itself has been tried; most right answers to most cases are that.
        asked = [(number, printed) for number, printed in ended if printed != tests.cases[number].stdout.encode()]
        said = dict(zip((number for number, _ in asked), self._ask(tests, asked), strict=False)) if asked else {}
        open_questions = {number for number, _ in asked}

        def opinion(_: Task, number: int, run: Run) -> Opinion:
            if stopped := grade.stopped(run):
                return stopped
            if number not in open_questions:
                return "pass", ""
            checked = said.get(number)
            if checked is None:
                return "wrong_answer", "the checker came to no end over other outputs, and was not asked about this one"
            mark = mark_of(tests, checked)
            if mark is not None and mark.reaches(full[number]):
                return "pass", ""
            printed = grade.short(run.stdout.decode("utf-8", "replace"))
            return "wrong_answer", f"the checker does not accept {printed}: {words_of(tests, checked)}"

        return opinion

    def try_out(self, task: Task) -> None:
        """Raises UnusableTests if the task's checker is broken. Asks it, unless that has been done before."""
        self._full_marks(task)

    def _full_marks(self, task: Task) -> list[Mark]:
        """What the checker gives to the expected output of each case. Raises UnusableTests."""
        key = hashlib.sha256(f"{self.fingerprint}\0{task.tests.model_dump_json()}".encode()).hexdigest()[:32]
        with self._locks.setdefault(key, threading.Lock()):
            if key not in self._tried:
                self._tried[key] = self._kept(key, task.tests)
        found = self._tried[key]
        if isinstance(found, UnusableTests):
            raise UnusableTests(f"{task.task_id}: {found}; mend its checker, or leave out the task")
        return found

    def _kept(self, key: str, tests: CheckerTests) -> list[Mark] | UnusableTests:
        path = cache_folder("checkers") / f"{key}.json"
        if path.exists():
            return [Mark(*mark) for mark in read_json(path)]
        self._sandbox.probe()
        try:
            marks = self._try(tests)
        except UnusableTests as error:
            return error
        write_json(path, marks)
        return marks

    def _try(self, tests: CheckerTests) -> list[Mark]:
        known = [(number, case.stdout.encode()) for number, case in enumerate(tests.cases)]
        runs = self._ask(tests, known)
        marks = []
        for number, run in enumerate(runs, 1):
            mark = mark_of(tests, run)
            if mark is None:
                why = words_of(tests, run)
                raise UnusableTests(f"its checker does not accept the expected output of test {number}: {why}")
            marks.append(mark)
        if len(runs) < len(known):
            raise UnusableTests("its checker takes too long over the expected outputs")
        nothing = self._ask(tests, [(number, b"") for number, expected in known if expected.strip()])
        given = [mark_of(tests, run) for run in nothing]
        full = [mark for mark, (_, expected) in zip(marks, known, strict=True) if expected.strip()]
        if given and all(mark and mark.reaches(most) for mark, most in zip(given, full, strict=False)):
            raise UnusableTests("its checker accepts an empty output in every test")
        return marks

    def _ask(self, tests: CheckerTests, cases: list[tuple[int, bytes]]) -> list[Run]:
        """One run for each, or fewer, where the checker ran out of time twice or was brought down."""
        if not cases:
            return []
        return self._sandbox.run(jobs.checking(tests, jobs.built(tests, self._sandbox, self._testlib), cases)).tests
