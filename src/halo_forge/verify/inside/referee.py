"""The referee: runs the task's tests in a process of its own and calls into the answer from outside.

Started by the runner before the answer exists; the tests come through a descriptor that is closed before the answer's
process is forked, and the referee is not dumpable, so nothing of the tests can be read from the answer's side. What the
answer returns arrives as plain data, or as a `RemoteObject` that never equals plain data and is never true or false.
"""

import builtins
import marshal
import os
import select

import peer
import wire
from remote import RemoteFunction, RemoteObject, RemoteType


class Referee:
    """The line to the answer, and the stand-ins for what lives there."""

    def __init__(self, read_fd, write_fd, over_fd):
        self.fds = read_fd, over_fd
        self.functions = {}  # number -> function of the test's that the answer was given
        self.classes = {}  # number -> stand-in
        self.tested = set()  # numbers of the classes that the tests asked for by name
        self.line = peer.Peer(
            self._read,
            lambda data: os.write(write_fd, data),
            {"call": lambda number, arguments, keywords: self.functions[number](*arguments, **keywords)},
            self._refer,
            self._resolve,
            _describe,
            self._restore,
        )

    def get(self, name):
        """A global of the answer's: a value or a stand-in. Raises AttributeError if it has none of this name."""
        return self.line.ask("get", name)

    def get_tested(self, name):
        """As `get`, for tests that are about the answer's classes: objects of this class may decide them."""
        value = self.get(name)
        if isinstance(value, RemoteType):
            self.tested.add(value._number)
        return value

    def names(self):
        names = self.line.ask("names")
        if type(names) is not list or any(type(name) is not str for name in names):
            raise wire.Crossing("garbled: no names")
        return names

    def _read(self, count):
        """Bytes from the answer; none once it has ended, whatever it left holding the pipe."""
        reader, over = self.fds
        ready, _, _ = select.select(self.fds, (), ())
        if reader in ready:
            return os.read(reader, count)
        return b""

    def _refer(self, value):
        own = vars(value).get("_number") if isinstance(value, (RemoteObject, RemoteFunction, type)) else None
        if own is not None:
            return wire.Reference("object", own)
        name = getattr(value, "__name__", None)
        if isinstance(name, str) and vars(builtins).get(name) is value:
            return wire.Reference("builtin", name)
        if callable(value):
            number = len(self.functions)
            self.functions[number] = value
            return wire.Reference("test function", number)
        raise wire.Crossing("a value of type %s cannot be handed to the answer" % type(value).__name__)

    def _resolve(self, reference):
        kind, fields = reference.kind, reference.fields
        if kind == "test function":
            return self.functions[fields[0]]
        if kind == "builtin" and isinstance(vars(builtins).get(fields[0]), type):
            return vars(builtins)[fields[0]]  # a type, never a function: `eval` would act here
        if kind == "class":
            return self._class(*fields)
        if kind == "function":
            return RemoteFunction(self, fields[0], str(fields[1]))
        if kind == "object":
            number, name, class_number, iterable = fields
            return RemoteObject(self, number, str(name), class_number, iterable is True)
        raise wire.Crossing("garbled: %s" % kind)

    def _class(self, number, name, ancestors):
        """A class of the answer's: an exception becomes a class that can be caught, others can be called."""
        if number not in self.classes:
            nearest = _builtin_exception(ancestors)
            if nearest is not None:
                self.classes[number] = type(str(name), (nearest,), {"_number": number})
            else:
                self.classes[number] = RemoteType(str(name), (), {"_number": number, "_referee": self})
        return self.classes[number]

    def _restore(self, own, ancestors, name, arguments):
        kind = own if isinstance(own, type) and issubclass(own, BaseException) else _builtin_exception(ancestors)
        if kind is None:
            return RemoteError("%s: %s" % (name, ", ".join(map(str, arguments))))
        try:
            return kind(*arguments)
        except TypeError:  # a class that wants other arguments
            return RemoteError("%s: %s" % (name, ", ".join(map(str, arguments))))


class RemoteError(Exception):
    """An error of the answer's that has no like here."""


def _describe(error):
    kind = type(error)
    while kind.__module__ != "builtins":
        kind = kind.__base__
    return kind.__name__, [str(value) for value in error.args]


def _builtin_exception(ancestors):
    """The nearest builtin exception class; None for what is none, or would end the referee itself."""
    for name in ancestors if isinstance(ancestors, list) else ():
        kind = vars(builtins).get(name) if isinstance(name, str) else None
        if isinstance(kind, type) and issubclass(kind, BaseException):
            return kind if issubclass(kind, (Exception, SystemExit)) else None
    return None


def run_asserts(referee, tests):
    """Run HumanEval- or MBPP-style tests; `tests` is what `verify.asserts` prepared outside.

    Returns (assert statements that held, all of them, whether the tests ran to their end, first failure or None), a
    failure being ("wrong" or "error", text).
    """
    failed, held = {}, set()

    def check(number, condition):
        """Stands in the place of the assert statement `number`; `condition` is evaluated here."""
        try:
            fine, failure = bool(condition()), ("wrong", "")
        except Exception as error:  # noqa: BLE001 - the statement's own failure; the next ones still run
            fine, failure = False, ("error", _words(error))
        if fine:
            held.add(number)
        else:
            failed.setdefault(number, failure)

    namespace = {"__name__": "tests", "__builtins__": builtins, "_halo_check": check}
    ended = False
    try:
        if tests["prefix"] is not None:
            exec(tests["prefix"], namespace)
        candidate = None
        for name in tests["names"]:
            try:
                namespace[name] = referee.get(name)
            except AttributeError:
                continue  # the tests will raise NameError where they want it
        exec(tests["code"], namespace)
        entry_point = tests["entry_point"]
        if tests["calls_check"]:
            candidate = referee.get(entry_point)
            namespace["check"](candidate)
        ended = True
    except Exception as error:  # noqa: BLE001 - between two assert statements
        failed.setdefault(-1, ("error", _words(error)))
    except peer.Ended:
        failed.setdefault(-1, ("error", "the answer's process ended before its tests did"))
    failure = None
    if failed:
        number = min(failed, key=lambda number: (number < 0, number))
        kind, words = failed[number]
        where = tests["statements"][number] if number >= 0 else "the tests"
        failure = kind, "%s: %s" % (where, words) if words else where
    return len(held - set(failed)), len(tests["statements"]), ended, failure


def _words(error):
    return ("%s: %s" % (type(error).__name__, error))[:500]


def main(tests_fd, read_fd, write_fd, over_fd, result_fd):
    """Run the tests and write the result; nothing is written if the tests cannot be run at all."""
    with open(tests_fd, "rb") as file:
        tests = marshal.loads(file.read())
    os.dup2(0, 2)  # what tests print goes nowhere
    referee = Referee(read_fd, write_fd, over_fd)
    if tests["kind"] == "pytest":
        import referee_pytest

        result = referee_pytest.run(referee, tests)
    else:
        result = run_asserts(referee, tests)
    data = memoryview(wire.pack(result, None))
    while data:
        data = data[os.write(result_fd, data) :]
    os._exit(0)
