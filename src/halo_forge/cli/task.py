"""`halo-forge task …`: tasks of one's own, from a template to a file that the pipeline reads."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from halo_forge.cli.options import say
from halo_forge.errors import InputError
from halo_forge.records import Task
from halo_forge.settings.audit import Audit
from halo_forge.settings.verify import Verify

app = typer.Typer(no_args_is_help=True)


@app.command("new")
def new(
    name: Annotated[str, typer.Argument(help="What it is called, such as sum_of_two.")],
    language: Annotated[str, typer.Option(help="Of its answers: cpp, python.")] = "cpp",
    output: Annotated[Path | None, typer.Option("--output", "-o", help="[default: <name>.yaml]")] = None,
) -> None:
    """Write a task file to be edited.

    It holds statement, tests and reference of a small task, which is sound as it is.
    """
    from halo_forge.own.tasks import new_task

    path = output or Path(f"{name}.yaml")
    new_task(name, language, path)
    print(f"{path}: edit it, then: halo-forge task check {path}")


@app.command("check")
def check(
    files: Annotated[list[Path], typer.Argument(help="Task files, .yaml or .jsonl.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Put those that are sound here: data/own/tasks.jsonl, say.")
    ] = None,
    mutants: Annotated[int, typer.Option(min=1, help="Faulty copies of a reference, at most.")] = 40,
    min_kill_rate: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Tests that find less are weak. [default: that of params.yaml, or 0.8]"),
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Programs judged at once.")] = None,
) -> None:
    """Judge the reference, and the tests by faulty copies.

    Copies of the reference with one fault each: those that pass show what the tests miss.

    Ends with 1 if a reference does not pass, a task has none, or tests are weak.
    """
    from halo_forge.cli.bridge import verify_settings
    from halo_forge.data.prompts import warning_about_tests
    from halo_forge.own.tasks import add_tasks
    from halo_forge.settings.params import load_section

    tasks = [task for path in files for task in _read(path)]
    if len({task.task_id for task in tasks}) < len(tasks):
        raise InputError("task check: a task_id comes twice; make task ids unique")
    if warning := warning_about_tests(tasks):
        say(f"warning: {warning}")
    asked = {"mutants": mutants, "per_family": 0, "min_kill_rate": min_kill_rate}
    given = {name: value for name, value in asked.items() if value is not None}
    settings = load_section("audit").model_copy(update=given)
    unsound = _audited(tasks, settings, verify_settings(workers=workers))
    sound = [task for task in tasks if task.task_id not in unsound]
    if output and sound:
        print(f"{output}: {add_tasks(sound, output)} tasks; {len(sound)} of them checked now")
    if unsound:
        raise typer.Exit(1)


def _audited(tasks: list[Task], settings: Audit, verify: Verify) -> set[str]:
    """Say what is known of each task; returns the ids of those that are not sound."""
    from halo_forge.audit.audit import audit
    from halo_forge.audit.summary import hole
    from halo_forge.state import state_dir

    wip = state_dir("task-check", {"audit": settings, "verify": verify, "tasks": tasks})
    audited = {one.task_id: one for one in audit(tasks, settings, verify, wip)[0]}
    unsound = set()
    for task in tasks:
        one = audited.get(task.task_id)
        if one is None:
            said, bad = "not checked: no reference, or no tests that can be tried on faulty copies", True
        elif one.reference != "pass":
            said, bad = f"its reference does not pass: {one.reference}\n    {one.detail}", True
        elif one.kill_rate is None:
            said, bad = "its reference passes; no faulty copy could be made that tells of the tests", False
        else:
            told, bad = one.killed + one.survived, one.is_weak(settings.min_kill_rate)
            said = f"its reference passes; the tests find {one.killed} of {told} faulty copies ({one.kill_rate:.0%})"
            said += ", too few" if bad else ""
            for survivor in one.survivors:
                said += "\n    ".join(["\n  passes with a fault:", *hole(survivor)])
        print(f"{task.task_id}: {said}")
        unsound |= {task.task_id} if bad else set()
    return unsound


def _read(path: Path) -> list[Task]:
    from halo_forge.data.prompts import read_prompts
    from halo_forge.own.tasks import read_task

    return [read_task(path)] if path.suffix in (".yaml", ".yml") else read_prompts(path, "auto")
