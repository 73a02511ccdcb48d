"""What the marks in the tests (`marking.py`) report to: which checks were made, and which failures were raised."""

import builtins
import sys


class Watch:
    """Of one run of a task's tests. `failures` are of the test that runs: [error, whether nothing may forgive it]."""

    def __init__(self, referee, failures=(AssertionError,)):
        self.referee, self.kinds = referee, failures
        self.reached, self.passed_by = set(), set()
        self.solid, self.hollow = set(), set()
        self.failures = []
        self.count = 0
        """How many checks held."""
        self.traps = False
        """Whether a `try` or a block that must raise was passed without its failure."""
        self.wanted = False
        """Whether a function that has checks of its own has run."""
        self.words, self.modules = set(), set()
        self._nothing = False

    def reads(self, texts):
        """The tests' source: names of the answer that are not in it are none that the tests ask for."""
        import re

        text = "\n".join(texts)
        self.words = set(re.findall(r"\w+", text))
        taken_from = set(re.findall(r"(?<![\w.])(\w+)\.\w", text)) - set(re.findall(r"(?<![\w.])(\w+)\(", text))
        self.modules = taken_from & sys.stdlib_module_names

    def entered(self, place):
        self.reached.add(place)

    def left(self, place):
        self.passed_by.add(place)

    def has_checks(self):
        self.wanted = True

    def held(self, place):
        self.count += not self._nothing
        (self.hollow if self._nothing else self.solid).add(place)
        self._nothing = False

    def all(self, items):
        self._nothing = True
        for item in items:
            self._nothing = False
            if not item:
                return False
        return True

    def any(self, items):
        self._nothing = True
        for item in items:
            self._nothing = False
            if item:
                return True
        return False

    def caught(self):
        """An error that the tests wait for, or allow."""
        self.wanted = False

    def zip(self, own, *iterables):
        """As zip, for a loop that compares pairs: it fails if one of the tests' own lists (`own`) was not used up."""
        count = 0
        for items in zip(*iterables, strict=False):
            count += 1
            yield items
        for number in own:
            if isinstance(iterables[number], (list, tuple)) and len(iterables[number]) > count:
                words = "compared with %d of %d expected items" % (count, len(iterables[number]))
                raise self.failing(AssertionError(words))

    def failing(self, error, free=False, trap=False):
        """The error that is about to be raised, remembered if it is the failure of a test.

        Not if a function of the tests' that takes nothing (`free`) raises it for the answer, which called it: then the
        tests want to see what the answer makes of it.
        """
        self._nothing = False
        kind = error if isinstance(error, type) else type(error)
        if issubclass(kind, self.kinds):
            error = error() if isinstance(error, type) else error
            if not (self.referee.serving and (free or trap)):
                self.failures.append((error, trap))
        return error

    def trap(self, words=None, free=False):
        return self.failing(AssertionError() if words is None else AssertionError(words), free, True)

    def forgive(self):
        """The failure that is being handled was waited for."""
        caught = sys.exc_info()[1]
        self.failures = [failure for failure in self.failures if failure[0] is not caught or failure[1]]

    def expecting(self):
        return _Expecting(self)

    def star(self, module, own):
        """`from solution import *`: names of the answer that are neither the tests' own nor Python's.

        A module of Python's is Python's, also if the tests forgot to import it.
        """
        names = sys._getframe(1).f_globals
        answer = __import__(module, fromlist=["_"])
        for name in self.referee.names():
            if name[:1] == "_" or name not in self.words or name in own or name in names or hasattr(builtins, name):
                continue
            names[name] = __import__(name) if name in self.modules else getattr(answer, name)

    def unseen(self):
        """What was never looked at, in words; None if everything that was reached was."""
        for place in sorted(self.passed_by - self.reached):
            return "%s: there was nothing to go over, so nothing was checked" % place
        for place in sorted(self.hollow - self.solid, key=str):
            return "%s: there was nothing to look at, so nothing was checked" % place
        return None


class _Expecting:
    """A block in which the tests wait for an AssertionError."""

    def __init__(self, watch):
        self.watch = watch

    def __enter__(self):
        self.before = len(self.watch.failures)

    def __exit__(self, kind, error, trace):
        if kind is None:
            later = self.watch.failures[self.before :]
            self.watch.failures[self.before :] = [failure for failure in later if failure[1]]
