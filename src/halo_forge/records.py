"""The records that travel between stages, as rows of JSON Lines (`jsonl`): Task, Sample, Verdict, Kept,
History."""

from __future__ import annotations

import sys
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

MAX_DIGITS = 100_000
"""Of an integer in a record. Python's own limit, 4,300, is less than what problems about long integers expect; with
none a hostile program or row would keep its reader busy, for the time grows with the square."""
if 0 < sys.get_int_max_str_digits() < MAX_DIGITS:
    sys.set_int_max_str_digits(MAX_DIGITS)

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
CLEAN = "clean"
UNKNOWN = "unknown: "


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid")


Error = Annotated[float, Field(ge=0, lt=1)]
"""Of a number, relative or absolute; None stands for the usual one (`verify.core.compare`)."""


class _Compared(_Record):
    """Tests by values. How they are compared is written where it is not the default: older rows stay as they are."""

    @model_serializer(mode="wrap")
    def _without_defaults(self, written: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in written(self).items() if value is not None and value is not False}


EntryPoint = Annotated[str, AfterValidator(lambda name: name.removeprefix("Solution()."))]
"""The name of a function or class. LeetCode's data sets write `Solution().name` for a method of that class."""


class StdioCase(_Record):
    stdin: str
    stdout: str


class StdioTests(_Compared):
    kind: Literal["stdio"] = "stdio"
    cases: list[StdioCase] = Field(min_length=1)
    compare: Literal["tokens", "exact", "float"] = "tokens"
    tolerance: Error | None = None
    """With `float`: the largest error that is allowed; 0 for numbers that are equal, 12.3 and 12.30."""
    ignore_case: bool = False
    """YES, Yes and yes are one answer."""

    @model_validator(mode="after")
    def _of_numbers(self) -> StdioTests:
        if self.tolerance is not None and self.compare != "float":
            raise ValueError(f"tolerance: compare is {self.compare!r}, which knows no numbers; make it 'float'")
        return self


class CheckerTests(_Record):
    """Input and output where more than one output is right: a program of the task's decides, in a box of its own.

    `protocol` says how it is asked and what it answers (see verify/checkers/protocol.py): `score`, the way of CMS and
    of open-r1/codeforces, or `testlib`, the way of Codeforces and Polygon. Left out, a checker in C++ is taken for one
    that uses testlib, and one in Python for one that prints a score.
    """

    kind: Literal["checker"] = "checker"
    cases: list[StdioCase] = Field(min_length=1)
    language: Literal["python", "cpp"]
    protocol: Literal["score", "testlib"]
    code: str = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _usual_protocol(cls, fields: Any) -> Any:
        if isinstance(fields, dict) and fields.get("protocol") is None:
            return fields | {"protocol": "testlib" if fields.get("language") == "cpp" else "score"}
        return fields


class CallCase(_Record):
    args: list[Any]
    expected: Any


class CallTests(_Compared):
    kind: Literal["calls"] = "calls"
    entry_point: EntryPoint
    cases: list[CallCase] = Field(min_length=1)
    tolerance: Error | None = None
    """The largest error of a float that is allowed."""


class PythonTests(_Record):
    kind: Literal["python"] = "python"
    code: str
    entry_point: EntryPoint | None = None
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
    StdioTests | CheckerTests | CallTests | PythonTests | PytestTests | HarnessTests | CompileTests,
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
    entry_point: EntryPoint | None = None
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
    sanitizers: str | None = None
    """Of a program that passes and may be trained on: CLEAN, the fault that the sanitizers found in it by name
    ("heap-buffer-overflow"), or UNKNOWN and why. None where they were not asked."""

    @property
    def faulty(self) -> bool:
        """Whether it passes and is no program to learn from."""
        return self.sanitizers not in (None, CLEAN) and not self.sanitizers.startswith(UNKNOWN)

    @property
    def passed(self) -> bool:
        return self.status == "pass"

    @property
    def compiled(self) -> bool:
        """Whether the program got past the compiler (for Python: the parser)."""
        return self.status not in ("compile_error", "no_code", "infra_error")


class Kept(_Record):
    """An answer that a RAFT cycle trains on. `code` is the program in it."""

    sample_id: str
    task_id: str
    prompt: str
    completion: str
    reward: float
    code: str = ""


class History(_Record):
    """What the cycles so far have seen of a task: samples drawn and judged, and those of them that passed."""

    task_id: str
    judged: int
    passed: int


@cache
def shapes() -> list[dict[str, Any]]:
    """The JSON schemas of what unfinished work is kept as: it is of no use to a program whose records are others."""
    return [record.model_json_schema() for record in (Task, Sample, Verdict)]


def first_problem(error: ValidationError) -> tuple[str, str, Any]:
    """(field in dots, what is wrong with it, the value that is there) of the first of an error's problems."""
    first = error.errors()[0]
    return ".".join(str(part) for part in first["loc"]), first["msg"], first["input"]
