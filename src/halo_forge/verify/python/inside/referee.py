"""The referee: runs the task's tests in a process of its own and calls into the answer from outside.

Started by the runner before the answer exists; the tests come through a descriptor that is closed before the answer's
process is forked, and the referee is not dumpable, so nothing of the tests can be read from the answer's side. What the
answer returns arrives as plain data, or as a stand-in (`remote`) that decides nothing by the answer's word alone.
"""

import builtins
import marshal
import os
import select
import sys
import types

import classes
import describe
import heap
import lending
import peer
import remote
import values
import watch
import wire
from remote import RemoteFunction, RemoteMethod, RemoteObject, RemoteType

_HANDED = 64
"""How many of the values that the answer was handed are remembered."""


class Referee:
    """The line to the answer, and the stand-ins for what lives there."""

    def __init__(self, read_fd, write_fd, over_fd):
        self.fds = read_fd, over_fd
        self.mine = describe.Describer()
        self.named = set()  # (module, name) of what the answer was handed by its name
        self.stand_ins = {}  # number -> stand-in of a class, function or object of the answer's
        self.asked = set()  # numbers of the classes that the tests asked for by name
        self.tested = set()  # of those, the classes by that name: it begins with a capital letter
        self.words = set()  # methods of the answer's classes whose word was taken
        self.handed_classes = set()  # the tests' own that the answer was given as such, to decorate perhaps
        self.handed = []  # plain values that the answer was given of late
        self.own_modules = {"tests"}
        """Where classes of the tests' own are defined."""
        self.surroundings = None
        self.mentioned = set()  # modules of the standard library that the tests have the names of
        self.tasks = None
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
        lent = self._lent
        self.line = peer.Peer(
            self._read,
            lambda data: os.write(write_fd, data),
            {
                "call": self._serve,
                "getattr": lambda value, name: lending.attribute(lent(value), name, self.own_modules),
                "setattr": self._setattr,
                "delattr": lambda value, name: lending.delete_attribute(lent(value), name),
                "vars": lambda value: lending.attributes(lent(value)),
                "operate": self._operate,
                "signature": lambda value: describe.signature(lent(value)),
                "fields": lambda value: describe.fields(lent(value)),
                "poll": lambda value: self._tasks().poll(lent(value)),
                "cancel": lambda value: self._tasks().cancel(lent(value)),
            },
            self._refer,
            self._resolve,
            heap.Heap(1, lambda value: None, self._new),
            lambda: (),
            self._happened,
        )

    def get(self, name):
        """A global of the answer's: a value or a stand-in. Raises AttributeError if it has none of this name."""
        return self.line.ask("get", name)

    def get_tested(self, name):
        """As `get`, for tests that are about the answer's classes: objects of this class may decide them."""
        value = self.line.ask("get", name)
        if isinstance(value, RemoteType):
            self.asked.add(value._halo_class)
            if name.lstrip("_")[:1].isupper():
                self.tested.add(value._halo_class)
        return value

    def ask(self, operation, *arguments):
        """As `line.ask`, but StopIteration comes from `next` alone: elsewhere it would end the tests' own loops."""
        self.touched = True
        try:
            return self.line.ask(operation, *arguments)
        except StopIteration as error:
            if operation in ("take", "poll") or arguments[0] in ("next", "send", "throw"):
                raise
            raise values.RemoteError("StopIteration: %s" % error) from None

    def _serve(self, function, arguments, keywords):
        self.serving += 1
        try:
            return self._lent(function)(*arguments, **dict(keywords))
        finally:
            self.serving -= 1

    def call(self, target, arguments, keywords):
        """The value that a function returns; what it prints, warns of and logs comes out here."""
        self._before_call(arguments, keywords)
        return self.ask("call", target, arguments, tuple(keywords.items()))

    def call_method(self, kind, name, holder, arguments, keywords):
        self._before_call(arguments, keywords)
        return self.ask("method", kind, name, holder, arguments, tuple(keywords.items()))

    def _before_call(self, arguments, keywords):
        self.calls += 1
        self.handed = [*self.handed, *arguments, *keywords.values()][-_HANDED:]
        if self.surroundings is not None:
            self.surroundings.before_call()

    def watch(self, wanted):
        """Let what the tests change around the answer be changed there too: `surroundings.asked` of their text."""
        self.mentioned = set(wanted["modules"])
        if any(value for name, value in wanted.items() if name != "modules"):
            import surroundings

            self.surroundings = surroundings.Surroundings(self.line.ask, wanted)

    def as_it_was(self, value):
        """An argument before the answer changed it; see `oracles`."""
        return self.line.heap.as_it_was(value)

    def names(self):
        names = self.line.ask("names")
        if type(names) is not list or any(type(name) is not str for name in names):
            raise wire.Crossing("garbled: no names")
        return names

    def take_class(self, number, kind):
        """A class of the tests' that is derived from one of the answer's."""
        self.stand_ins["class", number] = kind
        self.asked.add(number)

    def _read(self, count):
        """Bytes from the answer; none once it has ended, whatever it left holding the pipe."""
        reader, over = self.fds
        ready, _, _ = select.select(self.fds, (), ())
        if reader in ready:
            return os.read(reader, count)
        return b""

    def _refer(self, value):
        kind = type(value)
        if isinstance(kind, RemoteType) and (number := values.number(value)) is not None:
            return wire.Reference("yours", number)
        if isinstance(kind, RemoteType) and kind._halo_class is not None and not issubclass(kind, BaseException):
            return wire.Reference("made", kind, values.contents(value))
        if isinstance(value, RemoteType):
            if value._halo_class is None:
                raise wire.Crossing("the class %s of the tests' cannot be handed to the answer" % value.__name__)
            return wire.Reference("yours", value._halo_class)
        if kind is RemoteFunction:
            return wire.Reference("yours", value._halo_number)
        if kind is RemoteMethod:
            return wire.Reference("bound", value.__self__, value._halo_stub.name)
        if kind in (remote.Stub, remote.Property):
            return wire.Reference("member", value.kind, value.name)
        if isinstance(value, BaseException):
            return self._refer_error(value)
        if kind is types.ModuleType and value.__name__ in sys.stdlib_module_names:
            return wire.Reference("module", value.__name__)
        name = describe.library_name(value) if isinstance(value, (type, *describe.FUNCTIONS)) else None
        if name is not None:
            self.named.add(name)
            return wire.Reference("name", name)
        plain = remote.plain_base(kind)
        if plain is tuple and kind.__module__ in self.own_modules and hasattr(kind, "_fields"):
            return wire.Reference("value", None, self.mine.class_of(kind), values.contents(value))
        if plain is not None and kind.__module__ in self.own_modules and not values.is_enum(kind):
            return values.contents(value)
        stream = next((one for one in ("stdout", "stderr") if value is getattr(sys, one)), None)
        if stream:
            return wire.Reference("stream", stream)
        if not lending.lendable(value, self.own_modules) and not isinstance(value, describe.FUNCTIONS):
            if hasattr(kind, "__fspath__"):
                import pathlib

                return pathlib.PosixPath(os.fspath(value))
            raise wire.Crossing("a value of type %s cannot be handed to the answer" % kind.__name__)
        if isinstance(value, type):
            self.handed_classes.add(value)
            return self.mine.class_of(value)
        if isinstance(value, describe.FUNCTIONS):
            return self.mine.function(value)
        return wire.Reference("object", self.mine.number_of(value), self.mine.class_of(kind))

    def _refer_error(self, error):
        return self.mine.error(error)

    def _lent(self, value):
        """The object, if the answer was handed it; anything else it may not touch."""
        if self.mine.objects.get(self.mine.numbers.get(id(value))) is not value or id(value) not in self.mine.numbers:
            raise wire.Crossing("the answer was not handed this")
        return value

    def _setattr(self, value, name, new):
        if isinstance(value, type) and value in self.handed_classes and value.__module__ in self.own_modules:
            lending.set_member(value, name, new)
        else:
            lending.set_attribute(self._lent(value), name, new, self.own_modules)

    def _operate(self, name, value, *others):
        if name not in describe.NAMES:
            raise wire.Crossing("garbled: %s" % name)
        self._lent(value)
        return describe.operate(name, (value, *others))

    def _tasks(self):
        if self.tasks is None:
            import steps

            self.tasks = steps.Tasks()
        return self.tasks

    def _resolve(self, reference):
        kind, fields = reference.kind, reference.fields
        if kind == "yours":
            return self.mine.objects[fields[0]]
        if kind == "made":
            return self._made_again(*fields)
        if kind == "name":
            return self._named(fields)
        if kind == "module":
            found = sys.modules.get(fields[0]) if fields[0] in sys.stdlib_module_names else None
            if found is None:
                raise wire.Crossing("the answer returned a module")
            return found
        if kind == "function" and fields[1] is not None and fields[1][3] in self.named:
            return self._named((fields[1][3],))
        place = "class" if kind == "class" else "object"
        number = fields[0]
        if (place, number) not in self.stand_ins:
            if type(number) is not int or type(fields[1]) is type(None):
                raise wire.Crossing("garbled: %s" % kind)
            self.stand_ins[place, number] = self._stand_in(kind, *fields)
        return self.stand_ins[place, number]

    def _made_again(self, kind, contents):
        """A named tuple of the tests' own class that the answer has made."""
        own = isinstance(kind, type) and self.mine.objects.get(self.mine.numbers.get(id(kind))) is kind
        if not own or not issubclass(kind, tuple) or type(contents) is not tuple or len(contents) != len(kind._fields):
            raise wire.Crossing("garbled: made")
        return tuple.__new__(kind, contents)

    def _named(self, names):
        """The first of these that the standard library has: a class, or what the answer was handed."""
        for name in names:
            if name[0] not in sys.modules and (
                name[0].partition(".")[0] in self.mentioned
                or ".".join(name) in wire.VALUES
                or ".".join(name) in heap.PLACES
            ):
                __import__(name[0])
            found = describe.named(*name)
            if isinstance(found, type) or name in self.named or found is not None and values.is_enum(type(found)):
                return found
        return object

    def _stand_in(self, kind, number, told, contents=None):
        if kind == "class":
            return classes.make_class(self, number, told)
        if kind == "function":
            return RemoteFunction(self, number, told)
        if kind == "error":
            return self._error(number, *told)
        if not isinstance(told, RemoteType):
            raise wire.Crossing("garbled: %s" % kind)
        if kind == "value":
            return values.made(told, number, contents)
        if kind != "object" or not issubclass(told, RemoteObject):
            raise wire.Crossing("garbled: %s" % kind)
        made = object.__new__(told)
        for name, value in (("number", number), ("shifted", False), ("ahead", ()), ("taken", 0)):
            object.__setattr__(made, "_halo_" + name, value)
        return made

    def _new(self, base, kind, extra):
        if kind is not None and not (isinstance(kind, RemoteType) and issubclass(kind, base)):
            raise wire.Crossing("garbled: no class")
        return heap.new(base, kind, extra)

    def _error(self, number, kind, arguments, held, words, linked):
        if not isinstance(kind, type) or not issubclass(kind, BaseException):
            kind = values.RemoteError
        nearest = next((base for base in kind.__mro__ if not isinstance(base, RemoteType)), None)
        if not lending.raisable(nearest):
            shown = "%s: %s" % (kind.__name__, ", ".join(map(str, arguments)))
            base = next((base for base in nearest.__mro__ if lending.raisable(base)), None)
            return base(shown) if base not in (None, Exception) else values.RemoteError(shown)
        error = values.new_error(kind, nearest, arguments)
        for name, value in held:
            if type(name) is str and name not in ("args", "with_traceback", "add_note"):
                try:
                    object.__setattr__(error, name, value)
                except (AttributeError, TypeError):
                    continue  # it has one of its own
        if isinstance(kind, RemoteType):
            vars(error)["_halo_number"], vars(error)["_halo_words"] = number, words
        cause, context = linked
        error.__cause__ = cause if isinstance(cause, BaseException) else None
        error.__context__ = context if isinstance(context, BaseException) else None
        return error

    def _happened(self, events):
        """What was printed, warned of and logged in the answer is so here."""
        for kind, *told in events:
            if kind in ("stdout", "stderr"):
                getattr(sys, kind).write(str(*told))
            elif kind == "warning":
                values.warn(*told)
            elif kind == "log":
                values.log(*told)
            elif kind == "threads":
                self.line.listen()


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

    namespace = {"__name__": "tests", "__builtins__": builtins, "<check>": check, "<before>": referee.as_it_was}
    namespace["_halo"] = seen
    referee.watch(tests["surroundings"])
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
                namespace[name] = referee.get_tested(name)
            except AttributeError:
                continue  # the tests will raise NameError where they want it
            referee.touched |= not isinstance(namespace[name], (RemoteFunction, RemoteType))
        exec(tests["code"], namespace)
        entry_point = tests["entry_point"]
        if tests["checker"]:
            candidate = referee.get_tested(entry_point)
            namespace[tests["checker"]](candidate)
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
    result = *result, ", ".join(sorted(referee.words)[:9])
    data = memoryview(wire.pack(result, None))
    while data:
        data = data[os.write(result_fd, data) :]
    os._exit(0)
