"""What the reference solutions of tasks say of answers that came too late."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable

from halo_forge.settings.verify import Verify
from halo_forge.verify import late
from halo_forge.verify.core.protocol import Judgement, Verifier
from halo_forge.verify.programs import Program


class References:
    """The reference solutions of tasks that have late answers, each judged once, by whichever thread asks first."""

    def __init__(self, settings: Verify, judge: Callable[[tuple[Program, Verifier]], tuple[Judgement, float]]):
        """`judge` gives the judgement of a program and the seconds that took."""
        self._settings, self._judge, self._lock = settings, judge, threading.Lock()
        self._locks: dict[str, threading.Lock] = {}
        self._found: dict[str, tuple[Judgement, float]] = {}

    def settle(self, program: Program, judgement: Judgement) -> bool:
        """Whether a late judgement stands as it is."""
        if program.task.solution is None or not judgement.used_up:
            return False
        return late.is_settled(judgement, self._of(program)[0], self._settings.run_timeout_s)

    def limits(self, program: Program) -> int:
        """How many times the time limit a late program gets."""
        if program.task.solution is None:
            return late.limits_without_reference()
        return late.limits_asked(*self._of(program), self._settings.run_timeout_s)

    def _of(self, program: Program) -> tuple[Judgement, float]:
        """What is found of the reference of a program's task, and the seconds that took."""
        task = program.task
        with self._lock:
            lock = self._locks.setdefault(task.task_id, threading.Lock())
        with lock:
            if task.task_id not in self._found:
                answer = f"````{task.language}\n{task.solution}\n````"
                used = program.verifier
                if hasattr(used, "patient"):  # built as the late ones are
                    used = used.patient(1)
                asked = dataclasses.replace(program, completion=answer, seconds=0.0), used
                self._found[task.task_id] = self._judge(asked)
            return self._found[task.task_id]
