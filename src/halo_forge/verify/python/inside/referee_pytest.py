"""pytest run by the referee: the tests' files live in memory only, and what they import of the answer is a stand-in.

No file is written, for the answer runs under the same user and could read it. Nothing of the answer's is imported here,
so its own tests, conftest, skips, plugins and patches are out of pytest's reach.
"""

import ast
import importlib.abc
import importlib.machinery
import os
import sys

import answer_module
import marking
import oracles
import watch

_FOLDER = "/tests"  # named in messages only; it does not exist


def run(referee, tests):
    """(tests passed, all tests, whether pytest came to its end, first failure or None), as `referee.run_asserts`.

    `tests`: "files" {name: source}, "library" (folder that holds pytest). Skipped tests count as not run.
    """
    sys.path.insert(0, tests["library"])
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    import pytest

    seen = watch.Watch(referee, (AssertionError, pytest.fail.Exception))
    seen.reads(tests["files"].values())
    _remember_failures(seen, tests["files"])
    modules = _Modules(seen, tests["files"], tests["answers"])
    sys.meta_path.insert(0, modules)
    referee.own_modules = set(modules.files)
    referee.watch(tests["surroundings"])
    answer_module.install(referee, tests["answers"])
    plugin = _plugin(pytest, modules, seen)
    null = os.open("/dev/null", os.O_WRONLY)
    os.dup2(null, 1)
    options = ["-q", "-p", "no:cacheprovider", "-p", "no:doctest", "--capture=no", "--noconftest"]
    code = pytest.main([*options, "--rootdir=/", "-c", "/dev/null"], plugins=[plugin])
    finished = code in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED) and not referee.line.ended
    failure = plugin.failure
    if not finished and failure is None:
        ended = "the answer's process ended before its tests did"
        failure = "error", ended if referee.line.ended else "pytest ended with %s" % pytest.ExitCode(code).name
    passed = len(plugin.passed - plugin.failed)
    if finished and failure is None and passed:
        failure = _doubt(referee, seen, plugin)
        passed -= failure is not None
    return passed, plugin.collected, finished, failure


def _doubt(referee, seen, plugin):
    """Why tests that all passed prove nothing; None if they do."""
    for function, checked in plugin.checked.items():
        if not checked:
            return "wrong", "%s: none of its checks was made" % function
    if seen.unseen():
        return "wrong", seen.unseen()
    if not referee.touched:
        return "error", "the tests ended without having used the answer"
    if not seen.count and not seen.traps:
        return "error", "the tests ended without having checked anything"
    return None


def _remember_failures(seen, files):
    """Failures that pytest, unittest and its mocks raise are remembered as those of the tests' own asserts are."""
    import _pytest.raises
    import _pytest.recwarn
    from _pytest.outcomes import Failed

    class RememberedError(AssertionError):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            seen.failing(self)

    RememberedError.__name__ = RememberedError.__qualname__ = "AssertionError"
    initialise = Failed.__init__

    def remember(self, *arguments, **keywords):
        initialise(self, *arguments, **keywords)
        if type(self) is Failed:
            seen.failing(self, trap=True)

    Failed.__init__ = remember
    _pytest.raises.AssertionError = _pytest.recwarn.AssertionError = RememberedError
    text = "\n".join(files.values())
    if "TestCase" in text:
        import unittest

        unittest.TestCase.failureException = RememberedError
    if "mock" in text:
        import unittest.mock

        unittest.mock.AssertionError = RememberedError


class _Modules(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """The tests' own files as modules, with pytest's readable asserts."""

    def __init__(self, seen, files, answers):
        self.seen, self.answers = seen, answers
        self.files = {name[:-3].replace("/", "."): (name, text) for name, text in files.items() if name.endswith(".py")}

    def find_spec(self, name, path=None, target=None):
        beside = [other for other in self.files if other.endswith("." + name)]
        if beside and name not in self.files and name not in self.answers:
            # A helper beside the tests: pytest would have put their folder into sys.path.
            return importlib.machinery.ModuleSpec(name, _Alias(beside[0]))
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
        self.seen.traps |= any(marking.judges(node) and not marking.checks(node) for node in ast.walk(tree))
        marker = marking.FileMarker(tree, self.files[name][0], self.answers)
        marker.visit(tree)
        ast.fix_missing_locations(tree)
        rewrite_asserts(tree, text.encode("utf-8", "surrogatepass"), self.path_of(name))
        marking.RaiseMarker(marker.free_lines).visit(tree)
        vars(module)[marking.WATCH] = self.seen
        module.__file__ = self.path_of(name)
        vars(module)[oracles.BEFORE] = self.seen.referee.as_it_was
        exec(compile(tree, self.path_of(name), "exec"), module.__dict__)


class _Alias(importlib.abc.Loader):
    """A module that is known by another name already."""

    def __init__(self, name):
        self.name = name

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        sys.modules[module.__name__] = __import__(self.name, fromlist=["_"])


def _plugin(pytest, modules, seen):
    class MemoryModule(pytest.Module):
        def _getobj(self):
            return sys.modules.get(self.module_name) or __import__(self.module_name, fromlist=["_"])

    class Plugin:
        def __init__(self):
            self.passed, self.failed, self.failure, self.collected = set(), set(), None, 0
            self.checked = {}  # test function -> whether one of its checks was made, with whatever parameters

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

        @pytest.hookimpl(wrapper=True, tryfirst=True)
        def pytest_runtest_setup(self, item):
            seen.failures, seen.wanted, self.before = [], False, seen.count
            return (yield)

        @pytest.hookimpl(wrapper=True, tryfirst=True)
        def pytest_runtest_call(self, item):
            result = yield
            if seen.failures:
                raise seen.failures[0][0]
            function = item.nodeid.partition("[")[0]
            empty = seen.wanted and seen.count == self.before
            self.checked[function] = self.checked.get(function, False) or not empty
            return result

        @pytest.hookimpl(wrapper=True, tryfirst=True)
        def pytest_runtest_teardown(self, item):
            before = len(seen.failures)
            result = yield
            if len(seen.failures) > before:
                raise seen.failures[before][0]
            return result

        @pytest.hookimpl(wrapper=True)
        def pytest_runtest_makereport(self, item, call):
            self._look_for_module(call)
            return (yield)

        @pytest.hookimpl(wrapper=True)
        def pytest_make_collect_report(self, collector):
            report = yield
            self._look_for_module(getattr(report, "call", None))
            return report

        def _look_for_module(self, call):
            """A module that the tests look for at run time, and that is not there, is not the answer's fault."""
            error = call.excinfo.value if call is not None and call.excinfo else None
            while error is not None and not isinstance(error, ModuleNotFoundError):
                error = error.__cause__ or error.__context__
            if error is not None and error.name in seen.referee.missing:
                self.failed.add("module")
                self.failure = "task", "the tests import %r, which is not in the sandbox" % error.name

        @pytest.hookimpl(tryfirst=True)
        def pytest_pyfunc_call(self, pyfuncitem):
            """Tests that are coroutines run to their end, as the plugins for them have it."""
            import inspect

            if not inspect.iscoroutinefunction(pyfuncitem.obj):
                return None
            import asyncio

            wanted = pyfuncitem._fixtureinfo.argnames
            asyncio.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in wanted}))
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
            text = oracles.shown(text.replace("_halo.", ""))
            if self.failure is None:
                self.failure = kind, ("%s: %s" % (nodeid, text))[:1500]

    return Plugin()


def _path(text):
    import pathlib

    return pathlib.Path(text)
