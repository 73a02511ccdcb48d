"""Rows of any file that holds data: tasks, rendered text, messages, prompts with or without an answer.

    {"task_id": …, "prompt": …, "tests": {…}, …}      task (also with `text` and `messages` beside it)
    {"messages": [{"role": …, "content": …}, …]}      messages
    {"text": "<|im_start|>user\\n…"}                   text; its prompt is the user's turn, never the whole text
    {"prompt": …, "completion": …}                    completion
    {"prompt": …}                                     prompt

Other columns are read with a mapping of our field names to theirs, such as {"prompt": "instruction"}.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypedDict

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError

from halo_forge.data.columns import decoded, shorten, tests_of, with_checker
from halo_forge.data.left_out import LeftOut
from halo_forge.data.tables import place, read_table
from halo_forge.errors import InputError
from halo_forge.model.chat import fenced
from halo_forge.records import CompileTests, Source, Task, Tests, first_problem
from halo_forge.settings.checking import one_of

Kind = Literal["task", "text", "messages", "completion", "prompt"]
FIELDS = ("prompt", "input", "completion", "solution", "system", "messages", "text", "tests", "checker", "task_id")
FIELDS += ("language", "entry_point", "tags", "family", "difficulty")
"""What a mapping may name. `input` is put below the prompt; `completion` is an answer as it stands, `solution` code;
`checker` is the program that judges outputs, where tests are input and output (see `records.CheckerTests`)."""

_CHATML = re.compile(r"<\|im_start\|>(\w+)\n(.*?)(?:<\|im_end\|>|(?=<\|im_start\|>)|\Z)", re.S)
_LLAMA = re.compile(
    r"<\|start_header_id\|>(\w+)<\|end_header_id\|>\n\n(.*?)"
    r"(?:<\|eot_id\|>|<\|end_of_text\|>|(?=<\|start_header_id\|>)|\Z)",
    re.S,
)
_ROLES = {"human": "user", "gpt": "assistant", "user": "user", "assistant": "assistant", "system": "system"}
_ROLES |= {"developer": "system"}
_TOOL_ROLES = ("tool", "function", "ipython")


class Message(TypedDict):
    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True)
class Row:
    """One row of a file. `line` counts from 1: the line, or the row in CSV, Parquet and JSON arrays.

    `messages` is what a model is shown and, if there is an answer, what it should say; a task's answer is its solution
    in a fence of its language.
    """

    path: str
    line: int
    kind: Kind
    messages: tuple[Message, ...]
    task: Task | None = None

    @property
    def place(self) -> str:
        """Where it stands, as messages name it."""
        return place(self.path, self.line)

    @property
    def prompt(self) -> str:
        """What the last turn of the user says."""
        return next(message["content"] for message in reversed(self.messages) if message["role"] == "user")

    @property
    def answer(self) -> str | None:
        """What the assistant says to it; None if the row has no answer."""
        last = self.messages[-1]
        return last["content"] if last["role"] == "assistant" else None

    @property
    def system(self) -> str | None:
        first = self.messages[0]
        return first["content"] if first["role"] == "system" else None


def read_file(
    path: str | Path,
    *,
    mapping: Mapping[str, str] | None = None,
    language: str | None = None,
    left_out: LeftOut | None = None,
) -> Iterator[Row]:
    """The rows of a JSON Lines, JSON, CSV or Parquet file, by its suffix.

    `mapping` names the file's column for each of our FIELDS; with it, no other column is looked at. `language` is that
    of tasks that do not say theirs. Bad rows go to `left_out`, and if they are too many the first is raised in the end.
    Raises InputError with file, line, value and cure on the first bad row where `left_out` is not given, and for a file
    without rows.
    """
    left_out = left_out if left_out is not None else LeftOut(strict=True)
    good = 0
    for number, value in read_table(path, left_out.add):
        try:
            row = parse_row(path, number, value, mapping=mapping, language=language)
        except InputError as error:
            left_out.add(error)
        else:
            good += 1
            yield row
    left_out.check(good)


def parse_row(
    path: str | Path,
    line: int,
    value: Mapping[str, Any],
    *,
    mapping: Mapping[str, str] | None = None,
    language: str | None = None,
) -> Row:
    """One object, as `data.tables.read_table` gives them, as a Row. Raises InputError as `read_file` does."""
    where = place(path, line)
    fields = dict(value) if mapping is None else mapped(value, mapping, where)
    if language and not fields.get("language"):
        fields["language"] = language
    for name in ("system", "language", "entry_point"):
        if not isinstance(fields.get(name), str | None):
            raise InputError(f"{where}: {name}: expected text, got {shorten(fields[name])}")
    task = None
    if mapping is not None and _is_empty(fields.get("tests")):
        fields["tests"] = None
    if fields.get("tests") is not None:
        task = _task(fields, path, line, where)
        kind, messages = "task", _messages(fields.get("messages"), where)
        messages = messages or list(of_task(task, str(path), line, fields.get("system")).messages)
    elif fields.get("messages") is not None:
        kind, messages = "messages", _messages(fields["messages"], where)
    elif fields.get("prompt") is not None:
        kind, messages = _pair(fields, where)
    elif fields.get("text") is not None:
        kind, messages = "text", _turns(_string(fields, "text", where), where)
    else:
        raise InputError(f"{where}: no prompt, messages, text or tests {_cure(value)}")
    if not messages or not any(message["role"] == "user" and message["content"].strip() for message in messages):
        raise InputError(f"{where}: no user turn that says anything; a row needs a prompt")
    for message in messages:
        _encodable(message["content"], where)
    return Row(str(path), line, kind, tuple(messages), task)


def as_task(row: Row, *, language: str, tests: Tests | None = None) -> Task:
    """A task row as it is; any other as a task of which compiling is asked, or what `tests` says.

    Its id is `<file's stem>/<line>`, its family a hash of the normalised prompt.
    """
    if row.task is not None:
        return row.task
    path = Path(row.path)
    return Task(
        task_id=f"{path.stem}/{row.line}",
        language=language,
        prompt=row.prompt,
        tests=tests or CompileTests(),
        source=Source(dataset=path.name),
        family=family_of(row.prompt),
    )


def of_task(task: Task, path: str, line: int, system: str | None = None) -> Row:
    """A task as a row; its answer is its solution, if it has one, in a fence of its language."""
    answer = fenced(task.solution, task.language) if task.solution else None
    return Row(path, line, "task", tuple(conversation(task.prompt, answer, system)), task)


def family_of(prompt: str) -> str:
    """A family for a problem that names none: a hash of the prompt's words and numbers, case and layout aside."""
    words = re.findall(r"[^\W_]+", prompt.lower())
    return f"prompt/{hashlib.sha256(' '.join(words).encode('utf-8', 'replace')).hexdigest()[:16]}"


def mapped(
    value: Mapping[str, Any], mapping: Mapping[str, str], where: str, known: Sequence[str] = FIELDS
) -> dict[str, Any]:
    """Our fields, of those `known`, out of other columns; `a.b` is the field b of column a.

    Raises InputError for a field that is not known and a column that is not there.
    """
    fields = {}
    for field, column in mapping.items():
        if field not in known:
            raise InputError(f"mapping: {field!r} is not a field {one_of(field, known)}")
        found: Any = value
        for part in [column] if column in value else column.split("."):
            if not isinstance(found, Mapping) or part not in found:
                raise InputError(f"{where}: no column {column!r} for {field} {one_of(column, value)}")
            found = found[part]
        fields[field] = found
    return fields


def _task(fields: dict[str, Any], path: str | Path, line: int, where: str) -> Task:
    language = fields.get("language")
    known = {name: fields[name] for name in Task.model_fields if fields.get(name) is not None}
    known["solution"] = _solution(fields)
    statement = "\n\n".join(text for name in ("prompt", "input") if isinstance(text := fields.get(name), str))
    known["tests"] = tests_of(
        fields["tests"], where, language=language, entry_point=fields.get("entry_point"), statement=statement
    )
    if fields.get("checker"):
        known["tests"] = with_checker(known["tests"], fields["checker"], where)
    known.setdefault("task_id", f"{Path(path).stem}/{line}")
    known["task_id"] = str(known["task_id"])  # numbers in many data sets
    if known["tests"].kind in ("calls", "python", "pytest"):
        known.setdefault("language", "python")
    if known["tests"].kind == "calls":
        known.setdefault("entry_point", known["tests"].entry_point)
    known.setdefault("source", Source(dataset=Path(path).name))
    known["prompt"] = _asked(fields, where)
    known.setdefault("family", family_of(known["prompt"]))
    try:
        task = Task.model_validate(known)
        task.model_dump_json()
        return task
    except PydanticSerializationError as error:
        raise InputError(f"{where}: half a character in the text ({error}); delete this row") from error
    except ValidationError as error:
        field, words, value = first_problem(error)
        shown = "" if isinstance(value, Mapping) else f", got {shorten(repr(value))}"
        raise InputError(f"{where}: Task.{field}: {words.removeprefix('Value error, ')}{shown}") from error


def conversation(prompt: str, answer: str | None = None, system: str | None = None) -> list[Message]:
    """The turns of one question: system if given, user, assistant if there is an answer."""
    turns = [("system", system), ("user", prompt), ("assistant", answer)]
    return [{"role": role, "content": text} for role, text in turns if text]


def _pair(fields: dict[str, Any], where: str) -> tuple[Kind, list[Message]]:
    prompt, system = _asked(fields, where), fields.get("system")
    answer = None
    if fields.get("completion") is not None:
        answer = _string(fields, "completion", where)
    elif (solution := _solution(fields)) is not None:
        answer = fenced(solution, fields.get("language") or "")
    return "completion" if answer else "prompt", conversation(prompt, answer, system)


def _is_empty(tests: Any) -> bool:
    """Whether a column of tests holds none, as other sets have it for some of their rows."""
    return tests in ([], {}) or (isinstance(tests, str) and tests.strip() in ("", "[]", "{}", "null"))


def _solution(fields: dict[str, Any]) -> Any:
    """A program; of several, as a list or one written as JSON, the first. None if there is none."""
    value = fields.get("solution")
    if isinstance(value, str) and value.lstrip().startswith("["):
        value = decoded(value)
    if isinstance(value, list):
        value = next((program for program in value if isinstance(program, str) and program.strip()), None)
    return value or None


def _asked(fields: dict[str, Any], where: str) -> str:
    """The prompt, with what stands in `input` below it."""
    prompt = _string(fields, "prompt", where)
    below = _string(fields, "input", where) if fields.get("input") else ""
    return f"{prompt}\n\n{below}" if below.strip() else prompt


def _messages(value: Any, where: str) -> list[Message]:
    """Turns as {role, content} or {from, value}. Raises InputError unless they end with the user or the assistant."""
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(turn, Mapping) for turn in value):
        raise InputError(f"{where}: messages: expected a list of {{role, content}}, got {shorten(value)}")
    found: list[Message] = []
    for turn in value:
        role = turn.get("role", turn.get("from"))
        if role in _TOOL_ROLES or turn.get("tool_calls") or turn.get("function_call"):
            raise InputError(f"{where}: messages: a conversation with tools, which is not taught here; delete this row")
        if role not in _ROLES:
            known = ", ".join(sorted(_ROLES))
            raise InputError(f"{where}: messages: role {role!r} is not known (known: {known})")
        content = _content(turn.get("content", turn.get("value")), role, where)
        found.append({"role": _ROLES[role], "content": content})
    return found


def _content(value: Any, role: str, where: str) -> str:
    """What a turn says, as a text or in parts, {type: text, text}."""
    if isinstance(value, list) and value and all(isinstance(part, Mapping) for part in value):
        for part in value:
            if not isinstance(part.get("text"), str):
                kind = part.get("type", "a part without text")
                raise InputError(f"{where}: messages: {role} says {shorten(kind)!r}, and only text is read here")
        return "".join(part["text"] for part in value)
    if not isinstance(value, str):
        raise InputError(f"{where}: messages: the content of {role} is no text: {shorten(value)}")
    return value


def _turns(text: str, where: str) -> list[Message]:
    """The turns of a text rendered with the templates qwen, chatml or llama."""
    found = _CHATML.findall(text) or _LLAMA.findall(text)
    if not found:
        raise InputError(
            f"{where}: text has no turns (<|im_start|>user …): {shorten(text)!r}; if it is the prompt itself, "
            "give the mapping prompt=text"
        )
    return _messages([{"role": role, "content": content.strip("\n")} for role, content in found], where)


def _string(fields: Mapping[str, Any], name: str, where: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not value.strip():
        raise InputError(f"{where}: {name}: expected text, got {shorten(value)}")
    return value


def _encodable(text: str, where: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InputError(f"{where}: half a character ({text[error.start]!r}) in the text; delete this row") from error


def _cure(value: Mapping[str, Any]) -> str:
    columns = ", ".join(map(str, value)) or "none"
    return f"(columns: {shorten(columns)}); name them with a mapping, such as prompt=question solution=code"
