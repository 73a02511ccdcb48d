"""The records that travel between stages: Task, Sample, Verdict (JSON Lines, one object a line).

A file is written under a temporary name and renamed when whole, so a file that exists is complete.
The one exception is an `Appender`: the work-in-progress file of a resumable stage, kept outside the
stage's outputs, whose last line may be torn by a kill and is then dropped on reading.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from halo_forge.errors import InputError

Status = Literal[
    "pass",
    "wrong_answer",
    "runtime_error",
    "compile_error",
    "timeout",
    "memory_limit",
    "output_limit",
    "no_code",
    "infra_error",
]


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid")


class StdioCase(_Record):
    stdin: str
    stdout: str


class StdioTests(_Record):
    kind: Literal["stdio"] = "stdio"
    cases: list[StdioCase] = Field(min_length=1)
    compare: Literal["tokens", "exact", "float"] = "tokens"


class CallCase(_Record):
    args: list[Any]
    expected: Any


class CallTests(_Record):
    kind: Literal["calls"] = "calls"
    entry_point: str
    cases: list[CallCase] = Field(min_length=1)


class PythonTests(_Record):
    kind: Literal["python"] = "python"
    code: str
    entry_point: str | None = None
    prefix: str = ""


class PytestTests(_Record):
    kind: Literal["pytest"] = "pytest"
    files: dict[str, str]


class HarnessTests(_Record):
    kind: Literal["harness"] = "harness"
    prefix: str = ""
    code: str


class CompileTests(_Record):
    kind: Literal["compile"] = "compile"


Tests = Annotated[
    StdioTests | CallTests | PythonTests | PytestTests | HarnessTests | CompileTests,
    Field(discriminator="kind"),
]


class Source(_Record):
    dataset: str
    revision: str | None = None
    license: str | None = None


class Task(_Record):
    """One programming problem. `solution` is never shown to a model outside SFT."""

    task_id: str
    language: str
    prompt: str
    tests: Tests
    solution: str | None = None
    entry_point: str | None = None
    source: Source
    tags: list[str] = []
    family: str
    difficulty: int | None = None


class Sample(_Record):
    """One completion. `seed` is the seed of the request that drew it; `index` counts within the task."""

    sample_id: str
    task_id: str
    prompt: str
    completion: str
    model: str
    cycle: str | None = None
    index: int
    seed: int
    n_tokens: int
    finish_reason: Literal["stop", "length"]

    @classmethod
    def of_reference(cls, task: Task, completion: str, sample_id: str) -> Sample:
        """An answer to `task` that no model drew, in the form in which answers are judged."""
        return cls(
            sample_id=sample_id,
            task_id=task.task_id,
            prompt=task.prompt,
            completion=completion,
            model="reference",
            index=0,
            seed=0,
            n_tokens=0,
            finish_reason="stop",
        )


class Verdict(_Record):
    """What the verifier found. `reward` is None exactly when `status` is `infra_error`.

    `detail` is at most 2 kB of the compiler's or program's own words; `isolation` names the sandbox.
    """

    sample_id: str
    task_id: str
    status: Status
    reward: float | None
    tests_passed: int
    tests_total: int
    detail: str
    code: str
    duration_s: float
    verifier: str
    isolation: str

    @property
    def passed(self) -> bool:
        return self.status == "pass"

    @property
    def compiled(self) -> bool:
        """Whether the program got past the compiler (for Python: the parser)."""
        return self.status not in ("compile_error", "no_code", "infra_error")


class Kept(_Record):
    """A sample that a RAFT cycle trains on."""

    sample_id: str
    task_id: str
    prompt: str
    completion: str
    reward: float


R = TypeVar("R", bound=BaseModel)
MAX_LINE_BYTES = 64_000_000
"""A longer line is a damaged file or none of ours; it is refused before it is held in memory."""


def read_rows(path: str | Path) -> Iterator[tuple[int, dict]]:
    """(line number, object) for each non-blank line. Raises InputError naming the file and line."""
    for number, raw in read_lines(path):
        row = parse_line(path, number, raw)
        if row is not None:
            yield number, row


def read_lines(path: str | Path) -> Iterator[tuple[int, bytes]]:
    """(line number, line) of a file. Raises InputError if it is missing, or at a line too long to be held."""
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path}: no such file")
    with path.open("rb") as file:
        for number, raw in enumerate(iter(lambda: file.readline(MAX_LINE_BYTES + 1), b""), 1):
            if len(raw) > MAX_LINE_BYTES:
                raise InputError(
                    f"{path}:{number}: a line of more than {MAX_LINE_BYTES // 1_000_000} MB; "
                    "is this JSON Lines, one object a line?"
                )
            yield number, raw


def parse_line(path: str | Path, number: int, raw: bytes) -> dict | None:
    """The object on a line, None if it is blank. Raises InputError naming the file and line."""
    try:
        line = raw.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}:{number}: not UTF-8 (byte {raw[error.start]:#04x} at column {error.start + 1}); "
            "convert the file to UTF-8"
        ) from error
    if not line.strip():
        return None
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise InputError(
            f"{path}:{number}: not JSON: {error.msg} at column {error.colno}: {_shorten(line)}; "
            "mend or delete this line"
        ) from error
    except (ValueError, RecursionError) as error:  # a number or a nesting beyond what Python reads
        raise InputError(f"{path}:{number}: not JSON that can be read: {error}; delete this line") from error
    if not isinstance(row, dict):
        raise InputError(f"{path}:{number}: expected a JSON object, got {_shorten(line)}")
    return row


def read_records(path: str | Path, kind: type[R]) -> list[R]:
    """All records of a file. Raises InputError with file, line, field and value on the first bad one."""
    records = []
    for number, row in read_rows(path):
        try:
            records.append(kind.model_validate(row))
        except ValidationError as error:
            field, words, value = first_problem(error)
            raise InputError(
                f"{path}:{number}: {kind.__name__}.{field or 'row'}: {words}, got {_shorten(repr(value))}"
            ) from error
    return records


def first_problem(error: ValidationError) -> tuple[str, str, Any]:
    """(field in dots, what is wrong with it, the value that is there) of the first of an error's problems."""
    first = error.errors()[0]
    return ".".join(str(part) for part in first["loc"]), first["msg"], first["input"]


@contextlib.contextmanager
def whole_file(path: str | Path, mode: str = "w") -> Iterator[Any]:
    """Open a temporary neighbour of `path` for writing; rename it into place only if the block succeeds."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    encoding = None if "b" in mode else "utf-8"
    try:
        with temporary.open(mode, encoding=encoding, newline=None if "b" in mode else "\n") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_records(path: str | Path, records: Iterable[BaseModel]) -> None:
    with whole_file(path) as file:
        for record in records:
            file.write(record.model_dump_json() + "\n")


def write_json(path: str | Path, value: Any) -> None:
    with whole_file(path) as file:
        json.dump(value, file, indent=2, ensure_ascii=False, allow_nan=False)
        file.write("\n")


def read_json(path: str | Path) -> Any:
    """Raises InputError naming the file when it is missing or not JSON."""
    path = Path(path)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except json.JSONDecodeError as error:
        raise InputError(f"{path}:{error.lineno}: not JSON: {error.msg}") from error


class Appender:
    """Append records to a work-in-progress file and fsync them, so a killed stage resumes from them."""

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._drop_torn_line()
        self._file = self.path.open("a", encoding="utf-8")

    def __enter__(self) -> Appender:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, records: Iterable[BaseModel]) -> None:
        self._file.write("".join(record.model_dump_json() + "\n" for record in records))
        self._file.flush()
        os.fsync(self._file.fileno())

    def _drop_torn_line(self) -> None:
        """A kill in the middle of a write leaves a last line with no newline: cut it off."""
        if not self.path.exists():
            return
        data = self.path.read_bytes()
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            with self.path.open("r+b") as file:
                file.truncate(whole)


def _shorten(text: str, limit: int = 120) -> str:
    text = text.strip()
    return text if len(text) <= limit else text[: limit - 1] + "…"
