"""The referee: runs the task's tests in a process of its own and calls into the answer from outside.

Started by the runner before the answer exists; the tests come through a descriptor that is closed before the answer's
process is forked, and the referee is not dumpable, so nothing of the tests can be read from the answer's side. What the
answer returns arrives as plain data, or as a `RemoteObject` that never equals plain data and is never true or false.
"""

import _operator
import builtins
import marshal
import os
import select
import sys

import peer
import watch
import wire
from remote import RemoteCoroutine, RemoteFunction, RemoteObject, RemoteType, update

_INPUT = builtins.input


class Referee:
    """The line to the answer, and the stand-ins for what lives there."""

    def __init__(self, read_fd, write_fd, over_fd):
        self.fds = read_fd, over_fd
        self.functions = {}  # number -> function of the test's that the answer was given
        self.classes = {}  # number -> stand-in
        self.tested = set()  # numbers of the classes that the tests asked for by name
        self.objects = {}  # number -> stand-in
        self.lent = {}  # number -> object of a class of the tests' own that the answer was given
        self.own_modules = {"tests"}
        """Where such classes are defined. Objects of others, such as pytest's, are not lent: they lead everywhere."""
        self.input = _INPUT
        self.calls = 0
        self.touched = False
        """Whether the tests did anything with what the answer gave them."""
        self.serving = 0
        """How many functions of the tests' the answer is calling now."""
        self.missing = set()
        """Modules that were looked for and that nobody has."""
        self.proven = set()
        """Numbers of the classes whose == has been seen to depend on what it compares."""
        self.given = set()
        """Numbers of the classes that the tests made objects of with arguments."""
        self.line = peer.Peer(
            self._read,
            lambda data: os.write(write_fd, data),
            {
                "call": self._serve,
                "getattr": lambda number, name: getattr(self.lent[number], _public(name)),
                "setattr": self._set_lent,
                "operate": lambda number, name, *others: _OPERATORS[name](self.lent[number], *others),
            },
            self._refer,
            self._resolve,
            _describe,
            self._restore,
        )

    def get(self, name):
        """A global of the answer's: a value or a stand-in. Raises AttributeError if it has none of this name."""
        return self.line.ask("get", name, False)

    def get_tested(self, name):
        """As `get`, for tests that are about the answer's classes: objects of this class may decide them."""
        value = self.line.ask("get", name, True)
        if isinstance(value, RemoteType):
            self.tested.add(value._number)
        return value

    def ask(self, operation, *arguments):
        """As `line.ask`, but StopIteration comes from `next` alone: elsewhere it would end the tests' own loops."""
        self.touched = True
        try:
            return self.line.ask(operation, *arguments)
        except StopIteration as error:
            if operation == "take" or arguments[0] == "next":
                raise
            raise RemoteError("StopIteration: %s" % error) from None

    def _serve(self, number, arguments, keywords):
        self.serving += 1
        try:
            return self.functions[number](*arguments, **keywords)
        finally:
            self.serving -= 1

    def call(self, target, arguments, keywords):
        """The value that a function returns. If that is None, the arguments become what it has made of them.

        What it prints is printed here too, and where the tests have replaced `input` it asks theirs.
        """
        self.calls += 1
        if builtins.input is not self.input:
            self.input = builtins.input
            self.line.ask("setinput", None if self.input is _INPUT else self.input)
        arguments = list(arguments)
        reply = self.ask("call", target, arguments, keywords)
        if type(reply) is not tuple or len(reply) != 3 or type(reply[2]) is not str:
            raise wire.Crossing("garbled: no reply to a call")
        value, changed, printed = reply
        if printed:
            sys.stdout.write(printed)
        if value is None:
            update((arguments, keywords), changed)
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
        if type(value).__module__ in self.own_modules and not isinstance(value, type(_public)):
            number = next((number for number, other in self.lent.items() if other is value), len(self.lent))
            self.lent[number] = value
            return wire.Reference("test object", number)
        if callable(value):
            number = len(self.functions)
            self.functions[number] = value
            return wire.Reference("test function", number)
        raise wire.Crossing("a value of type %s cannot be handed to the answer" % type(value).__name__)

    def _resolve(self, reference):
        kind, fields = reference.kind, reference.fields
        if kind == "test function":
            return self.functions[fields[0]]
        if kind == "test object":
            return self.lent[fields[0]]
        if kind == "builtin" and isinstance(vars(builtins).get(fields[0]), type):
            return vars(builtins)[fields[0]]  # a type, never a function: `eval` would act here
        if kind == "class":
            return self._class(*fields)
        if kind == "function":
            return RemoteFunction(self, fields[0], str(fields[1]))
        if kind == "object":
            number, name, class_number, iterable = fields
            if number not in self.objects:
                kind = RemoteCoroutine if name == "coroutine" else RemoteObject
                self.objects[number] = kind(self, number, str(name), class_number, iterable is True)
            return self.objects[number]
        raise wire.Crossing("garbled: %s" % kind)

    def _set_lent(self, number, name, value):
        """An attribute that the object has for itself: no method of its class can be replaced."""
        lent = self.lent[number]
        if _public(name) not in vars(lent):
            raise AttributeError(name)
        setattr(lent, name, value)

    def _class(self, number, name, ancestors):
        """A class of the answer's: an exception becomes a class that can be caught, others can be called."""
        if number not in self.classes:
            nearest = _builtin_exception(ancestors)
            if nearest is not None:
                self.classes[number] = type(str(name), (nearest,), {"_number": number})
            else:
                self.classes[number] = RemoteType(str(name), (), {"_number": number, "_referee": self})
        return self.classes[number]

    def _restore(self, own, ancestors, name, arguments, attributes):
        error = self._made(own, ancestors, name, arguments)
        for attribute, value in attributes.items() if type(attributes) is dict else ():
            if isinstance(attribute, str) and not hasattr(error, attribute):
                setattr(error, attribute, value)
        return error

    def _made(self, own, ancestors, name, arguments):
        kind = own if isinstance(own, type) and issubclass(own, BaseException) else _builtin_exception(ancestors)
        if kind is None:
            return RemoteError("%s: %s" % (name, ", ".join(map(str, arguments))))
        try:
            return kind(*arguments)
        except TypeError:  # a class that wants other arguments
            return RemoteError("%s: %s" % (name, ", ".join(map(str, arguments))))


def _public(name):
    """Names with an underscore lead from an object to its class, to functions, and to all that they know."""
    if type(name) is not str or name[:1] == "_":
        raise AttributeError(name)
    return name


_OPERATORS = {"bool": bool, "len": len, "str": str, "repr": repr, "hash": hash, "iter": list}
_OPERATORS["call"] = lambda value, *arguments: value(*arguments)
for _name in (
    *("contains", "getitem", "setitem", "eq", "ne", "lt", "le", "gt", "ge"),
    *("add", "sub", "mul", "truediv", "mod", "neg"),
):
    _OPERATORS[_name] = getattr(_operator, _name)


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
    seen = watch.Watch(referee)
    failed, held = {}, seen.solid

    def check(number, condition, caught, free):
        """Stands in the place of the assert statement `number`; `condition` is evaluated here.

        `caught`: the tests wait for its failure themselves. `free`: it stands in a function that takes nothing; if the
        answer calls that, the tests want to see what becomes of the failure.
        """
        try:
            fine, failure = bool(condition()), ("wrong", "")
        except Exception as error:  # noqa: BLE001 - the statement's own failure; the next ones still run
            if caught:
                raise
            fine, failure = False, ("error", _words(error))
        if fine:
            seen.held(number)
        elif caught or (free and referee.serving):
            raise AssertionError
        else:
            failed.setdefault(number, failure)

    namespace = {"__name__": "tests", "__builtins__": builtins, "_halo_check": check, "_halo": seen}
    ended = False
    try:
        if tests["prefix"] is not None:
            exec(tests["prefix"], namespace)
        for name in tests["modules"]:
            namespace[name] = __import__(name)
        for name, module in tests["borrowed"].items():
            namespace[name] = getattr(__import__(module), name)
        if tests["takes_answer"]:
            import answer_module

            answer_module.install(referee, ["solution"])
        for name in tests["names"]:
            try:
                namespace[name] = referee.get(name)
            except AttributeError:
                continue  # the tests will raise NameError where they want it
            referee.touched |= not isinstance(namespace[name], (RemoteFunction, RemoteType))
        exec(tests["code"], namespace)
        entry_point = tests["entry_point"]
        if tests["calls_check"]:
            candidate = referee.get(entry_point)
            namespace["check"](candidate)
        ended = True
    except Exception as error:  # noqa: BLE001 - between two assert statements
        failed.setdefault(-1, ("error", _words(error)))
    except peer.Ended:
        pass
    if seen.failures:
        failed[-1] = "wrong", _words(seen.failures[0][0])
    if referee.line.ended:
        failed.setdefault(-1, ("error", "the answer's process ended before its tests did"))
    elif ended and tests["only_traps"] and referee.calls and not failed:
        held.update(range(len(tests["statements"])))  # none was reached, and none should be
    for number in seen.hollow - held if ended and not failed else ():
        failed[number] = "wrong", "there was nothing to look at, so nothing was checked"
    if ended and not failed and not referee.touched:
        failed[-1] = "error", "they ended without having used the answer"
    if ended and not failed and seen.unseen():
        failed[-1] = "wrong", seen.unseen()
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
