"""All tasks from all sources, checked, as one list."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from halo_forge.data import line_ends
from halo_forge.data.any_answer import lacks_checker, warning
from halo_forge.data.builtin import load_families, variants
from halo_forge.errors import InputError
from halo_forge.jsonl import read_records
from halo_forge.records import Task
from halo_forge.settings.data import DataSource, Prepare


def prepare(settings: Prepare, root: Path) -> tuple[list[Task], dict]:
    """Tasks of every source in order, and counts by source and reason. Raises InputError on a bad or double row."""
    tasks: list[Task] = []
    counts: dict[str, int] = {}
    left_out: Counter[str] = Counter()
    if settings.builtin:
        families = load_families(root / "data" / "builtin")
        own = [variant.task(language) for variant in variants(families) for language in settings.languages]
        counts["builtin"] = len(own)
        tasks += own
    doubtful: list[str] = []
    for file in settings.files:
        rows = read_records(root / file.path, Task)
        doubtful += [f"{file.path}: {task.task_id}" for task in rows if lacks_checker(task)]
        counts[file.path] = _take(rows, settings, tasks, left_out)
    revisions: dict[str, str | None] = {}
    for source in settings.sources:
        found, revisions[source.dataset] = _read(source, root, left_out, doubtful)
        counts[source.dataset] = counts.get(source.dataset, 0) + _take(found, settings, tasks, left_out)
    for task_id, number in Counter(task.task_id for task in tasks).items():
        if number > 1:
            raise InputError(f"prepare: task_id {task_id!r} occurs {number} times; make task ids unique")
    if not tasks:
        raise InputError(
            "prepare: no tasks; set prepare.builtin: true or name some in prepare.files or prepare.sources"
        )
    report = {"tasks": len(tasks), "by_source": counts, "left_out": dict(left_out)}
    if returns := [task.task_id for task in tasks if line_ends.has_returns(task)]:
        report["carriage_returns"] = len(returns)
        print(line_ends.warning(len(returns), returns[0]))
    report |= {"revisions": revisions} if revisions else {}
    return tasks, report | ({"warnings": [warning(doubtful)]} if doubtful else {})


def _take(rows: list[Task], settings: Prepare, tasks: list[Task], left_out: Counter[str]) -> int:
    """Add the tasks in a wanted language to `tasks`, and count them."""
    wanted = [task for task in rows if task.language in settings.languages]
    if len(wanted) < len(rows):
        left_out["language not in prepare.languages"] += len(rows) - len(wanted)
    tasks += wanted
    return len(wanted)


def _read(source: DataSource, root: Path, left_out: Counter[str], doubtful: list[str]) -> tuple[list[Task], str | None]:
    """The tasks of a source and the commit they are of. Rows without tests count only where their language is given."""
    from halo_forge.data.public.load import load  # the readers of public sets, which the built-in tasks do not need
    from halo_forge.data.rows import as_task
    from halo_forge.verify.core.extract import extract_code

    loaded, tasks = load(source, root=root), []
    for row in loaded:
        if row.task is None and source.language is None:
            left_out[f"{source.dataset}: no tests"] += 1
            continue
        task = as_task(row, language=source.language or "")
        if row.task is None:
            code = extract_code(row.answer, task.language) if row.answer else None
            task = task.model_copy(update={"solution": code, "source": loaded.source})
        tasks.append(task)
    for reason, number in loaded.reasons.items():
        left_out[f"{source.dataset}: {reason}"] += number
    doubtful += loaded.doubtful
    return tasks, loaded.source.revision
