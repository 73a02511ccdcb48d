"""Rows of MBPP, HumanEval and their EvalPlus editions as the fields of a task.

Columns, as the hub has them:
  mbpp            task_id, text, code, test_list, test_setup_code, challenge_test_list
                  (config sanitized: task_id, prompt, code, test_list, test_imports)
  mbpp_plus       task_id, prompt, code, test_imports, test_list, test
  humaneval       task_id, prompt, canonical_solution, entry_point, test      (humaneval_plus the same)
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import Any

from halo_forge.data.columns import Rejected, called, python_tests
from halo_forge.errors import InputError
from halo_forge.records import PythonTests

Fields = dict[str, Any]

USUAL_ERROR = 1e-6
"""Of a float, absolute, where the tests name none; EvalPlus' own."""

# As EvalPlus' own assertion(): equal, or for floats near enough. But integers are near nothing, and where one is
# expected there may be noise at most. The sandbox has no numpy.
NEAR = """\
def _floats(value):
    return isinstance(value, (list, tuple)) and len(value) > 0 and all(isinstance(item, float) for item in value)


def _same(found, expected, error):
    if found == expected:
        return True
    if isinstance(expected, (list, tuple)) and (type(found) is type(expected) or _floats(expected)):
        return len(found) == len(expected) and all(_same(a, b, error) for a, b in zip(found, expected))
    if isinstance(expected, dict) and isinstance(found, dict):
        return found.keys() == expected.keys() and all(_same(found[key], expected[key], error) for key in expected)
    if type(expected) not in (int, float) or not isinstance(found, (int, float)):
        return False
    whole = found % 1 == 0 and abs(found) < 2**53
    if type(expected) is int:
        return not whole and abs(expected) < 2**53 and abs(found - expected) <= 1e-9
    return abs(found - expected) <= error + (0 if whole else 1e-7 * abs(expected))


"""


def mbpp(row: Mapping[str, Any]) -> Fields:
    """The prompt names the function by showing the first assert; the others stay hidden."""
    name = f"mbpp/{_value(row, 'task_id')}"
    asked, asserts = row.get("text") or row.get("prompt"), _asserts(row)
    setup = "\n".join([*(row.get("test_imports") or []), row.get("test_setup_code") or ""]).strip()
    code = "\n".join([*([setup] if setup else []), *asserts])
    tests = _checked(code, name)
    return {
        "task_id": name,
        "prompt": _with_example(asked, tests.entry_point, asserts[0]),
        "tests": tests.model_dump(),
        "solution": _value(row, "code").replace("\r\n", "\n"),
        "entry_point": tests.entry_point,
        "family": name,
    }


def mbpp_plus(row: Mapping[str, Any]) -> Fields:
    name = f"mbpp/{_value(row, 'task_id')}"  # the id and the family of MBPP: it is the same problem
    asserts = _asserts(row)
    entry_point = called(_parsed("\n".join(asserts)))
    tests = _plus_tests(_value(row, "test"), entry_point, name)
    return {
        "task_id": f"mbpp_plus/{row['task_id']}",
        "prompt": _with_example(_value(row, "prompt"), entry_point, asserts[0]),
        "tests": tests.model_dump(),
        "solution": _value(row, "code").replace("\r\n", "\n"),
        "entry_point": entry_point,
        "family": name,
    }


def humaneval(row: Mapping[str, Any]) -> Fields:
    fields = _humaneval(row, "humaneval")
    tests = PythonTests(code=_value(row, "test"), entry_point=fields["entry_point"], prefix=row["prompt"])
    return fields | {"tests": tests.model_dump()}


def humaneval_plus(row: Mapping[str, Any]) -> Fields:
    fields = _humaneval(row, "humaneval_plus")
    tests = _plus_tests(_value(row, "test"), fields["entry_point"], fields["task_id"], prefix=row["prompt"])
    return fields | {"tests": tests.model_dump()}


def _humaneval(row: Mapping[str, Any], dataset: str) -> Fields:
    number = _value(row, "task_id").rpartition("/")[2]
    head = _value(row, "prompt")
    return {
        "task_id": f"{dataset}/{number}",
        "prompt": f"Complete this Python function. Answer with the whole function.\n\n```python\n{head.strip()}\n```",
        "solution": head + _value(row, "canonical_solution"),
        "entry_point": _value(row, "entry_point"),
        "family": f"humaneval/{number}",
    }


def _with_example(asked: Any, entry_point: str | None, example: str) -> str:
    if not isinstance(asked, str) or not asked.strip():
        raise Rejected("no statement")
    if entry_point is None:
        raise Rejected("the tests call no function")
    return f"{asked.strip()}\n\nName the function `{entry_point}`. For example, this must hold:\n{example}"


def _plus_tests(test: str, entry_point: str | None, name: str, prefix: str = "") -> PythonTests:
    """EvalPlus' tests, a loop over `inputs` and `results`, written out; other forms stay as they are."""
    tree = _parsed(test)
    loop = _loop(tree, entry_point)
    if loop is None or entry_point is None:
        if "numpy" in {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}:
            raise Rejected("the tests import numpy, which the sandbox has not")
        return PythonTests(code=test, entry_point=entry_point, prefix=prefix)
    inputs, results, tolerance = loop
    error = scaled(tolerance or USUAL_ERROR, results)
    lines = [
        f"assert _same({entry_point}(*{given!r}), {expected!r}, {error!r})"
        for given, expected in zip(inputs, results, strict=True)
    ]
    return python_tests(NEAR + "\n".join(lines), name, entry_point, prefix)


def scaled(error: float, results: list) -> float:
    """An absolute error, at most a hundredth of the largest float in the results: else a constant did for tiny ones."""
    largest = max(floats_in(results), default=0.0)
    return min(error, largest / 100) if largest else error


def floats_in(value: Any) -> Iterator[float]:
    """The magnitudes of all floats in a value."""
    if isinstance(value, float):
        yield abs(value)
    elif isinstance(value, (list, tuple, set, dict)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from floats_in(item)


def _loop(tree: ast.Module, entry_point: str | None) -> tuple[list, list, float] | None:
    """(inputs, results, tolerance) if the tests are `assertion(f(*inp), exp, tolerance)` over literals, else None."""
    found: dict[str, Any] = {}
    calls = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
            if name in ("inputs", "results"):
                try:
                    found[name] = ast.literal_eval(node.value)
                except (ValueError, SyntaxError, RecursionError):
                    return None  # computed, or with inf and nan
        if isinstance(node, ast.For):
            calls += [step.value for step in node.body if isinstance(step, ast.Expr)]
    if len(calls) != 1 or set(found) != {"inputs", "results"} or len(found["inputs"]) != len(found["results"]):
        return None
    names = {entry_point, "candidate"}
    match calls[0]:
        case ast.Call(
            func=ast.Name(id="assertion"),
            args=[
                ast.Call(func=ast.Name(id=callee), args=[ast.Starred(value=ast.Name())]),
                ast.Name(),
                ast.Constant(value=tolerance),
            ],
        ) if callee in names and isinstance(tolerance, int | float):
            return found["inputs"], found["results"], tolerance
    return None


def _asserts(row: Mapping[str, Any]) -> list[str]:
    lines = row.get("test_list")
    if not isinstance(lines, list) or not lines or not all(isinstance(line, str) for line in lines):
        raise Rejected("no tests")
    return [line.replace("\r\n", "\n").strip() for line in lines]


def _checked(code: str, name: str) -> PythonTests:
    try:
        return python_tests(code, name)
    except InputError as error:
        raise Rejected("the tests are no asserts in Python") from error


def _parsed(code: str) -> ast.Module:
    try:
        return ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise Rejected("the tests are no asserts in Python") from error


def _value(row: Mapping[str, Any], column: str) -> Any:
    """A column that every row of the set has. Raises InputError if it is not there: then this is another set."""
    if column not in row:
        raise InputError(f"no column {column!r} (columns: {', '.join(map(str, row))}); is this the named data set?")
    if row[column] is None or row[column] == "":
        raise Rejected(f"nothing in the column {column}")
    return row[column]
