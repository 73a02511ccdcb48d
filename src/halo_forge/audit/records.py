"""What an audit says of a task, as rows of JSON Lines."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from halo_forge.records import Status, Task


class Survivor(BaseModel):
    """A mutant that passed all tests and is not the same program: `input` tells it from the reference.

    `expected` is the reference's output: with `input` a test that the task lacks.
    """

    model_config = ConfigDict(extra="forbid")

    operator: str
    line: int
    difference: list[str]
    input: Any
    expected: Any


class TaskAudit(BaseModel):
    """What the tests of one task found. `mutants` = `killed` + `equivalent` + `survived` + `unknown`.

    `unknown` passed, and no further inputs could be made to tell what they are; `not_compiled` are not counted.
    `reference` is the status of the reference on its own tests: where it is no pass, there are no mutants.
    """

    model_config = ConfigDict(extra="forbid")

    task_id: str
    family: str
    language: str
    reference: Status
    detail: str = ""
    mutants: int = 0
    killed: int = 0
    equivalent: int = 0
    survived: int = 0
    unknown: int = 0
    not_compiled: int = 0
    kill_rate: float | None = None
    """killed / (killed + survived); None where there is neither."""
    survivors: list[Survivor] = []

    @classmethod
    def of(cls, task: Task, **found: Any) -> TaskAudit:
        killed, survived = found.get("killed", 0), found.get("survived", 0)
        rate = round(killed / (killed + survived), 4) if killed + survived else None
        return cls(task_id=task.task_id, family=task.family, language=task.language, kill_rate=rate, **found)

    def is_weak(self, min_kill_rate: float) -> bool:
        return self.kill_rate is not None and self.kill_rate < min_kill_rate
