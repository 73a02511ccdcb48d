"""What the graders of LeetCode's form give an answer: names of the standard library, and its method as a function.

Where the answer is a method of `class Solution`, LeetCode and those who took over its problems (LiveCodeBench, APPS,
TACO) run it below a preamble of imports, and nobody writes them. So a name that such an answer uses and neither binds
nor finds built in is imported from the modules of that preamble. Elsewhere nothing is given: HumanEval and MBPP ask for
the imports, and who trains on answers without them learns to leave them out.
"""

from __future__ import annotations

import ast
import functools
import importlib
from collections.abc import Sequence

from halo_forge.verify.core import source

CLASS = "Solution"
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


def completed(program: str, names: Sequence[str]) -> str:
    """A program that defines `class Solution` with the imports that it lacks, and its methods that `names` ask for.

    Any other, and one that cannot be read, stays as it is.
    """
    tree, bound = source.parsed(program), source.bound(program)
    if tree is None or CLASS not in bound:
        return program
    given = [line for name in sorted(source.free(program)) if (line := _giving(name))]
    asked = [
        f"def {name}(*args, **kwargs):\n    return {CLASS}().{name}(*args, **kwargs)\n"
        for name in names
        if name in source.methods_of_solution(tree) - bound
    ]
    at = _below_the_head(tree)
    lines = program.split("\n")
    return "\n".join([*lines[:at], *given, *lines[at:], *asked])


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


def _below_the_head(tree: ast.Module) -> int:
    """How many lines a docstring and imports from `__future__` take, which must come first."""
    head = 0
    for node in tree.body:
        docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if not docstring and not (isinstance(node, ast.ImportFrom) and node.module == "__future__"):
            break
        head = node.end_lineno or head
    return head
