"""A task written by hand: a YAML file with a statement, tests and a reference, one task a file.

JSON Lines is what the pipeline reads, and nothing that a person wants to write a program into.
"""

from __future__ import annotations

import re
from pathlib import Path

from halo_forge.errors import InputError
from halo_forge.files import whole_file
from halo_forge.jsonl import each_record, write_records
from halo_forge.records import Task
from halo_forge.settings.checking import check, one_of, read_yaml

TEMPLATES = Path(__file__).parent
_NAME = re.compile(r"[a-z][a-z0-9_]*")


def new_task(name: str, language: str, path: Path) -> None:
    """Write the template of a task called `name` to `path`. It is a whole task, which passes its check as it is.

    Raises InputError for a name that is no word, a language without a template, and where a file is already.
    """
    known = sorted(template.stem for template in TEMPLATES.glob("*.yaml"))
    if not _NAME.fullmatch(name):
        raise InputError(f"task new: {name!r}: a name is of small letters, digits and _, such as sum_of_two")
    if language not in known:
        raise InputError(f"--language: no template for {language!r} {one_of(language, known)}; take one and edit it")
    if path.exists():
        raise InputError(f"{path}: is there already; choose another name, or --output")
    text = (TEMPLATES / f"{language}.yaml").read_text(encoding="utf-8")
    with whole_file(path) as file:
        file.write(text.replace("<<name>>", name))


def read_task(path: Path) -> Task:
    """The task of a YAML file. Raises InputError naming file, field, value and cure."""
    return check(Task, read_yaml(path), str(path))


def add_tasks(tasks: list[Task], path: Path) -> int:
    """Put `tasks` into the JSON Lines file `path`, in the place of older ones of the same id; returns its length."""
    there = {task.task_id: task for task in each_record(path, Task)} if path.exists() else {}
    return write_records(path, (there | {task.task_id: task for task in tasks}).values())
