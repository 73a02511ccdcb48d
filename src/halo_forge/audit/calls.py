"""The calls of a Python task: those of its tests, or those that stand in test code with plain arguments."""

from __future__ import annotations

import ast
from collections import Counter
from typing import Any, NamedTuple

from halo_forge.records import CallTests, PytestTests, PythonTests, Task


class Calls(NamedTuple):
    function: str
    arguments: list[list[Any]]


def calls_of(task: Task) -> Calls | None:
    """The calls of one function that the tests of a task make; None if there is none whose arguments are plain."""
    tests = task.tests
    if isinstance(tests, CallTests):
        return Calls(tests.entry_point, [case.args for case in tests.cases])
    if isinstance(tests, PythonTests):
        asked = tests.entry_point or task.entry_point
        names = (
            {asked: asked, "candidate": asked} if asked else {name: name for name in _functions(task.solution or "")}
        )
        return _most_called(tests.code, names)
    if isinstance(tests, PytestTests):
        names = {name: name for name in _functions(task.solution or "")}
        return _most_called("\n".join(tests.files.values()), names)
    return None


def _functions(code: str) -> list[str]:
    try:
        return [node.name for node in ast.parse(code).body if isinstance(node, ast.FunctionDef)]
    except SyntaxError:
        return []


def _most_called(code: str, names: dict[str, str]) -> Calls | None:
    found: list[tuple[str, list[Any]]] = []
    try:
        tree = ast.parse(code)
    except SyntaxError:
        return None
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and not node.keywords:
            name = getattr(node.func, "id", None) or getattr(node.func, "attr", None)
            if name in names and (arguments := _plain(node.args)) is not None:
                found.append((names[name], arguments))
    if not found:
        return None
    (function, _), *_ = Counter(name for name, _ in found).most_common(1)
    return Calls(function, [arguments for name, arguments in found if name == function])


def _plain(nodes: list[ast.expr]) -> list[Any] | None:
    try:
        values = [ast.literal_eval(node) for node in nodes]
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None
    return values if is_plain(values) else None


def is_plain(value: Any) -> bool:
    """Whether a value can stand in a calls test as it is: what JSON carries, and tuples."""
    if isinstance(value, (list, tuple)):
        return all(map(is_plain, value))
    if isinstance(value, dict):
        return all(isinstance(key, str) and is_plain(item) for key, item in value.items())
    if isinstance(value, float):
        return value == value and abs(value) != float("inf")
    return value is None or isinstance(value, (bool, int, str))
