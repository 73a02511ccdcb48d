"""What the tests of a Python task ask an answer to define."""

from __future__ import annotations

import ast
import functools
import sys
from collections.abc import Iterable

from halo_forge.records import CallTests, PytestTests, PythonTests, Task
from halo_forge.verify.core.answer import source

_USUAL = {"solution"}
_TESTING = {"pytest", "hypothesis", "numpy", "mock"}


def asked_names(task: Task) -> list[str] | None:
    """The functions and classes that tests use, the task's entry point first; None if a whole program is asked for.

    None of them where the tests do not tell.
    """
    tests = task.tests
    if isinstance(tests, CallTests):
        return _unique([tests.entry_point, task.entry_point])
    if isinstance(tests, PythonTests):
        return _unique([tests.entry_point, task.entry_point, *_used_by(tests.code, tests.prefix)])
    if isinstance(tests, PytestTests):
        return _unique([task.entry_point, *_imported(tuple(sorted(tests.files.items())))])
    return None


def _unique(names: Iterable[str | None]) -> list[str]:
    return list(dict.fromkeys(name for name in names if name))


@functools.lru_cache(maxsize=4096)
def _used_by(code: str, prefix: str) -> tuple[str, ...]:
    """The names that tests use and neither bind nor import; a module that they take something from is none."""
    tree = source.parsed(code)
    names = {node.id for node in _beside_attributes(tree) if isinstance(node, ast.Name)} if tree else set()
    return tuple(sorted((source.free(code) - _helpers(prefix)) - (sys.stdlib_module_names - names)))


def _helpers(prefix: str) -> set[str]:
    return source.bound(source.whole_head(prefix) or "")


@functools.lru_cache(maxsize=1024)
def _imported(files: tuple[tuple[str, str], ...]) -> tuple[str, ...]:
    """What pytest files take from modules that neither they nor Python have, by name or by a text that may be one."""
    own = {name.removesuffix(".py").replace("/", ".") for name, _ in files}
    own |= {name.rpartition(".")[2] for name in own}
    foreign = {*own, *sys.stdlib_module_names, *_TESTING}
    names: list[str] = []
    for _, text in files:
        tree = source.parsed(text)
        if tree is None:
            continue
        modules: set[str] = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and not node.level and node.module:
                if node.module.split(".")[0] in foreign:
                    continue
                if node.names[0].name == "*":
                    names += sorted(source.unbound(text))
                else:
                    names += [alias.name for alias in node.names]
            elif isinstance(node, ast.Import):
                modules |= {
                    (alias.asname or alias.name).split(".")[0]
                    for alias in node.names
                    if alias.name.split(".")[0] not in foreign
                }
        names += _attributes(tree, modules)
        texts = [
            node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)
        ]
        names += [text.split(".")[1] for text in texts if text.split(".")[0] in modules | _USUAL and "." in text]
        if any(isinstance(node, ast.Name) and node.id in modules for node in _beside_attributes(tree)):
            names += [text for text in texts if text.isidentifier()]  # as in monkeypatch.setattr(solution, "today", …)
    return tuple(dict.fromkeys(names))


def _attributes(tree: ast.AST, modules: set[str]) -> list[str]:
    return [
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules
    ]


def _beside_attributes(tree: ast.AST) -> Iterable[ast.AST]:
    """All nodes but the names that something is an attribute of."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            continue
        yield node
        waiting += ast.iter_child_nodes(node)
