"""HumanEval- and MBPP-style tests made ready for the referee, and the answer joined with its prompt.

The tests are parsed here, where that is no risk and done once a task: each assert statement becomes a call that records
whether it held, so that all of them are tried and counted. One that the tests would catch themselves (in a `try` with
`except AssertionError`) still raises; one that a class of the answer's would catch does not.
"""

from __future__ import annotations

import ast
import builtins
import functools
import marshal
import symtable
import sys
import textwrap
from typing import Any

from halo_forge.errors import InputError
from halo_forge.records import PythonTests, Task
from halo_forge.verify.python import imports
from halo_forge.verify.python.definitions import without_cut_end
from halo_forge.verify.python.inside import marking, oracles, surroundings

_CHECK, _RENAMED = "<check>", "<tests>"
"""Names that no program can have."""
_LENT = {"isclose": "math", "Counter": "collections", "defaultdict": "collections", "OrderedDict": "collections"}
_LENT |= {"deque": "collections", "Fraction": "fractions", "Decimal": "decimal", "deepcopy": "copy"}
"""What tests take from Python's library without an import, and whose answer it could otherwise decide."""


@functools.lru_cache(maxsize=4096)
def prepared(tests: str, task_id: str) -> bytes:
    """What the referee takes, from the tests as JSON.

    Raises InputError if the tests do not parse, hold no assert statement, or call nothing of the answer's.
    """
    parsed = PythonTests.model_validate_json(tests)
    tree = _parse(parsed.code, f"{task_id}: tests.code")
    entry_point = parsed.entry_point
    prefix_source = _without(parsed.prefix, entry_point)
    prefix = _parse(prefix_source, f"{task_id}: tests.prefix")
    for part, source in (("prefix", prefix), ("code", tree)):
        for module, line in imports.unknown_modules(source):
            raise imports.missing(task_id, f"tests.{part} line {line}", module)
    checker = _RENAMED if entry_point and _renamed(tree, entry_point) and entry_point == "check" else "check"
    oracles.kept(tree)
    asked = _Recorder(tree)
    asked.visit(tree)
    ast.fix_missing_locations(tree)
    if not asked.statements:
        raise InputError(f"{task_id}: tests.code has no assert statement; there is nothing that an answer could fail")
    defined = _defined(prefix_source) | _defined(parsed.code)
    calls_check = "check" in _defined(parsed.code) and not _calls(tree, checker)
    free = _free(parsed.code) - defined
    modules = sorted(name for name in free - {entry_point} if name in asked.modules)
    names = {name for name in free.difference(modules) if name not in vars(builtins) and name[:2] != "__"}
    if entry_point and not (calls_check and entry_point in vars(builtins)):
        names.add(entry_point)  # check() is handed what is called like a function of Python's
    borrowed = {name: _LENT[name] for name in names - {entry_point} if name in _LENT} if entry_point else {}
    names = sorted(names.difference(borrowed))
    for name in names:
        library = imports.TAKEN.get(name) or (imports.USUAL_NAMES.get(name) if name in asked.bases else None)
        if library and name != entry_point:
            raise imports.missing(task_id, f"tests.code uses {name!r}, which it does not define", library)
    if not names and not entry_point and not asked.takes_answer:
        raise InputError(f"{task_id}: tests.code calls nothing that an answer could define; give tests.entry_point")
    if calls_check and not entry_point:
        raise InputError(f"{task_id}: tests.code defines check(); give tests.entry_point")
    payload = {
        "kind": "asserts",
        "surroundings": surroundings.asked(parsed.code),
        "prefix": compile(prefix, "prefix.py", "exec", dont_inherit=True) if prefix.body else None,
        "code": compile(tree, "tests.py", "exec", dont_inherit=True),
        "statements": asked.statements,
        "only_traps": asked.traps == len(asked.statements),
        "modules": modules,
        "borrowed": borrowed,
        "takes_answer": asked.takes_answer,
        "names": names,
        "entry_point": entry_point,
        "checker": checker if calls_check else None,
    }
    return marshal.dumps(payload)


def program(task: Task, tests: PythonTests, answer: str) -> str:
    """The answer as a module: with what the prompt had defined above it, and under the prompt's `def` if it is a body.

    A whole function is taken as it is; imports and helpers of the prefix come first, so that it may use them.
    """
    if not tests.prefix.strip():
        return answer
    entry_point = tests.entry_point or task.entry_point
    if entry_point is not None and entry_point not in _defined_loosely(answer):
        # A body comes indented as the prompt asks, not at all, or from its second line on.
        for body in (answer, textwrap.indent(answer, "    "), f"    {answer.lstrip()}"):
            joined = without_cut_end(f"{tests.prefix.rstrip()}\n{body}", [entry_point])
            if _parses(joined) and body.lstrip("\n")[:1] in (" ", "\t"):
                return joined
    lines = answer.split("\n")
    first = [line for line in lines if line.startswith("from __future__ ")]  # Python wants these on top
    rest = [line for line in lines if not line.startswith("from __future__ ")]
    return "\n".join([*first, _without(tests.prefix, entry_point), *rest])


def _parse(source: str, where: str) -> ast.Module:
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        words = getattr(error, "msg", error)
        raise InputError(f"{where}: line {line}: {words}; mend the tests of this task") from error


def _parses(source: str) -> bool:
    try:
        ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


class _Recorder(marking.Marker):
    """Turns assert statements into calls, and notes what else of the tests must be known."""

    def __init__(self, tree: ast.Module) -> None:
        super().__init__(tree)
        self.statements: list[str] = []
        self.traps = 0
        """How many can only fail: they stand where no right answer leads."""
        self.takes_answer = False
        """Whether the tests import the answer as a module."""
        self._bases: set[str] = set()
        self._used: set[str] = set()
        self._caught = False

    @property
    def bases(self) -> set[str]:
        """Names that the tests only take something from."""
        return self._bases - self._used

    @property
    def modules(self) -> set[str]:
        """Modules of the standard library among them; perhaps they forgot to import them."""
        return self.bases & sys.stdlib_module_names

    def visit_Assert(self, node: ast.Assert) -> ast.stmt:  # noqa: N802 - the visitor's protocol
        number = len(self.statements)
        self.statements.append(oracles.shown(ast.unparse(node)))
        trap = marking.is_trap(node)
        self.traps += trap
        self.generic_visit(node)
        arguments = ast.arguments(posonlyargs=[], args=[], kwonlyargs=[], kw_defaults=[], defaults=[])
        condition = ast.Lambda(args=arguments, body=self._seen(node.test))
        flags = [ast.Constant(self._caught and not trap), ast.Constant(self._free)]
        return ast.copy_location(
            ast.Expr(ast.Call(ast.Name(_CHECK, ast.Load()), [ast.Constant(number), condition, *flags], [])), node
        )

    def visit_Raise(self, node: ast.Raise) -> ast.stmt:  # noqa: N802 - the visitor's protocol
        return self.generic_visit(node) if self._caught and self._conditional else super().visit_Raise(node)

    def visit_Try(self, node: ast.Try) -> ast.stmt:  # noqa: N802 - the visitor's protocol
        before = self._caught
        self._caught = before or any(marking.forgiving(handler, self.own) for handler in node.handlers)
        node.body = self._visited(node.body)
        self._caught = before
        for part in ("handlers", "orelse", "finalbody"):
            setattr(node, part, self._visited(getattr(node, part)))
        return node

    visit_TryStar = visit_Try  # noqa: N815

    def _visited(self, statements: list[ast.AST]) -> list[Any]:
        made = [self.visit(statement) for statement in statements]
        return [step for new in made for step in (new if isinstance(new, list) else [new])]

    def visit_Import(self, node: ast.Import) -> ast.stmt:  # noqa: N802 - the visitor's protocol
        self.takes_answer |= any(alias.name == imports.ANSWER for alias in node.names)
        return node

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.stmt:  # noqa: N802 - the visitor's protocol
        if node.module != imports.ANSWER or node.level:
            return node
        self.takes_answer = True
        # The names that the tests want, and do not have, are the answer's anyway.
        return ast.copy_location(ast.Pass(), node) if node.names[0].name == "*" else node

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:  # noqa: N802 - the visitor's protocol
        if isinstance(node.value, ast.Name):
            self._bases.add(node.value.id)
        else:
            self.generic_visit(node)
        return node

    def visit_Name(self, node: ast.Name) -> ast.expr:  # noqa: N802 - the visitor's protocol
        self._used.add(node.id)
        return node


def _renamed(tree: ast.Module, name: str) -> bool:
    """Whether the tests define a function that is called like the one they test; it gets another name.

    A statement that calls it at their top level means theirs, `check(check)`, all else the answer's.
    """
    own = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name]
    for node in own:
        node.name = _RENAMED
    for node in tree.body:
        call = node.value if own and isinstance(node, ast.Expr) else None
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == name:
            call.func.id = _RENAMED
    return bool(own)


def _calls(tree: ast.Module, name: str) -> bool:
    return any(
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name
        for node in ast.walk(tree)
    )


def _defined(source: str) -> set[str]:
    """Names that a module binds at its top level."""
    table = symtable.symtable(source, "tests", "exec")
    return {symbol.get_name() for symbol in table.get_symbols() if symbol.is_assigned() or symbol.is_imported()}


def _free(source: str) -> set[str]:
    """Names that a module uses, anywhere, as globals."""
    used: set[str] = set()

    def visit(table: symtable.SymbolTable) -> None:
        top = table.get_type() == "module"
        for symbol in table.get_symbols():
            if symbol.is_referenced() and (symbol.is_global() or top and not symbol.is_assigned()):
                used.add(symbol.get_name())
        for child in table.get_children():
            visit(child)

    visit(symtable.symtable(source, "tests", "exec"))
    return used


def _defined_loosely(source: str) -> set[str]:
    """As `_defined`; for a program that does not parse, what its lines seem to define."""
    try:
        return _defined(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        words = [line.split() for line in source.splitlines() if line.startswith(("def ", "class ", "async def "))]
        return {word.split("(")[0].rstrip(":") for line in words for word in line[1:3]}


def _without(prefix: str, entry_point: str | None) -> str:
    """The prefix less the unfinished function at its end, whose body the prompt asks for."""
    try:
        tree = ast.parse(prefix)
    except SyntaxError:
        # The signature ends the prefix without a body.
        head, _, _ = prefix.rpartition(f"def {entry_point}(")
        return head if _parses(head) else ""
    kept: list[Any] = [node for node in tree.body if getattr(node, "name", None) != entry_point]
    return ast.unparse(ast.Module(kept, []))
