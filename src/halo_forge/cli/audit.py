"""`halo-forge verify audit`: are the tests of a file of tasks strong enough to find small faults?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from halo_forge.cli.bridge import verify_settings
from halo_forge.cli.options import say
from halo_forge.data.prompts import read_prompts
from halo_forge.errors import InputError
from halo_forge.hashing import digest
from halo_forge.jsonl import write_records
from halo_forge.progress import print_table
from halo_forge.settings.params import load_section
from halo_forge.state import state_dir

ROWS = 40
"""Of the table on the terminal; the file of --output has all."""


def audit_tasks(
    tasks: Annotated[Path, typer.Option(help="Tasks with tests and reference solutions.")],
    output: Annotated[Path | None, typer.Option(help="A row a task, with the tests that are missing.")] = None,
    mutants: Annotated[int, typer.Option(min=1, help="Faulty copies of a reference, at most.")] = 20,
    per_family: Annotated[int, typer.Option(min=0, help="Tasks of a family that are audited, 0 for all.")] = 0,
    min_kill_rate: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Tests that find less are weak. [default: that of params.yaml, or 0.8]"),
    ] = None,
    verifier: Annotated[str, typer.Option(help="Its name, or auto: by language.")] = "auto",
    seed: Annotated[int, typer.Option(min=0, help="Which mutants are drawn.")] = 0,
    workers: Annotated[int | None, typer.Option(min=1, help="Programs judged at once.")] = None,
    params: Annotated[
        Path | None, typer.Option("--params", help="Settings from audit and verify of this file.")
    ] = None,
) -> None:
    """Try a task's tests on faulty copies of its reference. Those that pass and are no copies show what is not tested.

    Ends with 0 whatever is found; run again, it resumes.
    """
    from halo_forge.audit.audit import audit  # the grammars take a moment to load
    from halo_forge.audit.summary import HEADERS, figures, hole, in_a_line, row, weakest_first

    limits = verify_settings(params=params, workers=workers)
    asked = {"mutants": mutants, "per_family": per_family, "min_kill_rate": min_kill_rate}
    given = {name: value for name, value in asked.items() if value is not None}
    settings = load_section("audit", params).model_copy(update=given)
    known = read_prompts(tasks, verifier)
    inputs = {"audit": settings, "verify": limits, "verifier": verifier, "seed": seed, "tasks": digest(tasks)}
    audited, skipped = audit(known, settings, limits, state_dir("audit", inputs), seed=seed, verifier=verifier)
    found = figures(audited, skipped, settings.min_kill_rate)
    if not audited:
        reasons = "; ".join(f"{number}: {reason}" for reason, number in skipped.items())
        raise InputError(f"{tasks}: none of {len(known)} tasks can be audited ({reasons}); give reference solutions")
    if output is not None:
        write_records(output, audited)
    ranked = weakest_first(audited)
    print_table(HEADERS, [row(one) for one in ranked[:ROWS]])
    if len(ranked) > ROWS:
        print(f"… and {len(ranked) - ROWS} more, none of them weaker")
    for one in ranked:
        if one.survivors and one.is_weak(settings.min_kill_rate):
            print("\n    ".join([f"\n{one.task_id} passes with a fault:", *hole(one.survivors[0])]))
    for task_id, status in found["reference_fails"].items():
        say(f"warning: {task_id}: its reference does not pass its own tests ({status}); nothing is known of them")
    print(f"\n{in_a_line(found)}")
