"""A top-level statement of an answer: what it binds, uses and changes."""

from __future__ import annotations

import ast
import builtins
import symtable
from collections.abc import Iterator
from functools import cached_property

_SETTINGS = {
    *("setrecursionlimit", "set_int_max_str_digits", "stack_size", "seed", "setcontext", "filterwarnings"),
    *("simplefilter", "setlocale", "register"),
}
"""Functions that set something up for all that follows."""
_CHANGING = {"setattr", "delattr", "next"}
_PURE = frozenset(name for name in vars(builtins) if name not in _CHANGING)
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_COMPREHENSIONS = {"listcomp", "setcomp", "dictcomp", "genexpr"}


class Statement:
    """`text` is the statement's own source. All sets are of names of the module, of which functions' own are none."""

    def __init__(self, node: ast.stmt, text: str):
        self.node = node
        self.binds: set[str] = set()
        self.at_once: set[str] = set()
        """Used when the statement runs, …"""
        self.uses: set[str] = set()
        """… and these too when what it defines is called."""
        self.texts: set[str] = set()
        """Strings that may be names, as in getattr() and in annotations."""
        self.stores: set[str] = set()
        """Of what it sets an attribute or an item of."""
        self.receivers: set[str] = set()
        """Of what it calls a method of."""
        self.calls: list[tuple[str, set[str]]] = []
        """(the function, the arguments that it may change) of each call."""
        self.changes_later: set[str] = set()
        """What its functions change in any of these ways, or bind as globals, when they are called."""
        self.defines = isinstance(node, _DEFINITIONS)
        declared = self._scopes(text)
        for part, later in _walk(node):
            self._take(part, later)
        self.changes_later = (self.changes_later & self.uses) | declared

    def _scopes(self, text: str) -> set[str]:
        """Fill `binds`, `at_once` and `uses`; the names that functions declare global and bind."""
        try:
            waiting = [(symtable.symtable(text, "answer", "exec"), True)]
        except SyntaxError:
            return set()  # such as a `return` at the top level: it does not run
        declared: set[str] = set()
        while waiting:
            scope, now = waiting.pop()
            top = scope.get_type() == "module"
            for name in scope.get_symbols():
                assigned = name.is_assigned() or name.is_imported()
                if assigned and top:
                    self.binds.add(name.get_name())
                elif assigned and name.is_declared_global():
                    declared.add(name.get_name())
                if name.is_referenced() and (top or name.is_global()):
                    self.uses.add(name.get_name())
                    if now:
                        self.at_once.add(name.get_name())
            for inner in scope.get_children():
                at_once = inner.get_type() == "class" or inner.get_name() in _COMPREHENSIONS
                waiting.append((inner, now and at_once))
        return declared

    def _take(self, node: ast.AST, later: bool) -> None:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.isidentifier():
            self.texts.add(node.value)
        elif isinstance(node, ast.Attribute | ast.Subscript) and not isinstance(node.ctx, ast.Load):
            self._changed(node, self.stores, later)
        elif isinstance(node, ast.Call):
            if isinstance(node.func, ast.Attribute):
                self._changed(node.func, self.receivers, later)
            name = _root(node.func)
            if name is None or (isinstance(node.func, ast.Name) and name in _PURE):
                return
            given = {_root(part) for part in (*node.args, *(keyword.value for keyword in node.keywords))} - {None}
            if later:
                self.changes_later |= given
            else:
                self.calls.append((name, given))

    def _changed(self, node: ast.expr, where: set[str], later: bool) -> None:
        root = _root(node)
        if root is not None:
            (self.changes_later if later else where).add(root)

    @cached_property
    def imports(self) -> frozenset[str] | None:
        """The top-level modules that it imports; None if it is no import."""
        if isinstance(self.node, ast.Import):
            return frozenset(alias.name.split(".")[0] for alias in self.node.names)
        if isinstance(self.node, ast.ImportFrom):
            return frozenset({(self.node.module or "").split(".")[0]})
        return None

    @property
    def assigns(self) -> bool:
        return self.imports is None and not self.defines

    @cached_property
    def registers(self) -> set[str]:
        """What may come to know of a definition as it is made: its decorators and bases."""
        if not self.defines:
            return set()
        parts = [*self.node.decorator_list, *getattr(self.node, "bases", ()), *getattr(self.node, "keywords", ())]
        return {name.id for part in parts for name in ast.walk(part) if isinstance(name, ast.Name)}

    @property
    def is_docstring(self) -> bool:
        return isinstance(self.node, ast.Expr) and isinstance(self.node.value, ast.Constant)

    @cached_property
    def is_main(self) -> bool:
        """Whether it is `if __name__ == "__main__"`, which is not so where the answer is a module."""
        test = self.node.test if isinstance(self.node, ast.If) else None
        return (
            isinstance(test, ast.Compare)
            and any(isinstance(part, ast.Name) and part.id == "__name__" for part in ast.walk(test))
            and any(isinstance(part, ast.Constant) and part.value == "__main__" for part in ast.walk(test))
        )

    @cached_property
    def sets_up(self) -> bool:
        """Whether it sets something up that no name tells of: a limit, a seed, the precision of decimals."""
        if isinstance(self.node, ast.Expr) and isinstance(self.node.value, ast.Call):
            function = self.node.value.func
            return getattr(function, "attr", getattr(function, "id", None)) in _SETTINGS
        if isinstance(self.node, ast.Assign):
            return any(isinstance(getattr(target, "value", None), ast.Call) for target in self.node.targets)
        return self.imports == {"__future__"}


def _root(node: ast.expr | None) -> str | None:
    """The name that a chain of attributes, items and calls begins with."""
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call | ast.Starred):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else None


def _walk(statement: ast.stmt) -> Iterator[tuple[ast.AST, bool]]:
    """(node, whether it runs only when a function is called) of all that stands in a statement."""
    waiting: list[tuple[ast.AST, bool]] = [(statement, False)]
    while waiting:
        node, later = waiting.pop()
        yield node, later
        if isinstance(node, ast.Lambda):
            waiting += [(node.args, later), (node.body, True)]
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            waiting += [(part, later) for part in (node.args, *node.decorator_list, *filter(None, [node.returns]))]
            waiting += [(part, True) for part in node.body]
        else:
            waiting += [(part, later) for part in ast.iter_child_nodes(node)]
