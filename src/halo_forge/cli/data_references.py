"""Rows whose reference solution fails their own tests are no good: nobody can solve them, or anybody can."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from halo_forge.cli.options import say
from halo_forge.data.builtin import BUILTIN
from halo_forge.data.public.load import Loaded
from halo_forge.data.rows import Row
from halo_forge.errors import InfrastructureError
from halo_forge.records import Task
from halo_forge.settings.verify import Verify
from halo_forge.state import state_dir

AT_ONCE = 2000
"""Rows that are held in memory while their references are judged."""


def with_right_references(loaded: Loaded, settings: Verify) -> Iterator[Row]:
    """The rows without those whose reference fails, which are counted in `loaded.rejected`.

    Rows without tests or without a reference, and the built-in tasks, are not judged. Where judging cannot be done here
    (no compiler, no sandbox) that is said once, and all rows are taken.
    """
    judging = loaded.source.dataset != BUILTIN
    rows = iter(loaded)
    while some := list(itertools.islice(rows, AT_ONCE)):
        failures: dict[str, tuple[str, str]] = {}
        tasks = [row.task for row in some if row.task and row.task.solution and row.task.tests.kind != "compile"]
        if judging and tasks:
            try:
                failures = _failures(tasks, settings)
            except InfrastructureError as error:
                say(f"warning: references are not checked against their tests: {error}")
                judging = False
        for row in some:
            if row.task and row.task.task_id in failures:
                loaded.rejected[failures[row.task.task_id][0]] += 1
            else:
                yield row


def _failures(tasks: list[Task], settings: Verify) -> dict[str, tuple[str, str]]:
    from halo_forge.data.clean.gold import gold_failures  # and with it the verifiers

    wip = state_dir("data-references", {"tasks": tasks, "verify": settings})
    return gold_failures(tasks, settings, 1, wip)
