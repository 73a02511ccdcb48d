"""Failed answers that go back to the model once, with the compiler's words or the failing test.

What it makes of them is judged as any other answer, and a program that passes is trained on as the answer to the task's
own prompt: the mistake and the talk about it are no part of what is learnt.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence

from halo_forge.generate.drawing import Draw
from halo_forge.model.chat import fenced
from halo_forge.raft.gate import Counts, counts_of
from halo_forge.raft.programs import normalised
from halo_forge.records import CheckerTests, StdioTests, Task, Verdict

MAX_CHARS = 1_000
"""Of the words that go back, and of a test's input: a compiler's first error says it."""
_WHAT = {
    "compile_error": "This program does not compile:",
    "wrong_answer": "This program gives a wrong answer:",
    "runtime_error": "This program fails while it runs:",
    "timeout": "This program takes too long:",
    "memory_limit": "This program takes too much memory:",
    "output_limit": "This program prints too much:",
}
_TEST = re.compile(r"test (\d+): ")
"""How the detail of a verdict names the first test that failed."""


def repairs(
    name: str,
    tasks: Sequence[Task],
    verdicts: Sequence[Verdict],
    starts: Mapping[str, int],
    per_task: int,
    seed: int,
) -> Iterator[Draw]:
    """For each task that no sample passed, draws that mend up to `per_task` of its failed programs, the best first.

    Programs that differ in layout alone go back once. `starts`: the first index of each task that is free. The best
    are those with the highest reward, ties broken by a seeded draw. In the order of (task, index).
    """
    counts = counts_of(verdicts)
    failed: dict[str, list[Verdict]] = {task.task_id: [] for task in tasks}
    for verdict in verdicts:
        if verdict.status in _WHAT and verdict.code and not counts.get(verdict.task_id, Counts()).passed:
            failed[verdict.task_id].append(verdict)
    for task in tasks:
        ranked = sorted(failed[task.task_id], key=lambda verdict: (-verdict.reward, _draw(verdict, name, seed)))
        distinct: dict[str, Verdict] = {}
        for verdict in ranked:
            distinct.setdefault(normalised(verdict.code, task.language), verdict)
        for index, verdict in enumerate(list(distinct.values())[:per_task], starts[task.task_id]):
            yield Draw(task, index, turns_of(task, verdict), verdict.sample_id)


def turns_of(task: Task, verdict: Verdict) -> list[dict[str, str]]:
    """The conversation that asks for the mended program: the prompt, the program, what is wrong with it."""
    said = [_WHAT[verdict.status], _cut(verdict.detail)]
    if (given := _input_of(task, verdict.detail)) is not None:
        said += ["The input of this test:", _cut(given)]
    said.append("Write the whole program again, corrected, in one code block.")
    return [
        {"role": "user", "content": task.prompt},
        {"role": "assistant", "content": fenced(verdict.code, task.language)},
        {"role": "user", "content": "\n".join(said)},
    ]


def _input_of(task: Task, detail: str) -> str | None:
    """The standard input of the test that failed, where tests have one."""
    found = _TEST.match(detail)
    if not found or not isinstance(task.tests, StdioTests | CheckerTests):
        return None
    number = int(found[1]) - 1
    return task.tests.cases[number].stdin if number < len(task.tests.cases) else None


def _cut(text: str) -> str:
    return text if len(text) <= MAX_CHARS else f"{text[:MAX_CHARS]}…"


def _draw(verdict: Verdict, name: str, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}|{name}|{verdict.sample_id}".encode()).digest()
