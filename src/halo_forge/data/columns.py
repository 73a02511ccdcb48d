"""Tests as other data sets write them, turned into the Tests of a Task."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter, ValidationError

from halo_forge.data.asked import as_asked
from halo_forge.errors import InputError
from halo_forge.records import (
    CallCase,
    CallTests,
    CheckerTests,
    PythonTests,
    StdioCase,
    StdioTests,
    Tests,
    first_problem,
)
from halo_forge.verify.checkers import form


class Rejected(Exception):
    """A row of a public set that cannot be used, for the reason given: such rows are left out and counted."""


_TESTS: TypeAdapter[Tests] = TypeAdapter(Tests)
_INCLUDE = re.compile(r"^[ \t]*#[ \t]*include\b", re.M)
_INPUT, _OUTPUT = ("input", "stdin", "inputs"), ("output", "stdout", "outputs", "expected")


def tests_of(
    value: Any, where: str, *, language: str | None = None, entry_point: str | None = None, statement: str = ""
) -> Tests:
    """The tests that a column holds. Raises InputError for what is none of these:

    - our own form, `{"kind": …}`;
    - Python asserts, as a text or a list of lines, or a text that defines `check(candidate)`;
    - pairs of input and output: a list of `{"input", "output"}`, or `{"inputs": […], "outputs": […]}`, each a text, a
      list of lines, or values; with `fn_name` beside them, as in APPS and TACO, calls of that function;
    - any of these written as JSON in a text.

    How outputs are compared is read from the `statement`, unless the tests are in our own form, which says it.
    """
    if isinstance(value, str):
        value = decoded(value)
    if isinstance(value, Mapping) and "kind" in value:
        return _own(value, where)
    if isinstance(value, Mapping) and value.get("fn_name"):
        return as_asked(_calls(value, where), statement)
    if isinstance(value, Mapping):
        return as_asked(StdioTests(cases=_cases(_zipped(value, where), where)), statement)
    if isinstance(value, list) and value and all(isinstance(case, Mapping) for case in value):
        return as_asked(StdioTests(cases=_cases(value, where)), statement)
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


def decoded(text: str) -> Any:
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
        stdin, stdout = _printed(_under(_INPUT, row)), _printed(_under(_OUTPUT, row))
        if stdin is None or stdout is None:
            raise InputError(
                f"{where}: tests: a case needs an input and an output, each a text, lines or values, got {shorten(row)}"
            )
        cases.append(StdioCase(stdin=stdin, stdout=stdout))
    return cases


def _printed(value: Any) -> str | None:
    """A value as a program reads or prints it: a text as it is, of a list an item a line; None if it cannot be."""
    if isinstance(value, list):
        lines = [" ".join(map(str, item)) if isinstance(item, list) else _printed(item) for item in value]
        return None if None in lines else "".join(f"{line}\n" for line in lines if line is not None)
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _calls(value: Mapping[str, Any], where: str) -> CallTests:
    """Calls as APPS and TACO have them: arguments as a list, or as a text with one in each line.

    TACO puts each result into a list of one; where all results are such lists, they are taken out of them.
    """
    rows = _zipped(value, where)
    results = [_value(row["output"]) for row in rows]
    if all(isinstance(result, list) and len(result) == 1 for result in results):
        results = [result[0] for result in results]
    cases = []
    for row, result in zip(rows, results, strict=True):
        given = row["input"]
        given = [_value(line) for line in given.split("\n") if line.strip()] if isinstance(given, str) else given
        if not isinstance(given, list):
            raise InputError(f"{where}: tests: expected a list of arguments, got {shorten(given)}")
        cases.append(CallCase(args=given, expected=result))
    return CallTests(entry_point=str(value["fn_name"]), cases=cases)


def _value(value: Any) -> Any:
    """What a text says in JSON or in Python; other values, and a text that is neither, as they are."""
    if not isinstance(value, str):
        return value
    for decode in (json.loads, ast.literal_eval):
        try:
            return decode(value)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
    return value


def _under(names: Sequence[str], row: Mapping[str, Any]) -> Any:
    """What stands under the first of `names` that the row has; None if it has none of them."""
    return next((row[name] for name in names if name in row), None)


def shorten(value: Any, limit: int = 100) -> str:
    """A value for an error message."""
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"
