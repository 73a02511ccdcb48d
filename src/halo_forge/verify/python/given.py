"""What a Python answer is given beside its own text: names that its kind of grader has, and time for its annotations.

Answers in LeetCode's form, a method of `class Solution`, and answers to the problems of LiveCodeBench, APPS and TACO
are run by their own graders below a preamble of imports, and nobody writes them. So a name that such an answer uses and
neither binds nor finds built in is imported from the modules of that preamble. Elsewhere nothing is given: HumanEval
and MBPP ask for the imports, and who trains on answers without them learns to leave them out.
"""

from __future__ import annotations

import ast
import functools
import importlib
import re
from collections.abc import Iterator, Sequence

from halo_forge.records import Task
from halo_forge.verify.core.answer import source

CLASS = "Solution"
_GIVING = re.compile(r"livecodebench|leetcode|(?:^|[/_-])(?:apps|taco)\b", re.I)
"""Data sets whose graders have the preamble, by the name of a task's source."""
_MODULES = (
    *("typing", "collections", "heapq", "bisect", "itertools", "functools", "math", "string", "operator", "random"),
    *("copy", "datetime", "statistics", "json", "re", "sys", "time", "fractions", "decimal", "os", "io"),
)
"""Their names in this order: what two of them have is taken from the first."""
_NODES = {
    "ListNode": "class ListNode:\n    def __init__(self, val=0, next=None):\n        self.val, self.next = val, next\n",
    "TreeNode": "class TreeNode:\n    def __init__(self, val=0, left=None, right=None):\n"
    "        self.val, self.left, self.right = val, left, right\n",
}
_LATER = "from __future__ import annotations"


def has_preamble(task: Task) -> bool:
    """Whether the graders of the task's data set give imports."""
    return _GIVING.search(task.source.dataset) is not None


def completed(program: str, names: Sequence[str], *, preamble: bool) -> str:
    """The program with the imports that it is given, and as functions the methods of `class Solution` among `names`.

    An annotation decides nothing: where one names what is not there, or not yet, none is evaluated. A program that
    cannot be read stays as it is.
    """
    tree = source.parsed(program)
    if tree is None:
        return program
    bound = source.bound(program)
    given = {}
    if preamble or CLASS in bound:
        given = {name: line for name in sorted(source.free(program)) if (line := _giving(name))}
    asked = [
        f"def {name}(*args, **kwargs):\n    return {CLASS}().{name}(*args, **kwargs)\n"
        for name in names
        if name in source.methods_of_solution(tree) - bound
    ]
    above = [_LATER] if _LATER not in program and _early_annotations(tree) - given.keys() else []
    at = _below_the_head(tree)
    if not (above or given or asked):
        return program
    lines = program.split("\n")
    return "\n".join([*lines[:at], *above, *given.values(), *lines[at:], *asked])


def _giving(name: str) -> str | None:
    """The line that binds a name of the preamble; None if it is none."""
    if name in _MODULES:
        return f"import {name}"
    return f"from {module} import {name}" if (module := _names().get(name)) else _NODES.get(name)


@functools.cache
def _names() -> dict[str, str]:
    """name -> the module that has it."""
    found: dict[str, str] = {}
    for module in _MODULES:
        loaded = importlib.import_module(module)
        for name in getattr(loaded, "__all__", None) or [name for name in vars(loaded) if name[0] != "_"]:
            found.setdefault(name, module)
    return found


def _early_annotations(tree: ast.Module) -> set[str]:
    """The names in annotations that no statement above binds, as far as that can be seen."""
    known, early = set(source.BUILTINS), set()
    for statement in tree.body:
        early |= {name.id for part in _annotations(statement) for name in ast.walk(part) if _is_read(name)} - known
        known |= {name.id for name in ast.walk(statement) if isinstance(name, ast.Name) and not _is_read(name)}
        for node in ast.walk(statement):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                known.add(node.name)
            elif isinstance(node, ast.Import | ast.ImportFrom):
                known |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
    return early


def _annotations(statement: ast.stmt) -> Iterator[ast.expr]:
    for node in ast.walk(statement):
        parts = [getattr(node, "returns", None), getattr(node, "annotation", None)]
        yield from filter(None, parts)


def _is_read(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)


def _below_the_head(tree: ast.Module) -> int:
    """How many lines a docstring and imports from `__future__` take, which must come first."""
    head = 0
    for node in tree.body:
        docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if not docstring and not (isinstance(node, ast.ImportFrom) and node.module == "__future__"):
            break
        head = node.end_lineno or head
    return head
