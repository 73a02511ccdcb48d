"""What training changed in the answers to a task: those of base, SFT, the best and the last model, side by side."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from halo_forge.benchmark.browser import cut
from halo_forge.benchmark.results import Results
from halo_forge.benchmark.variety import Program, Programs

BUDGET_BYTES = 600_000
TASKS = 200
"""So many tasks at most, the most changed first."""
_CHARACTERS = 3_000  # shown of an answer


def compared_models(results: Results) -> list[str]:
    """The models whose answers stand side by side, first to last: base, sft, the best one and the last, as far as they
    are benchmarked; fewer than two are none."""
    wanted = {"base", "sft", results.best, results.last}
    models = [model for model in results.benchmark if model in wanted]
    return models if len(models) > 1 else []


def changed_answers(
    of_model: Mapping[str, Programs], models: Sequence[str], tasks: Iterable[str], budget_bytes: int = BUDGET_BYTES
) -> list[dict[str, Any]]:
    """{"task", "answers"} for those of `tasks` that two of `models` or more have answered, in their order, until
    `budget_bytes` of JSON are used.

    An answer: {"model", "status", "samples": judged, "passed": those of them that pass, "times": samples that are the
    program shown, "text", "marks"}. It is the program that most samples are, of those that pass if one does. `marks`
    has a sign for every line of `text`, told from the answers of the models before and after: "+" for a line that the
    one before has not, "-" for one that the one after has not, "*" for both, "=" for neither.
    """
    rows, used = [], 0
    for task in tasks:
        found = {model: of_model[model].of_task[task] for model in models if task in of_model[model].of_task}
        if len(found) < 2:
            continue
        row = {"task": task, "answers": _marked([_answer(model, own.values()) for model, own in found.items()])}
        used += len(json.dumps(row))
        if used > budget_bytes:
            break
        rows.append(row)
    return rows


def _answer(model: str, programs: Iterable[Program]) -> dict[str, Any]:
    programs = list(programs)
    one = max(programs, key=lambda program: (program.passed, program.count, -program.first))
    return {
        "model": model,
        "status": one.status,
        "samples": sum(program.count for program in programs),
        "passed": sum(program.count for program in programs if program.passed),
        "times": one.count,
        "text": cut((one.text or "").rstrip("\n"), _CHARACTERS),
    }


def _marked(answers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The answers with their marks."""
    lines = [[line.rstrip() for line in answer["text"].split("\n")] for answer in answers]
    new, gone = [set() for _ in answers], [set() for _ in answers]
    for place in range(len(answers) - 1):
        matcher = difflib.SequenceMatcher(None, lines[place], lines[place + 1])
        for kind, start, end, later_start, later_end in matcher.get_opcodes():
            if kind != "equal":
                gone[place] |= set(range(start, end))
                new[place + 1] |= set(range(later_start, later_end))
    signs = {(False, False): "=", (True, False): "+", (False, True): "-", (True, True): "*"}
    return [
        answer | {"marks": "".join(signs[i in new[place], i in gone[place]] for i in range(len(lines[place])))}
        for place, answer in enumerate(answers)
    ]
