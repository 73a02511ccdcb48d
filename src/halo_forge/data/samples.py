"""Anybody's samples as Sample records: which task a row answers, and what it says.

    {"task_id": …, "completion": …}                                  ours, HumanEval's
    {"task_id": …, "solution": …}                                    EvalPlus': a program
    {"question_id": …, "code_list": […]}                             LiveCodeBench's: several programs
    {"custom_id": …, "response": {"body": {"choices": […]}}}         OpenAI's batches, and what serves as they do

A completion is a text, text in parts, a message, or a list of messages of which the last counts. One that is null,
empty or a call of a tool is an answer without code, not a row that cannot be read. Other columns are read with a
mapping of our fields to theirs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from halo_forge.data.columns import shorten
from halo_forge.data.left_out import LeftOut
from halo_forge.data.rows import mapped
from halo_forge.data.tables import place, read_table
from halo_forge.errors import InputError
from halo_forge.records import Sample, Task, first_problem
from halo_forge.settings.checking import one_of

FIELDS = ("task_id", "completion", "solution", "sample_id", "model", "cycle", "index", "seed", "n_tokens")
FIELDS += ("finish_reason", "prompt")
"""What a mapping may name: `completion` is an answer as it stands, `solution` code."""
UNKNOWN_MODEL = "unknown"
"""Of samples that name none."""
_IDS = ("task_id", "question_id", "custom_id")
_ANSWERS: tuple[tuple[str, bool], ...] = (
    *(("completion", False), ("solution", True), ("response", False), ("output", False), ("generation", False)),
    *(("code_list", True), ("output_list", False), ("completions", False)),
)
"""Columns that hold answers, and whether what they hold is code."""
_NUMBERED = re.compile(r"[-_/#:]\d+$")
_FENCE_RUN = re.compile(r"`{3,}|~{3,}")


def read_samples(
    path: Path,
    tasks: Mapping[str, Task],
    *,
    mapping: Mapping[str, str] | None = None,
    left_out: LeftOut | None = None,
) -> list[Sample]:
    """The samples of a file, in its order; what a row does not say is filled in.

    Rows that cannot be read, or answer no task of `tasks`, go to `left_out`, and if they are too many the first is
    raised. Raises InputError with file and line where that is not given, and for a file without samples.
    """
    left_out = left_out if left_out is not None else LeftOut(strict=True)
    named = _by_name(tasks)
    samples: list[Sample] = []
    good = 0
    for line, row in read_table(path, left_out.add):
        where = place(path, line)
        try:
            fields = _mapped(row, mapping, where) if mapping else row
            found = list(_of_row(fields, named, line, where))
        except InputError as error:
            left_out.add(error)
        else:
            good += 1
            samples += found
    left_out.check(good)
    return samples


def _of_row(row: Mapping[str, Any], named: Callable[[str], Task | None], line: int, where: str) -> Iterator[Sample]:
    task = _task(row, named, where)
    answers = list(_answers(row, task, where))
    for number, completion in enumerate(answers):
        filled = {
            "sample_id": f"{task.task_id}/{line}" + (f".{number}" if len(answers) > 1 else ""),
            "prompt": task.prompt,
            "model": UNKNOWN_MODEL,
            "index": line,
            "seed": 0,
            "n_tokens": 0,
            "finish_reason": "stop",
        }
        given = {name: row[name] for name in Sample.model_fields if name in row and name != "completion"}
        if len(answers) > 1:
            given.pop("sample_id", None)
        try:
            yield Sample(**{**filled, **given, "task_id": task.task_id, "completion": completion})
        except ValidationError as error:
            field, words, value = first_problem(error)
            raise InputError(f"{where}: {field}: {words}, got {shorten(repr(value))}") from error


def _task(row: Mapping[str, Any], named: Callable[[str], Task | None], where: str) -> Task:
    name = next((row[column] for column in _IDS if row.get(column) is not None), None)
    if name is None:
        raise InputError(f"{where}: no task_id {one_of('task_id', row)}; name the column: --mapping task_id=…")
    task = named(str(name))
    if task is None:
        raise InputError(f"{where}: task_id {shorten(name)!r} is not among the tasks")
    return task


def _by_name(tasks: Mapping[str, Task]) -> Callable[[str], Task | None]:
    """Looks a task up by its id; failing that by its id in other letters (`HumanEval/0`), or with a number behind it
    that counts the answers of a batch."""
    folded: dict[str, list[Task]] = {}
    for task_id, task in tasks.items():
        folded.setdefault(task_id.casefold(), []).append(task)

    def find(name: str) -> Task | None:
        if name in tasks:
            return tasks[name]
        for spelled in (name.casefold(), _NUMBERED.sub("", name.casefold())):
            if len(folded.get(spelled, ())) == 1:
                return folded[spelled][0]
        return None

    return find


def _answers(row: Mapping[str, Any], task: Task, where: str) -> Iterator[str]:
    if isinstance(row.get("response"), Mapping) and "custom_id" in row:
        yield from _batch(row, where)
        return
    column, is_code = next(((name, code) for name, code in _ANSWERS if name in row), ("", False))
    if not column:
        if row.get("tool_calls"):
            yield ""
            return
        raise InputError(f"{where}: no completion {one_of('completion', row)}; name it: --mapping completion=…")
    value = row[column]
    several = isinstance(value, list) and column not in ("completion", "solution", "response")
    for answer in value if several else [value]:
        text = _text(answer, where)
        yield _as_code(text, task.language) if is_code else text


def _batch(row: Mapping[str, Any], where: str) -> Iterator[str]:
    """The answers of one line of a batch's output file."""
    body = row["response"].get("body")
    choices = body.get("choices") if isinstance(body, Mapping) else None
    if not isinstance(choices, list) or not choices or not all(isinstance(choice, Mapping) for choice in choices):
        why = row.get("error") or row["response"].get("status_code")
        raise InputError(f"{where}: the request {row['custom_id']!r} was not answered: {shorten(why)}; send it again")
    for choice in choices:
        yield _text(choice.get("message", choice.get("text")), where)


def _text(value: Any, where: str) -> str:
    """What an answer says; "" if it is none: null, or a call of a tool."""
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, Mapping):
        return _text(value.get("content", value.get("text")), where)
    if isinstance(value, list) and all(isinstance(part, Mapping) for part in value):
        if any("role" in part for part in value):
            return _text(value[-1], where)
        return "".join(_text(part.get("text"), where) for part in value)
    raise InputError(f"{where}: no completion; expected text, got {shorten(value)}")


def _as_code(text: str, language: str) -> str:
    """A program in a fence that no line of it closes; what has a fence of its own is an answer as it stands."""
    if not text.strip() or _FENCE_RUN.search(text):
        return text
    return f"```{language}\n{text}\n```"


def _mapped(row: Mapping[str, Any], mapping: Mapping[str, str], where: str) -> dict[str, Any]:
    """The row with our names for the columns that `mapping` names."""
    answers = {name for name, _ in _ANSWERS} if {"completion", "solution"} & mapping.keys() else set()
    return {name: value for name, value in row.items() if name not in answers} | mapped(row, mapping, where, FIELDS)
