"""What the tests compute of an argument, to compare with what the answer returned for it, they compute of the argument
as it was: `assert f(x) == sorted(x)` must not hold because f has emptied x. Elsewhere they see what f has made of it.
"""

import ast
import re

BEFORE = "<before>"
"""The name of the function that gives an argument as it was; no program can have it."""


def shown(statement):
    """The text of a statement as the tests have it."""
    return re.sub(r"<before>\((\w+)\)", r"\1", statement)


def kept(tree):
    """The tests with such uses marked. What is called with a name of the tests' for its argument may be the answer."""
    own = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    for scope in ast.walk(tree):
        if isinstance(scope, (ast.Module, ast.FunctionDef, ast.AsyncFunctionDef)):
            results = _results(scope)
            for node in _within(scope):
                if isinstance(node, ast.Assert):
                    for comparison in ast.walk(node.test):
                        if isinstance(comparison, ast.Compare) and len(comparison.ops) == 1:
                            _mark(comparison, results, own)
    return ast.fix_missing_locations(tree)


def _within(scope):
    """The statements of a function or module, not of the functions inside."""
    waiting = list(scope.body)
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            waiting += [
                inner for inner in ast.iter_child_nodes(node) if isinstance(inner, (ast.stmt, ast.ExceptHandler))
            ]


def _results(scope):
    """Name -> the names that were handed to the calls whose value it is."""
    results = {}
    for node in _within(scope):
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            results.setdefault(node.targets[0].id, set()).update(_handed(node.value))
    return results


def _handed(node):
    """Names that are arguments as they stand, of calls that may be the answer's."""
    return {
        argument.id
        for call in ast.walk(node)
        if isinstance(call, ast.Call) and not _is_builtin(call.func)
        for argument in [*call.args, *(keyword.value for keyword in call.keywords)]
        if isinstance(argument, ast.Name)
    }


def _is_builtin(function):
    import builtins

    return isinstance(function, ast.Name) and hasattr(builtins, function.id)


def _mark(comparison, results, own):
    left, right = comparison.left, comparison.comparators[0]
    handed = [_handed(side) | results.get(getattr(side, "id", None), set()) for side in (left, right)]
    for arguments, other in zip(handed, (right, left), strict=True):
        if arguments and not _is_the_argument(other):
            _Marker(arguments, own).visit(other)


def _is_the_argument(node):
    """Whether it is what became of the argument itself that is looked at: x, x[:k], x.y, len(x)."""
    while isinstance(node, (ast.Subscript, ast.Attribute)):
        node = node.value
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "len":
        return True
    return isinstance(node, (ast.Name, ast.Constant))


class _Marker(ast.NodeTransformer):
    def __init__(self, names, own):
        self.names, self.own = names, own

    def visit_Call(self, node):  # noqa: N802 - the visitor's protocol
        if _is_builtin(node.func) or isinstance(node.func, ast.Name) and node.func.id in self.own:
            return self.generic_visit(node)
        return node  # it may be the answer's own

    def visit_Name(self, node):  # noqa: N802 - the visitor's protocol
        if node.id not in self.names or not isinstance(node.ctx, ast.Load):
            return node
        return ast.Call(ast.Name(BEFORE, ast.Load()), [node], [])
