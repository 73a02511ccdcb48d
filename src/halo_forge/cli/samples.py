"""The two files of `verify run` and `benchmark score`: tasks, and samples that anybody drew."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from halo_forge.cli.data_prepare import column_mapping
from halo_forge.cli.options import say, say_left_out
from halo_forge.data.left_out import LeftOut
from halo_forge.data.prompts import read_prompts, warning_about_tests
from halo_forge.data.samples import read_samples
from halo_forge.records import Sample, Task

TasksFile = Annotated[Path, typer.Option("--tasks", help="Tasks, or rows of any kind, which are then only compiled.")]
SamplesFile = Annotated[
    Path, typer.Option("--samples", help="Rows with task_id and completion, or as other tools write them.")
]
Mapping = Annotated[
    list[str] | None,
    typer.Option("--mapping", help="field=column of the samples, such as completion=answer, task_id=problem."),
]
Workers = Annotated[int | None, typer.Option("--workers", min=1, help="Programs judged at once.")]
VerifyParams = Annotated[Path | None, typer.Option("--params", help="Settings from the section verify of this file.")]


@dataclass(frozen=True)
class Answers:
    tasks: dict[str, Task]
    samples: list[Sample]
    mapping: dict[str, str]
    left_out: int
    """Rows of samples that could not be read."""


def read_answers(tasks: Path, samples: Path, verifier: str, mapping: list[str] | None, strict: bool) -> Answers:
    """Both files; says which rows were left out, and what tests the tasks lack.

    Raises InputError for rows that cannot be read: the first of them if `strict`, else if they are many.
    """
    of_tasks, of_samples = LeftOut(strict), LeftOut(strict)
    known = {task.task_id: task for task in read_prompts(tasks, verifier, left_out=of_tasks)}
    if warning := warning_about_tests(list(known.values())):
        say(f"warning: {warning}")
    columns = column_mapping(mapping or [])
    rows = read_samples(samples, known, mapping=columns, left_out=of_samples)
    for found in (of_tasks, of_samples):
        say_left_out(found)
    return Answers(known, rows, columns, len(of_samples.errors))
