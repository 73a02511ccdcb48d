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
from collections.abc import Sequence

from halo_forge.reachable import reachable
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
    module = _Module(statements, asked)
    roots = asked & module.binding.keys()
    if not roots:
        return None
    if any(_LOOKS_EVERYWHERE & statement.uses for statement in statements if not statement.is_main):
        roots = set(module.binding)
    keeping: dict[str, list[Statement]] = defaultdict(list)
    for statement in statements:
        for name in module.reasons(statement):
            keeping[name].append(statement)
    kept = {statement for statement in statements if statement.sets_up}
    kept |= set(statements[: statements[0].is_docstring])
    waiting = [*roots, *(name for statement in kept for name in statement.uses)]
    reached: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            for statement in keeping[name]:
                kept.add(statement)
                waiting += statement.binds | statement.uses | {text for text in statement.texts if text in module.own}
    # Imports of what every Python has are nobody's usage, and tests may look at what they bring.
    kept |= {one for one in statements if one.imports is not None and one.imports <= sys.stdlib_module_names}
    known = reached.union(source.BUILTINS, *(statement.binds for statement in kept))
    # Definitions that nothing asked for leads to stay where they do no harm.
    return kept | {statement for statement in statements if statement.defines and statement.at_once <= known}


class _Module:
    """The statements of a program by the names that they bind. All other sets are of names too."""

    def __init__(self, statements: Sequence[Statement], asked: set[str]):
        self.binding: dict[str, list[Statement]] = defaultdict(list)
        for statement in statements:
            for name in statement.binds:
                self.binding[name].append(statement)
        self.own = {name for statement in statements if statement.defines for name in statement.binds}
        """Functions and classes of the program, …"""
        self._data = {name for statement in statements if statement.assigns for name in statement.binds}
        """… and what it assigns."""
        self._uses = {
            name: set().union(*(statement.uses for statement in found)) for name, found in self.binding.items()
        }
        users: dict[str, set[str]] = defaultdict(set)
        for name in self.own:
            for used in self._uses[name]:
                users[used].add(name)
        self._examples = reachable(asked, users)
        """What is asked for and what uses it, directly or not: a call of one of these is an example of use."""

    def reasons(self, statement: Statement) -> set[str]:
        """The names of which each, if what is asked for can reach it, is a reason to run a statement."""
        if statement.is_main:
            return set()
        if statement.imports is not None:
            return statement.binds
        if statement.defines:
            by = statement.registers & (self.own | self._data)
            return statement.binds.union(by, *(self._changed_by(name) for name in by))
        reasons = statement.binds | statement.stores | (statement.receivers & self._data)
        for callee, given in statement.calls:
            if callee not in self._examples:
                reasons |= (given & self._data) | self._changed_by(callee)
        return reasons

    def _changed_by(self, callee: str) -> set[str]:
        """Of what a function of the program changes when it is called, itself or by others."""
        called = reachable({callee}, self._uses)
        changes = (one.changes_later for name in called for one in self.binding.get(name, ()))
        return self._data & set().union(*changes)


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
