"""What a cycle trains on beyond its own answers: those that earlier cycles kept, and solutions that SFT was taught."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from halo_forge.data.clean.normal import program
from halo_forge.model.chat import fenced
from halo_forge.raft.gate import Counts
from halo_forge.raft.programs import normalised
from halo_forge.records import History, Kept, Task
from halo_forge.settings.raft import Raft


@dataclass(frozen=True)
class Rows:
    """`rows` is what is trained on, this cycle's own answers first; the counts are of the others among them."""

    rows: list[Kept]
    remembered: int
    replayed: int


def reference_rows(tasks: Iterable[Task]) -> list[Kept]:
    """The solutions that SFT is trained on, in its own form, as rows that a cycle may replay."""
    return [
        Kept(
            sample_id=f"sft/{task.task_id}",
            task_id=task.task_id,
            prompt=task.prompt,
            completion=fenced(task.solution, task.language),
            reward=1.0,
            code=task.solution,
        )
        for task in tasks
        if task.solution
    ]


def rows_to_train(
    name: str,
    tasks: Mapping[str, Task],
    kept: Sequence[Kept],
    history: Sequence[History],
    references: Sequence[Kept],
    settings: Raft,
    seed: int,
) -> Rows:
    """The rows of cycle `name`, whose own answers are `kept`.

    With `memory` the answers of `history` follow, as they were kept then: the gate has let them in once, and what left
    the rows would be forgotten. A program of a task is there once. With `replay` a seeded draw of `references`
    follows, as many as make that share of all rows, or as there are. Without an answer nothing is replayed: SFT on its
    own is no cycle.
    """
    rows = list(kept)
    if settings.memory:
        there = {_program_of(row, tasks) for row in rows}
        for row in (row for task in history for row in task.kept):
            if (key := _program_of(row, tasks)) not in there:
                there.add(key)
                rows.append(row)
    remembered = len(rows) - len(kept)
    if settings.weigh_copies:
        rows = _weighed(rows, tasks)
    wanted = round(len(rows) * settings.replay / (1 - settings.replay))
    replayed = sorted(references, key=lambda row: _draw(row, name, seed))[:wanted]
    return Rows(rows + replayed, remembered, len(replayed))


def history_after(now: Mapping[str, Counts], kept: Iterable[Kept], history: Iterable[History]) -> list[History]:
    """`history` with the counts `now` and the answers of the cycle that ends, in order of task."""
    rows = {row.task_id: row for row in history}
    kept_of: dict[str, list[Kept]] = defaultdict(list)
    for row in kept:
        kept_of[row.task_id].append(row)
    for task_id, counts in now.items():
        old = rows.get(task_id) or History(task_id=task_id, judged=0, passed=0, kept=[])
        rows[task_id] = History(
            task_id=task_id,
            judged=old.judged + counts.judged,
            passed=old.passed + counts.passed,
            kept=[*old.kept, *kept_of[task_id]],
        )
    return [rows[task_id] for task_id in sorted(rows)]


def _program_of(row: Kept, tasks: Mapping[str, Task]) -> tuple[str, str]:
    """What makes a row the same as another; an answer without a program is like itself alone."""
    return row.task_id, normalised(row.code, tasks[row.task_id].language) if row.code else row.sample_id


def _weighed(rows: Sequence[Kept], tasks: Mapping[str, Task]) -> list[Kept]:
    """Each row at 1 / the sum of its likenesses to the rows of its task, itself included: `n` copies of one program
    weigh 1 together, `n` different ones `n`. The likeness of two programs is the share of their grams that both have,
    names apart (`data.clean.normal`)."""
    grams_of: dict[str, list[frozenset[int]]] = defaultdict(list)
    own = []
    for row in rows:
        own.append(program(row.code, tasks[row.task_id].language))
        grams_of[row.task_id].append(own[-1])
    weighed = []
    for row, grams in zip(rows, own, strict=True):
        likeness = sum(len(grams & other) / len(grams | other) for other in grams_of[row.task_id] if grams | other)
        weighed.append(row.model_copy(update={"weight": 1 / max(likeness, 1.0)}))
    return weighed


def _draw(row: Kept, name: str, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}|{name}|{row.sample_id}".encode()).digest()
