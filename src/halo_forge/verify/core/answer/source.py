"""What can be said of an answer's Python source without running it: what it binds, uses, and how far it is whole."""

from __future__ import annotations

import ast
import builtins
import symtable
from collections.abc import Collection, Iterable

BUILTINS = frozenset(vars(builtins)) | {"__file__", "__name__", "__doc__", "__builtins__", "__annotations__"}
_TRIES = 12
_UNREADABLE = (SyntaxError, ValueError, RecursionError, MemoryError)


def parsed(source: str) -> ast.Module | None:
    """The syntax tree; None if it has none, or one too deep."""
    try:
        return ast.parse(source)
    except _UNREADABLE:
        return None


def whole_head(source: str) -> str | None:
    """The source up to the first of its top-level statements that cannot be parsed; None if that is the first.

    What a completion cut at its length ends with is left out so, and what is no code below.
    """
    lines = source.split("\n")
    for _ in range(_TRIES):
        try:
            ast.parse("\n".join(lines))
            return "\n".join(lines) if any(line.strip() for line in lines) else None
        except SyntaxError as error:
            at = min(error.lineno or 0, len(lines)) - 1
        except _UNREADABLE:
            return None
        while at >= 0 and not _begins_statement(lines[at]):
            at -= 1
        if at <= 0:
            return None
        lines = lines[:at]
    return None


def _begins_statement(line: str) -> bool:
    words = line[:1] not in ("", " ", "\t", "#", ")", "]", "}", '"', "'") and line.split(":")[0].split()
    return bool(words) and words[0].rstrip("(") not in ("else", "elif", "except", "finally")


def bound(source: str) -> set[str]:
    """The names that a program binds at its top level; none if it cannot be read."""
    table = _table(source)
    return set() if table is None else {name.get_name() for name in table.get_symbols() if _binds(name)}


def free(source: str) -> set[str]:
    """The names that a program uses and neither binds nor finds built in; none if it cannot be read.

    Nothing is said of a program that imports all names of some module.
    """
    tree = parsed(source)
    if tree is None or any(isinstance(node, ast.ImportFrom) and node.names[0].name == "*" for node in ast.walk(tree)):
        return set()
    return unbound(source)


def unbound(source: str) -> set[str]:
    """As `free`, whatever the program imports."""
    table = _table(source)
    return set() if table is None else _used(table) - bound(source) - BUILTINS


def _used(table: symtable.SymbolTable) -> set[str]:
    """The names that are used as globals anywhere in a module or what stands in it."""
    found: set[str] = set()
    waiting = [table]
    while waiting:
        scope = waiting.pop()
        top = scope.get_type() == "module"
        found |= {
            name.get_name()
            for name in scope.get_symbols()
            if name.is_referenced() and (name.is_global() or (top and not name.is_assigned()))
        }
        waiting += scope.get_children()
    return found


def defines(source: str, names: Collection[str]) -> tuple[int, bool]:
    """(how many of `names` the source defines and does not only announce, whether it can be parsed)."""
    tree = parsed(source)
    if tree is None:
        found = {name for line in source.split("\n") for name in defined_by(line)}
        return len(found.intersection(names)), False
    found = bound(source) | methods_of_solution(tree)
    found -= {node.name for node in tree.body if isinstance(node, _DEFINITIONS) and _is_stub(node)}
    return len(found.intersection(names)), True


def methods_of_solution(tree: ast.Module) -> set[str]:
    """The methods of `class Solution`, which LeetCode's form asks for by their own names."""
    return {
        part.name
        for node in tree.body
        if isinstance(node, ast.ClassDef) and node.name == "Solution"
        for part in node.body
        if isinstance(part, _FUNCTIONS) and not _is_stub(part)
    }


_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_DEFINITIONS = (*_FUNCTIONS, ast.ClassDef)


def _is_stub(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> bool:
    """Whether a function or class has nothing in it but a docstring, `...`, `pass` or `raise NotImplementedError`.

    An empty class may be what is asked for, such as an exception.
    """
    if isinstance(node, ast.ClassDef):
        methods = [part for part in node.body if isinstance(part, _FUNCTIONS)]
        return bool(methods) and all(map(_is_stub, methods))
    return all(map(_says_nothing, node.body))


def _says_nothing(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Expr):
        return isinstance(statement.value, ast.Constant)
    if isinstance(statement, ast.Raise) and statement.exc is not None:
        return any(isinstance(node, ast.Name) and node.id == "NotImplementedError" for node in ast.walk(statement.exc))
    return isinstance(statement, ast.Pass)


def defined_by(line: str) -> Iterable[str]:
    """The name that a line at the top level seems to define."""
    words = line.replace("(", " ").replace(":", " ").replace("[", " ").split()
    if line[:1].isspace() or len(words) < 2:
        return
    if words[0] in ("def", "class"):
        yield words[1]
    elif words[0] == "async" and words[1] == "def" and len(words) > 2:
        yield words[2]
    elif words[1] == "=":
        yield words[0]


def _binds(name: symtable.Symbol) -> bool:
    return name.is_assigned() or name.is_imported()


def _table(source: str) -> symtable.SymbolTable | None:
    try:
        return symtable.symtable(source, "answer", "exec")
    except _UNREADABLE:
        return None
