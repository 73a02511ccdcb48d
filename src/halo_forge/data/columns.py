"""Tests as other data sets write them, turned into the Tests of a Task."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter, ValidationError

from halo_forge.errors import InputError
from halo_forge.records import CheckerTests, PythonTests, StdioCase, StdioTests, Tests, first_problem
from halo_forge.verify.checkers import form


class Rejected(Exception):
    """A row of a public set that cannot be used, for the reason given: such rows are left out and counted."""


_TESTS: TypeAdapter[Tests] = TypeAdapter(Tests)
_INCLUDE = re.compile(r"^[ \t]*#[ \t]*include\b", re.M)
_INPUT, _OUTPUT = ("input", "stdin", "inputs"), ("output", "stdout", "outputs", "expected")


def tests_of(value: Any, where: str, *, language: str | None = None, entry_point: str | None = None) -> Tests:
    """The tests that a column holds. Raises InputError for what is none of these:

    - our own form, `{"kind": …}`;
    - Python asserts, as a text or a list of lines, or a text that defines `check(candidate)`;
    - pairs of input and output: a list of `{"input", "output"}`, or `{"inputs": […], "outputs": […]}`;
    - any of these written as JSON in a text.
    """
    if isinstance(value, str):
        value = _decoded(value)
    if isinstance(value, Mapping) and "kind" in value:
        return _own(value, where)
    if isinstance(value, Mapping):
        return StdioTests(cases=_cases(_zipped(value, where), where))
    if isinstance(value, list) and value and all(isinstance(case, Mapping) for case in value):
        return StdioTests(cases=_cases(value, where))
    if isinstance(value, list) and value and all(isinstance(line, str) for line in value):
        value = "\n".join(line.strip() for line in value)
    if isinstance(value, str) and language in (None, "python"):
        return python_tests(value, where, entry_point)
    raise InputError(
        f"{where}: tests: {shorten(value)} is none of: asserts in Python, a list of {{input, output}}, "
        '{"inputs": […], "outputs": […]}, {"kind": …}'
    )


def with_checker(tests: Tests, code: Any, where: str) -> Tests:
    """Input and output judged by a checker, whose program another column holds. Raises InputError."""
    if not isinstance(tests, StdioTests) or not isinstance(code, str):
        raise InputError(
            f"{where}: checker: expected a program beside tests that are input and output, got "
            f"{shorten(repr(code))} beside tests of kind {tests.kind!r}"
        )
    language = "cpp" if _INCLUDE.search(code) else "python"
    return _readable(CheckerTests(cases=tests.cases, language=language, code=code), where)


def _readable(tests: CheckerTests, where: str) -> CheckerTests:
    if fault := form.fault(tests):
        raise InputError(f"{where}: tests: {fault}, got {shorten(repr(tests.code))}")
    return tests


def python_tests(code: str, where: str, entry_point: str | None = None, prefix: str = "") -> PythonTests:
    """Python asserts as tests. Raises InputError if they are not Python or assert nothing."""
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise InputError(f"{where}: tests: not Python: {error}: {shorten(code)}") from error
    if not any(isinstance(node, ast.Assert | ast.Raise) for node in ast.walk(tree)):
        raise InputError(f"{where}: tests: no assert in {shorten(code)}")
    return PythonTests(code=code, entry_point=entry_point or called(tree), prefix=prefix)


def called(tree: ast.AST) -> str | None:
    """The function that asserts are about: what `assert` calls, not what is built in. None if there is none."""
    import builtins

    names: dict[str, int] = {}
    for statement in ast.walk(tree):
        if not isinstance(statement, ast.Assert):
            continue
        for node in ast.walk(statement.test):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not hasattr(builtins, node.func.id):
                names[node.func.id] = names.get(node.func.id, 0) + 1
    return max(names, key=names.__getitem__, default=None)


def _own(value: Mapping[str, Any], where: str) -> Tests:
    try:
        tests = _TESTS.validate_python(value)
    except ValidationError as error:
        field, words, found = first_problem(error)
        raise InputError(f"{where}: tests.{field}: {words}, got {shorten(found)}") from error
    return _readable(tests, where) if isinstance(tests, CheckerTests) else tests


def _decoded(text: str) -> Any:
    """What a text says if it is a list or an object in JSON, or in Python as tables often have it; else the text."""
    if text.lstrip()[:1] in ("[", "{"):
        for decode in (json.loads, ast.literal_eval):
            try:
                return decode(text)
            except (ValueError, SyntaxError, RecursionError, MemoryError):
                continue
    return text


def _zipped(value: Mapping[str, Any], where: str) -> list[dict[str, Any]]:
    inputs, outputs = _under(_INPUT, value), _under(_OUTPUT, value)
    if not isinstance(inputs, list) or not isinstance(outputs, list) or len(inputs) != len(outputs) or not inputs:
        raise InputError(f"{where}: tests: expected as many inputs as outputs, at least one, got {shorten(value)}")
    return [{"input": stdin, "output": stdout} for stdin, stdout in zip(inputs, outputs, strict=True)]


def _cases(rows: list[Mapping[str, Any]], where: str) -> list[StdioCase]:
    cases = []
    for row in rows:
        stdin, stdout = _under(_INPUT, row), _under(_OUTPUT, row)
        if not isinstance(stdin, str) or not isinstance(stdout, str):
            raise InputError(f"{where}: tests: a case needs an input and an output, both text, got {shorten(row)}")
        cases.append(StdioCase(stdin=stdin, stdout=stdout))
    return cases


def _under(names: Sequence[str], row: Mapping[str, Any]) -> Any:
    """What stands under the first of `names` that the row has; None if it has none of them."""
    return next((row[name] for name in names if name in row), None)


def shorten(value: Any, limit: int = 100) -> str:
    """A value for an error message."""
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"
