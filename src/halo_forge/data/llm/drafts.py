"""What a model is asked to hand back: one object with a problem, its solution and the tests that belong to both."""

from __future__ import annotations

import ast
import json
import re
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from halo_forge.data.llm.cache import Reply
from halo_forge.data.llm.topics import TestKind
from halo_forge.records import (
    CallCase,
    CallTests,
    CompileTests,
    HarnessTests,
    PytestTests,
    StdioCase,
    StdioTests,
    Tests,
    first_problem,
)

Reason = Literal[
    "truncated",
    "refused",
    "no_json",
    "wrong_fields",
    "missing_pattern",
    "forbidden_pattern",
    "weak_tests",
    "fails_its_tests",
    "flaky",
    "passes_without_solution",
    "not_judged",
    "duplicate",
    "near_duplicate",
    "unanswered",
]
"""Why an answer was not kept."""
_FENCED = re.compile(r"\A\s*```[\w+#.-]*[ \t]*\n(.*?)\n?```\s*\Z", re.S)
_THINKING = re.compile(r"<think>.*?</think>", re.S)


class Rejected(Exception):
    """An answer that cannot be kept, and why."""

    def __init__(self, reason: Reason, detail: str = ""):
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason, self.detail = reason, detail


class _Part(BaseModel):
    # The schema forbids further keys, as strict modes want it; what comes nevertheless does no harm.
    model_config = ConfigDict(extra="ignore", json_schema_extra={"additionalProperties": False})


class _Case(_Part):
    stdin: str
    stdout: str


class _Call(_Part):
    args: str
    expected: str

    @field_validator("args", "expected", mode="before")
    @classmethod
    def _as_text(cls, value: Any) -> Any:
        return value if isinstance(value, str) else json.dumps(value)


class Draft(_Part):
    """`title` a few words, `problem` the statement, `solution` source code."""

    title: str
    problem: str
    solution: str

    @field_validator("solution")
    @classmethod
    def _without_fence(cls, value: str) -> str:
        return _unfenced(value).strip("\n") + "\n"

    def to_tests(self) -> Tests:
        return CompileTests()

    @property
    def entry_point(self) -> str | None:
        return None


class _Stdio(Draft):
    tests: list[_Case]

    def to_tests(self) -> Tests:
        if len(self.tests) < 3:
            raise Rejected("weak_tests", f"{len(self.tests)} tests; at least 3 are asked for")
        if len({" ".join(case.stdout.split()) for case in self.tests}) < 2:
            raise Rejected("weak_tests", "every test expects the same output")
        return StdioTests(cases=[StdioCase(stdin=case.stdin, stdout=case.stdout) for case in self.tests])


class _Calls(Draft):
    function: str
    tests: list[_Call]

    @property
    def entry_point(self) -> str | None:
        return self.function

    def to_tests(self) -> Tests:
        if not self.function.isidentifier():
            raise Rejected("wrong_fields", f"function: {self.function!r} is no name")
        if len(self.tests) < 3:
            raise Rejected("weak_tests", f"{len(self.tests)} tests; at least 3 are asked for")
        if len({case.expected for case in self.tests}) < 2:
            raise Rejected("weak_tests", "every test expects the same value")
        cases = [CallCase(args=_list(case.args), expected=_literal(case.expected)) for case in self.tests]
        return CallTests(entry_point=self.function, cases=cases)


class _Pytest(Draft):
    tests: str

    def to_tests(self) -> Tests:
        code = _unfenced(self.tests)
        if "def test_" not in code or ("assert" not in code and "raises" not in code):
            raise Rejected("weak_tests", "no test function that asserts anything")
        return PytestTests(files={"test_solution.py": code})


class _Harness(Draft):
    tests: str

    def to_tests(self) -> Tests:
        code = _unfenced(self.tests)
        if "main" not in code or "assert" not in code:
            raise Rejected("weak_tests", "no main that asserts anything")
        return HarnessTests(code=code)


_DRAFTS: dict[TestKind, type[Draft]] = {
    "stdio": _Stdio,
    "calls": _Calls,
    "pytest": _Pytest,
    "harness": _Harness,
    "compile": Draft,
}


def schema(kind: TestKind) -> dict[str, Any]:
    """The JSON schema of an answer: all fields required, none beside them, no bounds that a strict mode refuses."""
    return {**_DRAFTS[kind].model_json_schema(), "title": "exercise"}


def read_draft(reply: Reply, kind: TestKind) -> Draft:
    """The draft in a reply, also with prose, fences or thoughts around it. Raises Rejected."""
    if reply.finish == "refusal":
        raise Rejected("refused", reply.text[:200])
    if reply.finish == "length":
        raise Rejected("truncated", f"cut off after {reply.tokens.output} tokens")
    found = _object(reply.text)
    try:
        json.dumps(found, ensure_ascii=False).encode("utf-8")
        draft = _DRAFTS[kind].model_validate(found)
    except UnicodeEncodeError as error:
        raise Rejected("wrong_fields", f"half a character: {error.object[error.start : error.end]!r}") from error
    except ValidationError as error:
        field, words, _ = first_problem(error)
        raise Rejected("wrong_fields", f"{field}: {words}") from error
    for name in ("problem", "solution"):
        if not getattr(draft, name).strip():
            raise Rejected("wrong_fields", f"{name}: empty")
    return draft


def _object(text: str) -> dict[str, Any]:
    """The first JSON object that has fields of a draft; line breaks inside strings are let pass."""
    text = _THINKING.sub("", text)
    decoder = json.JSONDecoder(strict=False)
    first = None
    for brace in re.finditer(r"\{", text):
        try:
            value, _ = decoder.raw_decode(text, brace.start())
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict) and "solution" in value:
            return value
        first = first or value
    if first is not None:
        return first
    raise Rejected("no_json", text.strip()[:200] or "empty answer")


def _unfenced(code: str) -> str:
    found = _FENCED.match(code)
    return found[1] if found else code


def _literal(text: str) -> Any:
    """A value written as JSON, or as Python."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = _python_literal(text)
    try:
        json.dumps(value, allow_nan=False)
    except (ValueError, TypeError) as error:
        raise Rejected("wrong_fields", f"tests: {text[:80]!r} is no JSON value") from error
    return value


def _python_literal(text: str) -> Any:
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError) as error:
        raise Rejected("wrong_fields", f"tests: {text[:80]!r} is no JSON value") from error


def _list(text: str) -> list[Any]:
    value = _literal(text)
    if not isinstance(value, list | tuple):
        raise Rejected("wrong_fields", f"tests: args {text[:80]!r} is no list")
    return list(value)
