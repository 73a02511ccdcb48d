"""From the program that an answer gives to what is run of it."""

from __future__ import annotations

from halo_forge.records import CompileTests, Task
from halo_forge.verify.core.asked import asked_names
from halo_forge.verify.python.definitions import definitions, without_cut_end
from halo_forge.verify.python.given import CLASS, completed, has_preamble


def to_run(task: Task, program: str) -> str:
    """`program`, already below the prefix of its tests, as it is run.

    Where functions or classes are asked for these are its definitions and what they need. A program that reads its
    input and prints is run whole.
    """
    if isinstance(task.tests, CompileTests):
        return program
    names = asked_names(task)
    if names:
        program = without_cut_end(program, [*names, CLASS])
    program = completed(program, names or (), preamble=has_preamble(task))
    return definitions(program, names) if names else program
