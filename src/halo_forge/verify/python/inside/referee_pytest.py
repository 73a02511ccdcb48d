"""pytest run by the referee: the tests' files live in memory only, and what they import of the answer is a stand-in.

No file is written, for the answer runs under the same user and could read it. Nothing of the answer's is imported here,
so its own tests, conftest, skips, plugins and patches are out of pytest's reach.
"""

import ast
import importlib.abc
import importlib.machinery
import os
import sys
import types

import oracles

_FOLDER = "/tests"  # named in messages only; it does not exist


def run(referee, tests):
    """(tests passed, all tests, whether pytest came to its end, first failure or None), as `referee.run_asserts`.

    `tests`: "files" {name: source}, "library" (folder that holds pytest). Skipped tests count as not run.
    """
    sys.path.insert(0, tests["library"])
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    import pytest

    modules = _Modules(referee, tests["files"])
    sys.meta_path.insert(0, modules)
    referee.own_modules = set(modules.files)
    referee.watch("\n".join(tests["files"].values()))
    sys.meta_path.append(_Answer(referee, tests["files"]))
    plugin = _plugin(pytest, modules)
    null = os.open("/dev/null", os.O_WRONLY)
    os.dup2(null, 1)
    options = ["-q", "-p", "no:cacheprovider", "-p", "no:doctest", "--capture=no", "--noconftest"]
    code = pytest.main([*options, "--rootdir=/", "-c", "/dev/null"], plugins=[plugin])
    finished = code in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED) and not referee.line.ended
    failure = plugin.failure
    if not finished and failure is None:
        ended = "the answer's process ended before its tests did"
        failure = "error", ended if referee.line.ended else "pytest ended with %s" % pytest.ExitCode(code).name
    return len(plugin.passed - plugin.failed), plugin.collected, finished, failure


class _Modules(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """The tests' own files as modules, with pytest's readable asserts."""

    def __init__(self, referee, files):
        self.referee = referee
        self.files = {name[:-3].replace("/", "."): (name, text) for name, text in files.items() if name.endswith(".py")}

    def find_spec(self, name, path=None, target=None):
        if name in self.files:
            return importlib.machinery.ModuleSpec(name, self, origin=self.path_of(name))
        if any(other.startswith(name + ".") for other in self.files):
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def path_of(self, name):
        return "%s/%s" % (_FOLDER, self.files[name][0])

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        name = module.__spec__.name
        if name not in self.files:
            return
        from _pytest.assertion.rewrite import rewrite_asserts

        text = self.files[name][1]
        tree = oracles.kept(ast.parse(text, self.path_of(name)))
        rewrite_asserts(tree, text.encode("utf-8", "surrogatepass"), self.path_of(name))
        module.__file__ = self.path_of(name)
        vars(module)[oracles.BEFORE] = self.referee.as_it_was
        exec(compile(tree, self.path_of(name), "exec"), module.__dict__)


class _Answer(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """What the tests import that neither they nor Python have: the answer, under whatever module name they use."""

    def __init__(self, referee, files):
        self.referee = referee
        text = "\n".join(files.values())
        self.wanted = {
            alias.name if isinstance(node, ast.Import) else node.module
            for node in ast.walk(ast.parse(text))
            if isinstance(node, (ast.Import, ast.ImportFrom))
            for alias in node.names
        } - {None}

    def find_spec(self, name, path=None, target=None):
        packages = {wanted[: len(name)] for wanted in self.wanted if wanted.startswith(name + ".")}
        if name in self.wanted or packages:
            return importlib.machinery.ModuleSpec(name, self, is_package=bool(packages))
        return None

    def create_module(self, spec):
        return answer_module(self.referee, spec.name)

    def exec_module(self, module):
        vars(module)["__all__"] = [name for name in self.referee.names() if not name.startswith("_")]


def answer_module(referee, name):
    module = _AnswerModule(name)
    vars(module)["_referee"] = referee
    return module


class _AnswerModule(types.ModuleType):
    def __getattr__(self, name):
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        return vars(self)["_referee"].get_tested(name)

    def __setattr__(self, name, value):
        if name.startswith("__") and name.endswith("__"):
            super().__setattr__(name, value)  # the import system's
        else:
            before = vars(self).setdefault("_before", {})
            if name not in before:
                before[name] = getattr(self, name)
            vars(self)["_referee"].line.ask("setglobal", name, value)

    def __delattr__(self, name):
        """How monkeypatch and mock undo it, once for each time: the answer's own is there again."""
        before = vars(self).setdefault("_before", {})
        if name in before:
            vars(self)["_referee"].line.ask("setglobal", name, before.pop(name))


def _plugin(pytest, modules):
    class MemoryModule(pytest.Module):
        def _getobj(self):
            return sys.modules.get(self.module_name) or __import__(self.module_name, fromlist=["_"])

    class Plugin:
        def __init__(self):
            self.passed, self.failed, self.failure, self.collected = set(), set(), None, 0

        def pytest_collection(self, session):
            """Collect the test files from memory, conftest.py first, in place of looking for files."""
            items = []
            names = sorted(modules.files)
            for name in names:
                if name.rpartition(".")[2] == "conftest":
                    module = __import__(name, fromlist=["_"])
                    session.config.pluginmanager.register(module)
                    session._fixturemanager.parsefactories(module, nodeid="")
            for name in names:
                stem = modules.files[name][0].rpartition("/")[2]
                if stem.startswith("test_") or stem.endswith("_test.py"):
                    collector = MemoryModule.from_parent(
                        session, path=_path(modules.path_of(name)), nodeid=modules.files[name][0]
                    )
                    collector.module_name = name
                    items += session.genitems(collector)
            session.items = items
            session.config.hook.pytest_collection_modifyitems(session=session, config=session.config, items=items)
            session.testscollected = self.collected = len(items)
            return True

        def pytest_collectreport(self, report):
            if report.failed:
                self._fail(report.nodeid, "error", report.longreprtext)

        def pytest_runtest_logreport(self, report):
            if report.failed:
                crash = getattr(report.longrepr, "reprcrash", None)
                text = crash.message if crash else report.longreprtext
                wrong = text.startswith(("assert ", "AssertionError", "Failed: DID NOT RAISE"))
                self._fail(report.nodeid, "wrong" if wrong else "error", text)
            elif report.when == "call" and report.passed:
                self.passed.add(report.nodeid)

        def _fail(self, nodeid, kind, text):
            self.failed.add(nodeid)
            if self.failure is None:
                self.failure = kind, ("%s: %s" % (nodeid, text))[:1500]

    return Plugin()


def _path(text):
    import pathlib

    return pathlib.Path(text)
