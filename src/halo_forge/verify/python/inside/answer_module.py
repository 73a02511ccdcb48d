"""The answer as a module that the tests import: every attribute is asked for over the line."""

import importlib.abc
import importlib.machinery
import sys
import types

from remote import RemoteFunction, RemoteType

_NOTHING = object()


def install(referee, names):
    """Let `names` be imported from the answer, where nobody else has them; no other module is."""
    sys.meta_path.append(_Finder(referee, names))


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def __init__(self, referee, names):
        self.referee, self.names = referee, set(names)

    def find_spec(self, name, path=None, target=None):
        package = any(other.startswith(name + ".") for other in self.names)
        if name in self.names or package:
            return importlib.machinery.ModuleSpec(name, self, is_package=package)
        self.referee.missing.add(name)
        return None

    def create_module(self, spec):
        module = _AnswerModule(spec.name)
        vars(module)["_referee"] = self.referee
        return module

    def exec_module(self, module):
        vars(module)["__all__"] = [name for name in self.referee.names() if not name.startswith("_")]


class _AnswerModule(types.ModuleType):
    def __getattr__(self, name):
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        referee = vars(self)["_referee"]
        value = None
        try:
            value = referee.get_tested(name)
        finally:
            # A function or a class is used once it is called.
            referee.touched |= not isinstance(value, (RemoteFunction, RemoteType))
        return value

    def __setattr__(self, name, value):
        if name.startswith("__") and name.endswith("__"):
            super().__setattr__(name, value)  # the import system's
        else:
            before = vars(self).setdefault("_before", {})
            if name not in before:
                before[name] = getattr(self, name, _NOTHING)
            vars(self)["_referee"].line.ask("setglobal", name, value)

    def __delattr__(self, name):
        """How monkeypatch and mock undo it, once for each time: the answer's own is there again."""
        before = vars(self).setdefault("_before", {})
        if name in before:
            value = before.pop(name)
            change = ("delglobal", name) if value is _NOTHING else ("setglobal", name, value)
            vars(self)["_referee"].line.ask(*change)
