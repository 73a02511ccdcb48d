"""What of an answer is run where functions or classes are asked for: its definitions, and what these need.

What a program does besides, at its top level, decides nothing: examples of use, its own asserts, input() for a try-out,
an endless main(), a last line cut at the length of the completion. EvalPlus' sanitizer keeps imports, definitions and
assignments; here a statement stays if it makes or changes something that what is asked for can reach, such as a loop
that fills a table, and an assignment goes if nothing that is asked for can see it.
"""

from __future__ import annotations

import ast
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence

from halo_forge.verify.core.answer import source
from halo_forge.verify.python.statements import Statement

_MOST = 3000
"""A program of more statements is run as it is."""
_LOOKS_EVERYWHERE = {"globals", "vars", "locals", "eval", "exec", "__name__"}
"""Who uses one of these outside of `if __name__ == "__main__"` may reach anything by its name."""


def definitions(program: str, names: Sequence[str]) -> str:
    """The program with `pass` in the place of every statement that decides nothing, on the same lines.

    As it is if it defines none of `names`, or cannot be read: then it does not compile.
    """
    tree = source.parsed(program)
    if tree is None or len(tree.body) > _MOST:
        return program
    lines = program.encode("utf-8").split(b"\n")
    try:
        statements = [Statement(node, _text(lines, node)) for node in tree.body]
    except (RecursionError, MemoryError):
        return program
    kept = _needed(statements, set(names))
    if kept is None:
        return program
    for statement in reversed(statements):
        if statement not in kept:
            _blank(lines, statement.node)
    return b"\n".join(lines).decode()


def without_cut_end(program: str, names: Sequence[str]) -> str:
    """The program without an end that cannot be read, if nothing stands there that is asked for, or that this uses."""
    if source.parsed(program) is not None:
        return program
    head = source.whole_head(program)
    if head is None:
        return program
    wanted = set(names) | source.free(head)
    cut_off = {name for line in program[len(head) :].split("\n") for name in source.defined_by(line)}
    return program if cut_off & wanted or not set(names) & source.bound(head) else head


def _needed(statements: Sequence[Statement], asked: set[str]) -> set[Statement] | None:
    """The statements to run; None if none of them binds a name that is asked for."""
    binding: dict[str, list[Statement]] = defaultdict(list)
    for statement in statements:
        for name in statement.binds:
            binding[name].append(statement)
    roots = asked & binding.keys()
    if not roots:
        return None
    if any(_LOOKS_EVERYWHERE & statement.uses for statement in statements if not statement.is_main):
        roots = set(binding)
    data = {name for name, found in binding.items() if any(statement.assigns for statement in found)}
    examples = _leading_to(asked, binding)
    keeping: dict[str, list[Statement]] = defaultdict(list)
    for statement in statements:
        for name in _reasons(statement, binding, data, examples):
            keeping[name].append(statement)
    kept: set[Statement] = set()
    waiting = list(roots)
    for statement in statements:
        if statement.sets_up:
            kept.add(statement)
            waiting += statement.uses
    reached: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            for statement in keeping[name]:
                kept.add(statement)
                waiting += statement.binds | statement.uses
                waiting += [text for text in statement.texts if any(other.defines for other in binding.get(text, ()))]
    kept |= set(statements[: _has_docstring(statements)])
    known = (
        reached | source.BUILTINS | {name for statement in statements if _stays(statement) for name in statement.binds}
    )
    return kept | {statement for statement in statements if _stays(statement) or _is_idle(statement, known)}


def _has_docstring(statements: Sequence[Statement]) -> bool:
    first = statements[0].node
    return isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)


def _stays(statement: Statement) -> bool:
    """Imports of what every Python has are nobody's usage, and tests may look at what they bring."""
    return statement.imports is not None and statement.imports <= sys.stdlib_module_names


def _is_idle(statement: Statement, known: Iterable[str]) -> bool:
    """A definition that nothing asked for leads to, and that does no harm."""
    return statement.defines and statement.at_once <= set(known)


def _reasons(statement: Statement, binding: dict[str, list[Statement]], data: set[str], examples: set[str]) -> set[str]:
    """The names of which each, if what is asked for can reach it, is a reason to run a statement."""
    if statement.is_main:
        return set()
    if statement.imports is not None:
        return statement.binds
    if statement.defines:
        own = {name for name in statement.registers if name in binding and _is_own(binding[name])}
        return statement.binds | own | {changed for name in own for changed in _changed_by(name, binding)} & data
    reasons = statement.binds | statement.stores
    reasons |= {name for name in statement.receivers if name in data}
    for callee, given in statement.calls:
        if callee not in examples:
            reasons |= given & data
            if callee in binding:
                reasons |= _changed_by(callee, binding) & data
    return reasons


def _is_own(found: Sequence[Statement]) -> bool:
    return any(statement.imports is None for statement in found)


def _leading_to(asked: set[str], binding: dict[str, list[Statement]]) -> set[str]:
    """The names of what uses something asked for, directly or not: a call of one of these is an example of use."""
    users: dict[str, set[str]] = defaultdict(set)
    for name, found in binding.items():
        for statement in found:
            if statement.defines:
                for used in statement.uses:
                    users[used].add(name)
    return _closure(asked, users)


def _changed_by(callee: str, binding: dict[str, list[Statement]]) -> set[str]:
    """The names of what a function of the program changes when it is called, itself or by others."""
    uses = {name: set().union(*(statement.uses for statement in found)) for name, found in binding.items()}
    called = _closure({callee}, uses)
    return {name for one in called for statement in binding.get(one, ()) for name in statement.changes_later}


def _closure(names: set[str], leads: dict[str, set[str]]) -> set[str]:
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += leads.get(name, ())
    return found


def _begin(node: ast.stmt) -> tuple[int, int]:
    """(line from 0, byte) at which a statement begins, with its decorators."""
    if decorators := getattr(node, "decorator_list", None):
        return decorators[0].lineno - 1, 0
    return node.lineno - 1, node.col_offset


def _text(lines: list[bytes], node: ast.stmt) -> str:
    first, column = _begin(node)
    found = lines[first : node.end_lineno]
    found[-1] = found[-1][: node.end_col_offset]
    found[0] = found[0][column:]
    return b"\n".join(found).decode()


def _blank(lines: list[bytes], node: ast.stmt) -> None:
    first, column = _begin(node)
    rest = lines[node.end_lineno - 1][node.end_col_offset :]
    lines[first] = lines[first][:column] + b"pass" + rest
    lines[first + 1 : node.end_lineno] = [b""] * (node.end_lineno - first - 1)
